"""Announces and finds masters by multicast DNS.

Only the given interface addresses are used: on a master with an uplink, announcing on all of them would offer the
cluster to the outside, and mix the names of both networks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from edge.clock import Clock, SystemClock
from edge.discovery import interfaces as kernel
from edge.discovery import names, records, responder, sides
from edge.discovery.responder import DiscoveryError

__all__ = ["ASK_SECONDS", "DiscoveryError", "announce", "find_masters"]

ASK_SECONDS = (0.0, 1.0, 2.0, 4.0)
"""Pauses between the questions; the last one is repeated (RFC 6762, section 5.2)."""
MOST_FOUND = 32
SETTLE_SECONDS = 0.5
"""How much longer is listened once a master was found: another one may pass for it."""


@contextlib.asynccontextmanager
async def announce(master: names.Master, addresses: Sequence[str], clock: Clock | None = None) -> AsyncIterator[None]:
    """Announce the master on the interfaces with these addresses for as long as the context lasts.

    Raises:
        DiscoveryError: an address is not one of this machine, or multicast cannot be used.
    """
    opened = await _open(addresses, clock or SystemClock(), None)
    try:
        for each in opened:
            await each.publish(names.service(master))
        yield
    finally:
        await responder.close_all(opened)


async def find_masters(ca_hash: str = "", *, timeout: float, addresses: Sequence[str] = (), for_node: bool = False,
                       clock: Clock | None = None) -> tuple[names.Master, ...]:
    """Return the masters that answer and may have that authority.

    Whether one has it is for the caller to check: anybody can announce anything. With a hash the search ends soon after
    the first that fits; without one it takes all of the time.

    Args:
        ca_hash: `sha256:<hex>` as pinned on the card; "" takes any master.
        timeout: seconds to listen.
        addresses: of the interfaces to ask on; every one with a wire when empty.
        for_node: only those that offer the bus; a master offers it on the rack's side alone.
        clock: of the machine when not given.

    Raises:
        DiscoveryError: multicast cannot be used on any interface.
    """
    clock = clock or SystemClock()
    found: dict[names.Master, None] = {}
    first = asyncio.Event()

    def hear(side: sides.Side, answers: tuple[records.Answer, ...]) -> None:
        for master in filter(None, (names.read(answer, side.network) for answer in answers)):
            if names.matches(master, ca_hash) and (master.bus_port or not for_node) and len(found) < MOST_FOUND:
                found.setdefault(master)
                first.set()

    opened = await _open(addresses, clock, hear)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await _search(opened, clock, first if ca_hash else asyncio.Event())
    finally:
        await responder.close_all(opened)
    return tuple(sorted(found, key=lambda master: (master.name, master.cluster_id, master.addresses)))


async def _search(opened: Sequence[responder.Responder], clock: Clock, enough: asyncio.Event) -> None:
    """Ask again and again until there is enough."""
    asking = asyncio.ensure_future(_ask(opened, clock))
    try:
        await enough.wait()
        await clock.sleep(SETTLE_SECONDS)
    finally:
        asking.cancel()


async def _ask(opened: Sequence[responder.Responder], clock: Clock) -> None:
    pauses = list(ASK_SECONDS)
    while True:
        await clock.sleep(pauses.pop(0) if len(pauses) > 1 else pauses[0])
        for each in opened:
            # An interface may be gone by now; the others are asked all the same.
            with contextlib.suppress(OSError, DiscoveryError):
                each.ask(names.SERVICE_TYPE)


async def _open(addresses: Sequence[str], clock: Clock, hear: responder.Hear | None) -> list[responder.Responder]:
    """Open all that are asked for, or those that can be opened when nothing is asked for."""
    found = kernel.read()
    wanted = sides.at(found, addresses) if addresses else sides.of_machine(found)
    if missing := set(addresses) - {side.address for side in wanted}:
        raise DiscoveryError(f"multicast DNS cannot be used: {', '.join(sorted(missing))} is no address of this "
                             "machine")
    opened: list[responder.Responder] = []
    problem = "no interface has an address"
    for side in wanted:
        each = responder.Responder(side, clock, types=(names.SERVICE_TYPE,), hear=hear)
        try:
            await each.open()
        except DiscoveryError as error:
            problem = str(error)
            if addresses:
                await responder.close_all(opened)
                raise
        else:
            opened.append(each)
    if not opened:
        raise DiscoveryError(problem)
    return opened
