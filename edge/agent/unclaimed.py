"""Effects: has the machine announced for as long as it cannot join, by a child process that goes when it has joined.

A master shows what it hears (`edgectl discover`), with the reason, so that nobody needs a screen on the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from pathlib import Path

import msgspec

from edge import logs
from edge.agent.machine import board_serial
from edge.discovery import nodes

END_SECONDS = 5.0
_MODELS = ("/proc/device-tree/model", "/sys/class/dmi/id/product_name")

log = logs.get("agent.unclaimed")


class Announcing:
    """Announces this machine from the first `tell` to `stop`. What goes wrong here never keeps a node from joining."""

    def __init__(self, interface: str = "") -> None:
        self._interface = interface
        self._child: asyncio.subprocess.Process | None = None
        self._told = ""

    async def tell(self, reason: str) -> None:
        """Announce the machine with this reason; starts the child, also one that has died."""
        line = msgspec.json.encode(machine(reason)).decode()
        if self._child is not None and self._child.returncode is None and line == self._told:
            return
        try:
            if self._child is None or self._child.returncode is not None:
                chosen = ("--interface", self._interface) if self._interface else ()
                self._child = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "edge.discovery.unclaimed", *chosen, stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.DEVNULL)
            if self._child.stdin is not None:
                self._child.stdin.write(line.encode() + b"\n")
                await self._child.stdin.drain()
            self._told = line
        except OSError as error:
            log.warning("the machine is not announced", reason=error)

    async def stop(self) -> None:
        """Say goodbye and end the child."""
        child, self._child, self._told = self._child, None, ""
        if child is None or child.returncode is not None:
            return
        try:
            if child.stdin is not None:
                child.stdin.close()
            async with asyncio.timeout(END_SECONDS):
                await child.wait()
        except TimeoutError:
            log.warning("the announcement of the machine did not end by itself")
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()


def machine(reason: str) -> nodes.Unclaimed:
    """Return what is told of this machine."""
    return nodes.Unclaimed(name=nodes.host_label(socket.gethostname()), serial=board_serial(), model=_first(_MODELS),
                           reason=reason)


def _first(paths: tuple[str, ...]) -> str:
    return next((text for path in paths if (text := _text(path))), "")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""
