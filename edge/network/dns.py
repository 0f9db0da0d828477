"""The name server pods ask, on every node: our zone from memory, everything else from the node's own name servers.

It listens on the cluster's DNS address over UDP and TCP. Names keep resolving while the master is away, since the zone
is built from the retained messages of the bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable

from edge import logs
from edge.network import packets
from edge.network.names import Zone
from edge.network.packets import Malformed

UPSTREAM_SECONDS = 2.0
TCP_IDLE_SECONDS = 10.0
MAX_FORWARDED = 256
"""Questions on their way to other name servers at one time; further ones are refused rather than piled up."""

MAX_CONNECTIONS = 64
"""Over TCP; a pod that opens more than that gets them closed."""

log = logs.get("dns")


class NameServer:
    """Answers from the zone it was last given; `upstreams` is asked at each forwarded question."""

    def __init__(self, upstreams: Callable[[], tuple[str, ...]], upstream_port: int = 53) -> None:
        self._zone = Zone("cluster.local")
        self._upstreams = upstreams
        self._upstream_port = upstream_port
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections = 0

    def use(self, zone: Zone) -> None:
        """Answer from this zone from now on."""
        self._zone = zone

    async def start(self, address: str, port: int = 53) -> None:
        """Listen. Raises OSError when the address is not there or taken."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(address, port))
        self._server = await asyncio.start_server(self._serve_tcp, address, port)

    async def stop(self) -> None:
        """Stop listening and drop what is on its way."""
        if self._transport:
            self._transport.close()
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def receive(self, packet: bytes, sender: tuple[str, int]) -> None:
        """Answer one datagram; a question that is not ours goes on in a task of its own."""
        reply, forward = self._answer(packet, udp=True)
        if not forward:
            self._send(reply, sender)
        elif len(self._tasks) >= MAX_FORWARDED:
            self._send(packets.failure(packet, packets.REFUSED), sender)
        else:
            task = asyncio.create_task(self._forward_datagram(packet, sender))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _answer(self, packet: bytes, *, udp: bool) -> tuple[bytes, bool]:
        """Return the reply, or that the question has to be forwarded."""
        try:
            query = packets.parse(packet)
        except Malformed:
            return packets.failure(packet, packets.FORMERR), False
        answer = self._zone.answer(query)
        if answer is None:
            return b"", True
        return packets.render(query, answer, query.udp_size if udp else 65535), False

    def _send(self, reply: bytes, receiver: tuple[str, int]) -> None:
        if reply and self._transport:
            self._transport.sendto(reply, receiver)

    async def _forward_datagram(self, packet: bytes, sender: tuple[str, int]) -> None:
        for upstream in self._upstreams():
            with contextlib.suppress(OSError, TimeoutError):
                self._send(await ask(packet, upstream, self._upstream_port), sender)
                return
        self._send(packets.failure(packet, packets.SERVFAIL), sender)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections += 1
        try:
            await self._converse(reader, writer)
        finally:
            self._connections -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(TCP_IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    packet = await reader.readexactly(length)
                reply, forward = self._answer(packet, udp=False)
                if forward:
                    reply = await self._forward_stream(packet)
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()

    async def _forward_stream(self, packet: bytes) -> bytes:
        for upstream in self._upstreams():
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(UPSTREAM_SECONDS):
                    reader, writer = await asyncio.open_connection(upstream, self._upstream_port)
                    try:
                        writer.write(struct.pack("!H", len(packet)) + packet)
                        (length,) = struct.unpack("!H", await reader.readexactly(2))
                        return await reader.readexactly(length)
                    finally:
                        writer.close()
        return packets.failure(packet, packets.SERVFAIL)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.receive(data, addr)


class _Reply(asyncio.DatagramProtocol):
    """Waits for one datagram, from a connected socket, so that nobody else can answer."""

    def __init__(self, ident: bytes) -> None:
        self._ident = ident
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:2] == self._ident and not self.future.done():
            self.future.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(exc)


async def ask(packet: bytes, address: str, port: int = 53) -> bytes:
    """Return another name server's reply to a packet. Raises OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Reply(packet[:2]), remote_addr=(address, port))
    try:
        transport.sendto(packet)
        async with asyncio.timeout(UPSTREAM_SECONDS):
            return await protocol.future
    finally:
        transport.close()
