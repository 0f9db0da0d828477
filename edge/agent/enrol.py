"""Effects: gets the node its identity: finds the master, checks its CA, asks for a certificate, stores it.

Everything is tried again for ever, with one line in the log for each new kind of failure. What needs much memory (the
zeroconf and cryptography packages) runs in child processes, so that it never stays in the agent's.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge import logs
from edge.agent import identity
from edge.agent.identity import JoinError
from edge.clock import Clock

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 15.0
POLL_SECONDS = 1.0
POLLS = 60
HTTP_SECONDS = 10.0
CHILD_SECONDS = 60.0
MOST_ANSWER_BYTES = 1024 * 1024
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
    server: str = ""
    api_port: int = 6443
    token_file: Path | None = None
    ca_cert_hash: str = ""
    ca_cert_hash_file: Path | None = None

    @property
    def directory(self) -> Path:
        return self.data_dir / "identity"


@dataclass(frozen=True, slots=True)
class Identity:
    """The files a node proves itself with."""

    key: Path
    certificate: Path
    ca: Path

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


async def join(joining: Joining, clock: Clock) -> Identity:
    """Return the node's identity, from the disk or from the master; tries for ever."""
    found = files(joining.directory)
    retry, said = FIRST_RETRY_SECONDS, ""
    while not _usable(found):
        try:
            await _enrol(joining, found, clock)
        except (JoinError, OSError) as error:
            if str(error) != said:
                said = str(error)
                log.warning("cannot join yet", reason=said, node=joining.node_name)
            await clock.sleep(retry)
            retry = min(retry * 2, LONGEST_RETRY_SECONDS)
        else:
            log.info("joined", node=joining.node_name)
    return found


def _usable(found: Identity) -> bool:
    """Return whether the identity is there and good; a damaged one is asked for anew."""
    if not found.complete:
        return False
    try:
        context(found)
    except OSError as error:
        log.warning("the node's identity cannot be used, a new certificate is asked for", reason=error)
        found.certificate.unlink(missing_ok=True)
        return False
    return True


async def _enrol(joining: Joining, found: Identity, clock: Clock) -> None:
    """Raises JoinError or OSError."""
    pinned = _pinned(joining)
    if not pinned or joining.token_file is None:
        raise JoinError("the node has no identity yet, and the settings lack bootstrap_token_file or ca_cert_hash")
    token = _read(joining.token_file, "the bootstrap token")
    master = await find(joining)
    status, answer = await _ask(master, "GET", "/edge/v1/ca", _unverified())
    if status != 200:
        raise JoinError(identity.refusal(status, answer))
    ca = answer.decode(errors="replace")
    identity.check_ca(ca, pinned)
    csr = await _request(joining)
    verified = ssl.create_default_context(cadata=ca)
    certificate = await _sign(joining, master, verified, token, csr, clock)
    _store(found.ca, ca)
    _store(found.certificate, certificate)
    remember(joining.data_dir, master)


def _pinned(joining: Joining) -> str:
    """Return the hash of the CA's key, from the settings or from the file they name."""
    if joining.ca_cert_hash or joining.ca_cert_hash_file is None:
        return joining.ca_cert_hash
    return _read(joining.ca_cert_hash_file, "the hash of the CA")


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise JoinError(f"cannot read {what}: {error}") from error


async def find(joining: Joining) -> Master:
    """Return where the master is: as configured, else as announced in the network.

    Raises:
        JoinError: no master answers.
    """
    if joining.server:
        return Master(joining.server, joining.api_port)
    pinned = _pinned(joining)
    code, output = await _child("edge.discovery.find", *(("--ca-cert-hash", pinned) if pinned else ()))
    if code != 0:
        with_hash = f" with the CA hash {pinned}, which the settings pin," if pinned else ""
        raise JoinError(f"no master{with_hash} is announced in the network; is it on, and is this node on its network?")
    try:
        found = msgspec.json.decode(output.splitlines()[0], type=_Announced)
        return Master(found.addresses[0], found.api_port)
    except (msgspec.DecodeError, IndexError) as error:
        raise JoinError("the discovery answered with something unexpected") from error


async def _request(joining: Joining) -> str:
    """Return the certificate request in PEM; it is made once, so that a denied node does not ask again and again."""
    path = joining.directory / "node.csr"
    if not path.is_file():
        joining.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        code, output = await _child("edge.pki.request", "--name", joining.node_name, "--directory",
                                    str(joining.directory))
        if code != 0:
            raise JoinError(f"cannot make a certificate request: {output.strip()}")
    return path.read_text()


async def _sign(joining: Joining, master: Master, verified: ssl.SSLContext, token: str, csr: str,
                clock: Clock) -> str:
    name, body = identity.request_name(joining.node_name, csr), identity.request(joining.node_name, csr)
    status, answer = await _ask(master, "POST", REQUESTS, verified, token=token, body=body)
    if status not in (200, 201, 409):
        raise JoinError(identity.refusal(status, answer))
    for _ in range(POLLS):
        status, answer = await _ask(master, "GET", f"{REQUESTS}/{name}", verified, token=token)
        if status != 200:
            raise JoinError(identity.refusal(status, answer))
        certificate = identity.certificate(answer)
        if certificate:
            return certificate
        await clock.sleep(POLL_SECONDS)
    raise JoinError(f"the request {name} is not approved yet; `kubectl certificate approve {name}` does that")


async def _ask(master: Master, method: str, path: str, secure: ssl.SSLContext, *, token: str = "",
               body: bytes | None = None) -> tuple[int, bytes]:
    """Raises JoinError: nobody there, or not the master the certificate speaks of."""
    def ask() -> tuple[int, bytes]:
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
        return await asyncio.to_thread(ask)
    except ssl.SSLCertVerificationError as error:
        raise JoinError(f"the certificate of {master.address} is not good: {error.verify_message}") from error
    except (OSError, http.client.HTTPException) as error:
        raise JoinError(f"no answer from {master.address}:{master.port}: {error}") from error


def _unverified() -> ssl.SSLContext:
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
