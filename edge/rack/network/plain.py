"""No network manager: `edge-rack apply` sets the address itself, at each boot. Containers, the lab, odd machines."""

from __future__ import annotations

from edge.rack.document import Command, Document
from edge.rack.facts import Facts
from edge.rack.network.interface import Objection
from edge.rack.settings import Rack

NAME = "none"


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return nothing: there is nobody to read it."""
    del rack, facts
    return ()


def objections(rack: Rack, facts: Facts) -> tuple[Objection, ...]:
    """Return that the interface is missing: nobody else would give it its address when it comes."""
    if rack.interface not in facts.links:
        there = ", ".join(sorted(name for name in facts.links if name != "lo")) or "none"
        return (Objection("InterfaceMissing", f"there is no interface {rack.interface}; there are: {there}",
                          "set `interface` in rack.toml, or plug it in and run edge-rack apply again"),)
    return ()


def up(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Set link and address."""
    del facts
    return (Command(argv=("ip", "link", "set", "dev", rack.interface, "up")),
            Command(argv=("ip", "address", "replace", str(rack.address), "dev", rack.interface)))


def down(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Take the address away."""
    del facts
    return (Command(argv=("ip", "address", "del", str(rack.address), "dev", rack.interface), optional=True),)


def asks_names(rack: Rack, facts: Facts) -> bool:
    """Return that nobody does: /etc/resolv.conf is the person's."""
    del rack, facts
    return False
