"""As little of an API server as kubectl needs for exec and port-forward; everything else is passed to the agent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl

POD = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default", "uid": "u-1"},
    "spec": {"containers": [{"name": "main", "image": "hello"}]}, "status": {"phase": "Running"},
}  # fmt: skip
VERBS = ["create", "get", "list"]
RESOURCES = [{"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": VERBS}]
ANSWERS: dict[str, object] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": RESOURCES},
    "/api/v1/namespaces/default/pods/web": POD,
}
AGENT = {"exec": "exec/default/web/main", "attach": "attach/default/web/main",
         "portforward": "portForward/default/web", "log": "containerLogs/default/web/main"}  # fmt: skip


class ToyApi:
    """A plain HTTP server on a free port of 127.0.0.1."""

    def __init__(self, agent_port: int, client: ssl.SSLContext) -> None:
        self._agent_port, self._client = agent_port, client
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.heads: list[str] = []
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, rest = head.split(" ", 2)
            path, _, query = target.partition("?")
            subresource = path.rpartition("/")[2]
            if subresource in AGENT:
                self.heads.append(head)
                await self._tunnel(f"{method} /{AGENT[subresource]}?{query} {rest}".encode(), reader, writer)
            else:
                self._answer(ANSWERS.get(path), writer)
        writer.close()

    def _answer(self, value: object, writer: asyncio.StreamWriter) -> None:
        body = json.dumps(value or {"kind": "Status", "status": "Failure", "code": 404}).encode()
        status = "200 OK" if value else "404 Not Found"
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)

    async def _tunnel(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection(
            "127.0.0.1", self._agent_port, ssl=self._client, server_hostname="node-1"
        )
        downstream.write(head)
        tasks = [asyncio.create_task(_copy(reader, downstream)), asyncio.create_task(_copy(upstream, writer))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            downstream.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
