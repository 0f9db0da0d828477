"""What every way to the API promises to the loops that use it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp.test_utils import TestServer

from edge.api import core, errors, meta
from edge.apiserver.http import ApiServer, Settings
from edge.apiserver.local import LocalClient
from edge.client.http import HttpClient, tls_context
from edge.client.interface import Client, WatchEvent
from edge.clock import SystemClock
from edge.ids import SystemIds
from edge.store.sqlite import open_store
from tests.fakes.api import application
from tests.fakes.authority import Authority
from tests.fakes.client import FakeClient


@pytest.fixture(params=["fake", "http", "local", "http to the server"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    if request.param in ("local", "http to the server"):
        async with real(tmp_path, over_http=request.param != "local") as found:
            yield found
        return
    api = FakeClient()
    if request.param == "fake":
        yield api
        return
    async with contextlib.AsyncExitStack() as stack:
        server = TestServer(application(api))
        await server.start_server(shutdown_timeout=0.1)
        stack.push_async_callback(server.close)
        yield await stack.enter_async_context(HttpClient(str(server.make_url("")), timeout_seconds=5))


@contextlib.asynccontextmanager
async def real(folder: Path, *, over_http: bool) -> AsyncIterator[Client]:
    """The real API server, asked in its own process or over TLS."""
    authority = Authority(folder)
    certificate, key = authority.issue("master", server=True)
    store = await open_store(None)
    server = ApiServer(Settings(certificate=certificate, key=key, client_ca=authority.ca, host="127.0.0.1", port=0),
                       store, SystemClock(), SystemIds())
    await server.start()
    try:
        if not over_http:
            yield LocalClient(server.service)
            return
        mine = [path.read_bytes() for path in authority.issue("kubernetes-admin", "system:masters")]
        tls = tls_context(authority.ca.read_bytes(), *mine)
        async with HttpClient(f"https://127.0.0.1:{server.port}", tls, timeout_seconds=5) as client:
            yield client
    finally:
        await server.stop()
        await store.close()


def pod(name: str, **labels: str) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name=name, namespace="default", labels=labels),
                    spec=core.PodSpec(containers=(core.Container(name="main", image="busybox"),)))


def labeled(obj: core.Pod, **labels: str) -> core.Pod:
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, labels=labels))


async def take(events: AsyncIterator[WatchEvent[core.Pod]], count: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            event = await anext(events)
            if event.type != "BOOKMARK":
                found.append((event.type, event.object.metadata.name))
    return found


async def test_objects_come_back_as_written(client: Client) -> None:
    made = await client.create(pod("web", app="x"))
    assert (made.api_version, made.kind, made.metadata.labels) == ("v1", "Pod", {"app": "x"})
    assert made.metadata.uid
    assert made.metadata.resource_version
    assert await client.get(core.Pod, "web", "default") == made


async def test_errors_are_the_same_class_on_both_ends(client: Client) -> None:
    with pytest.raises(errors.NotFound) as missing:
        await client.get(core.Pod, "web", "default")
    assert missing.value.message == 'pods "web" not found'
    assert missing.value.details == {"name": "web", "kind": "pods"}
    made = await client.create(pod("web"))
    with pytest.raises(errors.AlreadyExists):
        await client.create(pod("web"))
    await client.update(labeled(made, app="y"))
    with pytest.raises(errors.Conflict):
        await client.update(labeled(made, app="z"))
    with pytest.raises(errors.Conflict):
        await client.delete(core.Pod, "web", "default", uid="another")
    with pytest.raises(errors.NotFound):
        await client.delete(core.Pod, "other", "default")


async def test_a_listing_is_scoped_and_says_where_to_watch_from(client: Client) -> None:
    await client.create(pod("a", app="x"))
    await client.create(pod("b", app="y"))
    last = await client.create(core.Node(metadata=meta.ObjectMeta(name="n")))
    everything = await client.list(core.Pod)
    assert [obj.metadata.name for obj in everything.items] == ["a", "b"]
    assert everything.resource_version == last.metadata.resource_version
    assert [obj.metadata.name for obj in (await client.list(core.Pod, "default", labels="app in (y)")).items] == ["b"]
    assert (await client.list(core.Pod, "other")).items == ()


async def test_status_spec_patch_and_binding(client: Client) -> None:
    made = await client.create(pod("web"))
    running = await client.update_status(
        core.Pod(metadata=made.metadata, status=core.PodStatus(phase="Running")))
    assert running.status.phase == "Running"
    patched = await client.patch(core.Pod, "web", "default", {"metadata": {"labels": {"a": "1"}}})
    assert (patched.metadata.labels, patched.status.phase) == ({"a": "1"}, "Running")
    await client.bind("web", "default", "node-1", uid=made.metadata.uid)
    assert (await client.get(core.Pod, "web", "default")).spec.node_name == "node-1"
    with pytest.raises(errors.Conflict):
        await client.bind("web", "default", "node-2")
    await client.delete(core.Pod, "web", "default", uid=made.metadata.uid, grace_period_seconds=0,
                        propagation_policy="Background")
    assert (await client.list(core.Pod)).items == ()


async def test_a_watch_goes_on_from_a_listing(client: Client) -> None:
    before = await client.create(pod("a", app="x"))
    listing = await client.list(core.Pod)
    events = client.watch(core.Pod, "default", resource_version=listing.resource_version, labels="app=x")
    await client.create(pod("b", app="y"))
    await client.create(pod("c", app="x"))
    assert await take(events, 1) == [("ADDED", "c")]
    await client.update(labeled(before, app="x", more="1"))
    await client.delete(core.Pod, "a", "default")
    assert await take(events, 2) == [("MODIFIED", "a"), ("DELETED", "a")]
    await events.aclose()  # type: ignore[attr-defined]
