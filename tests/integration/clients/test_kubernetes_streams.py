"""The official Python client's streams: exec, attach, logs and port-forward, to a real agent's server of streams."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client import ApiClient, ApiException
from kubernetes.stream import portforward, stream

from edge.agent.streams import StreamServer
from edge.agent.streams_directory import ContainerView, PodView
from edge.api import core, meta
from edge.clock import SystemClock
from tests.integration.clients.blocking import in_thread
from tests.integration.conftest import Cluster
from tests.integration.streams.local import LocalRuntime, OnePod

ANSWER_SECONDS = 20
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the client leaves its WebSockets open


@pytest.fixture(autouse=True)
def swept(api: ApiClient) -> Iterator[None]:
    """Collect what the client left before another test is blamed for it."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("Kubernetes port forward"):
            thread.join(ANSWER_SECONDS)
    api.last_response = None
    gc.collect()


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A port that answers with what it is sent, once."""
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()


@pytest.fixture
async def pod(cluster: Cluster, tmp_path: Path) -> AsyncIterator[str]:
    """A pod that runs on a node whose agent serves streams; its commands are processes of this machine."""
    logs, runtime = tmp_path / "logs", LocalRuntime()
    (logs / "main").mkdir(parents=True)
    (logs / "main" / "1.log").write_text("2026-01-02T03:04:05.000000006Z stdout F first\n"
                                         "2026-01-02T03:04:06.000000006Z stderr F last\n")
    view = PodView(namespace="default", name="web", uid="u-1", address="127.0.0.1", log_dir=str(logs),
                   containers={"main": ContainerView(id="c1", attempt=1, running=True)})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*cluster.authority.issue("node-1", server=True))
    context.load_verify_locations(cluster.authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    agent = StreamServer(runtime.as_runtime(), OnePod(view), context, SystemClock(), "node-1")
    await agent.start("127.0.0.1", cluster.agent_port)
    await cluster.client.create(core.Node(metadata=meta.ObjectMeta(name="node-1"), status=core.NodeStatus(
        addresses=(core.NodeAddress(type="InternalIP", address="127.0.0.1"),))))
    await cluster.client.create(core.Pod(
        metadata=meta.ObjectMeta(name="web", namespace="default"),
        spec=core.PodSpec(containers=(core.Container(name="main", image="x"),))))
    await cluster.client.bind("web", "default", "node-1")
    yield "web"
    await agent.stop()
    for session in runtime.sessions:
        await session.close()


@in_thread
def test_exec_returns_what_a_command_prints(api: ApiClient, pod: str) -> None:
    api_core = client.CoreV1Api(api)
    out = stream(api_core.connect_get_namespaced_pod_exec, pod, "default", command=["printf", "a b"], stdout=True,
                 stderr=True, stdin=False, tty=False)
    assert out == "a b"


@in_thread
def test_exec_carries_input_errors_and_exit_codes(api: ApiClient, pod: str) -> None:
    api_core = client.CoreV1Api(api)
    session = stream(api_core.connect_get_namespaced_pod_exec, pod, "default", container="main", stdin=True,
                     stdout=True, stderr=True, tty=False, _preload_content=False,
                     command=["sh", "-c", "read line; echo got $line; echo bad >&2; exit 7"])
    session.write_stdin("hello\n")
    session.run_forever(timeout=ANSWER_SECONDS)
    assert (session.read_stdout(), session.read_stderr()) == ("got hello\n", "bad\n")
    assert session.returncode == 7


@in_thread
def test_logs(api: ApiClient, pod: str) -> None:
    api_core = client.CoreV1Api(api)

    def log(**options: Any) -> bytes:
        # Left to itself, the client would make the text of a bytes literal of it.
        answer = api_core.read_namespaced_pod_log(pod, "default", _preload_content=False, **options)
        return bytes(answer.data)

    assert log() == b"first\nlast\n"
    assert log(tail_lines=1, timestamps=True) == b"2026-01-02T03:04:06.000000006Z last\n"
    watcher, lines = watch.Watch(), []
    for line in watcher.stream(api_core.read_namespaced_pod_log, pod, "default", follow=True):
        lines.append(line)
        if len(lines) == 2:
            watcher.stop()
    assert lines == ["first", "last"]
    with pytest.raises(ApiException) as nobody:
        api_core.read_namespaced_pod_log(pod, "default", container="nobody")
    assert nobody.value.status == 400


@in_thread
def test_a_port_is_forwarded(api: ApiClient, pod: str, echo: int) -> None:
    forwarded = portforward(client.CoreV1Api(api).connect_get_namespaced_pod_portforward, pod, "default",
                            ports=str(echo))
    with contextlib.closing(forwarded.socket(echo)) as through:
        through.settimeout(ANSWER_SECONDS)
        through.sendall(b"ping\n")
        assert through.recv(64) == b"ping\n"
    assert forwarded.error(echo) is None
