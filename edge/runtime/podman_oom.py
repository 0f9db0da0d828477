"""Asks the kernel whether a container was killed for its memory.

Podman 4.3 never says so itself: conmon notes it in a file `oom` in its working directory, which is the service's, and
Podman looks for it in the container's. The kernel's log names the control group, which carries the container's id. See
https://docs.kernel.org/admin-guide/abi-testing.html (dev-kmsg).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

LOG = "/dev/kmsg"
RECORD_BYTES = 8192
MOST_RECORDS = 20_000


def killed(container_id: str, path: str = LOG) -> bool:
    """Return whether the kernel's log says so; False where it cannot be read. Blocks for some milliseconds."""
    try:
        log = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return any(is_about(record, container_id) for record in _records(log))
    finally:
        os.close(log)


def _records(log: int) -> Iterator[bytes]:
    for _ in range(MOST_RECORDS):
        try:
            record = os.read(log, RECORD_BYTES)
        except BrokenPipeError:
            continue  # The kernel has overwritten what we were about to read; the next read goes on behind it.
        except OSError:
            return
        if not record:
            return
        yield record


def is_about(record: bytes, container_id: str) -> bool:
    """Return whether one record of the log tells of a process of this container that was killed for memory."""
    # Other fields name who asked for memory, which may be another container than the one that was killed.
    _, found, victim = record.partition(b"task_memcg=")
    return b"oom-kill:" in record and bool(found) and container_id.encode() in victim.split(b",")[0]
