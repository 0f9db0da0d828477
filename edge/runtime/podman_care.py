"""Effects: looks after the Podman service itself: ends one that hangs, finds out why it does not start, and moves
unreadable parts of its store aside."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
from pathlib import Path

from edge.runtime import repair
from edge.runtime.repair import Damage

EXAMINE_SECONDS = 60.0
SYSTEMD = Path("/run/systemd/system")
BROKEN = ".broken"


class PodmanCare:
    """The service behind one socket, with its store in one directory."""

    def __init__(self, socket_path: str, storage_dir: str, *, podman: tuple[str, ...] = ("podman",)) -> None:
        self._socket, self._storage, self._podman = socket_path, storage_dir, podman

    async def listens(self) -> bool:
        """Return whether anybody takes connections at the socket."""
        return await asyncio.to_thread(_owner, self._socket) is not None

    async def end(self) -> str:
        """End the process behind the socket with SIGKILL; return what was done, empty when nothing could be."""
        owner = await asyncio.to_thread(_owner, self._socket)
        if owner is None:
            return ""
        # systemd holds the socket, or did when the service was started by a connection.
        if owner == 1:
            # Not all processes of the unit: the monitors of the containers are among them.
            return await self._systemctl("kill", "--kill-whom=main", "--signal=KILL", "podman.service")
        if "podman" not in _program(owner):
            return ""
        try:
            os.kill(owner, signal.SIGKILL)
        except ProcessLookupError:
            return ""
        return f"ended process {owner}"

    async def examine(self) -> Damage | None:
        """Start Podman once, beside the service, and return what of the store it cannot read."""
        return repair.diagnose(await self._run(*self._podman, "ps", "--all", "--quiet"))

    async def start(self) -> str:
        """Have systemd start the service; elsewhere its supervisor does. Return what was done."""
        return await self._systemctl("restart", "podman.socket") if SYSTEMD.is_dir() else ""

    async def set_aside(self, damage: Damage) -> tuple[str, ...]:
        """Move the broken files away, beside where they were; return those that were there. Raises OSError."""
        return await asyncio.to_thread(_set_aside, self._storage, damage.paths)

    async def forget_images(self) -> tuple[str, ...]:
        """Move the list of images away. Raises OSError."""
        return await asyncio.to_thread(_set_aside, self._storage, repair.image_list(self._storage))

    async def _systemctl(self, *arguments: str) -> str:
        if not SYSTEMD.is_dir():
            return ""
        await self._run("systemctl", *arguments)
        return f"systemctl {' '.join(arguments)}"

    async def _run(self, *argv: str) -> str:
        """Return what a program printed, empty when it does not end in time or is not there."""
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT)
        except OSError:
            return ""
        try:
            async with asyncio.timeout(EXAMINE_SECONDS):
                printed, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return ""
        return printed.decode(errors="replace")


def _owner(path: str) -> int | None:
    """Return the process that listens at a unix socket (unix(7), SO_PEERCRED); None when nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(path)
            found = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return None
    pid: int = struct.unpack("3i", found)[0]
    return pid


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _set_aside(storage: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    moved = []
    for name in paths:
        path = Path(storage, name)
        if path.exists():
            path.replace(path.with_name(path.name + BROKEN))
            moved.append(str(path))
    return tuple(moved)
