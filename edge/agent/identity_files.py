"""Effects: what a node proves itself with, as it lies on its card: key, certificate and the rack's authority."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, replace
from pathlib import Path

from edge import logs
from edge.agent import checkpoint
from edge.agent.identity import Held, JoinError
from edge.pki import subjects
from edge.pki.subjects import Subject

CALLED = "called"
"""File beside the key: what the machine was called when it got its certificate."""

log = logs.get("agent.enrol")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What joining needs to know."""

    node_name: str
    data_dir: Path
    serial: str = ""
    """Of the board this is."""
    server: str = ""
    api_port: int = 6443
    token_file: Path | None = None
    ca_cert_hash: str = ""
    ca_cert_hash_file: Path | None = None
    interface: str = ""
    announced: bool = False
    """Whether the machine is announced in its network while it cannot join."""

    @property
    def directory(self) -> Path:
        return self.data_dir / "identity"


@dataclass(frozen=True, slots=True)
class Identity:
    """The files a node proves itself with."""

    key: Path
    certificate: Path
    ca: Path
    name: str = ""
    """What the certificate calls the node, once that is known."""

    @property
    def complete(self) -> bool:
        return all(path.is_file() for path in (self.key, self.certificate, self.ca))


def files(directory: Path) -> Identity:
    """Return the paths of a node's identity."""
    return Identity(directory / "node.key", directory / "node.crt", directory / "ca.crt")


def context(found: Identity) -> ssl.SSLContext:
    """Return the context for a client that verifies the master and shows the node's certificate.

    Raises:
        OSError: a file is missing or is not what it should be.
    """
    made = ssl.create_default_context(cafile=str(found.ca))
    made.load_cert_chain(found.certificate, found.key)
    return made


def held(joining: Joining) -> Held:
    """Return the identity on the card; one that is damaged is none. Raises OSError when the card cannot be read."""
    found = files(joining.directory)
    if not found.complete:
        return Held()
    try:
        context(found)
        called = joining.directory / CALLED
        return Held(subjects.certificate(found.certificate.read_text()),
                    called.read_text().strip() if called.is_file() else "")
    except (ssl.SSLError, ValueError) as error:
        log.warning("the node's identity cannot be used, a new certificate is asked for", reason=error)
        found.certificate.unlink(missing_ok=True)
        return Held()


def take(joining: Joining, ca: str, certificate: str) -> Identity:
    """Keep a certificate the master has given, and return the identity. Raises JoinError, OSError."""
    found = files(joining.directory)
    fresh = found.certificate.with_name(found.certificate.name + ".given")
    try:
        store(fresh, certificate)
        name = subjects.certificate(certificate).name
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(fresh, found.key)
        store(found.ca, ca)
        store(joining.directory / CALLED, joining.node_name)
        fresh.replace(found.certificate)
    except (ssl.SSLError, ValueError) as error:
        raise JoinError("the master answered with a certificate that does not fit this node's key") from error
    finally:
        fresh.unlink(missing_ok=True)
    return replace(found, name=name)


def forget(joining: Joining) -> None:
    """Remove the identity and the pods that came with it: they are another board's. Raises OSError."""
    checkpoint.forget(joining.data_dir)
    for name in ("node.crt", "node.csr", CALLED, "node.key"):
        (joining.directory / name).unlink(missing_ok=True)


def requested(joining: Joining) -> Subject | None:
    """Return whom the request on the card is for; None where there is none that can be used."""
    if not (joining.directory / "node.key").is_file():
        return None
    try:
        return subjects.request((joining.directory / "node.csr").read_text())
    except (OSError, ValueError):
        return None


def read(path: Path, what: str) -> str:
    """Return what is in a file of a few words, named in the complaint as `what`. Raises JoinError."""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise JoinError(f"cannot read {what}: {error}") from error


def store(path: Path, text: str) -> None:
    """Write a file whole or not at all, for its owner alone. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
