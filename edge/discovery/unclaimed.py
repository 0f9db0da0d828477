"""Effects: announces a machine that belongs to no rack yet: `python -m edge.discovery.unclaimed --interface eth0`.

The agent runs this as a child process while it cannot join, so that zeroconf never stays in the memory of a node.
Each line on standard input is the machine as JSON; the last one holds. When the input ends, the machine has joined or
its agent has died: it says goodbye and exits.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import metadata

import msgspec

from edge.clock import Clock, SystemClock, wait
from edge.discovery import interfaces as kernel
from edge.discovery import nodes, sides
from edge.discovery.responder import DiscoveryError, Responder, close_all

LONGEST_LINE = 8192
FIRST_SECONDS = 2.0
"""A change of the network is looked at again this soon: addresses come a while after the wire."""


class Announcement:
    """One machine on all of its networks."""

    def __init__(self, interface: str, clock: Clock) -> None:
        self._interface, self._clock = interface, clock
        self._machine: nodes.Unclaimed | None = None
        self._open: dict[sides.Side, tuple[Responder, str]] = {}
        self.wake = asyncio.Event()
        self.ended = False

    def tell(self, machine: nodes.Unclaimed) -> None:
        """Announce this from now on."""
        self._machine = machine
        self.wake.set()

    def end(self) -> None:
        """Stop soon."""
        self.ended = True
        self.wake.set()

    async def run(self) -> None:
        """Announce until `end` is called, on whichever networks there are."""
        try:
            while not self.ended:
                before = set(self._open)
                await self._look()
                news = set(self._open) != before
                await wait(self.wake, self._clock, FIRST_SECONDS if news else nodes.REPEAT_SECONDS)
        finally:
            await close_all(responder for responder, _ in self._open.values())

    async def _look(self) -> None:
        if self._machine is None:
            return
        wanted = sides.of_machine(kernel.read(), self._interface)
        for side in [side for side in self._open if side not in wanted]:
            await self._open.pop(side)[0].close()
        for side in wanted:
            # A network that cannot be used now is tried again at the next look.
            with contextlib.suppress(DiscoveryError, OSError):
                await self._announce(side, self._machine)

    async def _announce(self, side: sides.Side, machine: nodes.Unclaimed) -> None:
        service = nodes.service(machine, (side.address,))
        if side not in self._open:
            responder = Responder(side, self._clock)
            await responder.open()
            self._open[side] = responder, service.instance
        responder, instance = self._open[side]
        if instance != service.instance:
            await responder.withdraw(instance)
            self._open[side] = responder, service.instance
        await responder.publish(service)


async def _run(interface: str) -> None:
    announcement = Announcement(interface, SystemClock())
    version = _version()
    lines = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    async def listen() -> None:
        with contextlib.suppress(ValueError):  # A line that is too long: not from our agent.
            while line := await lines.readline():
                with contextlib.suppress(msgspec.MsgspecError):
                    machine = msgspec.json.decode(line, type=nodes.Unclaimed)
                    announcement.tell(msgspec.structs.replace(machine, version=machine.version or version))
        announcement.end()

    listening = asyncio.ensure_future(listen())
    with contextlib.ExitStack() as stack:
        # Without news from the kernel the regular look is enough.
        with contextlib.suppress(OSError):
            stack.enter_context(kernel.heard(announcement.wake.set))
        await announcement.run()
    listening.cancel()


def _version() -> str:
    try:
        return metadata.version("edgerack")
    except metadata.PackageNotFoundError:
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m edge.discovery.unclaimed", description="Announce this machine.")
    parser.add_argument("--interface", default="", help="the interface to announce on; every one with a wire if absent")
    options = parser.parse_args(arguments)
    with contextlib.suppress(OSError):
        os.nice(5)
    asyncio.run(_run(options.interface))
    return 0


if __name__ == "__main__":
    sys.exit(main())
