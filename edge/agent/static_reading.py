"""Effects: a child process that reads manifest files: `python -m edge.agent.static_reading NODE FILE...`.

It prints what it found as JSON. The rules of the API and a reader of YAML go with it; and whatever a file does to it,
the agent lives on.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from edge.agent import static_pods
from edge.agent.static_choice import UNREAD, Manifest, Stamp
from edge.api import times


def main(arguments: Sequence[str]) -> int:
    """Read the files and print what they hold."""
    node, *paths = arguments
    sys.stdout.buffer.write(msgspec.json.encode([read(path, node) for path in paths]))
    return 0


def read(path: str, node: str) -> Manifest:
    """Return what one file holds; one that is gone has an empty stamp."""
    stamp = UNREAD
    try:
        # A pipe would keep us waiting for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            stamp = Stamp(found.st_mtime_ns, found.st_size, found.st_ino)
            if not stat.S_ISREG(found.st_mode):
                return Manifest(path=path, stamp=stamp, problem="it is no file")
            content = file.read(static_pods.MOST_BYTES + 1)
        seen = times.render(datetime.fromtimestamp(max(0, found.st_mtime_ns // 10**9), UTC))
        pod, warnings = static_pods.read(content, path, node, seen)
    except (OSError, OverflowError) as error:
        return Manifest(path=path, stamp=stamp, problem=f"it cannot be read: {getattr(error, 'strerror', error)}")
    except static_pods.ManifestError as error:
        return Manifest(path=path, stamp=stamp, problem=str(error))
    return Manifest(path=path, stamp=stamp, pod=pod, warnings=warnings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
