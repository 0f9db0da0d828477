"""Effects: connects to a port of a pod from inside the pod, as the kubelet's port-forward does.

A program that listens on 127.0.0.1 alone is reached too. A socket belongs to the network namespace it was made in,
wherever it is used: a thread of its own enters the namespace, makes the socket and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from pathlib import Path

CLONE_NEWNET = 0x40000000
LOOPBACK = ((socket.AF_INET, "127.0.0.1", "IPv4", "tcp4"), (socket.AF_INET6, "::1", "IPv6", "tcp6"))


class Unreachable(Exception):
    """Nobody answers; the text is for the user, in the words of Kubernetes' runtimes."""


async def connect(netns_path: str, port: int, seconds: float) -> socket.socket:
    """Return a socket connected to a port of a pod; an empty path is the host's network. Raises Unreachable."""
    tried = []
    for family, address, version, protocol in LOOPBACK:
        shown = f"[{address}]" if ":" in address else address
        try:
            made = await asyncio.to_thread(_socket_in, netns_path, family)
        except OSError as error:
            tried.append(f"{version} dial {protocol} {shown}:{port}: {error.strerror or error}")
            continue
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(made, (address, port))
                return made
        except TimeoutError:
            tried.append(f"{version} dial {protocol} {shown}:{port}: i/o timeout")
        except OSError as error:
            why = "connection refused" if isinstance(error, ConnectionRefusedError) else error.strerror or str(error)
            tried.append(f"{version} dial {protocol} {shown}:{port}: connect: {why[:1].lower()}{why[1:]}")
        except BaseException:
            made.close()
            raise
        made.close()
    where = f' inside namespace "{Path(netns_path).name}"' if netns_path else ""
    raise Unreachable(f"failed to connect to localhost:{port}{where}, {' '.join(tried)}")


def _socket_in(netns_path: str, family: socket.AddressFamily) -> socket.socket:
    """Raises OSError."""
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def make() -> None:
        try:
            if netns_path:
                _enter(netns_path)
            made.append(socket.socket(family, socket.SOCK_STREAM))
            made[0].setblocking(False)
            # Interactive programs send small pieces.
            made[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=make, name="netns")
    thread.start()
    thread.join()
    if failed:
        for one in made:
            with contextlib.suppress(OSError):
                one.close()
        raise failed[0]
    return made[0]


def _enter(netns_path: str) -> None:
    import ctypes  # only here: half a megabyte that most nodes never need

    libc = ctypes.CDLL(None, use_errno=True)
    with Path(netns_path).open("rb") as place:
        if libc.setns(place.fileno(), CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
