"""What a token stands on: it ends with its account, its pod, its secret, also when those are slow to go."""

from __future__ import annotations

import base64
from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from edge.api import codec, core, meta, scheme, times
from edge.apiserver import authenticate
from edge.apiserver.access import DELETED_SECONDS, Access
from edge.apiserver.authenticate import Lookups
from edge.apiserver.lookup import Lookup, key_of
from edge.store.sqlite import open_store
from tests.fakes.clock import START

TOKEN = "abcdef.0123456789abcdef"


async def lookups(*objects: meta.Object) -> Lookups:
    store = await open_store(None)
    for obj in objects:
        resource = scheme.of_type(type(obj))
        key, value = key_of(resource, obj.metadata.namespace, obj.metadata.name), codec.encode(obj)
        await store.create(key, partial(_as_it_is, value))
    found = Access(Lookup(store), store, lambda: START).lookups(None, {})
    await store.close()
    return found


def _as_it_is(value: bytes, _revision: int) -> bytes:
    return value


def deleted(seconds_ago: float | None) -> meta.ObjectMeta:
    ends = None if seconds_ago is None else times.render(START - timedelta(seconds=seconds_ago))
    return meta.ObjectMeta(name="one", namespace="default", uid="u1", deletion_timestamp=ends)


@pytest.mark.parametrize(("seconds_ago", "uid"), [
    (None, "u1"), (-3600, "u1"), (DELETED_SECONDS - 1, "u1"), (DELETED_SECONDS + 1, ""), (10**9, "")])
async def test_what_should_be_gone_bears_no_token(seconds_ago: float | None, uid: str) -> None:
    metadata = deleted(seconds_ago)
    found = await lookups(core.ServiceAccount(metadata=metadata), core.Pod(metadata=metadata),
                          core.Secret(metadata=metadata), core.Node(metadata=replace(metadata, namespace="")))
    assert found.account_uid is not None
    assert found.bound_uid is not None
    assert found.account_uid("default", "one") == uid
    assert [found.bound_uid(kind, "default", "one") for kind in ("pod", "secret", "node")] == [uid] * 3
    assert found.bound_uid("pod", "default", "two") == ""


@pytest.mark.parametrize(("kind", "seconds_ago", "good"), [
    ("bootstrap.kubernetes.io/token", None, True), ("bootstrap.kubernetes.io/token", 0, False),
    ("Opaque", None, False)])
async def test_a_bootstrap_token_ends_with_the_deletion_of_its_secret(kind: str, seconds_ago: float | None,
                                                                      good: bool) -> None:
    values = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    found = await lookups(core.Secret(
        metadata=replace(deleted(seconds_ago), name="bootstrap-token-abcdef", namespace="kube-system"), type=kind,
        data={key: base64.b64encode(value.encode()).decode() for key, value in values.items()}))
    assert (authenticate.of_token(TOKEN, found, START) is not None) is good
