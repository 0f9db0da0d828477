"""The book's rack as values: which machines, wires, addresses and programs there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

HOME_NETWORK = "192.168.42.0/24"
HOME_ROUTER = "192.168.42.1"
MASTER_UPLINK = "192.168.42.10"
LAPTOP = "192.168.42.20"
MASTER = "10.0.0.1"
API_PORT = 6443
DOMAIN = "cluster.home"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A wire from a machine's interface to a bridge. `address` is empty where DHCP gives it."""

    interface: str
    bridge: str
    """Name of the bridge's namespace: `home` or `switch`."""
    mac: str
    address: str = ""
    gateway: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program a machine's init keeps running."""

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    once: bool = False
    """Run to its end before the next one starts, and again when something it watches changes; a failure is tried
    again at the start only."""
    watch: tuple[str, ...] = ()
    """Files and directories after whose change it is started again."""
    reload: tuple[str, ...] = ()
    """Those after whose change it gets SIGHUP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One computer of the lab."""

    name: str
    links: tuple[Link, ...]
    nameserver: str
    search: str = ""
    """Domain in which short names are looked up."""
    services: tuple[Service, ...] = ()


@dataclass(frozen=True, slots=True)
class Lab:
    """Where everything of one lab lives. Namespaces carry the prefix, so that they are known as ours."""

    state: Path
    prefix: str = "edge"

    def namespace(self, machine: str) -> str:
        return f"{self.prefix}-{machine}"

    def directory(self, machine: str) -> Path:
        """What would be the machine's card: it survives being switched off."""
        return self.state / "machines" / machine

    @property
    def context(self) -> str:
        """The name of the rack in kubeconfigs."""
        return f"{self.prefix}-lab"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    def cgroup(self, machine: str) -> str:
        return f"/{self.context}/{machine}"


WORKERS = ("node-1", "node-2", "node-3")
RACK = ("master", *WORKERS)
BRIDGES = ("home", "switch")
ALL = ("home", "master", *WORKERS, "laptop")


def _mac(number: int) -> str:
    """Return a locally administered address."""
    return f"02:ed:9e:00:00:{number:02x}"


def links(machine: str) -> tuple[Link, ...]:
    """Return the wires of a machine of the book's rack."""
    if machine == "master":
        return (Link(interface="wlan0", bridge="home", mac=_mac(0x10), address=f"{MASTER_UPLINK}/24",
                     gateway=HOME_ROUTER),
                Link(interface="eth0", bridge="switch", mac=_mac(1)))
    if machine == "laptop":
        return (Link(interface="wlan0", bridge="home", mac=_mac(0x20), address=f"{LAPTOP}/24", gateway=HOME_ROUTER),)
    if machine in WORKERS:
        return (Link(interface="eth0", bridge="switch", mac=_mac(2 + WORKERS.index(machine))),)
    return ()
