"""A node for the network contracts: a program in network and mount namespaces of its own, steered by JSON lines.

The test's half is `Node`, which is a `Network` too; the other half (`python -m tests.contracts.network_node`) holds the
real `LinuxNetwork` and opens sockets in any of the node's namespaces. Everything goes with the process: the namespaces
are named on a private /run.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import json
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from edge.api import topology
from edge.network import names
from edge.network.dns import NameServer
from edge.network.interface import Links, NetworkFailure, Sandbox
from edge.network.linux import LinuxNetwork

ROOT = Path(__file__).resolve().parents[2]
ENTER = "mount -t tmpfs tmpfs /run; mkdir /run/netns; ip link set lo up; exec \"$0\" -m tests.contracts.network_node"
CLONE_NEWNET = 0x40000000
OUTSIDE, NODE_ADDRESS = "10.0.0.1", "10.0.0.2"
WIRES = (
    ("ip", "netns", "add", "outside"),
    ("ip", "link", "add", "wire", "type", "veth", "peer", "name", "eth0", "netns", "outside"),
    ("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", "wire"),
    ("ip", "link", "set", "wire", "up"),
    ("ip", "-n", "outside", "link", "set", "lo", "up"),
    ("ip", "-n", "outside", "address", "add", f"{OUTSIDE}/24", "dev", "eth0"),
    ("ip", "-n", "outside", "address", "add", "10.244.2.5/32", "dev", "lo"),
    ("ip", "-n", "outside", "link", "set", "eth0", "up"),
    ("ip", "-n", "outside", "route", "add", "10.244.1.0/24", "via", NODE_ADDRESS),
)


class Node:
    """The test's half. Implements `edge.network.interface.Network`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lock = asyncio.Lock()

    async def call(self, operation: str, *arguments: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        async with self._lock, asyncio.timeout(20):
            self._process.stdin.write(json.dumps([operation, *arguments]).encode() + b"\n")
            line = await self._process.stdout.readline()
        assert line, "the node ended; its words are above"
        kind, value = json.loads(line)
        if kind == "NetworkFailure":
            raise NetworkFailure(value)
        if kind == "OSError":
            raise OSError(*value)
        return value

    async def sandboxes(self) -> tuple[Sandbox, ...]:
        return tuple(Sandbox(**found) for found in await self.call("sandboxes"))

    async def attach(self, pod_uid: str, address: str, prefix_length: int, gateway: str,
                     sysctls: tuple[tuple[str, str], ...] = ()) -> Sandbox:
        return Sandbox(**await self.call("attach", pod_uid, address, prefix_length, gateway, sysctls))

    async def detach(self, pod_uid: str) -> None:
        await self.call("detach", pod_uid)

    async def apply_links(self, links: Links) -> None:
        await self.call("apply_links", msgspec.to_builtins(links))

    async def apply_ruleset(self, ruleset: str) -> None:
        await self.call("apply_ruleset", ruleset)

    async def run(self, *argv: str) -> str:
        """Run a program on the node and return what it printed."""
        return str(await self.call("run", *argv))

    async def listen(self, namespace: str, address: str, port: int, protocol: str = "tcp", reply: bytes = b"") -> None:
        """Serve in a namespace. Without `reply` the answer is the namespace's and the client's name; with it, DNS."""
        await self.call("listen", namespace, address, port, protocol, reply.hex())

    async def ask(self, namespace: str, address: str, port: int, protocol: str = "tcp", data: bytes = b"?") -> bytes:
        """Connect from a namespace ("" is the node itself), send, and return the answer. Raises OSError."""
        return bytes.fromhex(await self.call("ask", namespace, address, port, protocol, data.hex()))

    async def who(self, namespace: str, address: str, port: int, protocol: str = "tcp") -> tuple[str, str]:
        """Return which namespace answers, and the address it saw the client at."""
        server, client = (await self.ask(namespace, address, port, protocol)).decode().split()
        return server, client

    async def restart(self) -> None:
        """Forget everything the agent knew, as a new process would."""
        await self.call("restart")

    async def serve_names(self, services: tuple[topology.Service, ...], *upstreams: str) -> None:
        await self.call("serve_names", msgspec.to_builtins(services), list(upstreams))


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Node]:
    """Start a node with a wire to a neighbor outside; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        "unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec", ENTER, sys.executable,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    try:
        node = Node(process)
        for argv in WIRES:
            await node.run(*argv)
        yield node
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


class _Program:
    """The half that runs in the namespaces."""

    def __init__(self) -> None:
        self.network = LinuxNetwork()
        self.kept: list[Any] = []

    async def sandboxes(self) -> Any:
        return [msgspec.to_builtins(found) for found in await self.network.sandboxes()]

    async def attach(self, *arguments: Any) -> Any:
        return msgspec.to_builtins(await self.network.attach(*arguments))

    async def detach(self, pod_uid: str) -> None:
        await self.network.detach(pod_uid)

    async def apply_links(self, links: Any) -> None:
        await self.network.apply_links(msgspec.convert(links, Links))

    async def apply_ruleset(self, ruleset: str) -> None:
        await self.network.apply_ruleset(ruleset)

    async def restart(self) -> None:
        self.network = LinuxNetwork()

    async def run(self, *argv: str) -> str:
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE,
                                                       stderr=asyncio.subprocess.STDOUT)
        output, _ = await process.communicate()
        if process.returncode:
            raise NetworkFailure(f"{argv}: {output.decode()}")
        return output.decode()

    async def listen(self, namespace: str, address: str, port: int, protocol: str, reply: str) -> None:
        canned = bytes.fromhex(reply)
        listener = _socket(namespace, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))

        def answer(data: bytes, peer: tuple[str, int]) -> bytes:
            return data[:2] + canned[2:] if canned else f"{namespace} {peer[0]}".encode()

        loop = asyncio.get_running_loop()
        if protocol == "udp":
            self.kept.append(await loop.create_datagram_endpoint(lambda: _Datagrams(answer), sock=listener))
        else:
            self.kept.append(await asyncio.start_server(functools.partial(_serve, answer), sock=listener))

    async def ask(self, namespace: str, address: str, port: int, protocol: str, data: str) -> str:
        client = _socket(namespace, protocol)
        client.settimeout(3)
        with client:
            return (await asyncio.to_thread(_exchange, client, address, port, protocol, bytes.fromhex(data))).hex()

    async def serve_names(self, services: Any, upstreams: list[str]) -> None:
        server = NameServer(lambda: tuple(upstreams))
        server.use(names.build(msgspec.convert(services, tuple[topology.Service, ...]), topology.Cluster()))
        await server.start(topology.Cluster().dns_address)
        self.kept.append(server)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes, tuple[str, int]], bytes]) -> None:
        self._answer = answer

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._answer(data, addr), addr)


async def _serve(answer: Callable[[bytes, tuple[str, int]], bytes], reader: asyncio.StreamReader,
                 writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        data = await reader.readexactly(struct.unpack("!H", await reader.readexactly(2))[0])
        reply = answer(data, writer.get_extra_info("peername"))
        writer.write(struct.pack("!H", len(reply)) + reply)
        await writer.drain()
    writer.close()


def _exchange(client: socket.socket, address: str, port: int, protocol: str, data: bytes) -> bytes:
    client.connect((address, port))
    if protocol == "udp":
        client.send(data)
        return client.recv(65535)
    client.sendall(struct.pack("!H", len(data)) + data)
    with client.makefile("rb") as file:
        return file.read(struct.unpack("!H", file.read(2))[0])


def _socket(namespace: str, protocol: str) -> socket.socket:
    """Return a socket of the namespace; this thread is back in its own when it returns."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if namespace:
            _enter(os.open(Path("/run/netns", namespace), os.O_RDONLY))
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM)
    finally:
        _enter(own)


def _enter(fd: int) -> None:
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the namespace")
    finally:
        os.close(fd)


async def _answer(program: _Program, line: bytes) -> tuple[str, Any]:
    operation, *arguments = json.loads(line)
    method: Callable[..., Awaitable[Any]] = getattr(program, operation)
    try:
        return "ok", await method(*arguments)
    except NetworkFailure as error:
        return "NetworkFailure", str(error)
    except OSError as error:
        return "OSError", [error.errno, str(error)]


async def _main() -> None:
    program = _Program()
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        sys.stdout.write(json.dumps(await _answer(program, line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
