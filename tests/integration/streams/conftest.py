"""A streams server of a node called node-1 with one pod, web, whose container main is running."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from edge.agent.streams import StreamServer
from edge.agent.streams_directory import ContainerView, PodView
from edge.clock import SystemClock
from tests.integration.streams.local import Authority, LocalRuntime, OnePod


@dataclass
class Node:
    """The server under test and a client that it trusts."""

    runtime: LocalRuntime
    directory: OnePod
    authority: Authority
    server: StreamServer
    client: ssl.SSLContext
    http: aiohttp.ClientSession
    logs: Path

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.server.port}{path}"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    authority, runtime = Authority(tmp_path), LocalRuntime()
    logs = tmp_path / "logs"
    (logs / "main").mkdir(parents=True)
    pod = PodView(
        namespace="default", name="web", uid="u-1", address="127.0.0.1", log_dir=str(logs),
        containers={"main": ContainerView(id="c1", attempt=1, running=True), "later": ContainerView()},
    )  # fmt: skip
    directory = OnePod(pod)
    server = StreamServer(runtime.as_runtime(), directory, authority.server("node-1"), SystemClock(), "node-1")
    await server.start("127.0.0.1", 0)
    client = authority.client("system:edge-server", "system:masters")
    connector = aiohttp.TCPConnector(ssl=client)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Node(runtime, directory, authority, server, client, http, logs)
    await server.stop()
    for session in runtime.sessions:
        await session.close()
