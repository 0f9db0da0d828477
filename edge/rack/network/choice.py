"""Facts -> which network manager keeps the rack's interface."""

from __future__ import annotations

from collections.abc import Mapping

from edge.rack.facts import Facts
from edge.rack.network import ifupdown, network_manager, networkd, plain
from edge.rack.network.interface import Keeper, Objection
from edge.rack.settings import Rack

KEEPERS: Mapping[str, Keeper] = {keeper.NAME: keeper for keeper in (network_manager, networkd, ifupdown, plain)}


def choose(rack: Rack, facts: Facts) -> Keeper:
    """Return who keeps it: as the settings say, or whoever manages the interface now.

    More than one may run. An interface that has a stanza of ifupdown is left alone by NetworkManager; one that has a
    .network file is systemd-networkd's; what nobody manages by name is NetworkManager's, as soon as that runs.
    """
    if rack.manager != "auto":
        return KEEPERS[rack.manager]
    if not facts.systemd:
        return plain
    has_network_manager, has_networkd = facts.is_in_charge(network_manager.UNIT), facts.is_in_charge(networkd.UNIT)
    has_ifupdown = facts.is_in_charge(ifupdown.UNIT) and ifupdown.MAIN in facts.texts
    if has_ifupdown and ifupdown.stanzas(rack, facts):
        return ifupdown
    if has_networkd and (rack.interface in facts.networkd or not has_network_manager):
        return networkd
    if has_network_manager:
        return network_manager if facts.network_manager.get(rack.interface) != "unmanaged" else plain
    return ifupdown if has_ifupdown else plain


def objections(rack: Rack, facts: Facts) -> tuple[Objection, ...]:
    """Return why the interface cannot be had, whoever keeps it."""
    found = list(choose(rack, facts).objections(rack, facts))
    if "dhcpcd.service" in facts.active and not _is_denied(facts.texts.get("dhcpcd.conf", ""), rack.interface):
        found.append(Objection("InterfaceTaken", f"dhcpcd gives {rack.interface} addresses of its own",
                               f"add the line `denyinterfaces {rack.interface}` to {rack.etc_dir}/dhcpcd.conf, then "
                               "systemctl restart dhcpcd"))
    return tuple(found)


def _is_denied(settings: str, interface: str) -> bool:
    lines = [line.split() for line in settings.splitlines()]
    denied = {name for words in lines if words[:1] == ["denyinterfaces"] for name in " ".join(words[1:]).split()}
    allowed = [words[1:] for words in lines if words[:1] == ["allowinterfaces"]]
    return interface in denied or (bool(allowed) and not any(interface in names for names in allowed))
