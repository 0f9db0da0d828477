"""The control bus as both ends see it: publish, subscribe, know whether the broker is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message as received. An empty payload on a retained topic means it was cleared."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker is (again) there and the subscriptions are made. Everything retained has to be published again."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The broker is away; the bus keeps trying by itself."""

    reason: str


BusEvent = Message | Connected | Disconnected


class Bus(Protocol):
    """One connection. It reconnects by itself for ever; the owner learns of it through `events`."""

    async def start(self) -> None:
        """Begin connecting; does not wait for the broker."""
        ...

    async def stop(self) -> None:
        """Disconnect in good order (the last will is not sent)."""
        ...

    @property
    def connected(self) -> bool: ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1 and return when the broker has it. Waits its turn when many are in flight.

        Raises:
            BusUnavailable: not connected, or the connection broke before the broker answered.
            BusRefused: the message is too large or the access list forbids it.
        """
        ...

    def events(self) -> AsyncIterator[BusEvent]:
        """Yield messages and changes of the connection, in order. One reader."""
        ...


class BusUnavailable(Exception):
    """The broker is away. Publish again after the next Connected."""


class BusRefused(BusUnavailable):
    """The broker does not take this message, now or later; publishing it again is of no use."""
