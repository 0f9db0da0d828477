"""What was read of a rack through its API, from wherever `edgectl doctor` runs.

Checks read it; nothing here asks anybody, so that a test is a made-up rack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edge.dhcp.findings import Findings

Obj = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says."""

    not_before: datetime | None = None
    not_after: datetime
    common_name: str = ""
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    fits_ca: bool | None = None
    """Whether the kubeconfig's authority has signed it; None: it names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far the first request came."""

    reached: bool = False
    kind: str = ""
    """kubeconfig, name, refused, silent, unreachable, tls, login or http; empty when all is well."""
    words: str = ""
    """What the library or the server said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One rack, and the way to it. A list that is missing was refused or could not be read."""

    now: datetime
    """The clock of this machine."""
    own_version: str = ""
    kubeconfig: str = ""
    context: str = ""
    server: str = ""
    host: str = ""
    reach: Reach = Reach()
    server_certificate: Certificate | None = None
    own_certificate: Certificate | None = None
    server_date: datetime | None = None
    server_version: str = ""
    health: str = ""
    """What /readyz says when it does not say ok."""
    lists: Mapping[str, tuple[Obj, ...]] = field(default_factory=dict)
    """Objects by the plural of their kind."""
    node_dates: Mapping[str, float] = field(default_factory=dict)
    """Seconds each node's clock is ahead of the server's, as its agent says."""
    leases: Obj | None = None
    """What /edge/v1/rack/leases says."""
    findings: Findings | None = None
    """What the last look at the wire has found."""

    def items(self, kind: str) -> tuple[Obj, ...] | None:
        """Return the objects of a kind; None when they could not be listed."""
        return self.lists.get(kind)


def name(obj: Obj) -> str:
    """Return an object's name, with its namespace where it has one."""
    metadata = obj.get("metadata") or {}
    space = metadata.get("namespace")
    return f"{space}/{metadata.get('name', '')}" if space else str(metadata.get("name", ""))


def condition(obj: Obj, kind: str) -> Obj:
    """Return a condition of an object; empty when it has none of that type."""
    status = obj.get("status") or {}
    return next((each for each in status.get("conditions") or () if each.get("type") == kind), {})


def count(things: Sized, word: str) -> str:
    """Return how many there are, such as `1 pod` or `3 pods`."""
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def few(names: tuple[str, ...] | list[str], most: int = 5) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
