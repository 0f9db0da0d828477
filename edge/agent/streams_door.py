"""Effects: accepts connections for the streams server, and bounds how many have not yet shown a certificate.

Every pod and everything in the rack's network reaches this port. Who opens connections by the thousand and says nothing
would otherwise take all the files the program may have open, and with them the engine and the bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from edge.clock import Clock

HANDSHAKE_SECONDS = 10.0
MOST_STRANGERS, MOST_FROM_ONE = 384, 256
NO_FILES_SECONDS = 1.0


class Door:
    """One listening socket. `protocol` makes what serves a connection whose peer is known."""

    def __init__(self, listening: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext,
                 clock: Clock) -> None:
        listening.setblocking(False)
        self.listening, self._protocol, self._context, self._clock = listening, protocol, context, clock
        self._strangers: Counter[str] = Counter()
        """By address, how many are in their handshake."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._start(self._accept())

    @property
    def strangers(self) -> int:
        """How many connections are in their handshake."""
        return self._strangers.total()

    async def close(self) -> None:
        """Listen no more, and drop who has not yet come in."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.listening.close()

    def _start(self, run: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self.listening)
            except ConnectionError:
                continue  # It has left already.
            except OSError:
                await self._clock.sleep(NO_FILES_SECONDS)
                continue
            address = str(peer[0])
            if self.strangers >= MOST_STRANGERS or self._strangers[address] >= MOST_FROM_ONE:
                connection.close()
            else:
                self._strangers[address] += 1
                self._start(self._greet(connection, address))

    async def _greet(self, connection: socket.socket, address: str) -> None:
        try:
            with contextlib.suppress(OSError):  # No certificate, no TLS, no word in time.
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._protocol, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_SECONDS)
        finally:
            self._strangers[address] -= 1
            self._strangers += Counter()  # without those that are at zero


def listen(address: str, port: int) -> socket.socket:
    """Return a listening socket; an empty address is every one of the machine. Raises OSError."""
    if not address and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=128)
