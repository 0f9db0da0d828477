"""The switch, the home network and the cables, as network namespaces, bridges and veth pairs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

SWITCH, HOME = "switch", "home"
HOME_ROUTER, HOME_PREFIX = "192.168.43.1", 24


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface of a machine and the bridge its cable, or its radio, ends at."""

    interface: str
    bridge: str
    mac: str


@dataclass(frozen=True, slots=True)
class Wires:
    """All namespaces of one rack; each name begins with `prefix`."""

    prefix: str

    def namespace(self, machine: str) -> str:
        return f"{self.prefix}-{machine}"

    def make_bridges(self) -> None:
        """Make the switch, which is dumb, and the home network, whose router is the namespace itself."""
        for bridge in (SWITCH, HOME):
            name = self.namespace(bridge)
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
            ip("-n", name, "link", "set", "br0", "up")
        ip("-n", self.namespace(HOME), "address", "add", f"{HOME_ROUTER}/{HOME_PREFIX}", "dev", "br0")

    def power_on(self, machine: str, links: tuple[Link, ...]) -> None:
        """Give the machine the fresh network stack that a kernel has when it boots."""
        name = self.namespace(machine)
        ip("netns", "add", name)
        for link in links:
            port, bridge = self._port(machine, link), self.namespace(link.bridge)
            ip("-n", bridge, "link", "add", "name", port, "type", "veth", "peer", "name", link.interface, "address",
               link.mac, "netns", name)
            ip("-n", bridge, "link", "set", "dev", port, "master", "br0", "up")

    def power_off(self, machine: str, links: tuple[Link, ...]) -> None:
        """Take the network stack away, with all that was in it."""
        for link in links:
            ip("-n", self.namespace(link.bridge), "link", "delete", "dev", self._port(machine, link), check=False)
        ip("netns", "delete", self.namespace(machine), check=False)

    def unplug(self, machine: str, link: Link) -> None:
        """Pull the cable: the machine sees its carrier go."""
        ip("-n", self.namespace(link.bridge), "link", "set", "dev", self._port(machine, link), "down", check=False)

    def plug(self, machine: str, link: Link) -> None:
        """Put the cable back."""
        ip("-n", self.namespace(link.bridge), "link", "set", "dev", self._port(machine, link), "up")

    def remove(self) -> None:
        """Delete every namespace of this rack; nothing there is no error."""
        for path in sorted(Path("/run/netns").glob(f"{self.prefix}-*")):
            ip("netns", "delete", path.name, check=False)

    def _port(self, machine: str, link: Link) -> str:
        return machine if link.interface == "eth0" else f"{machine}-up"


def ip(*arguments: str, check: bool = True) -> str:
    """Run iproute2."""
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True).stdout
