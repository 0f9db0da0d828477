"""Effects: the pods' networks on this node, and which address belongs to whom."""

from __future__ import annotations

from edge.network import ipam
from edge.network.interface import Network, NetworkFailure, Sandbox


class Sandboxes:
    """Read once from the kernel, then kept in step with what is attached and detached."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._last = ""
        self._known: dict[str, Sandbox] = {}
        self._reserved: dict[str, str] = {}

    async def load(self) -> None:
        """Adopt what an earlier agent made. Raises NetworkFailure."""
        self._known = {sandbox.pod_uid: sandbox for sandbox in await self._network.sandboxes()}

    def all(self) -> dict[str, Sandbox]:
        """Return the pod networks by pod uid."""
        return dict(self._known)

    async def lost(self) -> frozenset[str]:
        """Forget the networks that somebody has taken away; return whose they were. Raises NetworkFailure."""
        if not self._known:
            return frozenset()
        there = {sandbox.pod_uid for sandbox in await self._network.sandboxes()}
        gone = frozenset(self._known.keys() - there)
        for uid in gone:
            del self._known[uid]
        return gone

    def get(self, uid: str) -> Sandbox | None:
        return self._known.get(uid)

    async def attach(self, uid: str, cidr: str, sysctls: tuple[tuple[str, str], ...] = ()) -> Sandbox:
        """Give a pod a free address of the node's subnet, in a namespace with these kernel settings.

        Raises:
            NetworkFailure: the kernel refused, or no address is free.
        """
        gateway = ipam.gateway(cidr)
        used = {sandbox.address for sandbox in self._known.values()} | set(self._reserved.values()) | {gateway}
        try:
            address = ipam.allocate(cidr, used, self._last)
        except ipam.SubnetFull as error:
            raise NetworkFailure(str(error)) from error
        self._reserved[uid] = self._last = address
        try:
            sandbox = await self._network.attach(uid, address, ipam.POD_PREFIX_LENGTH, gateway, sysctls)
            self._known[uid] = sandbox
        finally:
            del self._reserved[uid]
        return sandbox

    async def detach(self, uid: str) -> None:
        """Take a pod's network away; its address is free afterwards. Raises NetworkFailure."""
        await self._network.detach(uid)
        self._known.pop(uid, None)
