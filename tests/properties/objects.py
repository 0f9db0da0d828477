"""API objects of every kind, made by hypothesis from the Struct types themselves, and ways to spoil them.

`raw` draws what a client could send: a few fields of each level, with words that mean something where a field has such.
`whole` is one object with every field set, so that what a conversion forgets is found the first time. Strategies are
made when they are first asked for: importing this costs nothing.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - chance that hypothesis seeds, and so repeats
from typing import Any

import msgspec
import yaml
from hypothesis import strategies as st

from edge.api import codec, meta, patch_fields, scheme
from edge.api.resource import Resource

Json = dict[str, Any]

DEPTH, WIDTH = 7, 4
WORDS: tuple[str, ...] = ("a", "b", "web", "x-1", "", "0", "cpu", "memory", "example.com/thing", "10.0.0.7",
                         "fd00::7", "10.1.0.0/16", "True", "Always", "http", "*", "/data", "é", "50%", "[1]", "{",
                         '{"ScaleUp": {}}', '[{"type": "Resource", "resource": {"name": "cpu"}}]')
TIMES = ("2024-05-01T12:00:00Z", "2030-01-01T00:00:00.123456Z", "1999-12-31T23:59:59+02:00")
QUANTITIES: tuple[str | int | float, ...] = ("1", "500m", "64Mi", 2, 0.5, "1e3", "0", "1.5Gi", "-1")
NUMBERS = (0, 1, 2, 3, 80, 443, 8080, 65536, -1, 2**31 - 1, 2**63 - 1, -2**63)
KEYS = ("a", "b", "web", "example.com/c", "cpu", "memory", "requests.storage")
ENUMS: dict[str, tuple[str, ...]] = {
    "protocol": ("TCP", "UDP", "SCTP"), "operator": ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Equal"),
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"), "status": ("True", "False", "Unknown"),
    "restartPolicy": ("Always", "OnFailure", "Never"), "policyTypes": ("Ingress", "Egress"),
    "accessModes": ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"), "pathType": ("Exact", "Prefix"),
    "addressType": ("IPv4", "IPv6", "FQDN"), "scope": ("Namespaced", "Cluster", "Namespace"),
    "type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "RollingUpdate", "OnDelete", "Recreate",
             "Resource", "Pods", "Object", "External", "ContainerResource", "Utilization", "AverageValue", "Value",
             "Ready", "object", "string", "integer", "array", "Container", "PersistentVolumeClaim", "Opaque"),
    "strategy": ("None", "Webhook"), "schedule": ("* * * * *", "@daily"), "apiVersion": ("v1", "apps/v1"),
    "kind": ("Pod", "Deployment", "User", "Group", "ServiceAccount", "Role", "ClusterRole"),
    "verbs": ("get", "*", "list"), "usages": ("client auth", "digital signature"),
}
"""Words that mean something to a field of this name."""
MAP_KEYS: dict[str, tuple[str, ...]] = {
    "topology": ("kubernetes.io/hostname", "topology.kubernetes.io/zone", "a"),
    "deprecatedTopology": ("kubernetes.io/hostname", "topology.kubernetes.io/zone", "a"),
    "annotations": (*KEYS[:2], *(f"autoscaling.alpha.kubernetes.io/{name}" for name in (
        "metrics", "current-metrics", "conditions", "behavior")), "kubernetes.io/ingress.class"),
    "labels": (*KEYS[:3], "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"),
}
"""The same for the keys of a map."""
ODD: tuple[Any, ...] = (None, [], {}, "", "x", "-1", -1, 0, 2**63 - 1, 1.5, True, [None], [[]], {"": None}, {"a": {}},
                        "\ud7ff\x00", "9" * 400, "a" * 300,
                        "9" * 5000, " ", "-", "/", ".", "a/b/c", "::", "1/1", "%", "0x1", "1e999", "-1%",
                        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", -2**63, 2**31, ["a", 1], [{}],
                        {"a": ["b"]})

SCALARS = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(WORDS)
FREE = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2)
                    | st.dictionaries(st.sampled_from(KEYS), inner, max_size=2), max_leaves=5)
"""Any JSON, for fields that take everything."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What stands in a field: one of `scalars`, a struct, or more of an inner hint."""

    form: str
    """`one`, `struct`, `list`, `map`, `any`, or `either` of several."""
    values: tuple[Any, ...] = ()
    struct: type[meta.Struct] | None = None
    inner: tuple[Hint, ...] = ()
    merge_key: str = ""
    keys: tuple[str, ...] = KEYS


@functools.cache
def hints(kind: type[meta.Struct]) -> dict[str, Hint]:
    """Return what stands in each field of a struct, by its name on the wire."""
    found = {}
    for field in msgspec.structs.fields(kind):
        extra = patch_fields.unwrap(field.type)[1]
        found[field.encode_name] = _hint(field.type, field.encode_name, str(extra.get("mergeKey", "")))
    return found


def _hint(hint: Any, name: str, merge_key: str = "") -> Hint:
    if _is_time(hint):
        return Hint("one", TIMES)
    bare = patch_fields.unwrap(hint)[0]
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if origin in (typing.Union, types.UnionType):
        return _either([each for each in arguments if each is not type(None)], name)
    if origin in (tuple, dict):
        return Hint("list" if origin is tuple else "map", inner=(_hint(arguments[0 if origin is tuple else 1], name),),
                    merge_key=merge_key, keys=MAP_KEYS.get(name, KEYS))
    struct = patch_fields.struct_of(bare)
    if struct is not None:
        return Hint("struct", struct=struct)
    if bare is Any:
        return Hint("any")
    return Hint("one", {str: ENUMS.get(name, ()) + WORDS, int: NUMBERS, bool: (False, True)}[bare])


def _either(options: Sequence[Any], name: str) -> Hint:
    if float in options:
        return Hint("one", QUANTITIES if str in options else (0, 1, -1.5, 2.5))
    if set(options) == {int, str}:
        return Hint("one", (0, 1, 8080, "http", "25%", "100%", "", "a"))
    return Hint("either", inner=tuple(_hint(option, name) for option in options))


def _is_time(hint: Any) -> bool:
    """Return whether a type is a time: a text with a pattern."""
    if typing.get_origin(hint) is typing.Annotated:
        return any(isinstance(note, msgspec.Meta) and note.pattern for note in hint.__metadata__) \
            or _is_time(typing.get_args(hint)[0])
    return any(_is_time(option) for option in typing.get_args(hint)
               ) if typing.get_origin(hint) in (typing.Union, types.UnionType) else False


# Some fields of each.


@functools.cache
def struct(kind: type[meta.Struct], depth: int = DEPTH, *, keyed: bool = False) -> st.SearchStrategy[Json]:
    """Draw a few fields of a struct, and of those inside; `keyed` lists have each merge key once, and never empty."""
    fields = hints(kind)
    names = st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=WIDTH)

    @st.composite
    def drawn(draw: st.DrawFn) -> Json:
        return {name: draw(_value(fields[name], depth - 1, keyed)) for name in draw(names)}

    return drawn() if depth > 0 and fields else st.just({})


@functools.cache
def _value(hint: Hint, depth: int, keyed: bool) -> st.SearchStrategy[Any]:
    if hint.form == "one":
        return st.sampled_from(hint.values)
    if hint.form == "any":
        return FREE if depth > 0 else st.just({})
    if hint.form == "struct":
        assert hint.struct is not None
        return struct(hint.struct, depth, keyed=keyed)
    if hint.form == "either":
        return st.one_of([_value(option, depth, keyed) for option in hint.inner])
    inner = _value(hint.inner[0], depth, keyed)
    if hint.form == "map":
        return st.dictionaries(st.sampled_from(hint.keys), inner, max_size=2)
    if keyed and hint.merge_key:
        return _keyed_list(hint, inner)
    return st.lists(inner, max_size=3, unique=keyed and hint.inner[0].form == "one")


def _keyed_list(hint: Hint, inner: st.SearchStrategy[Json]) -> st.SearchStrategy[list[Json]]:
    chosen = st.lists(st.sampled_from(_keys(hint)), unique=True, max_size=3)
    return st.builds(lambda keys, items: [{**item, hint.merge_key: key}
                                          for key, item in zip(keys, items, strict=False)],
                     chosen, st.lists(inner, min_size=3, max_size=3))


def _keys(hint: Hint) -> tuple[Any, ...]:
    """Return some values for the merge key of a list."""
    of = hint.inner[0].struct
    assert of is not None
    return (1, 2, 3) if isinstance(hints(of)[hint.merge_key].values[0], int) else ("a", "b", "c")


def raw(resource: Resource, *, keyed: bool = False, kind: type[meta.Object] | None = None) -> st.SearchStrategy[Json]:
    """Draw an object of a resource as a client could send it, with a name; `kind` where a version has another shape."""
    sections = {name: _value(hint, DEPTH, keyed) for name, hint in hints(kind or resource.type).items()
                if name not in ("apiVersion", "kind", "metadata")}
    head = {"apiVersion": st.just(resource.api_version), "kind": st.just(resource.kind),
            "metadata": metadata(keyed=keyed)}
    always = {name: strategy for name, strategy in sections.items() if name == "spec"}
    optional = {name: strategy for name, strategy in sections.items() if name not in always}
    return st.fixed_dictionaries(head | always, optional=optional)


def metadata(*, keyed: bool = False) -> st.SearchStrategy[Json]:
    """Draw metadata with a name."""
    return st.builds(lambda some, name: {**some, "name": name}, struct(meta.ObjectMeta, 4, keyed=keyed),
                     st.sampled_from(("web", "a", "x-1")))


def canonical(resource: Resource, obj: Json) -> Json:
    """Return an object as it would be stored: typed once, absent fields absent."""
    return codec.to_dict(codec.decode(resource, obj))


# All fields at once.


def whole(resource: Resource, *, kind: type[meta.Object] | None = None) -> Json:
    """Return an object with every field set, each scalar to a value of its own."""
    made = _whole_struct(kind or resource.type, (), _counter())
    made["metadata"]["name"] = "web"
    return {**made, "apiVersion": resource.api_version, "kind": resource.kind}


def _counter() -> Iterator[int]:
    yield from range(1, 1_000_000)


def _whole_struct(kind: type[meta.Struct], above: tuple[type[meta.Struct], ...], count: Iterator[int]) -> Json:
    if kind in above:  # a schema in a schema: once is enough
        return {}
    made = {name: _whole_value(hint, (*above, kind), count) for name, hint in hints(kind).items()}
    return {name: value for name, value in made.items() if value not in ({}, [])}


def _whole_value(hint: Hint, above: tuple[type[meta.Struct], ...], count: Iterator[int]) -> Any:
    if hint.form == "struct":
        assert hint.struct is not None
        return _whole_struct(hint.struct, above, count)
    if hint.form == "any":
        return {"free": next(count)}
    if hint.form == "list":
        return [item for item in (_whole_value(hint.inner[0], above, count) for _ in range(2)) if item != {}]
    if hint.form == "map":
        return {f"key-{next(count)}": _whole_value(hint.inner[0], above, count)}
    if hint.form == "either":
        return _whole_value(hint.inner[0], above, count)
    first = hint.values[0]
    if hint.values == TIMES:
        return first
    if hint.values == QUANTITIES:
        return f"{next(count)}Mi"
    return True if isinstance(first, bool) else next(count) if isinstance(first, int) else f"word-{next(count)}"


# About half of the fields, as chance has it: fast, and as large as what people send.


def dense(resource: Resource, *, keyed: bool = False,
          kind: type[meta.Object] | None = None) -> st.SearchStrategy[Json]:
    """Draw an object with many fields; what fails is found again, but not made smaller."""
    return st.builds(functools.partial(_dense_object, resource, kind or resource.type, keyed),
                     st.randoms(use_true_random=True))


def grown(resource: Resource) -> st.SearchStrategy[Json]:
    """Draw what is a good manifest but for some more fields."""
    good = manifests().get(resource.type, {"metadata": {"name": "web"}})
    return dense(resource).map(lambda more: _together(more, good))


@functools.cache
def manifests() -> dict[type[meta.Object], Json]:
    """Return one good manifest for each kind that has one."""
    text = (Path(__file__).parents[1] / "cases" / "manifests" / "every-kind.yaml").read_text()
    found: dict[type[meta.Object], Json] = {}
    for each in yaml.safe_load_all(text):
        resource = scheme.of_kind(each["apiVersion"], each["kind"])
        if resource is not None and resource.api_version == each["apiVersion"]:
            found[resource.type] = each
    return found


def _together(some: Any, good: Any) -> Any:
    """Return both, the good one where they differ; lists are put together element by element."""
    if isinstance(some, dict) and isinstance(good, dict):
        return some | {key: _together(some[key], value) if key in some else value for key, value in good.items()}
    if isinstance(some, list) and isinstance(good, list):
        return [_together(one, other) for one, other in zip(some, good, strict=False)] + good[len(some):]
    return good


def _dense_object(resource: Resource, kind: type[meta.Object], keyed: bool, random: Random) -> Json:
    made = _dense_struct(kind, random, 0, keyed)
    made["metadata"] = {**made.get("metadata", {}), "name": "web"}
    return {**made, "apiVersion": resource.api_version, "kind": resource.kind}


def _dense_struct(kind: type[meta.Struct], random: Random, depth: int, keyed: bool) -> Json:
    share = (1.0, 0.8, 0.5, 0.35, 0.25, 0.2, 0.1)[min(depth, 6)]
    return {name: _dense_value(hint, random, depth + 1, keyed) for name, hint in hints(kind).items()
            if random.random() < share}


def _dense_value(hint: Hint, random: Random, depth: int, keyed: bool) -> Any:
    if hint.form == "one":
        return random.choice(hint.values)
    if hint.form == "struct":
        assert hint.struct is not None
        return _dense_struct(hint.struct, random, depth, keyed)
    if hint.form == "any":
        return random.choice((None, 1, "a", {}, {"a": {"b": [1]}}, [], True))
    if hint.form == "either":
        return _dense_value(random.choice(hint.inner), random, depth, keyed)
    if hint.form == "map":
        return {key: _dense_value(hint.inner[0], random, depth, keyed)
                for key in random.sample(hint.keys, random.randint(0, 2))}
    items = [_dense_value(hint.inner[0], random, depth, keyed) for _ in range(random.randint(0, 2 if depth < 5 else 1))]
    if keyed and hint.inner[0].form == "one":
        return list(dict.fromkeys(items))
    return _with_keys(hint, items, random) if keyed and hint.merge_key else items


def _with_keys(hint: Hint, items: list[Json], random: Random) -> list[Json]:
    return [{**item, hint.merge_key: key} for item, key in zip(items, random.sample(_keys(hint), 3), strict=False)]


# Spoiled ones.


def spoiled(objects: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Draw an object with something odd in one to three places."""
    @st.composite
    def drawn(draw: st.DrawFn) -> Json:
        obj = draw(objects)
        for _ in range(draw(st.integers(1, 3))):
            place = draw(st.sampled_from(list(places(obj))))
            if place:
                obj = put(obj, place, draw(st.sampled_from(ODD) | _alike(at(obj, place))))
        return obj

    return drawn()


def _alike(value: Any) -> st.SearchStrategy[Any]:
    """Draw something odd of the same type, which the decoder lets pass."""
    return st.sampled_from([odd for odd in ODD if type(odd) is type(value)] or ODD)


def at(value: Any, path: Sequence[str | int]) -> Any:
    """Return what is at a path inside a value."""
    for key in path:
        value = value[key]
    return value


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of everything inside a value, itself first."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in entries:
        yield from places(item, (*path, key))


def put(value: Any, path: Sequence[str | int], new: Any) -> Any:
    """Return a value with another one at a path."""
    if not path:
        return new
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, key: put(value[str(key)], rest, new)}
    assert isinstance(key, int)
    return [put(item, rest, new) if index == key else item for index, item in enumerate(value)]


def missing(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Return the paths of what is in `wanted` and is not, or is something else, in `found`."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [gone for key, value in wanted.items()
                for gone in (missing(value, found[key], f"{path}.{key}") if key in found else [f"{path}.{key}"])]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [gone for index, (one, other) in enumerate(zip(wanted, found, strict=True))
                for gone in missing(one, other, f"{path}[{index}]")]
    return [] if same(wanted, found) else [f"{path}: {wanted!r} -> {found!r}"]


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are the same; True is not 1, as it is to Python, and 1 is not 1.0."""
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
