"""A broker in memory, and connections to it that pass the same contract suite as the real ones.

`broker.away()` breaks every connection, `broker.back()` lets them in again: at once, no back-off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from edge.bus import interface, messages


def matches(pattern: str, topic: str) -> bool:
    """Return whether a subscription with `+` and `#` covers a topic."""
    levels, parts = pattern.split("/"), topic.split("/")
    for index, level in enumerate(levels):
        if level == "#":
            return True
        if index >= len(parts) or (level not in ("+", parts[index])):
            return False
    return len(levels) == len(parts)


class FakeBroker:
    """Holds retained messages and passes messages on, in order. Going away forgets what was retained."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.up = True
        self.published: list[interface.Message] = []
        """Everything that was ever published, in order."""
        self.refuse: set[str] = set()
        """Topics the access list forbids."""
        self._buses: list[FakeBus] = []

    def bus(self, *subscriptions: str, will: tuple[str, bytes] | None = None, see_retained: bool = False) -> FakeBus:
        """Return a new connection; it still has to be started."""
        bus = FakeBus(self, subscriptions, will, see_retained=see_retained)
        self._buses.append(bus)
        return bus

    def away(self, *, reason: str = "broker went away") -> None:
        """Break every connection and forget everything retained."""
        self.up = False
        self.retained.clear()
        for bus in self._buses:
            bus.drop(reason)

    def back(self) -> None:
        """Let every started connection in again."""
        self.up = True
        for bus in self._buses:
            bus.connect()

    def deliver(self, sender: FakeBus, message: interface.Message, *, retain: bool) -> None:
        """Take a publication."""
        self.published.append(message)
        if retain and message.payload:
            self.retained[message.topic] = message.payload
        elif retain:
            self.retained.pop(message.topic, None)
        for bus in self._buses:
            if bus is not sender and bus.connected and bus.wants(message.topic):
                bus.put(interface.Message(message.topic, message.payload, retained=retain and bus.see_retained))

    def lose(self, bus: FakeBus) -> None:
        """Break one connection as a power cut would: its last will is sent."""
        bus.drop("connection lost")
        if bus.will is not None:
            self.deliver(bus, interface.Message(*bus.will), retain=True)


class FakeBus:
    """One connection to a FakeBroker."""

    def __init__(self, broker: FakeBroker, subscriptions: tuple[str, ...], will: tuple[str, bytes] | None, *,
                 see_retained: bool = False) -> None:
        self.broker = broker
        self.will = will
        self.see_retained = see_retained
        self._subscriptions = subscriptions
        self._events: asyncio.Queue[interface.BusEvent] = asyncio.Queue()
        self._started = False
        self._connected = False

    @property
    def connected(self) -> bool:
        return self._connected

    async def start(self) -> None:
        self._started = True
        self.connect()
        if not self._connected:
            self._events.put_nowait(interface.Disconnected("connection refused"))

    async def stop(self) -> None:
        self._started = self._connected = False

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if len(payload) > messages.MAX_BYTES:
            raise interface.BusRefused(f"{topic}: {len(payload)} bytes are more than {messages.MAX_BYTES}")
        if not self._connected:
            raise interface.BusUnavailable("not connected")
        if topic in self.broker.refuse:
            raise interface.BusRefused("the broker refused the message: Not authorized")
        self.broker.deliver(self, interface.Message(topic, payload), retain=retain)
        await asyncio.sleep(0)

    async def events(self) -> AsyncIterator[interface.BusEvent]:
        while True:
            yield await self._events.get()

    def connect(self) -> None:
        """Come up when started and the broker is there: Connected first, then what is retained."""
        if not self._started or self._connected or not self.broker.up:
            return
        self._connected = True
        self._events.put_nowait(interface.Connected())
        for topic, payload in list(self.broker.retained.items()):
            if self.wants(topic):
                self.put(interface.Message(topic, payload, retained=True))

    def drop(self, reason: str) -> None:
        """Lose the connection."""
        if self._connected:
            self._connected = False
            self._events.put_nowait(interface.Disconnected(reason))

    def wants(self, topic: str) -> bool:
        """Return whether a subscription covers the topic."""
        return any(matches(pattern, topic) for pattern in self._subscriptions)

    def put(self, message: interface.Message) -> None:
        """Queue a message for the reader."""
        self._events.put_nowait(message)
