"""The door of the API: who says nothing waits outside, and keeps nobody else from coming in."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from edge import door
from edge.clock import SystemClock
from tests.fakes.authority import Authority
from tests.integration.conftest import client_context

FEW = door.Limits(strangers=20, from_one=8, handshake_seconds=30.0, shutdown_seconds=1.0)


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@dataclass
class Site:
    """A door and those who stand before it."""

    door: door.Door
    context: ssl.SSLContext
    waiting: list[socket.socket] = field(default_factory=list)

    def stand(self, address: str, count: int) -> None:
        """Open connections from an address and say nothing."""
        for _ in range(count):
            one = socket.socket()
            one.bind((address, 0))
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", self.door.port))
            self.waiting.append(one)

    async def echo(self, address: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.door.port, ssl=self.context,
                                                       local_addr=(address, 0))
        writer.write(b"hello")
        answer = await asyncio.wait_for(reader.readexactly(5), 20)
        writer.close()
        return answer


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


def server_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("master", server=True))
    return context


@pytest.fixture
async def site(authority: Authority) -> AsyncIterator[Site]:
    made = Site(door.Door(door.listen("127.0.0.1", 0), Echo, server_context(authority), SystemClock(), FEW),
                client_context(authority))
    yield made
    for each in made.waiting:
        each.close()
    await made.door.close()


async def test_who_waits_longest_of_one_address_makes_room_for_the_next(site: Site) -> None:
    site.stand("127.0.0.9", FEW.from_one)
    await until(lambda: site.door.strangers == FEW.from_one)
    assert await site.echo("127.0.0.9") == b"hello"
    assert site.door.dropped >= 1
    assert site.door.strangers <= FEW.from_one


async def test_many_from_many_addresses_lock_nobody_out(site: Site) -> None:
    for last in range(10, 20):
        site.stand(f"127.0.0.{last}", FEW.from_one)
    await until(lambda: site.door.strangers == FEW.strangers)
    for _ in range(3):
        assert await site.echo("127.0.0.99") == b"hello"
    assert site.door.strangers <= FEW.strangers


async def test_who_is_inside_is_never_dropped(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.door.port, ssl=site.context,
                                                   local_addr=("127.0.0.9", 0))
    writer.write(b"first")
    assert await asyncio.wait_for(reader.readexactly(5), 20) == b"first"
    site.stand("127.0.0.9", 3 * FEW.from_one)
    await until(lambda: site.door.dropped >= FEW.from_one)
    writer.write(b"still")
    assert await asyncio.wait_for(reader.readexactly(5), 20) == b"still"
    writer.close()


async def test_who_leaves_is_forgotten(site: Site) -> None:
    site.stand("127.0.0.9", 5)
    await until(lambda: site.door.strangers == 5)
    for each in site.waiting:
        each.close()
    await until(lambda: site.door.strangers == 0)
    assert site.door.dropped == 0


async def test_one_that_never_ends_its_handshake_is_closed(authority: Authority) -> None:
    limits = door.Limits(handshake_seconds=0.2)
    made = door.Door(door.listen("127.0.0.1", 0), Echo, server_context(authority), SystemClock(), limits)
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    writer.write(b"\x16")
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    await made.close()


async def test_closing_drops_who_waits_and_frees_the_port(site: Site) -> None:
    site.stand("127.0.0.9", 3)
    await until(lambda: site.door.strangers == 3)
    port = site.door.port
    await site.door.close()
    for one in door.listen("127.0.0.1", port):
        one.close()


def test_every_address_means_both_families_on_one_port() -> None:
    listening = door.listen("", 0)
    try:
        assert len({each.getsockname()[1] for each in listening}) == 1
        assert listening[0].family is socket.AF_INET
    finally:
        for each in listening:
            each.close()
