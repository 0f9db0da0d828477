"""Decides the steps of joining and renewing: the hash that pins the CA, the requests, what an answer means, and what
the identity on a card is worth on the board it is in now.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import re
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from edge.api import certificates, meta
from edge.pki import der, names
from edge.pki.subjects import Subject

SIGNER = "edge.io/node"
USAGES = ("digital signature", "client auth", "server auth")


class JoinError(Exception):
    """Joining failed for now; the text says what to look at. It is tried again."""


class KeyUnknown(JoinError):
    """The master does not know the key: whatever it was given for is gone or was revoked."""


class NotServed(JoinError):
    """The master renews nothing: it is older than this node, or has only just started. That is no word on the key."""


class Copied(JoinError):
    """Another board uses this key at this moment: the card is a copy, or its original is back."""


class Next(enum.Enum):
    """What has to happen before the identity on the card is used."""

    USE = "use"
    JOIN = "join"
    """There is no certificate."""
    ASK = "ask"
    """It was given to another board: moved, or copied? The master knows."""


@dataclass(frozen=True, slots=True)
class Held:
    """The identity on the card. `called` is what the machine was called when it was given."""

    certificate: Subject | None = None
    called: str = ""


COPY_SECONDS = 60.0
"""For so long the master has to say that another board uses the key before it is thrown away here: a board that was
switched off counts as running for a while."""


@dataclass
class Suspicion:
    """Since when the master calls this card a copy."""

    since: float | None = None

    def holds(self, now: float) -> bool:
        """Note that it does so again, at a monotonic time; return whether it has done so for long enough."""
        self.since = now if self.since is None else self.since
        return now - self.since >= COPY_SECONDS


RENEW_BEFORE = timedelta(days=122)
"""A third of a node's certificate; the rest of the life is time to be off."""
_JITTER = timedelta(days=20)


def next_step(held: Held, serial: str) -> Next:
    """Return what to do first with what is on the card, on the board with that serial number."""
    if held.certificate is None:
        return Next.JOIN
    if serial and held.certificate.serial not in ("", serial):
        return Next.ASK
    return Next.USE


def is_renamed(held: Held, name: str) -> bool:
    """Return whether the machine was given another name since. The node's own name may be a third one: a person may
    have let it be what another machine was."""
    return held.certificate is not None and (held.called or held.certificate.name) != name


def renewal_reason(held: Held, name: str, serial: str, now: datetime) -> str:
    """Return why the certificate should be renewed now, or "". Each node has a day of its own for that."""
    if held.certificate is None:
        return "it is missing"
    if is_renamed(held, name):
        return f"the machine is called {name} now"
    if serial and not held.certificate.serial:
        return "it does not name the board yet"
    share = int(hashlib.sha256(held.certificate.name.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    if held.certificate.not_after - now < RENEW_BEFORE + share * _JITTER:
        return "it ends soon" if held.certificate.not_after > now else "it has expired"
    return ""


def pin(text: str) -> str:
    """Return the hash of an authority as it is compared: people copy it with blanks and in capitals, or its half.

    Raises:
        JoinError: it is none.
    """
    found = text.strip().lower()
    found = found if found.startswith("sha256:") else f"sha256:{found}"
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", found):
        raise JoinError("the hash of the CA is not `sha256:` and 64 hexadecimal digits; `edgectl token create` on the "
                        "rack prints it")
    return found


def renewal_request(request_pem: str, *, look: bool = False, boot_id: str = "") -> bytes:
    """Return the body for the path where a known key gets its certificate; with `look`, only a word about it."""
    return msgspec.json.encode({"request": request_pem, "look": look, "boot_id": boot_id})


class Renewed(msgspec.Struct, frozen=True):
    """What the master answers there."""

    reason: str = ""
    message: str = ""
    certificate: str = ""
    other: bool = False


def renewed(status: int, answer: bytes) -> Renewed:
    """Return the master's answer.

    Raises:
        KeyUnknown: the key opens nothing.
        Copied: it is another board's.
        NotServed: nobody is there who could know.
        JoinError: it is refused for another reason or for now.
    """
    try:
        found = msgspec.json.decode(answer, type=Renewed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JoinError(refusal(status, answer)) from error
    match found.reason:
        case "KeyUnknown":
            raise KeyUnknown(found.message)
        case "Forbidden" | "Unauthorized" | "NotFound" | "MethodNotAllowed":
            raise NotServed("the master renews nothing: it is older than this node, or it has just started")
        case "NodeCloned":
            raise Copied(found.message)
    if status != 200:
        raise JoinError(found.message or refusal(status, answer))
    return found


def key_hash(pem: str) -> str:
    """Return `sha256:<hex>` of a certificate's SubjectPublicKeyInfo (RFC 7469, kubeadm's discovery hash).

    Raises:
        JoinError: the text is not a certificate.
    """
    try:
        return der.key_hash(ssl.PEM_cert_to_DER_cert(pem.strip()))
    except (ValueError, binascii.Error) as error:
        raise JoinError("the master's CA is not a certificate") from error


def check_ca(pem: str, pinned: str) -> None:
    """Raises JoinError when the CA is not the pinned one."""
    found = key_hash(pem)
    if found != pinned:
        raise JoinError(f"the master's CA has the hash {found}, the settings pin {pinned}: "
                        "another master, or somebody in between")


def request_name(node: str, request_pem: str) -> str:
    """Return the name of the request object: the same for the same request, so that asking twice asks once."""
    return f"node-{node}-{hashlib.sha256(request_pem.encode()).hexdigest()[:10]}"


def request(node: str, request_pem: str) -> bytes:
    """Return the CertificateSigningRequest to POST."""
    return msgspec.json.encode(certificates.CertificateSigningRequest(
        api_version="certificates.k8s.io/v1", kind="CertificateSigningRequest",
        metadata=meta.ObjectMeta(name=request_name(node, request_pem)),
        spec=certificates.CertificateSigningRequestSpec(
            request=base64.b64encode(request_pem.encode()).decode(), signer_name=SIGNER, usages=USAGES)))


def certificate(answer: bytes) -> str:
    """Return the signed certificate in PEM, or an empty string while it is not there.

    Raises:
        JoinError: the request was denied or has failed, or the answer is not what it should be.
    """
    try:
        found = msgspec.json.decode(answer, type=certificates.CertificateSigningRequest)
        pem = base64.b64decode(found.status.certificate, validate=True).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error) as error:
        raise JoinError("the master answered with something that is no certificate request") from error
    for condition in found.status.conditions:
        if condition.type in ("Denied", "Failed") and condition.status != "False":
            raise (Copied if condition.reason == "NodeCloned" else JoinError)(
                f"the master has {condition.type.lower()} the request {found.metadata.name}: "
                f"{condition.message or condition.reason or 'no reason given'}; "
                f"`kubectl delete csr {found.metadata.name}` lets the node ask again")
    return pem


def waiting(answer: bytes) -> str:
    """Return what a request waits for, in the master's words; "" when it says nothing."""
    try:
        found = msgspec.json.decode(answer, type=certificates.CertificateSigningRequest)
    except msgspec.DecodeError:
        return ""
    return found.metadata.annotations.get(names.WAITING_ANNOTATION, "")


def refusal(status: int, answer: bytes) -> str:
    """Return what an HTTP error of the master means for joining."""
    if status == 401:
        return "the master does not know the bootstrap token: it is wrong or has expired"
    if status == 403:
        return "the bootstrap token may not be used for joining"
    text = answer[:300].decode(errors="replace").strip()
    return f"the master answered with HTTP {status}: {text}"
