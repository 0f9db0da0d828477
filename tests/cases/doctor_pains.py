"""What people suffer from on racks of Raspberry Pis: why it cannot happen here, or which check names it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pain:
    """One of them."""

    what: str
    impossible: str = ""
    """Why it cannot happen; empty where it can."""
    here: tuple[str, ...] = ()
    """Checks of `edgectl doctor --here` that name it."""
    rack: tuple[str, ...] = ()
    """Checks of `edgectl doctor` that name it."""
    ground: tuple[str, ...] = ()
    """Reasons of `edge-rack check` that name it; the check `ground` shows them."""


PAINS = {
    "On Raspberry Pis in general": (
        Pain("The memory cgroup is off: limits do not hold", here=("memory-cgroup", "cgroups")),
        Pain("The card is worn out by writes, is slow, or dies", "heartbeats, leases and events stay in memory; the "
             "store writes a change once", here=("card-errors", "card-wear", "disk-room", "root-file-system", "swap")),
        Pain("Memory and processor are used up by the orchestrator itself", "", ("swap",), ("node-conditions",)),
        Pain("Addresses change, and master or workers are lost", "the rack leases its own addresses, bound to the "
             "machine; nodes find the master by name and by its authority, not by an address",
             ("overlapping-networks",), ("api", "wire")),
        Pain("The first boot does not take name, key or Wi-Fi", "a machine joins with a token and the authority's "
                                                                "hash; "
             "it needs nothing else", ("identity", "settings-files")),
        Pain("A power cut leaves a broken store", "the store syncs before it answers, files are replaced as a whole, "
             "and a torn container store is repaired", ("card-errors", "root-file-system")),
        Pain("A worker does not run its pods while the master is away", "it starts them from its checkpoint",
             rack=("nodes",)),
        Pain("A re-flashed card, or a second card with the same name, is refused", "identity is key and serial "
                                                                                   "number of "
             "the board, not the name", ("identity",), ("certificate-requests", "cloned-cards")),
        Pain("There is no clock: certificates are not valid yet", "the rack's certificates are valid from 2020 on, and "
             "nothing on a node depends on its wall clock", ("clock", "time-source"),
             ("clock-of-this-machine", "clocks-of-nodes"), ("TimeNotServed",)),
        Pain("Certificates end while the rack is off", "they are renewed at any time, also after their end",
             ("node-certificate",), ("certificates", "node-certificates")),
        Pain("Packet rules of k3s, kube-proxy, flannel or Docker are left, or double", "the rack's rules are one table "
             "that is replaced in one transaction", ("leftovers", "foreign-firewall", "rivals"),
             ground=("ForwardDropped", "InputDropped", "PacketRulesChanged")),
        Pain("The system or an image is for another architecture", "", ("word-size",), ("image-architecture",)),
        Pain("The Wi-Fi saves power and drops out", "`edge-rack apply` switches it off on the uplink",
             ("wifi-power-save",), ground=("WifiPowerSave",)),
        Pain("The start takes long, or never ends", "the API answers within a second or two; a program that fails is "
             "started again with growing delays", ("programs", "ports")),
        Pain("The root is on NFS, where overlayfs does not work", "", ("root-file-system", "container-storage")),
    ),
    "Leases work, and the internet does not": (
        Pain("The translation to the home network (NAT) is not there", "`edge-rack apply` makes it at each boot",
             ground=("PacketRulesMissing", "PacketRulesChanged")),
        Pain("The master forwards nothing (`ip_forward` is 0)", "it is set at each boot", ground=("ForwardingOff",)),
        Pain("Docker, ufw or firewalld drop what is forwarded", "", ("foreign-firewall",), ground=("ForwardDropped",)),
        Pain("The uplink is another interface than the rules say", "`uplink = \"auto\"` takes any but the rack's",
             ground=("UplinkMissing", "NoUplinkAddress", "NoDefaultRoute")),
        Pain("The rack has the same network as the home", "", ("overlapping-networks",), ground=("NetworksOverlap",)),
        Pain("The name servers handed out are out of reach", "the master itself is handed out, and asks whom it can",
             ("name-servers",), ground=("NamesNotResolved",)),
        Pain("The DHCP range has the master's own address in it", "such settings are refused", rack=("wire",)),
        Pain("The master's gateway is the master itself", "the rack's interface gets no gateway", ("default-route",),
             ground=("DefaultRouteOverRack",)),
        Pain("There is a second default route", "", ("default-route",), ground=("DefaultRouteOverRack",
                                                                              "ReversePathFilter")),
        Pain("A captive portal is between the rack and the internet", "", ("internet",), ground=("CaptivePortal",)),
        Pain("The uplink takes smaller packets than the rack sends", "the rules clamp the size of connections",
             ("packet-size",)),
        Pain("Another DHCP server answers on the switch, or the switch is plugged into the home router", "", ("wire",),
             ("wire",)),
        Pain("Two machines use one address", "", ("wire",), ("wire",)),
        Pain("There are no addresses left", "", ("wire",), ("addresses", "wire")),
        Pain("The DHCP server or the broker does not run, or Debian's own runs beside it", "", ("programs", "rivals",
                                                                                               "ports"), ("wire",)),
    ),
}
