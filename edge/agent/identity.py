"""Decides the steps of joining: the hash that pins the CA, the certificate request, and what an answer means."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ssl

import msgspec

from edge.api import certificates, meta

SIGNER = "edge.io/node"
USAGES = ("digital signature", "client auth", "server auth")


class JoinError(Exception):
    """Joining failed for now; the text says what to look at. It is tried again."""


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Return (tag, start of the content, end) of the DER element at an offset. Raises IndexError."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[start:start + size], "big"), start + size
    if start + length > len(der):
        raise IndexError("truncated")
    return tag, start, start + length


def key_hash(pem: str) -> str:
    """Return `sha256:<hex>` of a certificate's SubjectPublicKeyInfo (RFC 7469, kubeadm's discovery hash).

    Raises:
        JoinError: the text is not a certificate.
    """
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.strip())
        _, certificate, _ = _element(der, 0)
        _, at, _ = _element(der, certificate)
        # Version (tagged 0, optional), serial, signature, issuer, validity, subject come before the key.
        skipped = 6 if der[at] == 0xA0 else 5
        for _ in range(skipped):
            _, _, at = _element(der, at)
        _, _, end = _element(der, at)
    except (ValueError, IndexError, binascii.Error) as error:
        raise JoinError("the master's CA is not a certificate") from error
    return "sha256:" + hashlib.sha256(der[at:end]).hexdigest()


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
            raise JoinError(f"the master has {condition.type.lower()} the request {found.metadata.name}: "
                            f"{condition.message or condition.reason or 'no reason given'}; "
                            f"`kubectl delete csr {found.metadata.name}` lets the node ask again")
    return pem


def refusal(status: int, answer: bytes) -> str:
    """Return what an HTTP error of the master means for joining."""
    if status == 401:
        return "the master does not know the bootstrap token: it is wrong or has expired"
    if status == 403:
        return "the bootstrap token may not be used for joining"
    text = answer[:300].decode(errors="replace").strip()
    return f"the master answered with HTTP {status}: {text}"
