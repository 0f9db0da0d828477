"""The bus over MQTT 5: one connection after the other, for as long as the program runs.

Every attempt to connect gets a fresh paho client, so that nothing of a broken connection is sent again behind the
owner's back.
See https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

from edge import logs
from edge.bus import interface, messages
from edge.bus.losses import Losses
from edge.bus.mqtt_connection import Connection, Queue, Settings
from edge.clock import Clock
from edge.component import Supervisor
from edge.ids import Ids

__all__ = ["MqttBus", "Settings"]

FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 10.0
GOODBYE_SECONDS = 1.0

log = logs.get("bus")


class MqttBus:
    """One connection; see `interface.Bus`."""

    def __init__(self, settings: Settings, clock: Clock, ids: Ids) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._events: Queue = asyncio.Queue()
        self._connection: Connection | None = None
        self._supervisor = Supervisor(clock)
        self._stopping = False
        self._losses = Losses()
        self.dropped: Counter[str] = Counter()
        """Messages dropped before anybody has read them, by reason."""

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def move(self, host: str) -> None:
        """Look for the broker at another address from the next attempt to connect on."""
        self._settings = replace(self._settings, host=host)

    async def start(self) -> None:
        self._stopping = False
        self._supervisor.start("bus", self._run)

    async def stop(self) -> None:
        self._stopping = True
        if self._connection is not None:
            self._connection.say_goodbye()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._connection.closed.wait()
        await self._supervisor.stop()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if len(payload) > messages.MAX_BYTES:
            raise interface.BusRefused(f"{topic}: {len(payload)} bytes are more than {messages.MAX_BYTES}")
        if self._connection is None:
            raise interface.BusUnavailable("not connected")
        await self._connection.publish(topic, payload, retain)

    async def events(self) -> AsyncIterator[interface.BusEvent]:
        while True:
            event, connection, number = await self._events.get()
            if connection is not None:
                connection.acknowledge(number)
            yield event

    async def _run(self) -> None:
        delay, last_reason = FIRST_DELAY_SECONDS, ""
        while True:
            connection, up_since = Connection(self._settings, self._events, self.dropped), None
            try:
                await connection.open()
                # Whoever hears of the connection may use it at once.
                self._connection, up_since = connection, self._clock.monotonic()
                connection.deliver()
                log.info("connected", host=self._settings.host, port=self._settings.port)
                delay, last_reason = FIRST_DELAY_SECONDS, ""
                await connection.closed.wait()
            except interface.BusUnavailable:
                pass  # the reason is in connection.reason
            finally:
                self._connection = None
                connection.close()
            if self._stopping:
                return
            if connection.reason != last_reason:
                last_reason = connection.reason
                log.warning("not connected", host=self._settings.host, port=self._settings.port, reason=last_reason)
                self._events.put_nowait((interface.Disconnected(last_reason), None, 0))
            now, until_alone = self._clock.monotonic(), self._settings.until_alone
            if up_since is not None and self._losses.lost(now, now - up_since) and until_alone is not None:
                await until_alone()
            await self._clock.sleep(delay * (0.5 + self._ids.fraction() / 2))
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)
