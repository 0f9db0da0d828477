"""Facts -> the rack's own packets that a foreign firewall drops, and what its owner can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from edge.rack import foreign, foreign_iptables, foreign_nft, uplink
from edge.rack.facts import PODS, Facts
from edge.rack.foreign import Packet
from edge.rack.settings import Rack

API_PORT = 6443
ELSEWHERE = IPv4Address("198.51.100.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What one firewall keeps from passing."""

    owner: str
    forward: bool
    packets: tuple[str, ...]
    remedy: str


def packets(rack: Rack, facts: Facts) -> tuple[Packet, ...]:
    """Return the packets the rack lives on."""
    inside, away = rack.interface, uplink.choose(rack, facts)
    worker, master = rack.dhcp.first, rack.address.ip
    pod = rack.pod_network.network_address + 2
    other_pod = rack.pod_network.network_address + 258
    forwarded = [("from pods of the master to workers' pods", PODS, inside, pod, other_pod),
                 ("from workers to pods of the master", inside, PODS, worker, pod)]
    if away:
        forwarded = [("from workers to the internet", inside, away, worker, ELSEWHERE),
                     ("from pods of the master to the internet", PODS, away, pod, ELSEWHERE), *forwarded]
    arriving = [("DHCP", "udp", 67), ("names", "udp", 53), ("the API", "tcp", API_PORT),
                ("the bus", "tcp", rack.bus_port), *([("time", "udp", 123)] if rack.serve_time else [])]
    return (*(Packet(what=what, hook="forward", iif=iif, oif=oif, source=source, target=target, port=443)
              for what, iif, oif, source, target in forwarded),
            *(Packet(what=f"{what} ({protocol} {port}) on {inside}", hook="input", iif=inside, source=worker,
                     target=master, protocol=protocol, port=port) for what, protocol, port in arriving))


def lost(rack: Rack, facts: Facts) -> Iterator[Lost]:
    """Yield what does not pass, by whose rules."""
    theirs = foreign_iptables.tables(facts.rules.iptables, "iptables")
    tables = (*foreign_nft.tables(facts.rules.nft, but_iptables=bool(theirs)), *theirs,
              *foreign_iptables.tables(facts.rules.iptables_legacy, "iptables-legacy"))
    for owner, gone in foreign.dropped(tables, packets(rack, facts)).items():
        for forward in (True, False):
            if words := tuple(packet.what for packet in gone if (packet.hook == "forward") is forward):
                yield Lost(owner=owner, forward=forward, packets=words, remedy=_remedy(rack, owner, forward))


def _remedy(rack: Rack, owner: str, forward: bool) -> str:
    """Return the commands that let the rack through, in the owner's words. Ours cannot overrule a drop of another."""
    inside = (rack.interface, PODS)
    match owner:
        case "Docker":
            commands = [f"iptables -I DOCKER-USER -{way} {name} -j ACCEPT" for name in inside for way in "io"]
            return f"at each start of Docker (a drop-in of docker.service with ExecStartPost): {'; '.join(commands)}"
        case "ufw":
            words = [f"ufw route allow {way} on {name}" if forward else f"ufw allow in on {name}"
                     for name in inside for way in (("in", "out") if forward else ("in",))]
            return "; ".join(words)
        case "firewalld":
            zone = "; ".join(f"firewall-cmd --permanent --zone=trusted --add-interface={name}" for name in inside)
            policy = ("; firewall-cmd --permanent --new-policy edge-rack; firewall-cmd --permanent --policy edge-rack "
                      "--add-ingress-zone trusted --add-egress-zone ANY --set-target ACCEPT") if forward else ""
            return f"{zone}{policy}; firewall-cmd --reload"
        case "iptables" | "iptables-legacy":
            chain = "FORWARD" if forward else "INPUT"
            return "; ".join(f"{owner} -I {chain} -{way} {name} -j ACCEPT" for name in inside
                             for way in (("i", "o") if forward else ("i",))) + ", wherever the rules are made"
        case _:
            hook = "forward" if forward else "input"
            names = ", ".join(f'"{name}"' for name in inside)
            back = f"; oifname {{ {names} }} accept" if forward else ""
            return (f"add to {owner}, in its chain of the hook {hook}, before what drops: "
                    f"iifname {{ {names} }} accept{back}")
