"""Decides which `.local` names the master announces: its own, and one for each Service of type LoadBalancer.

Who has a name keeps it; else the oldest Service gets it, and the next one of that name gets its namespace added. A name
that another machine in the home network has is left to it (RFC 6762, section 9), and a number is added.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from edge.api import core
from edge.discovery import records

NAME = "edge.pi/local-name"
"""Annotation of a Service: the name it wants instead of its own; empty for none."""
HTTP = "edge.pi/announce-http"
"""Annotation of a Service: the port of its web page, or `false` where the one that looks like it is none."""
SERVICE_TYPE = "_edge-service._tcp.local."
HTTP_TYPE = "_http._tcp.local."
DOMAIN = ".local."
MOST = 128
_MOST_TRIES = 20
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_WEB_PORTS = (80, 8080)


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A name somebody would like to have."""

    key: str
    """Who: `namespace/name` of a Service, or what the master calls itself."""
    label: str
    addresses: tuple[str, ...]
    namespace: str = ""
    port: int = 0
    http_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A name somebody gets."""

    want: Want
    label: str
    disputed_by: str = ""
    """Who has the name that was wanted, in words; empty when it is the one wanted."""

    @property
    def host(self) -> str:
        return self.label + DOMAIN

    @property
    def name(self) -> str:
        """The name as people write it."""
        return self.host.rstrip(".")


def wants(services: Iterable[core.Service], network: IPv4Network | None) -> tuple[Want, ...]:
    """Return what the Services would like to be called, oldest first: those with an address on the given network."""
    found: list[Want] = []
    for service in sorted(services, key=_age):
        label, addresses = _wanted_label(service), _addresses(service, network)
        if label and addresses and len(found) < MOST:
            ports = [port.port for port in service.spec.ports]
            found.append(Want(key=f"{service.metadata.namespace}/{service.metadata.name}", label=label,
                              addresses=addresses, namespace=service.metadata.namespace,
                              port=ports[0] if ports else 0, http_port=http_port(service)))
    return tuple(found)


def claims(wanted: Iterable[Want], *, holders: Mapping[str, str], foreign: Mapping[str, str],
           reserved: Collection[str] = ()) -> tuple[Claim, ...]:
    """Return the name each gets.

    Args:
        wanted: in the order of who comes first.
        holders: label -> key of who is announced by it now.
        foreign: label -> address of the other machine that has it.
        reserved: names of machines, which no Service gets.
    """
    has = {key: label for label, key in holders.items()}
    owners: dict[str, str] = {}
    found: list[Claim] = []
    ordered = sorted(wanted, key=lambda want: want.key not in has)
    for want in ordered:
        taken = {**{name: "a machine of the rack" for name in reserved if want.namespace},
                 **{label: f"the service {key}" for label, key in owners.items()}}
        label = _kept(want, has.get(want.key, ""), taken, foreign) or _chosen(want, taken, foreign)
        if label:
            owners[label] = want.key
            found.append(Claim(want=want, label=label, disputed_by=_whose(want.label, label, taken, foreign)))
    return tuple(found)


def announcements(claim: Claim, rack: str) -> tuple[records.Service, ...]:
    """Return what is announced for a name: the name itself, and its web page where there is one."""
    text = {"txtvers": "1", "service": claim.want.key, "rack": rack}
    made = [records.Service(type=SERVICE_TYPE, instance=f"{_cut(claim.label, f'-{rack[:8]}')}.{SERVICE_TYPE}",
                            host=claim.host, port=claim.want.port, addresses=claim.want.addresses, text=text)]
    if claim.want.http_port:
        made.append(records.Service(type=HTTP_TYPE, instance=f"{_cut(claim.label, f'-{rack[:8]}')}.{HTTP_TYPE}",
                                    host=claim.host, port=claim.want.http_port, addresses=claim.want.addresses,
                                    text={"path": "/"}))
    return tuple(made)


def ours_wins(ours: str, theirs: str) -> bool:
    """Return whether our address stays when both sides were sure of a name (RFC 6762, section 8.2: the later in order).

    Both sides come to the same end, so that two racks do not rename for ever.
    """
    return _bytes(ours) > _bytes(theirs)


def http_port(service: core.Service) -> int:
    """Return the port of the Service's web page, 0 when none looks like it."""
    said = service.metadata.annotations.get(HTTP, "")
    ports = [port for port in service.spec.ports if (port.protocol or "TCP") == "TCP"]
    if said:
        return next((port.port for port in ports if str(port.port) == said), 0)
    looks_like = [port.port for port in ports if port.name in ("http", "web") or port.name.startswith("http-")
                  or port.app_protocol == "http" or port.port in _WEB_PORTS]
    return looks_like[0] if looks_like else 0


def _wanted_label(service: core.Service) -> str:
    if service.spec.type != "LoadBalancer" or service.metadata.deletion_timestamp is not None:
        return ""
    said = service.metadata.annotations.get(NAME)
    if said is None:
        return service.metadata.name
    label = said.strip().lower().removesuffix(".").removesuffix(".local")
    # What is no name at all is as if it were not there: the Service is better off under its own.
    return label if not label or _LABEL.fullmatch(label) else service.metadata.name


def _addresses(service: core.Service, network: IPv4Network | None) -> tuple[str, ...]:
    given = (ingress.ip for ingress in service.status.load_balancer.ingress)
    return records.inside(given, network) if network is not None else ()


def _age(service: core.Service) -> tuple[str, str, str]:
    return service.metadata.creation_timestamp or "", service.metadata.namespace, service.metadata.name


def _kept(want: Want, label: str, taken: Mapping[str, str], foreign: Mapping[str, str]) -> str:
    """Return the name it has, if it may keep it and still wants one of that kind."""
    fits = label == want.label or label.startswith(_cut(want.label, "-"))
    return label if label and fits and label not in taken and label not in foreign else ""


def _chosen(want: Want, taken: Mapping[str, str], foreign: Mapping[str, str]) -> str:
    stem = _cut(want.label, f"-{want.namespace}") if want.label in taken and want.namespace else want.label
    for number in range(1, _MOST_TRIES):
        label = stem if number == 1 else _cut(stem, f"-{number}")
        if label not in taken and label not in foreign:
            return label
    return ""


def _whose(wanted: str, label: str, taken: Mapping[str, str], foreign: Mapping[str, str]) -> str:
    if wanted == label:
        return ""
    if wanted in foreign:
        return f"{foreign[wanted]} in the home network"
    return taken.get(wanted, "another one until lately")


def _cut(stem: str, end: str) -> str:
    """Return stem and end as one label; what does not fit into its 63 letters stands for itself as a hash."""
    if len(stem) + len(end) <= 63:
        return stem + end
    digest = hashlib.sha256((stem + end).encode()).hexdigest()[:8]
    return f"{(stem + end)[:54].strip('-')}-{digest}"


def _bytes(address: str) -> tuple[int, ...]:
    return tuple(int(part) for part in address.split(".")) if address.count(".") == 3 else ()
