"""Accepts TLS connections for a server, and bounds how many have not yet shown who they are.

Every pod and everything in the rack's network reaches these ports. Who opens connections by the thousand and says
nothing would otherwise take all the files a program may have open. A new connection always gets its chance: where
there is no room, the one that has waited longest goes, of the address that has the most of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from edge.clock import Clock

NO_FILES_SECONDS = 1.0
_EVERY_V4, _EVERY_V6 = "0.0.0.0", "::"  # noqa: S104 - only where the settings name no address


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a door grants those who are in their handshake."""

    strangers: int = 384
    from_one: int = 256
    """Of one address."""
    handshake_seconds: float = 10.0
    shutdown_seconds: float | None = None
    """How long a peer may take to answer a goodbye; None for asyncio's own."""


class Door:
    """The listening sockets of one port. `protocol` makes what serves a connection whose peer is known."""

    def __init__(self, listening: Sequence[socket.socket], protocol: Callable[[], asyncio.BaseProtocol],
                 context: ssl.SSLContext, clock: Clock, limits: Limits = Limits()) -> None:
        self.listening, self._limits = tuple(listening), limits
        self._protocol, self._context, self._clock = protocol, context, clock
        self._strangers: dict[str, dict[asyncio.Task[None], None]] = {}
        """By address, the handshakes under way, oldest first."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.dropped = 0
        """Handshakes that had to make room for others."""
        for each in self.listening:
            each.setblocking(False)
            self._start(self._accept(each))

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.listening[0].getsockname()[1])

    @property
    def strangers(self) -> int:
        """How many connections are in their handshake."""
        return sum(map(len, self._strangers.values()))

    async def close(self) -> None:
        """Listen no more, and drop who has not yet come in."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in self.listening:
            each.close()

    def _start(self, run: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listening)
            except ConnectionError:
                continue  # It has left already.
            except OSError:
                await self._clock.sleep(NO_FILES_SECONDS)
                continue
            self._welcome(connection, str(peer[0]))

    def _welcome(self, connection: socket.socket, address: str) -> None:
        if len(self._strangers.get(address, ())) >= self._limits.from_one:
            self._drop_oldest(address)
        elif self.strangers >= self._limits.strangers:
            self._drop_oldest(max(self._strangers, key=lambda each: len(self._strangers[each])))
        begun: list[bool] = []
        task = self._start(self._greet(connection, begun))
        self._strangers.setdefault(address, {})[task] = None
        task.add_done_callback(lambda done: self._forget(address, done))
        # asyncio closes what it was given; one that is dropped before that is still ours.
        task.add_done_callback(lambda _: None if begun else connection.close())

    def _drop_oldest(self, address: str) -> None:
        self.dropped += 1
        oldest = next(iter(self._strangers[address]))
        self._forget(address, oldest)
        oldest.cancel()

    def _forget(self, address: str, task: asyncio.Task[None]) -> None:
        here = self._strangers.get(address, {})
        here.pop(task, None)
        if not here:
            self._strangers.pop(address, None)

    async def _greet(self, connection: socket.socket, begun: list[bool]) -> None:
        begun.append(True)
        limits = self._limits
        with contextlib.suppress(OSError):  # No certificate, no TLS, no word in time.
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, connection, ssl=self._context, ssl_handshake_timeout=limits.handshake_seconds,
                ssl_shutdown_timeout=limits.shutdown_seconds)


def listen(address: str, port: int, backlog: int = 128) -> tuple[socket.socket, ...]:
    """Return listening sockets; an empty address is every one of the machine. Raises OSError."""
    if address:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return (socket.create_server((address, port), family=family, backlog=backlog),)
    first = socket.create_server((_EVERY_V4, port), backlog=backlog)
    try:
        port = first.getsockname()[1]
        return first, socket.create_server((_EVERY_V6, port), family=socket.AF_INET6, backlog=backlog)
    except OSError:
        if _has_v6():
            first.close()
            raise
        return (first,)


def _has_v6() -> bool:
    """Return whether the machine has IPv6 at all: it may be switched off in the kernel."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((_EVERY_V6, 0))
    except OSError:
        return False
    return True
