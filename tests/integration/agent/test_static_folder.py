"""A node with a folder of static pods: real files and the real reader, everything else made up."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from edge.agent import static_folder, static_reading
from edge.agent.loop import Agent
from edge.agent.static_choice import Manifest
from edge.agent.static_folder import ReadingFailure, StaticFolder
from edge.bus import messages, topics
from edge.component import Supervisor
from edge.runtime.containers import Image, State
from tests.fakes.node import FakeNode, pod


def text(image: str = "busybox:1", name: str = "web", **spec: Any) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                       "spec": {"containers": [{"name": "main", "image": image}],
                                "terminationGracePeriodSeconds": 5, **spec}})


class Node(FakeNode):
    """A node with a folder. `reads` are the files that were read, in order; `fails` those the reader fails on."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.runtime.local["busybox:2"] = Image(id="sha256:b2", names=("busybox:2",))
        self.folder = directory / "manifests"
        self.folder.mkdir()
        self.reads: list[str] = []
        self.fails: set[str] = set()
        self.prepare = self._prepare

    def _prepare(self, agent: Agent, supervisor: Supervisor) -> None:
        self.statics = StaticFolder(self.folder, "node-1", self.directory / "run" / "agent", agent.pods,
                                    agent.reporter, self.clock, self._read)
        agent.awaited.append(self.statics.known)
        supervisor.start("static pods", self.statics.run)

    async def _read(self, node: str, paths: Sequence[str]) -> list[Manifest]:
        names = [Path(path).name for path in paths]
        if self.fails & set(names):
            raise ReadingFailure("the process that read it ended with -9")
        self.reads += names
        return [static_reading.read(path, node) for path in paths]

    def write(self, name: str, content: str) -> None:
        """Write a file as a careful program does: it is there at once, or not."""
        fresh = self.folder / ".new"
        fresh.write_text(content)
        fresh.replace(self.folder / name)

    def running(self) -> dict[str, str]:
        """Return the image of each container that runs, by its pod's name."""
        return {self.runtime.specs[container.id].pod_name: container.image
                for container in self.runtime.containers.values() if container.state is State.RUNNING}

    def shown(self) -> list[str]:
        """Return the names the server was told last."""
        found = [messages.decode(messages.ReportedStatic, each.payload) for each in self.broker.published
                 if each.topic == topics.reported_static("node-1")]
        return [each.metadata.name for each in found[-1].pods] if found else []

    def complaints(self) -> list[str]:
        return [message.removeprefix(f"{self.folder}/") for reason, message in self.events()
                if reason == "InvalidStaticPod"]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    made = Node(tmp_path)
    yield made
    await made.stop()


async def test_a_pod_from_a_file_runs_and_is_told(node: Node) -> None:
    node.write("web.json", text())
    await node.serve()
    await node.start()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1"})
    (static,) = node.agent.pods.static().values()
    uid = static.pod.metadata.uid
    await node.until(lambda: node.ready(uid))
    assert node.shown() == ["web-node-1"]
    found = node.agent.pods.find("default", "web-node-1")
    assert found is not None
    assert found.uid == uid
    assert found.containers["main"].running


async def test_it_runs_without_a_master_from_the_checkpoint(node: Node) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    await node.stop()
    node.runtime.reboot()
    node.broker.away()
    node.write("web.json", text())
    await node.start()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1", "web": "busybox:1"})
    node.broker.back()
    await node.until(lambda: node.shown() == ["web-node-1"])


async def test_a_new_file_is_noticed_and_a_removed_one_ends_its_pod(node: Node) -> None:
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    node.write("web.json", text())
    await node.until(lambda: "web-node-1" in node.running(), seconds=15)
    (node.folder / "web.json").unlink()
    await node.until(lambda: node.running() == {"web": "busybox:1"}, seconds=15)
    await node.until(lambda: node.shown() == [], seconds=15)
    await node.until(lambda: len(node.agent.pods.all()) == 1)


async def test_a_changed_file_is_another_pod_after_the_first_has_ended(node: Node) -> None:
    node.write("web.json", text())
    await node.serve()
    await node.start()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1"})
    node.runtime.ignores_sigterm.add("main")
    before = set(node.agent.pods.static())
    node.write("web.json", text("busybox:2"))
    seen: list[set[str]] = []

    def changed() -> bool:
        seen.append(set(node.running().values()))
        return node.running() == {"web-node-1": "busybox:2"}

    await node.until(changed, seconds=30)
    assert {"busybox:1", "busybox:2"} not in seen
    assert not before & set(node.agent.pods.static())
    assert [each.image for each in node.runtime.containers.values()] == ["busybox:2"]


async def test_a_restart_of_the_agent_changes_nothing_and_reads_nothing(node: Node) -> None:
    node.write("web.json", text())
    await node.serve()
    await node.start()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1"})
    await node.stop()
    calls, node.reads = len(node.runtime.calls), []
    await node.start()
    await node.until(lambda: node.ready(next(iter(node.agent.pods.static()), "")))
    await node.pass_time(30)
    assert not [call for call in node.runtime.calls[calls:] if call.startswith(("kill", "remove", "create"))]
    assert node.reads == []


async def test_a_restart_while_the_file_is_wrong_ends_nothing(node: Node) -> None:
    node.write("web.json", text())
    await node.serve()
    await node.start()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1"})
    await node.stop()
    node.write("web.json", text()[:40])
    await node.start()
    await node.pass_time(30)
    assert node.running() == {"web-node-1": "busybox:1"}
    assert len(node.complaints()) == 1


async def test_a_half_written_file_ends_nothing_and_is_not_even_read(node: Node) -> None:
    node.write("web.json", text())
    await node.serve()
    await node.start()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1"})
    content = text("busybox:2")
    node.reads = []
    with (node.folder / "web.json").open("w") as file:
        for part in range(0, len(content), 20):
            file.write(content[part:part + 20])
            file.flush()
            await node.pass_time(0.6)
            assert node.running() == {"web-node-1": "busybox:1"}
    await node.until(lambda: node.running() == {"web-node-1": "busybox:2"}, seconds=30)
    assert node.complaints() == []


async def test_wrong_files_are_said_once_and_disturb_nobody(node: Node) -> None:
    node.write("good.json", text())
    node.write("b.json", "{")
    node.write("huge.json", text() + " " * 300_000)
    node.write("secret.json", text(name="s", volumes=[{"name": "v", "secret": {"secretName": "x"}}]))
    node.write("twice.json", text("busybox:2"))
    node.write(".hidden.json", "{")
    node.write("notes.txt", "{")
    (node.folder / "folder.yaml").mkdir()
    os.mkfifo(node.folder / "pipe.yaml")
    (node.folder / "link.yaml").symlink_to("nowhere")
    await node.serve()
    await node.start()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1"})
    await node.pass_time(60)
    assert sorted(line.partition(": ")[0] for line in node.complaints()) == [
        "b.json", "huge.json", "pipe.yaml", "secret.json", "twice.json"]
    assert sorted(node.reads) == ["b.json", "good.json", "huge.json", "pipe.yaml", "secret.json", "twice.json"]


async def test_a_file_that_cannot_be_opened_is_not_read_again_and_again(
        node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.write("web.json", text())
    opened = os.open

    def refuse(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("web.json"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    await node.serve()
    await node.start()
    await node.pass_time(60)
    assert node.reads == ["web.json"]
    assert node.complaints() == ["web.json: it cannot be read: Permission denied"]


async def test_a_file_that_kills_its_reader_leaves_the_others_alone(node: Node) -> None:
    node.write("web.json", text())
    node.write("bomb.json", text(name="bomb"))
    node.fails = {"bomb.json"}
    await node.serve()
    await node.start()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1"})
    assert node.complaints() == ["bomb.json: the process that read it ended with -9"]
    node.fails = set()
    await node.until(lambda: "bomb-node-1" in node.running(), seconds=static_folder.RETRY_SECONDS + 15)


async def test_a_folder_that_is_not_there_is_no_problem(node: Node) -> None:
    node.folder.rmdir()
    await node.want(pod())
    await node.start()
    await node.until(node.ready)
    assert node.complaints() == []
    node.folder.mkdir()
    node.write("web.json", text())
    await node.until(lambda: "web-node-1" in node.running(), seconds=15)


async def test_the_index_of_the_server_does_not_end_static_pods(node: Node) -> None:
    node.write("web.json", text())
    await node.want(pod())
    await node.start()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1", "web": "busybox:1"})
    node.pods.clear()
    node.epoch = "e2"
    await node.serve()
    await node.until(lambda: node.running() == {"web-node-1": "busybox:1"})
    await node.pass_time(30)
    assert node.running() == {"web-node-1": "busybox:1"}


async def test_everything_is_told_again_to_a_new_server(node: Node) -> None:
    node.write("web.json", text())
    await node.serve()
    await node.start()
    await node.until(lambda: node.shown() == ["web-node-1"])
    node.broker.published.clear()
    node.epoch = "e2"
    await node.serve()
    await node.until(lambda: node.shown() == ["web-node-1"])


class TestReader:
    async def test_in_a_process_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
                                         "spec: {containers: [{name: c, image: i}]}\n")
        (tmp_path / "b.yaml").write_text("nonsense")
        first, second, third = await static_folder.read_apart(
            "node-1", [str(tmp_path / name) for name in ("a.yaml", "b.yaml", "c.yaml")])
        assert first.pod is not None
        assert first.pod.metadata.name == "a-node-1"
        assert (second.pod, second.problem) == (None, "it holds no object")
        assert third.problem == "it cannot be read: No such file or directory"

    async def test_one_that_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.executable", "/bin/false")
        with pytest.raises(ReadingFailure, match="ended with 1"):
            await static_folder.read_apart("node-1", [str(tmp_path)])
        monkeypatch.setattr("sys.executable", "/nonexistent/python")
        with pytest.raises(ReadingFailure, match="no process can be started"):
            await static_folder.read_apart("node-1", [str(tmp_path)])
