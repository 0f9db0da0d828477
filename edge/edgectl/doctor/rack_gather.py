"""Asks a rack's API for what the checks need, each within bounds. Decides nothing but how far it came."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from edge.clock import Clock
from edge.dhcp.findings import Findings
from edge.edgectl import session
from edge.edgectl.doctor.rack import Certificate, Facts, Obj, Reach, name
from edge.edgectl.failures import CtlError
from edge.edgectl.session import Answer, Session

SECONDS = 10.0
LISTS = {
    "nodes": "/api/v1/nodes", "pods": "/api/v1/pods", "services": "/api/v1/services", "endpoints": "/api/v1/endpoints",
    "secrets": "/api/v1/namespaces/kube-system/secrets?fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken",
    "certificatesigningrequests": "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    "events": "/api/v1/events?fieldSelector=type%3DWarning"}
MOST_CLOCKS = 32
"""Nodes asked for their time; a rack of hundreds is not asked one by one."""


def gather(path: Path | None, context: str | None, clock: Clock) -> Facts:
    """Return what is so with a rack, seen from here. Never raises."""
    kubeconfig = str(path or session.default_path())
    facts = Facts(now=clock.now(), own_version=metadata.version("edgerack"), kubeconfig=kubeconfig)
    try:
        rack = session.open_session(path, context)
    except CtlError as error:
        return replace(facts, reach=Reach(kind="kubeconfig", words=str(error)))
    facts = replace(facts, context=rack.context, server=rack.server, host=rack.host,
                    own_certificate=_certificate(rack.certificate, b""), server_certificate=_servers(rack))
    reach, answer = _reach(rack)
    if answer is None:
        return replace(facts, reach=reach)
    facts = replace(facts, reach=reach, now=clock.now(), server_date=_date(answer),
                    server_version=str((_document(answer) or {}).get("gitVersion", "")))
    return _asked(rack, facts, clock)


def _asked(rack: Session, facts: Facts, clock: Clock) -> Facts:
    with ThreadPoolExecutor(max_workers=4) as pool:
        lists = pool.map(lambda path: _items(rack, path), LISTS.values())
        found = {kind: items for kind, items in zip(LISTS, lists, strict=True) if items is not None}
        ready = _get(rack, "/readyz")
        nodes = [name(node) for node in found.get("nodes", ())][:MOST_CLOCKS]
        dates = pool.map(lambda node: _ahead(rack, node, clock, facts), nodes)
        ahead = {node: seconds for node, seconds in zip(nodes, dates, strict=True) if seconds is not None}
    leases, looked = _get(rack, "/edge/v1/rack/leases"), _get(rack, "/edge/v1/rack/findings")
    return replace(facts, lists=found, node_dates=ahead,
                   health=ready.body.decode(errors="replace").strip() if ready and ready.status != 200 else "",
                   leases=_document(leases), findings=_findings(looked))


def _reach(rack: Session) -> tuple[Reach, Answer | None]:
    try:
        answer = rack.ask("/version", SECONDS)
    except ssl.SSLCertVerificationError as error:
        return Reach(kind="tls", words=error.verify_message), None
    except ssl.SSLError as error:
        return Reach(kind="tls", words=str(error.reason or error).lower().replace("_", " ")), None
    except socket.gaierror as error:
        return Reach(kind="name", words=str(error.strerror)), None
    except TimeoutError:
        return Reach(kind="silent", words=f"nothing came within {SECONDS:.0f} s"), None
    except ConnectionRefusedError:
        return Reach(kind="refused", words="connection refused"), None
    except OSError as error:
        return Reach(kind="unreachable", words=error.strerror or str(error)), None
    except http.client.HTTPException as error:
        return Reach(kind="http", words=str(error) or type(error).__name__), None
    if answer.status in (401, 403):
        words = str((_document(answer) or {}).get("message", f"status {answer.status}"))
        return Reach(kind="login", words=words), None
    if answer.status != 200 or "gitVersion" not in (_document(answer) or {}):
        return Reach(kind="http", words=f"status {answer.status} at /version"), None
    return _logged_in(rack), answer


def _logged_in(rack: Session) -> Reach:
    """Look whether the server knows who asks: its version it tells everybody."""
    answer = _get(rack, "/api/v1/nodes?limit=1")
    if answer is not None and answer.status == 401:
        return Reach(kind="login", words=str((_document(answer) or {}).get("message", "Unauthorized")))
    return Reach(reached=True)


def _get(rack: Session, path: str) -> Answer | None:
    try:
        return rack.ask(path, SECONDS)
    except (OSError, http.client.HTTPException):
        return None


def _document(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None or answer.status != 200:
        return None
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _items(rack: Session, path: str) -> tuple[Obj, ...] | None:
    items = (_document(_get(rack, path)) or {}).get("items")
    return tuple(each for each in items if isinstance(each, dict)) if isinstance(items, list) else None


def _findings(answer: Answer | None) -> Findings | None:
    if answer is None or answer.status != 200:
        return None
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(answer.body, type=Findings)
    return None


def _date(answer: Answer) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def _ahead(rack: Session, node: str, clock: Clock, facts: Facts) -> float | None:
    """Return how many seconds a node's clock is ahead of the server's; None when the node does not answer."""
    answer = _get(rack, f"/api/v1/nodes/{node}/proxy/healthz")
    date = _date(answer) if answer is not None and answer.status == 200 else None
    if date is None or facts.server_date is None:
        return None
    return (date - clock.now()).total_seconds() - (facts.server_date - facts.now).total_seconds()


def _servers(rack: Session) -> Certificate | None:
    """Return the certificate the server shows, trusted or not."""
    try:
        pem = ssl.get_server_certificate((rack.host, rack.port), timeout=SECONDS)
    except (OSError, ValueError):
        return None
    return _certificate(pem.encode(), rack.ca)


def _certificate(pem: bytes, ca: bytes) -> Certificate | None:
    if not pem:
        return None
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None
    names: Iterable[Any] = ()
    with suppress(x509.ExtensionNotFound):
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    signed = _signed_by(found, ca) if ca else None
    common = found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return Certificate(not_before=found.not_valid_before_utc, not_after=found.not_valid_after_utc, fits_ca=signed,
                       common_name=str(common[0].value) if common else "",
                       dns=tuple(each.value for each in names if isinstance(each, x509.DNSName)),
                       addresses=tuple(str(each.value) for each in names if isinstance(each, x509.IPAddress)))


def _signed_by(certificate: Any, ca: bytes) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    check: Callable[[Any], None] = certificate.verify_directly_issued_by
    try:
        for each in x509.load_pem_x509_certificates(ca):
            with suppress(ValueError, TypeError, InvalidSignature):
                check(each)
                return True
    except ValueError:
        return False
    return False
