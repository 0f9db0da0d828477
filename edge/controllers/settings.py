"""What an operator may set about the controllers. The defaults are the fast profile of a rack at home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from edge.api import core

SignSecret = Callable[[core.Secret, core.ServiceAccount], str]
"""Returns the token of a Secret; the same each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of all controllers."""

    load_balancer_addresses: tuple[str, ...] = ()
    """Addresses for Services of type LoadBalancer: single ones, ranges `a-b`, subnets in CIDR notation, or `uplink` for
    the address the master has in the home network, whichever it is at the time."""
    node_monitor_grace_seconds: float = 12.0
    """A node whose lease is older than this is unreachable."""
    listening_since: Callable[[], datetime] | None = None
    """Since when nodes can be heard: the server's start, or the last time the bus came back; now while it is away."""
    node_startup_grace_seconds: float = 15.0
    """No node is called unreachable, and none loses pods for that, within this time of `listening_since`."""
    terminated_pod_threshold: int = 500
    """Finished pods kept for their logs; the oldest beyond this many are deleted."""
    event_ttl_seconds: float = 3600.0
    """Events older than this are deleted."""
    event_limit: int = 2000
    """Events kept at most."""
    sign_secret: SignSecret | None = None
    """Makes the tokens of Secrets of type kubernetes.io/service-account-token."""
    root_ca_pem: str = ""
    """The cluster's certificate authority, published as ConfigMap kube-root-ca.crt in every namespace."""
