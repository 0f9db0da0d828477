"""What pods and services need of this node's kernel: observe and apply. Values here, decisions in the pure modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The network of one pod: a namespace of its own with an address of the node's pod subnet."""

    pod_uid: str
    netns_path: str
    address: str


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node that leads into a pod."""

    host_port: int
    protocol: str
    address: str
    port: int
    host_ip: str = ""
    """The one address of the node it is open on; empty: all of them."""


@dataclass(frozen=True, slots=True)
class Route:
    """To the pods of another node, through that node (host-gw); without a gateway, onto the pod bridge."""

    destination: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Links:
    """What must exist on this node: the pod bridge with its address (`10.244.1.1/24`), the service DNS address
    (`10.96.0.10`), and the routes."""

    bridge_address: str
    dns_address: str
    routes: tuple[Route, ...]


class NetworkFailure(Exception):
    """The kernel or a tool refused. The text is for an Event; try again later."""


class RoutesFailure(NetworkFailure):
    """Only routes to other nodes are missing; pods of this node can be started and reach each other."""


class Network(Protocol):
    """Every method is safe to repeat. Raises NetworkFailure."""

    async def sandboxes(self) -> tuple[Sandbox, ...]:
        """Return the pod networks that exist, also those an earlier agent made."""
        ...

    async def attach(self, pod_uid: str, address: str, prefix_length: int, gateway: str,
                     sysctls: tuple[tuple[str, str], ...] = ()) -> Sandbox:
        """Make the pod's namespace with these kernel settings, its link to the bridge, address, default route and
        loopback."""
        ...

    async def detach(self, pod_uid: str) -> None:
        """Remove all of it; nothing there is no error."""
        ...

    async def apply_links(self, links: Links) -> None:
        """Make the bridge, its address, the DNS address, forwarding and the routes to other nodes' pods so, and
        remove routes of ours that are no longer wanted. Raises RoutesFailure when all but the routes is there."""
        ...

    async def apply_ruleset(self, ruleset: str) -> None:
        """Replace our nftables table in one transaction. `ruleset` is an nft script."""
        ...
