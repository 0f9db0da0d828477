"""Decides what `edgectl node revoke` revokes: which key is meant, and what is written down of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edge.client import kubeconfig
from edge.edgectl.failures import CtlError
from edge.pki import authority, der, names, revocation

Obj = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Meant:
    """A key, whose it is, and the serial number of the certificate it was found in."""

    key: str
    name: str = revocation.UNKNOWN
    serial: str = ""


def of_node(name: str, node: Obj | None, requests: Iterable[Obj]) -> Meant:
    """Return the key of a node: the one its Node names, else that of the newest certificate made for the name.

    Raises:
        CtlError: nobody knows the node's key.
    """
    annotations = ((node or {}).get("metadata") or {}).get("annotations") or {}
    if key := annotations.get(names.KEY_ANNOTATION, ""):
        return Meant(key, name)
    newest = max((each for each in requests if _signed_for(each, name)),
                 key=lambda each: str(each["metadata"].get("creationTimestamp", "")), default=None)
    if newest is None:
        raise CtlError(f"nobody knows the key of a node {name}: `edgectl node certificates` shows what is known; name "
                       "the key with --key, or a certificate with --certificate")
    return replace(of_certificate(base64.b64decode(newest["status"]["certificate"])), name=name)


def of_file(path: Path) -> Meant:
    """Return the key of a certificate, or of the person a kubeconfig is for. Raises CtlError."""
    try:
        content = path.read_bytes()
        if b"-----BEGIN CERTIFICATE-----" in content:
            return of_certificate(content)
        access = kubeconfig.parse(yaml.safe_load(content))
        if not access.certificate and not access.certificate_file:
            raise CtlError(f"{path} has no client certificate; tokens end with their account or what they are bound to")
        certificate = access.certificate or (path.parent / access.certificate_file).read_bytes()
    except OSError as error:
        raise CtlError(f"{error.filename or path}: {(error.strerror or str(error)).lower()}") from error
    except (kubeconfig.KubeconfigError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise CtlError(f"{path} is neither a certificate in PEM form nor a kubeconfig: {error}") from error
    return of_certificate(certificate)


def of_certificate(pem: bytes) -> Meant:
    """Return the key of a certificate in PEM form. Raises CtlError."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        found = x509.load_pem_x509_certificate(pem)
        common = [str(each.value) for each in found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        key = der.key_hash(found.public_bytes(serialization.Encoding.DER))
    except ValueError:
        raise CtlError("not a certificate in PEM form") from None
    return Meant(key, common[0] if common else revocation.UNKNOWN, f"{found.serial_number:x}")


def of_key(key: str, nodes: Iterable[Obj]) -> Meant:
    """Return the key with that hash, with the name of the node that has it. Raises CtlError."""
    if problem := revocation.problem(key):
        raise CtlError(problem)
    holder = next((each for each in nodes if (each["metadata"].get("annotations") or {}).get(
        names.KEY_ANNOTATION) == key), None)
    return Meant(key, holder["metadata"]["name"] if holder is not None else revocation.UNKNOWN)


def guarded(meant: Meant, own: bytes, ca: bytes) -> None:
    """Raises CtlError for keys nobody can revoke, and for the one the person is using."""
    if ca and meant.key == authority.spki_hash(ca):
        raise CtlError("this is the key of the rack's authority, which cannot be revoked: a rack with another "
                       "authority is a new rack")
    if meant.name in (names.SERVER_USER, "edge-broker", "kube-apiserver"):
        raise CtlError(f"this is a key of the server itself ({meant.name}), which cannot be revoked: on the master, "
                       "remove the file of the key in /var/lib/edge/pki and run `edge-rack apply`")
    if own and meant.key == of_certificate(own).key:
        raise CtlError("this is the key of the kubeconfig you are using: you would lock yourself out. On the master, "
                       "`rm /var/lib/edge/pki/admin.*; edge-rack apply` makes a new administrator to do this with")


def with_entry(listed: Obj | None, meant: Meant, entry: revocation.Revocation) -> dict[str, Any] | None:
    """Return the ConfigMap with an entry for the key, or None when it has one."""
    found = dict(listed or {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": revocation.NAME, "namespace": revocation.NAMESPACE}})
    data = dict(found.get("data") or {})
    if revocation.entry(meant.key) in data:
        return None
    # A number that was made of the key need not be written down.
    made = f"{revocation.serial(meant.key):x}"
    serials = (meant.serial,) if meant.serial and meant.serial != made else ()
    data[revocation.entry(meant.key)] = revocation.written(msgspec.structs.replace(entry, serials=serials))
    return found | {"data": data}


def _signed_for(request: Obj, name: str) -> bool:
    if request.get("spec", {}).get("signerName") != names.NODE_SIGNER:
        return False
    try:
        pem = base64.b64decode(request.get("status", {}).get("certificate", ""), validate=True)
        return bool(pem) and authority.read_certificate(pem).profile.common_name == name
    except (authority.PkiError, binascii.Error):
        return False
