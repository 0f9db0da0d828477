"""Effects: keeps the last desired state on the disk, so that a node that boots without its master runs its pods.

The file has a checksum line and is replaced atomically; the one before stays beside it, for a card that lost power in
between. It is written only when its content changes, because cards wear out. It holds secrets: mode 0600.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import msgspec

from edge import logs
from edge.agent.desired import Known
from edge.api import core, topology
from edge.bus import messages

log = logs.get("agent.checkpoint")


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds."""

    version: int = messages.VERSION
    index: messages.DesiredIndex | None = None
    pods: dict[str, messages.DesiredPod] = {}
    services: dict[str, topology.Service] = {}
    cluster: topology.Cluster | None = None


class Checkpoint:
    """The file in one directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "desired.json"
        self._before = directory / "desired.previous.json"
        self._digest = ""
        self._writing = threading.Lock()

    def load(self) -> Known:
        """Return the newest state that can be read; nothing known when there is none."""
        for path in (self._path, self._before):
            saved, digest = _read(path, Saved)
            if saved is not None and saved.version == messages.VERSION:
                self._digest = digest if path == self._path else ""
                return Known(index=saved.index, pods=saved.pods, services=saved.services, cluster=saved.cluster)
        return Known()

    def save(self, known: Known) -> bool:
        """Write the state if it has changed; return whether it was written.

        Raises:
            OSError: the disk is full or broken; the file that is there stays good.
        """
        content = msgspec.json.encode(Saved(index=known.index, pods=dict(known.pods), services=dict(known.services),
                                            cluster=known.cluster), order="deterministic")
        digest = hashlib.sha256(content).hexdigest()
        # A save that was given up may still be writing in its thread.
        with self._writing:
            if digest == self._digest:
                return False
            _replace(self._path, self._before, digest, content)
            self._digest = digest
        return True


def _read(path: Path, kind: type[Saved]) -> tuple[Saved | None, str]:
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            log.warning("checkpoint is damaged", path=path)
            return None, ""
        return msgspec.json.decode(content, type=kind), digest.decode("ascii")
    except FileNotFoundError:
        return None, ""
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("checkpoint cannot be read", path=path, reason=error)
        return None, ""


def _replace(path: Path, before: Path, digest: str, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(digest.encode() + b"\n" + content)
        stream.flush()
        os.fsync(stream.fileno())
    if path.exists():
        path.replace(before)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Statuses:
    """The statuses reported last, on a tmpfs: they outlive the agent, not a reboot, after which all is new."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "statuses.json"
        self._writing = threading.Lock()

    def load(self) -> dict[str, core.PodStatus]:
        """Return the statuses by pod uid; none when there is no file or it is damaged."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, core.PodStatus])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("statuses cannot be read", path=self._path, reason=error)
            return {}

    def save(self, statuses: dict[str, core.PodStatus]) -> None:
        """Replace the file.

        Raises:
            OSError: the file system is full or broken.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with self._writing:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(msgspec.json.encode(statuses))
            fresh.replace(self._path)
