"""Clients that watch, in processes of their own, so cheap that they hardly count in what they measure.

Each process has many connections and does nothing but wait for them, read raw bytes and note when the mark of a write
came. A mark is `@NUMBER@` somewhere in the object. Times are of the monotonic clock, which all processes share.
"""

from __future__ import annotations

import multiprocessing
import re
import select
import socket
import ssl
import time
from multiprocessing.connection import Connection

from bench.api_server import Running, allow_files

PROCESSES = 2
PATIENCE_SECONDS = 60.0
_MARK = re.compile(rb"@(\d+)@")
_LONGEST_MARK = 16
_READ_BYTES = 65536
Arrivals = list[tuple[int, float]]


class Readers:
    """So many watches of one path, open from the making until `arrivals`."""

    def __init__(self, server: Running, path: str, count: int) -> None:
        processes = min(PROCESSES, count)
        shares = [count // processes + (number < count % processes) for number in range(processes)]
        self._pipes: list[Connection] = []
        self._processes = []
        for share in shares:
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(target=_read, args=(theirs, server, path, share),
                                                                   daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        self.opening_seconds = max(pipe.recv() for pipe in self._pipes)
        self.cpu_seconds = 0.0
        """Of all reading processes, while they read; known when it is over."""

    def arrivals(self, expected: int) -> Arrivals:
        """Return (number, when it came) for every mark at every watch; waits until that many marks came to each."""
        for pipe in self._pipes:
            pipe.send(expected)
        found: Arrivals = []
        for pipe in self._pipes:
            came, cpu = pipe.recv()
            found += came
            self.cpu_seconds += cpu
        for process in self._processes:
            process.join(10)
        return found


def _read(pipe: Connection, server: Running, path: str, count: int) -> None:
    """Open the watches, say so, read until told how many marks there are and all have come."""
    allow_files(count)
    began = time.perf_counter()
    context = server.context()
    watches = {watch.fileno(): watch for watch in (_open(server, context, path) for _ in range(count))}
    poll = select.epoll()
    for file in (*watches, pipe.fileno()):
        poll.register(file, select.EPOLLIN)
    rest = dict.fromkeys(watches, b"")
    came: Arrivals = []
    expected = -1
    pipe.send(time.perf_counter() - began)
    cpu, give_up = time.process_time(), float("inf")
    while len(came) != expected * count and time.monotonic() < give_up:
        for file, _ in poll.poll(1):
            if file == pipe.fileno():
                expected, give_up = pipe.recv(), time.monotonic() + PATIENCE_SECONDS
                poll.unregister(file)
                continue
            data = rest[file] + _take(watches[file])
            now, end = time.monotonic(), 0
            for found in _MARK.finditer(data):
                came.append((int(found[1]), now))
                end = found.end()
            rest[file] = data[end:][-_LONGEST_MARK:]
    pipe.send((came, time.process_time() - cpu))


def _open(server: Running, context: ssl.SSLContext, path: str) -> ssl.SSLSocket:
    """Return a connection on which the answer to a watch has begun."""
    plain = socket.create_connection(("127.0.0.1", server.port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    watch = context.wrap_socket(plain, server_hostname="127.0.0.1")
    watch.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        part = watch.recv(_READ_BYTES)
        head += part
        if not part or not head.startswith(b"HTTP/1.1 200"[:len(head)]):
            raise SystemExit(f"GET {path}: {head.decode()}")
    watch.setblocking(False)
    return watch


def _take(watch: ssl.SSLSocket) -> bytes:
    """Return what has come; several records are one after the other."""
    parts = []
    try:
        while part := watch.recv(_READ_BYTES):
            parts.append(part)
            if len(part) < _READ_BYTES and not watch.pending():
                return b"".join(parts)
    except ssl.SSLWantReadError:
        return b"".join(parts)
    raise SystemExit("the server has ended a watch")
