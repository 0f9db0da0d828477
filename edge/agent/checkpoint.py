"""Effects: keeps the last desired state on the disk, so that a node that boots without its master runs its pods.

The file has a checksum line and is replaced atomically; the one before stays beside it, for a card that lost power in
between. It is written only when its content changes, because cards wear out. What nobody shall find on a card, the
values of Secrets and every token, is in a second file in memory: it outlives the agent, not a reboot
(docs/adr/secrets-in-ram.md).
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edge import logs
from edge.agent import withholding
from edge.agent.desired import Known
from edge.agent.withholding import Hidden
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
    """The file in one directory, and what it does not keep in another one that is in memory.

    `secrets_on_card` keeps the values of Secrets on the card too, but no tokens: those are renewed often, and are good
    for nothing without the server that would check them.
    """

    def __init__(self, directory: Path, memory: Path | None = None, *, secrets_on_card: bool = False) -> None:
        self._path = directory / "desired.json"
        self._before = directory / "desired.previous.json"
        self._memory = memory / "secrets.json" if memory is not None else None
        self._secrets_on_card = secrets_on_card
        self._digest = self._hidden_digest = ""
        self._on_card: dict[str, Hidden] = {}
        """By uid, what belongs to the pods as the card has them: it stays in memory until the card has newer ones."""
        self.tainted = False
        """Whether the files on the card hold what they should not, as an older agent left them. The next save mends it.
        """
        self._writing = threading.Lock()

    def load(self) -> Known:
        """Return the newest state that can be read; nothing known when there is none."""
        hidden = self._load_hidden()
        self.tainted = not self._secrets_on_card and _is_tainted(self._before)
        for path in (self._path, self._before):
            saved, digest = _read(path)
            if saved is None or saved.version != messages.VERSION:
                continue
            self._digest = digest if path == self._path else ""
            self.tainted |= not self._secrets_on_card and any(map(withholding.has_secrets, saved.pods.values()))
            pods = {uid: withholding.restored(pod, hidden.get(uid, ())) for uid, pod in saved.pods.items()}
            self._on_card = withholding.hidden(pods)
            return Known(index=saved.index, pods=pods, services=saved.services, cluster=saved.cluster)
        return Known()

    def save(self, known: Known) -> bool:
        """Write the state if it has changed; return whether the card was written.

        Raises:
            OSError: the disk is full or broken; the file that is there stays good.
        """
        pods = {uid: withholding.withheld(pod, secrets=not self._secrets_on_card) for uid, pod in known.pods.items()}
        content = msgspec.json.encode(Saved(index=known.index, pods=pods, services=dict(known.services),
                                            cluster=known.cluster), order="deterministic")
        digest = hashlib.sha256(content).hexdigest()
        # A save that was given up may still be writing in its thread.
        with self._writing:
            self._save_hidden(withholding.hidden(known.pods))
            if digest == self._digest and not self.tainted:
                return False
            _replace(self._path, self._before, digest, content)
            if self.tainted:
                _write(self._before, digest, content)
                self.tainted = False
            self._digest = digest
            self._on_card = withholding.hidden(known.pods)
        return True

    def _save_hidden(self, hidden: Mapping[str, Hidden]) -> None:
        if self._memory is None:
            return
        entries = {uid: tuple(dict.fromkeys((each, self._on_card.get(uid, each)))) for uid, each in hidden.items()}
        for uid in self._on_card.keys() - entries.keys():
            entries[uid] = (self._on_card[uid],)
        content = msgspec.json.encode(entries, order="deterministic")
        digest = hashlib.sha256(content).hexdigest()
        if digest == self._hidden_digest:
            return
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._memory.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)
        fresh.replace(self._memory)
        self._hidden_digest = digest

    def _load_hidden(self) -> dict[str, tuple[Hidden, ...]]:
        if self._memory is None:
            return {}
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=dict[str, tuple[Hidden, ...]])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            # No word of the content, not even where it is wrong.
            log.warning("secrets in memory cannot be read", path=self._memory)
            return {}


def _is_tainted(path: Path) -> bool:
    """Return whether a file holds secrets, or cannot be read to the end, so that it might."""
    saved, _ = _read(path)
    return path.exists() if saved is None else any(map(withholding.has_secrets, saved.pods.values()))


def _read(path: Path) -> tuple[Saved | None, str]:
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            log.warning("checkpoint is damaged", path=path)
            return None, ""
        return msgspec.json.decode(content, type=Saved), digest.decode("ascii")
    except FileNotFoundError:
        return None, ""
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("checkpoint cannot be read", path=path, reason=error)
        return None, ""


def _replace(path: Path, before: Path, digest: str, content: bytes) -> None:
    """Write the file anew and keep the one that was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = _fresh(path, digest, content)
    if path.exists():
        path.replace(before)
    fresh.replace(path)
    _sync(path.parent)


def _write(path: Path, digest: str, content: bytes) -> None:
    """Write the file anew and keep nothing of the one that was there."""
    _fresh(path, digest, content).replace(path)
    _sync(path.parent)


def _fresh(path: Path, digest: str, content: bytes) -> Path:
    """Return a file beside the one meant, with everything in it and on the disk."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(digest.encode() + b"\n" + content)
        stream.flush()
        os.fsync(stream.fileno())
    return fresh


def _sync(directory: Path) -> None:
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
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


def forget(directory: Path, memory: Path | None = None) -> None:
    """Remove what is kept of pods, for a machine that has become another node. Raises OSError."""
    for name in ("desired.json", "desired.previous.json"):
        (directory / name).unlink(missing_ok=True)
    if memory is not None:
        (memory / "secrets.json").unlink(missing_ok=True)
