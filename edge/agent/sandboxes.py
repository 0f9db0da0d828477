"""Effects: the pods' networks on this node, and which address belongs to whom."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection

from edge.network.interface import Network, Sandbox

Allocate = Callable[[str, Collection[str]], str]


class Sandboxes:
    """Read once from the kernel, then kept in step with what is attached and detached."""

    def __init__(self, network: Network, allocate: Allocate) -> None:
        self._network, self._allocate = network, allocate
        self._known: dict[str, Sandbox] = {}
        self._reserved: dict[str, str] = {}

    async def load(self) -> None:
        """Adopt what an earlier agent made. Raises NetworkFailure."""
        self._known = {sandbox.pod_uid: sandbox for sandbox in await self._network.sandboxes()}

    def all(self) -> dict[str, Sandbox]:
        """Return the pod networks by pod uid."""
        return dict(self._known)

    def get(self, uid: str) -> Sandbox | None:
        return self._known.get(uid)

    async def attach(self, uid: str, cidr: str) -> Sandbox:
        """Give a pod a free address of the node's subnet.

        Raises:
            NetworkFailure: the kernel refused, or no address is free.
        """
        subnet = ipaddress.ip_network(cidr)
        gateway = str(subnet[1])
        used = {sandbox.address for sandbox in self._known.values()} | set(self._reserved.values()) | {gateway}
        address = self._allocate(cidr, used)
        self._reserved[uid] = address
        try:
            sandbox = await self._network.attach(uid, address, subnet.prefixlen, gateway)
            self._known[uid] = sandbox
        finally:
            del self._reserved[uid]
        return sandbox

    async def detach(self, uid: str) -> None:
        """Take a pod's network away; its address is free afterwards. Raises NetworkFailure."""
        await self._network.detach(uid)
        self._known.pop(uid, None)
