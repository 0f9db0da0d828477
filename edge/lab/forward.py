"""Forwards a loopback port of this host, and of the lab's laptop, over the home network to the rack's API.

A socket belongs to the network namespace it was made in: this process listens on the host first, then moves into the
laptop's namespace, listens there too, and connects from there. Started by `edgectl lab up`:
`python -m edge.lab.forward NAMESPACE PORT TARGET TARGET_PORT`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sys
from pathlib import Path

CLONE_NEWNET = 0x40000000
CHUNK = 64 * 1024


def listen(port: int) -> socket.socket:
    """Return a listening socket on 127.0.0.1 of the namespace this thread is in."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    listener.setblocking(False)
    return listener


def move_into(namespace: str) -> None:
    """Make this thread's further sockets belong to a named network namespace."""
    fd = os.open(Path("/run/netns", namespace), os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    finally:
        os.close(fd)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def serve(listeners: tuple[socket.socket, ...], target: str, port: int) -> None:
    """Forward every connection until cancelled."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(target, port)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, upstream_writer))
                both.create_task(_copy(upstream_reader, writer))
        except* OSError:
            pass  # One end is gone without a goodbye: the other one hears of it now, and not when it gives up.
        finally:
            writer.close()
            upstream_writer.close()

    servers = [await asyncio.start_server(forward, sock=listener) for listener in listeners]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    """Listen on the host, move, listen there, forward."""
    namespace, port, target, target_port = sys.argv[1:]
    on_host = listen(int(port))
    move_into(namespace)
    asyncio.run(serve((on_host, listen(int(port))), target, int(target_port)))


if __name__ == "__main__":
    main()
