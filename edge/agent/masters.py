"""Effects: finds the rack's master, proves that it is ours by the pinned authority, and asks it over HTTPS."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge.agent import child, identity, identity_files
from edge.agent.identity import JoinError
from edge.agent.identity_files import Joining

HTTP_SECONDS = 10.0
MOST_ANSWER_BYTES = 1024 * 1024
MOST_CANDIDATES = 16


class Master(msgspec.Struct, frozen=True):
    """Where the master is."""

    address: str
    port: int = 6443


class _Announced(msgspec.Struct, frozen=True):
    addresses: tuple[str, ...]
    api_port: int = 6443


def pinned_hash(joining: Joining) -> str:
    """Return the hash of the CA's key, from the settings or from the file they name. Raises JoinError."""
    if joining.ca_cert_hash or joining.ca_cert_hash_file is None:
        return joining.ca_cert_hash
    return identity.pin(identity_files.read(joining.ca_cert_hash_file, "the hash of the CA"))


def trusted(joining: Joining) -> str:
    """Return the hash of the authority: as the settings pin it, else as the node knows it since it joined.

    Raises:
        JoinError: neither is there.
    """
    known = identity_files.files(joining.directory).ca
    try:
        if found := pinned_hash(joining):
            return found
    except JoinError:
        if not known.is_file():
            raise
    if not known.is_file():
        raise JoinError("the settings lack ca_cert_hash")
    # A node that has joined needs what it joined with no longer: it knows the authority itself.
    return identity.key_hash(identity_files.read(known, "the authority"))


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
    pinned = pinned or pinned_hash(joining)
    code, output = await child.run("edge.discovery.find", "--for-node", *(("--ca-cert-hash", pinned) if pinned else ()))
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


async def ask(master: Master, method: str, path: str, secure: ssl.SSLContext, *, token: str = "",
              body: bytes | None = None) -> tuple[int, bytes]:
    """Make one request and return its status and body.

    Raises:
        JoinError: nobody is there, or it is not the master that the certificate speaks of.
    """
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
    """Return a context that trusts anybody: for fetching the CA, whose key is then compared with the pinned hash."""
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def remember(data_dir: Path, master: Master) -> None:
    """Keep where the master is for the next start. Raises OSError."""
    identity_files.store(data_dir / "master.json", msgspec.json.encode(master).decode())


def remembered(data_dir: Path) -> Master | None:
    """Return where the master was; None when that was never known."""
    try:
        return msgspec.json.decode((data_dir / "master.json").read_bytes(), type=Master)
    except (OSError, msgspec.DecodeError):
        return None
