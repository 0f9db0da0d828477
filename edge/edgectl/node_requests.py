"""Reads what is known of nodes' identities: which certificates they have, and which machines wait to be let in."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from edge.api import times
from edge.edgectl.failures import CtlError
from edge.pki import authority, names

SOON = timedelta(days=122)
"""Nodes renew their certificates a third of a year before they end; one that has less left could not."""

Obj = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is known of a node's certificate."""

    name: str
    serial: str
    key: str
    expires: str
    """RFC 3339; "" when nobody has written it down."""
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A machine that asks for a certificate and has not got it."""

    request: str
    name: str
    serial: str
    key: str
    since: str
    waits_for: str
    requester: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Which node becomes which machine."""

    name: str
    old_serial: str
    new_serial: str
    old_key: str
    new_key: str
    silent_since: str
    request: str


def certificates(nodes: Iterable[Obj], now: datetime) -> list[Certificate]:
    """Return the certificate of every node."""
    found = []
    for node in sorted(nodes, key=lambda each: str(each["metadata"]["name"])):
        notes = _annotations(node)
        expires = notes.get(names.EXPIRES_ANNOTATION, "")
        found.append(Certificate(name=node["metadata"]["name"], serial=notes.get(names.SERIAL_ANNOTATION, ""),
                                 key=notes.get(names.KEY_ANNOTATION, ""), expires=expires,
                                 state=_state(expires, now)))
    return found


def waiting(requests: Iterable[Obj]) -> list[Waiting]:
    """Return the machines that wait, the longest first."""
    found = []
    for request in requests:
        spec, status = request.get("spec", {}), request.get("status", {})
        decided = {each["type"] for each in status.get("conditions") or ()} & {"Approved", "Denied", "Failed"}
        if spec.get("signerName") != names.NODE_SIGNER or decided or status.get("certificate"):
            continue
        try:
            content = authority.read_request(base64.b64decode(spec.get("request", ""), validate=True))
        except (authority.PkiError, binascii.Error):
            continue  # The server will deny it.
        metadata = request["metadata"]
        found.append(Waiting(
            request=metadata["name"], name=content.common_name, serial=content.serial, key=content.key_hash,
            since=metadata.get("creationTimestamp", ""), requester=spec.get("username", ""),
            waits_for=_annotations(request).get(names.WAITING_ANNOTATION, "")))
    return sorted(found, key=lambda each: (each.since, each.request))


def adoption(wanted: str, nodes: Iterable[Obj], requests: Sequence[Waiting]) -> Adoption:
    """Return who becomes whom. `wanted` names a node or a request.

    Raises:
        CtlError: there is no such node, it runs, or nobody waits for it.
    """
    by_name = {str(node["metadata"]["name"]): node for node in nodes}
    request = next((each for each in requests if each.request == wanted), None)
    name = _heir_of(request, by_name) if request is not None else wanted
    node = by_name.get(name)
    if node is None:
        raise CtlError(f"there is no node {name}; `edgectl node requests` shows who waits to be let in, and for what")
    serial = _annotations(node).get(names.SERIAL_ANNOTATION, "")
    ready: Obj = next((each for each in node.get("status", {}).get("conditions") or () if each["type"] == "Ready"), {})
    if ready.get("status") == "True":
        raise CtlError(f"{name} runs, on board {serial or 'unknown'}; switch it off first, or give the machine that "
                       "waits another host name")
    if request is None:
        fit = [each for each in requests if each.name == name] or [
            each for each in requests if serial and each.serial == serial]
        if not fit:
            raise CtlError(f"no machine waits to be {name}; is it on, with a bootstrap token on its card? "
                           "`edgectl node requests` shows who waits")
        if len(fit) > 1:
            raise CtlError(f"several machines wait to be {name}: name the request of one of them, "
                           f"{', '.join(each.request for each in fit)}")
        request = fit[0]
    return Adoption(name=name, old_serial=serial, new_serial=request.serial,
                    old_key=_annotations(node).get(names.KEY_ANNOTATION, ""), new_key=request.key,
                    silent_since=ready.get("lastTransitionTime") or "", request=request.request)


def short(key: str) -> str:
    """Return enough of a key's hash to tell it from others."""
    return key[:19] + "..." if len(key) > 20 else key


def _heir_of(request: Waiting, nodes: Mapping[str, Obj]) -> str:
    if request.name in nodes or not request.serial:
        return request.name
    return next((name for name, node in nodes.items()
                 if _annotations(node).get(names.SERIAL_ANNOTATION) == request.serial), request.name)


def _state(expires: str, now: datetime) -> str:
    try:
        left = times.parse(expires) - now if expires else None
    except ValueError:
        left = None
    if left is None:
        return "unknown"
    if left <= timedelta():
        return "expired"
    return "renewal due" if left < SOON else "valid"


def _annotations(obj: Obj) -> Mapping[str, str]:
    found: Mapping[str, str] = obj["metadata"].get("annotations") or {}
    return found
