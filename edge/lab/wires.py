"""Makes and removes the network namespaces, bridges and wires of the lab, with iproute2. Safe to repeat."""

from __future__ import annotations

from pathlib import Path

from edge.lab import topology
from edge.lab.host import run
from edge.lab.topology import Lab, Link


def namespaces() -> set[str]:
    """Return the named network namespaces of this host."""
    directory = Path("/run/netns")
    return {path.name for path in directory.iterdir()} if directory.is_dir() else set()


def make_bridges(lab: Lab) -> None:
    """Make the home network (its router is the namespace itself) and the rack's switch."""
    for bridge in topology.BRIDGES:
        name = lab.namespace(bridge)
        if name in namespaces():
            continue
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", name, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        run("ip", "-n", name, "link", "set", "br0", "up")
        if bridge == "home":
            length = topology.HOME_NETWORK.split("/")[1]
            run("ip", "-n", name, "address", "add", f"{topology.HOME_ROUTER}/{length}", "dev", "br0")


def plug_in(lab: Lab, machine: str, links: tuple[Link, ...]) -> None:
    """Make the machine's namespace and its wires. The port on the bridge is named after the machine."""
    name = lab.namespace(machine)
    if name not in namespaces():
        run("ip", "netns", "add", name)
    for link in links:
        bridge = lab.namespace(link.bridge)
        if run("ip", "-n", name, "link", "show", link.interface, check=False):
            run("ip", "-n", bridge, "link", "set", "dev", machine, "up")
            continue
        run("ip", "-n", bridge, "link", "add", "name", machine, "type", "veth", "peer", "name", link.interface,
            "address", link.mac, "netns", name)
        run("ip", "-n", bridge, "link", "set", "dev", machine, "master", "br0", "up")
        if link.address:
            run("ip", "-n", name, "address", "add", link.address, "dev", link.interface)
        run("ip", "-n", name, "link", "set", link.interface, "up")
        if link.gateway:
            run("ip", "-n", name, "route", "replace", "default", "via", link.gateway)


def pull_out(lab: Lab, machine: str, links: tuple[Link, ...]) -> None:
    """Cut the machine off at the bridges: from here on nothing it sends arrives. `plug_in` mends it."""
    for link in links:
        run("ip", "-n", lab.namespace(link.bridge), "link", "set", "dev", machine, "down", check=False)


def unplug(lab: Lab, machine: str) -> None:
    """Remove the machine's wires and its namespace. Nothing there is no error."""
    for link in topology.links(machine):
        # By hand: the kernel keeps a namespace, and both ends of its wires, for as long as anything still uses it.
        if lab.namespace(link.bridge) in namespaces():
            run("ip", "-n", lab.namespace(link.bridge), "link", "delete", "dev", machine, check=False)
    if lab.namespace(machine) in namespaces():
        # The kernel takes a namespace apart later, and not while anything holds it; the port must be free at once.
        for link in topology.links(machine):
            run("ip", "-n", lab.namespace(link.bridge), "link", "delete", "dev", machine, check=False)
        run("ip", "netns", "delete", lab.namespace(machine))
