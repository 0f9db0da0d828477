"""Facts -> which interface leads to the home network, and the power save of its radio."""

from __future__ import annotations

from edge.rack.document import Command
from edge.rack.facts import PODS, Facts, Link
from edge.rack.settings import Rack


def choose(rack: Rack, facts: Facts) -> str:
    """Return the uplink: the one of the settings, or that of the best default route; empty when there is none."""
    if rack.uplink_name:
        return rack.uplink_name
    routes = [route for route in facts.default_routes if route.interface not in (rack.interface, PODS, "lo")]
    return min(routes, key=lambda route: route.metric).interface if routes else ""


def awake(rack: Rack, facts: Facts) -> tuple[Link, ...]:
    """Return the wireless uplinks that are to stay awake: a master that dozes answers its workers' packets late."""
    if rack.wifi_power_save:
        return ()
    return tuple(link for _, link in sorted(facts.links.items()) if link.wireless and link.name != rack.interface
                 and rack.uplink_name in ("", link.name))


def wake(rack: Rack, facts: Facts) -> tuple[Command, ...]:
    """Return the commands that turn power save off now; at the next boot it is done again, or the manager does it."""
    if "iw" not in facts.programs:
        return ()
    return tuple(Command(argv=("iw", "dev", link.name, "set", "power_save", "off"), optional=True)
                 for link in awake(rack, facts) if link.power_save is not False)
