"""What the server reads of its own objects is as new as the store, and made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.api import codec, core, meta, rbac, scheme
from edge.apiserver import lookup
from edge.apiserver.lookup import Lookup, key_of
from edge.store.interface import Encode, Store
from edge.store.sqlite import open_store


def encoded(obj: meta.Object) -> Encode:
    return lambda revision: codec.encode(obj)


async def put(store: Store, obj: meta.Object) -> None:
    """Create an object, or write it once more."""
    key = key_of(scheme.of_type(type(obj)), obj.metadata.namespace, obj.metadata.name)
    old = store.get(key)
    if old is None:
        await store.create(key, encoded(obj))
    else:
        await store.update(key, encoded(obj), expected=old.revision)


async def remove(store: Store, obj: meta.Object) -> None:
    key = key_of(scheme.of_type(type(obj)), obj.metadata.namespace, obj.metadata.name)
    old = store.get(key)
    assert old is not None
    await store.delete(key, encoded(obj), expected=old.revision)


def role(name: str, namespace: str = "default") -> rbac.Role:
    return rbac.Role(metadata=meta.ObjectMeta(name=name, namespace=namespace))


def names(objects: tuple[meta.Object, ...]) -> list[str]:
    return [obj.metadata.name for obj in objects]


async def test_a_listing_is_kept_until_one_of_its_kind_is_written() -> None:
    store = await open_store(None)
    look = Lookup(store)
    await put(store, role("a"))
    first = look.all(rbac.Role)
    await put(store, core.ConfigMap(metadata=meta.ObjectMeta(name="x", namespace="default")))
    assert look.all(rbac.Role) is first
    await put(store, role("b", "other"))
    assert names(look.all(rbac.Role)) == ["a", "b"]
    assert names(look.all(rbac.Role, "other")) == ["b"]
    await remove(store, role("b", "other"))
    assert names(look.all(rbac.Role)) == ["a"]
    assert look.all(rbac.Role, "other") == ()
    await store.close()


async def test_what_is_derived_is_made_anew_after_a_write_of_any_of_its_kinds() -> None:
    store = await open_store(None)
    look = Lookup(store)
    made: Iterator[int] = iter(range(10))

    def build() -> tuple[int, list[str]]:
        return next(made), names(look.all(rbac.Role)) + names(look.all(rbac.ClusterRole))

    def derived() -> tuple[int, list[str]]:
        return look.derived("names", (rbac.Role, rbac.ClusterRole), build)

    assert derived() == derived() == (0, [])
    await put(store, role("a"))
    assert derived() == derived() == (1, ["a"])
    await put(store, rbac.ClusterRole(metadata=meta.ObjectMeta(name="c")))
    await put(store, role("a"))
    assert derived() == derived() == (2, ["a", "c"])
    await store.close()


async def test_what_could_not_be_derived_is_tried_again() -> None:
    store = await open_store(None)
    look = Lookup(store)

    def fail() -> str:
        raise ValueError

    with pytest.raises(ValueError):
        look.derived("x", (rbac.Role,), fail)
    assert look.derived("x", (rbac.Role,), lambda: "made") == "made"
    await store.close()


async def test_of_very_many_listings_some_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_MOST_LISTINGS", 2)
    store = await open_store(None)
    look = Lookup(store)
    for turn in "ab":
        for number in range(4):
            await put(store, role(turn, f"n{number}"))
            assert turn in names(look.all(rbac.Role, f"n{number}"))
    assert [names(look.all(rbac.Role, f"n{number}")) for number in range(4)] == [["a", "b"]] * 4
    await store.close()
