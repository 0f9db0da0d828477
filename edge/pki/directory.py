"""Keeps the master's PKI directory: makes what is missing, keeps what is good, reissues what no longer fits.

Files are written beside their place and renamed, keys with mode 0600, so that a power cut leaves the old or the new
file. Keys are kept when a certificate is reissued: the certificate authority's key is the identity of the whole rack.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from edge.pki import authority, names

CA = "ca"
USERS = "users"
"""The authority of users' certificates, which only the API server trusts."""
API = "server"
BROKER = "broker"
SERVER = "edge-server"
ADMIN = "admin"
TOKEN_KEY = "sa.key"  # noqa: S105 - a file name
# A certificate with less than this left is issued anew.
RENEW_BEFORE = timedelta(days=275)


def ensure(directory: Path, *, dns: Iterable[str] = (), addresses: Iterable[str] = (), now: datetime,
           domain: str = "cluster.local", owners: Mapping[str, tuple[int, int]] | None = None) -> tuple[str, ...]:
    """Bring the directory into order and return the names of the files that were written.

    Args:
        directory: where the files are; made when missing.
        dns: names of the master.
        addresses: addresses of the master, of its uplink, and of the `kubernetes` service.
        now: the time certificates are reckoned from.
        domain: the cluster's DNS domain.
        owners: user and group by file name, for files another user must read.

    Raises:
        PkiError: the authority's certificate is there and its key is not, or a file cannot be read as what it is.
        OSError: the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    dns, addresses = tuple(dns), tuple(addresses)
    written: list[str] = []
    ca = _ensure_ca(directory, CA, names.CA_NAME, now, written)
    _ensure_ca(directory, USERS, names.USERS_CA_NAME, now, written)
    for stem, profile in ((API, names.api_server(dns, addresses, domain)), (BROKER, names.broker(dns, addresses)),
                          (SERVER, names.edge_server()), (ADMIN, names.admin())):
        _ensure_leaf(directory, stem, profile, ca, now, written)
    if not (directory / TOKEN_KEY).exists():
        _put(directory / TOKEN_KEY, authority.new_key(), written)
    for name, (user, group) in (owners or {}).items():
        os.chown(directory / name, user, group)
    return tuple(written)


def read_pair(directory: Path, stem: str) -> authority.Pair:
    """Return `<stem>.key` and `<stem>.crt`. Raises OSError."""
    return authority.Pair((directory / f"{stem}.key").read_bytes(), (directory / f"{stem}.crt").read_bytes())


def write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that a power cut leaves the old or the new one, never readable beyond `mode`."""
    beside = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _ensure_ca(directory: Path, stem: str, called: str, now: datetime, written: list[str]) -> authority.Pair:
    key_path, certificate_path = directory / f"{stem}.key", directory / f"{stem}.crt"
    if certificate_path.exists() and not key_path.exists():
        raise authority.PkiError(f"{key_path} is missing while {certificate_path} is there: restore the key, or move "
                                 "the directory away to begin a new rack that every node has to join again")
    if not key_path.exists():
        _put(key_path, authority.new_key(), written)
    key = key_path.read_bytes()
    if certificate_path.exists():
        pair = authority.Pair(key, certificate_path.read_bytes())
        if authority.spki_hash(pair.certificate) != authority.spki_hash(key):
            raise authority.PkiError(f"{certificate_path} does not belong to {key_path}")
        if authority.read_certificate(pair.certificate).not_after - now > RENEW_BEFORE:
            return pair
    pair = authority.create_ca(now, key, called)
    _put(certificate_path, pair.certificate, written)
    return pair


def _ensure_leaf(directory: Path, stem: str, profile: names.Profile, ca: authority.Pair, now: datetime,
                 written: list[str]) -> None:
    key_path, certificate_path = directory / f"{stem}.key", directory / f"{stem}.crt"
    if not key_path.exists():
        _put(key_path, authority.new_key(), written)
    key = key_path.read_bytes()
    if certificate_path.exists() and _is_good(certificate_path.read_bytes(), key, profile, ca, now):
        return
    _put(certificate_path, authority.issue(ca, profile, now, key=key).certificate, written)


def _is_good(certificate: bytes, key: bytes, profile: names.Profile, ca: authority.Pair, now: datetime) -> bool:
    try:
        facts = authority.read_certificate(certificate)
    except authority.PkiError:
        return False
    return (facts.profile == profile and facts.key_hash == authority.spki_hash(key)
            and facts.not_after - now > RENEW_BEFORE and authority.issued_by(certificate, ca.certificate))


def _put(path: Path, content: bytes, written: list[str]) -> None:
    write(path, content, mode=0o600 if path.suffix == ".key" else 0o644)
    written.append(path.name)
