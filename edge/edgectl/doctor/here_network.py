"""Checks of a board's way to the rack and to the internet."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

from edge.edgectl.doctor.here import RACK_SETTINGS, Facts, addresses, links, routes
from edge.edgectl.doctor.here_board import settings
from edge.edgectl.doctor.results import Outcome, Result, ok, problem, unknown, warning

ONLINE = "NetworkManager is online"
"""What http://network-test.debian.org/nm answers."""
OWN_LINKS = ("lo", "edge", "podman", "veth")
FOREIGN_CHAINS = ("KUBE-", "FLANNEL", "CNI-", "DOCKER", "cali-", "CILIUM")
FOREIGN_LINKS = ("flannel.", "cni", "docker", "kube-", "cali", "cilium", "br-")
NAMES_QUESTION = ("getent", "ahostsv4", "deb.debian.org")
RULES = ("nft", "list", "ruleset")
LEGACY_RULES = ("iptables-legacy-save",)
_FOREIGN_DROP = re.compile(r"type filter hook (forward|input) priority [^;]*; policy drop;")


def default_route(facts: Facts) -> Outcome:
    """The way to the internet: one default route, through another machine."""
    found = routes(facts)
    if found is None:
        return unknown("iproute2 does not say which routes there are")
    if not found and facts.has_ground:
        return None
    if not found:
        return problem("there is no default route: nothing beyond the own networks is reached",
                       "on a worker: renew the lease (`sudo dhclient -r eth0; sudo dhclient eth0`, or unplug the cable "
                       "for a moment); on the master: join the home network (`nmcli device wifi connect NAME`)")
    own = {address for each in addresses(facts).values() for address, _ in each}
    if selfish := [route for route in found if route.get("gateway") in own]:
        route = selfish[0]
        return problem(f"the default route goes to {route['gateway']}, which is this machine itself: what is for the "
                       "internet ends here", f"remove `gateway` from the settings of {route.get('dev')} (in "
                       "/etc/network/interfaces.d, or ipv4.gateway of its NetworkManager profile), and "
                       f"`sudo ip route del default via {route['gateway']}`")
    best = min(found, key=lambda route: int(route.get("metric", 0)))
    devices = {str(route.get("dev")) for route in found}
    if len(devices) > 1:
        return warning(f"there are default routes through {', '.join(sorted(devices))}: which one is used changes with "
                       f"the order in which they come up; now it is {best.get('dev')}",
                       "keep one: `nmcli connection modify NAME ipv4.never-default yes` for the others")
    return ok(f"the default route goes to {best.get('gateway', 'a link')} through {best.get('dev')}")


def overlapping_networks(facts: Facts) -> Outcome:
    """Whether two interfaces are in the same network, as when the home network has the rack's addresses."""
    if facts.has_ground:
        return None
    networks_of = {name: [IPv4Network(f"{address}/{length}", strict=False) for address, length in found]
             for name, found in addresses(facts).items() if not name.startswith(OWN_LINKS)}
    if not networks_of:
        return unknown("iproute2 does not say which addresses there are")
    for name, networks in networks_of.items():
        for other in (each for each in networks_of if each > name):
            for network in networks:
                if hit := next((each for each in networks_of[other] if each.overlaps(network)), None):
                    return problem(f"{name} ({network}) and {other} ({hit}) are the same network: answers go out on "
                                   "the wrong one. The home network has the rack's addresses, or both cables are in "
                                   "one "
                                   "switch", "give the rack another one, such as address = \"10.77.0.1/24\" and "
                                   "dhcp.first, dhcp.last in it, in /etc/edge/rack.toml; then `sudo edge-rack apply`")
    return ok("every interface has a network of its own")


def name_servers(facts: Facts) -> Outcome:
    """Name servers in /etc/resolv.conf, and whether they answer."""
    text = facts.text("etc/resolv.conf")
    servers = [line.split()[1] for line in (text or "").splitlines() if re.match(r"nameserver\s+\S", line)]
    if not servers:
        return problem("no name server is set (/etc/resolv.conf): no image is found, no name resolves",
                       "renew the lease; where NetworkManager and dhcpcd both write the file, remove one of them")
    if not facts.asked_internet:
        return unknown(f"name servers {', '.join(servers)}; whether they answer was not asked (--offline)")
    if facts.output(*NAMES_QUESTION):
        return ok(f"names resolve ({', '.join(servers)})")
    return warning(f"the name servers {', '.join(servers)} do not know deb.debian.org: they are out of reach, or the "
                   "rack has no internet; images can then be loaded from the laptop only",
                   f"`ping {servers[0]}`; on the master `edge-rack check` says where the way ends. A rack without "
                   "internet: `edgectl image load`")


def internet(facts: Facts) -> Outcome:
    """Whether the internet answers, and not a captive portal."""
    if not facts.asked_internet or facts.has_ground:
        return None
    if facts.page is None:
        return warning("the internet does not answer: images can be loaded from the laptop only",
                       "`edgectl doctor --here` on the master says whether it has internet itself")
    if not facts.page.startswith(ONLINE):
        return problem("somebody else answers for the internet: a captive portal (hotel, guest network) wants a login",
                       "log in with a browser from a machine with the same address, or use another network as uplink")
    return ok("the internet answers")


def foreign_firewall(facts: Facts) -> Outcome:
    """Packet rules of other programs that drop what the rack forwards."""
    if facts.has_ground:
        return None
    rules, legacy = facts.output(*RULES), facts.output(*LEGACY_RULES)
    if rules is None:
        return unknown("the packet rules cannot be read", "run it as root: sudo edgectl doctor --here")
    found: list[Result] = []
    for table, chain, hook in _dropping(rules):
        says = f"chain {chain} of table {table} drops what no rule of it allows"
        see = (f"`sudo nft list table {table}` shows it. Docker, ufw and firewalld make such chains: remove them, or "
               "allow ")
        if hook == "forward":
            found.append(problem(f"{says}: packets of workers and pods end there, though leases and names work",
                                 f"{see}the rack's: `sudo nft insert rule {table} {chain} accept`"))
        elif facts.is_master or facts.is_node:
            found.append(warning(f"{says}: API (6443), bus (8883), agents (10250), names (53) and DHCP (67) have to be "
                                 "allowed", f"{see}these ports"))
    if ":FORWARD DROP" in (legacy or ""):
        found.append(problem("old iptables rules drop what is forwarded: packets of workers and pods end there",
                             "`sudo iptables-legacy -P FORWARD ACCEPT`; Docker sets it again at each start"))
    return tuple(found) or ok("no rules of other programs drop what is forwarded")


def _dropping(rules: str) -> list[tuple[str, str, str]]:
    """Return table, chain and hook of each foreign chain that drops by default."""
    table = chain = ""
    found = []
    for line in rules.splitlines():
        if begin := re.match(r"table (\S+ \S+) \{", line):
            table = begin[1]
        elif begin := re.match(r"\s+chain (\S+) \{", line):
            chain = begin[1]
        elif (drop := _FOREIGN_DROP.search(line)) and not table.split()[1].startswith("edge"):
            found.append((table, chain, drop[1]))
    return found


def leftovers(facts: Facts) -> Outcome:
    """Rules and interfaces that k3s, kube-proxy, flannel or Docker have left."""
    rules = "\n".join(text for argv in (RULES, LEGACY_RULES) if (text := facts.output(*argv)))
    if not rules and facts.output(*RULES) is None:
        return unknown("the packet rules cannot be read", "run it as root: sudo edgectl doctor --here")
    chains = sorted({word for word in FOREIGN_CHAINS if re.search(rf"(chain |^:|-A ){re.escape(word)}", rules, re.M)})
    interfaces = sorted(name for name in links(facts) if name.startswith(FOREIGN_LINKS))
    if chains or interfaces:
        return warning("another orchestrator or Docker has left " + " and ".join(
            part for part in (f"chains {', '.join(each + '*' for each in chains)}" if chains else "",
                              f"interfaces {', '.join(interfaces)}" if interfaces else "") if part)
            + ": they catch packets of services and pods",
            "uninstall it (`k3s-uninstall.sh`, `sudo apt-get purge docker.io docker-ce`) and reboot: rules and "
            "interfaces do not outlive that")
    return ok("nothing of another orchestrator is left")


def packet_size(facts: Facts) -> Outcome:
    """Whether the uplink takes smaller packets than the rack sends."""
    if not facts.is_master:
        return None
    given = settings(facts, RACK_SETTINGS)
    inside = str(given.get("interface", "eth0"))
    ways = [str(route["dev"]) for route in routes(facts) or () if route.get("dev") not in (None, inside)]
    uplink = given.get("uplink", "auto")
    uplink = (ways or [""])[0] if uplink in ("", "auto") else str(uplink)
    if not uplink:
        return None
    sizes = {name: size for name, size in links(facts).items() if name in (uplink, inside)}
    if len(sizes) < 2:
        return unknown(f"there is no {' and no '.join(name for name in (uplink, inside) if name not in sizes)}")
    clamped = "maxseg size set" in (facts.output(*RULES) or "")
    if sizes[uplink] < sizes[inside] and not clamped:
        return warning(f"{uplink} takes packets of {sizes[uplink]} bytes, {inside} sends {sizes[inside]}: downloads of "
                       "workers may hang after the first bytes", "`sudo edge-rack apply` (its rules clamp the size), "
                       f"or `sudo ip link set {inside} mtu {sizes[uplink]}`")
    return ok(f"packets of {sizes[uplink]} bytes on {uplink}, of {sizes[inside]} on {inside}")


def wifi_power_save(facts: Facts) -> Outcome:
    """Power saving of the Wi-Fi, which makes it answer late and drop out."""
    if facts.has_ground:
        return None
    found: list[Result] = []
    for argv, said in sorted(facts.said.items()):
        if argv[:2] != ("iw", "dev"):
            continue
        name = argv[2]
        if "Power save: on" in said.output:
            found.append(warning(f"{name} saves power: it answers up to two seconds late, and drops out",
                                 f"now: `sudo iw dev {name} set power_save off`; for good: wifi.powersave=2 under "
                                 "[connection] in /etc/NetworkManager/conf.d/edge-wifi.conf"))
        elif "Power save: off" in said.output:
            found.append(ok(f"{name} does not save power"))
    if not found and any("/wireless/" in path or "/phy80211/" in path for path in facts.files):
        return unknown("`iw` is not there to ask: sudo apt-get install iw")
    return tuple(found) or None


CHECKS = (default_route, overlapping_networks, name_servers, internet, foreign_firewall, leftovers, packet_size,
          wifi_power_save)
