"""The images of a node over HTTP, on a fake engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from edge.agent.image_gc import Policy
from edge.agent.streams_directory import PodView
from edge.agent.streams_images import ImagePaths
from edge.api import core, meta
from edge.runtime.containers import Container, Image, State
from tests.fakes.clock import FakeClock
from tests.fakes.runtime import FakeRuntime


@dataclass
class Pods:
    """The pods of the node."""

    found: list[core.Pod] = field(default_factory=list)

    def add(self, name: str, image: str, phase: str = "Running") -> None:
        self.found.append(core.Pod(
            metadata=meta.ObjectMeta(name=name, namespace="default"), status=core.PodStatus(phase=phase),
            spec=core.PodSpec(containers=(core.Container(name="c", image=image),))))

    def find(self, namespace: str, name: str) -> PodView | None:
        return None

    def views(self) -> tuple[PodView, ...]:
        return ()

    def manifests(self) -> tuple[core.Pod, ...]:
        return tuple(self.found)


@dataclass
class Node:
    """A node with the images app:1 and localhost/app:2, and a client."""

    url: str = ""
    pods: Pods = field(default_factory=Pods)
    runtime: FakeRuntime = field(default_factory=lambda: FakeRuntime(FakeClock()))
    changes: int = 0
    http: aiohttp.ClientSession = field(init=False)

    def __post_init__(self) -> None:
        for number, name in enumerate(("docker.io/library/app:1", "localhost/app:2")):
            self.runtime.local[name] = Image(id=str(number) * 64, names=(name,), size_bytes=5, architecture="arm64")

    def changed(self) -> None:
        self.changes += 1

    def use(self, image_id: str) -> None:
        self.runtime.containers["c"] = Container(id="c", pod_uid="u", name="c", attempt=0, spec_hash="h",
                                                 state=State.EXITED, image="i", image_id=image_id)

    async def ask(self, method: str, path: str, status: int = 200, data: bytes | None = None) -> dict[str, object]:
        async with self.http.request(method, self.url + path, data=data) as response:
            body: dict[str, object] = await response.json()
            assert response.status == status, body
            return body


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    made = Node()
    application = web.Application()
    application.add_routes(ImagePaths(made.runtime, made.pods, made.changed, Policy(pinned=("localhost/*",))).routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    made.http = aiohttp.ClientSession()
    yield made
    await made.http.close()
    await runner.cleanup()


async def test_images_are_listed_with_who_uses_them(node: Node) -> None:
    node.pods.add("web", "app:1", "Pending")
    node.pods.add("odd", "NO NAME")
    node.pods.add("over", "app:2", "Succeeded")
    assert (await node.ask("GET", "/images"))["images"] == [
        {"id": "0" * 64, "names": ["docker.io/library/app:1"], "digests": [], "sizeBytes": 5, "architecture": "arm64",
         "containers": 0, "pods": ["default/web"], "inUse": True, "pinned": False},
        {"id": "1" * 64, "names": ["localhost/app:2"], "digests": [], "sizeBytes": 5, "architecture": "arm64",
         "containers": 0, "pods": [], "inUse": False, "pinned": True}]
    node.use("1" * 64)
    assert [image["inUse"] for image in (await node.ask("GET", "/images"))["images"]] == [True, True]  # type: ignore[attr-defined]


async def test_an_image_is_loaded_and_removed(node: Node) -> None:
    assert await node.ask("POST", "/images/load", data=b"docker.io/library/new:1") == {
        "names": ["docker.io/library/new:1"]}
    assert node.changes == 1
    assert await node.ask("DELETE", "/images?reference=app:2") == {"removed": ["localhost/app:2"], "freedBytes": 5}
    assert await node.ask("DELETE", f"/images?reference={'0' * 64}") == {
        "removed": ["docker.io/library/app:1"], "freedBytes": 5}
    assert node.changes == 3
    assert set(node.runtime.local) == {"docker.io/library/new:1"}


@pytest.mark.parametrize(("reference", "status", "words"), [
    ("gone:1", 404, 'image "gone:1" is not on this node'), ("NO NAME", 400, "couldn't parse image name"),
    ("", 400, "couldn't parse image name"), ("9" * 64, 404, "is not on this node")])
async def test_what_cannot_be_removed(node: Node, reference: str, status: int, words: str) -> None:
    body = await node.ask("DELETE", f"/images?reference={reference}", status)
    assert words in str(body["message"])
    assert (body["kind"], body["code"]) == ("Status", status)
    assert node.changes == 0


async def test_an_image_in_use_is_only_removed_by_force(node: Node) -> None:
    node.pods.add("web", "app:1", "Pending")
    body = await node.ask("DELETE", "/images?reference=app:1", 409)
    assert body["message"] == 'image "app:1" is in use by default/web'
    assert await node.ask("DELETE", "/images?reference=app:1&force=true")
    node.use("1" * 64)
    body = await node.ask("DELETE", "/images?reference=app:2", 409)
    assert "in use by 1 container" in str(body["message"])
    assert await node.ask("DELETE", "/images?reference=app:2&force=1")
    assert node.runtime.containers == {}
