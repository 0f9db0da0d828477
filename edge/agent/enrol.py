"""Effects: the single steps of getting an identity: finds the master, checks its CA, asks for a certificate, stores it.

What needs much memory (the zeroconf and cryptography packages) runs in child processes, so that it never stays in the
agent's.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from edge import logs
from edge.agent import checkpoint, identity
from edge.agent.identity import Held, JoinError
from edge.clock import Clock
from edge.pki import subjects
from edge.pki.subjects import Subject

POLL_SECONDS = 1.0
POLLS = 60
HTTP_SECONDS = 10.0
CHILD_SECONDS = 60.0
MOST_ANSWER_BYTES = 1024 * 1024
MOST_CANDIDATES = 16
CALLED = "called"
"""File beside the key: what the machine was called when it got its certificate."""
_TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

log = logs.get("agent.enrol")


class Master(msgspec.Struct, frozen=True):
    """Where the master is."""

    address: str
    port: int = 6443


class _Announced(msgspec.Struct, frozen=True):
    addresses: tuple[str, ...]
    api_port: int = 6443


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
        _store(fresh, certificate)
        name = subjects.certificate(certificate).name
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(fresh, found.key)
        _store(found.ca, ca)
        _store(joining.directory / CALLED, joining.node_name)
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


async def ask_with_token(joining: Joining, clock: Clock) -> Identity:
    """Return the identity a new key gets with a bootstrap token. Raises JoinError or OSError."""
    pinned = _pinned(joining)
    if not pinned or joining.token_file is None:
        raise JoinError("the node has no identity yet, and the settings lack bootstrap_token_file or ca_cert_hash")
    token = _read(joining.token_file, "the bootstrap token")
    if not _TOKEN.fullmatch(token):
        raise JoinError(f"{joining.token_file} holds no bootstrap token: six letters or digits, a dot, and sixteen "
                        "more; `edgectl token create` on the rack makes one")
    master, ca = await first_good(await candidates(joining), pinned)
    csr = await request(joining, joining.node_name)
    verified = ssl.create_default_context(cadata=ca)
    certificate = await _sign(joining, master, verified, token, csr, clock)
    found = take(joining, ca, certificate)
    remember(joining.data_dir, master)
    return found


def _pinned(joining: Joining) -> str:
    """Return the hash of the CA's key, from the settings or from the file they name. Raises JoinError."""
    if joining.ca_cert_hash or joining.ca_cert_hash_file is None:
        return joining.ca_cert_hash
    return identity.pin(_read(joining.ca_cert_hash_file, "the hash of the CA"))


def trusted(joining: Joining) -> str:
    """Return the hash of the authority: as the settings pin it, else as the node knows it since it joined.

    Raises:
        JoinError: neither is there.
    """
    known = files(joining.directory).ca
    try:
        if found := _pinned(joining):
            return found
    except JoinError:
        if not known.is_file():
            raise
    if not known.is_file():
        raise JoinError("the settings lack ca_cert_hash")
    # A node that has joined needs what it joined with no longer: it knows the authority itself.
    return identity.key_hash(_read(known, "the authority"))


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise JoinError(f"cannot read {what}: {error}") from error


async def find(joining: Joining) -> Master:
    """Return where the master is: as configured, else as announced in the network and proven by its authority.

    Raises:
        JoinError: no master answers, or none of those that do is ours.
    """
    if joining.server:
        return Master(joining.server, joining.api_port)
    pinned = trusted(joining)
    return (await first_good(await candidates(joining, pinned), pinned))[0]


async def first_good(found: Sequence[Master], pinned: str) -> tuple[Master, str]:
    """Return the first master that shows the pinned authority, with that. Raises JoinError when none does.

    What is announced is a hint: another rack, or anybody else, may answer too, and sooner.
    """
    async def check(master: Master) -> tuple[Master, str] | JoinError:
        try:
            status, answer = await ask(master, "GET", "/edge/v1/ca", unverified())
            if status != 200:
                return JoinError(identity.refusal(status, answer))
            ca = answer.decode(errors="replace")
            identity.check_ca(ca, pinned)
        except JoinError as error:
            return error
        return master, ca

    problem = JoinError("no master was found")
    checks = [asyncio.ensure_future(check(master)) for master in found]
    try:
        for pending in asyncio.as_completed(checks):
            match await pending:
                case JoinError() as error:
                    problem = error
                case good:
                    return good
        raise problem
    finally:
        for each in checks:
            each.cancel()


async def candidates(joining: Joining, pinned: str = "") -> tuple[Master, ...]:
    """Return the masters that may be ours: as configured, else as announced. Raises JoinError when there is none."""
    if joining.server:
        return (Master(joining.server, joining.api_port),)
    pinned = pinned or _pinned(joining)
    code, output = await _child("edge.discovery.find", "--for-node", *(("--ca-cert-hash", pinned) if pinned else ()))
    if code != 0:
        with_hash = f" with the CA hash {pinned}, which the settings pin," if pinned else ""
        raise JoinError(f"no master{with_hash} is announced in the network; is it on, and is this node on its network?")
    try:
        announced = [msgspec.json.decode(line, type=_Announced) for line in output.splitlines()]
    except msgspec.DecodeError as error:
        raise JoinError("the discovery answered with something unexpected") from error
    found = tuple(dict.fromkeys(Master(address, each.api_port) for each in announced for address in each.addresses))
    if not found:
        raise JoinError("the discovery answered with something unexpected")
    return found[:MOST_CANDIDATES]


async def request(joining: Joining, name: str) -> str:
    """Return the certificate request for a name, in PEM. It is made once, so that a denied node does not ask again and
    again; the key is kept."""
    path = joining.directory / "node.csr"
    if requested(joining) != Subject(name, joining.serial):
        joining.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        code, output = await _child("edge.pki.request", "--name", name, "--serial", joining.serial, "--directory",
                                    str(joining.directory))
        if code != 0:
            raise JoinError(f"cannot make a certificate request: {output.strip()}")
    return path.read_text()


def requested(joining: Joining) -> Subject | None:
    """Return whom the request on the card is for; None where there is none that can be used."""
    if not (joining.directory / "node.key").is_file():
        return None
    try:
        return subjects.request((joining.directory / "node.csr").read_text())
    except (OSError, ValueError):
        return None


async def _sign(joining: Joining, master: Master, verified: ssl.SSLContext, token: str, csr: str,
                clock: Clock) -> str:
    name, body = identity.request_name(joining.node_name, csr), identity.request(joining.node_name, csr)
    status, answer = await ask(master, "POST", REQUESTS, verified, token=token, body=body)
    if status not in (200, 201, 409):
        raise JoinError(identity.refusal(status, answer))
    for _ in range(POLLS):
        status, answer = await ask(master, "GET", f"{REQUESTS}/{name}", verified, token=token)
        if status != 200:
            raise JoinError(identity.refusal(status, answer))
        certificate = identity.certificate(answer)
        if certificate:
            return certificate
        if reason := identity.waiting(answer):
            raise JoinError(f"the request {name} is not approved: {reason}")
        await clock.sleep(POLL_SECONDS)
    raise JoinError(f"the request {name} is not approved yet; `kubectl certificate approve {name}` does that")


async def ask(master: Master, method: str, path: str, secure: ssl.SSLContext, *, token: str = "",
               body: bytes | None = None) -> tuple[int, bytes]:
    """Raises JoinError: nobody there, or not the master the certificate speaks of."""
    def send() -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(master.address, master.port, context=secure, timeout=HTTP_SECONDS)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(MOST_ANSWER_BYTES)
        finally:
            connection.close()
    try:
        return await asyncio.to_thread(send)
    except ssl.SSLCertVerificationError as error:
        raise JoinError(f"the certificate of {master.address} is not good: {error.verify_message}") from error
    except (OSError, http.client.HTTPException) as error:
        raise JoinError(f"no answer from {master.address}:{master.port}: {error}") from error


def unverified() -> ssl.SSLContext:
    # Only for fetching the CA, whose public key is then compared with the pinned hash.
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


async def _child(module: str, *arguments: str) -> tuple[int, str]:
    """Run one of our modules to its end and return its code and output."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments,
                                                 stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        async with asyncio.timeout(CHILD_SECONDS):
            output, _ = await child.communicate()
    except TimeoutError as error:
        raise JoinError(f"{module} did not end in {CHILD_SECONDS:.0f} s") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode or 0, output.decode(errors="replace")


def _store(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def remember(data_dir: Path, master: Master) -> None:
    """Keep where the master is for the next start. Raises OSError."""
    _store(data_dir / "master.json", msgspec.json.encode(master).decode())


def remembered(data_dir: Path) -> Master | None:
    """Return where the master was; None when that was never known."""
    try:
        return msgspec.json.decode((data_dir / "master.json").read_bytes(), type=Master)
    except (OSError, msgspec.DecodeError):
        return None
