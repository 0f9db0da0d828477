"""Facts -> what is wrong with the ground, each with a constant reason, what was seen, and what to do.

A rack whose leases work and whose internet does not has one of these; so has one that answers nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network

import msgspec

from edge.rack import bus, firewalls, ntp, uplink
from edge.rack.facts import Facts, Link
from edge.rack.network import choice, plain
from edge.rack.settings import Rack


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    reason: str
    """A constant, as in an Event."""
    message: str
    """What was seen."""
    remedy: str
    """What to do."""


def check(rack: Rack, facts: Facts) -> tuple[Problem, ...]:
    """Return what is wrong, what hurts most first."""
    return tuple(problem for look in _LOOKS for problem in look(rack, facts))


def blocking(rack: Rack, facts: Facts) -> tuple[Problem, ...]:
    """Return what must be mended before anything is changed: the change would lock the person out, or be in vain.

    A home network that comes to have the rack's addresses later is no reason to leave the rack without its ground.
    """
    is_new = facts.previous is None or facts.previous.network != str(rack.address.network)
    return (*(_overlaps(rack, facts, ("address",)) if is_new else ()), *_objections(rack, facts))


def _objections(rack: Rack, facts: Facts) -> Iterator[Problem]:
    for objection in choice.objections(rack, facts):
        yield Problem(reason=objection.reason, message=objection.message, remedy=objection.remedy)


def _overlaps(rack: Rack, facts: Facts, names: tuple[str, ...] = ("address", "pod_network", "service_network")
              ) -> Iterator[Problem]:
    ours = {"address": rack.address.network, "pod_network": rack.pod_network, "service_network": rack.service_network}
    for link in _others(rack, facts):
        for address in link.addresses:
            for name in names:
                if ours[name].overlaps(address.network):
                    yield Problem(
                        reason="NetworksOverlap",
                        message=f"{link.name} has {address}, and the rack's own network is {ours[name]} ({name}): "
                                "packets for one of them would go to the other",
                        remedy=f"choose another `{name}` in rack.toml, such as {_other(name, address.network)}, or "
                               "give the home network other addresses")


def _other(name: str, taken: IPv4Network) -> str:
    choices = {"address": ("10.10.10.1/24", "172.30.0.1/24"), "pod_network": ("10.244.0.0/16", "172.28.0.0/16"),
               "service_network": ("10.96.0.0/12", "172.24.0.0/16")}[name]
    free = [each for each in choices if not IPv4Network(each, strict=False).overlaps(taken)]
    return free[-1]


def _others(rack: Rack, facts: Facts) -> list[Link]:
    """Return the links to elsewhere: uplinks, tunnels, bridges of other containers. Pods' own begin with `edge`."""
    return [link for name, link in sorted(facts.links.items())
            if name not in (rack.interface, "lo") and not name.startswith("edge")]


def _interface(rack: Rack, facts: Facts) -> Iterator[Problem]:
    link = facts.links.get(rack.interface)
    if link is None:
        if choice.choose(rack, facts) is not plain:  # which says so itself
            there = ", ".join(sorted(name for name in facts.links if name != "lo")) or "none"
            yield Problem(reason="InterfaceMissing",
                          message=f"there is no interface {rack.interface}; there are: {there}",
                          remedy="set `interface` in rack.toml, or plug it in: its address comes by itself")
        return
    if rack.address not in link.addresses:
        has = ", ".join(str(address) for address in link.addresses) or "no address"
        yield Problem(reason="NoRackAddress", message=f"{rack.interface} has {has}, not {rack.address}",
                      remedy="run edge-rack apply")
    if not link.carrier:
        yield Problem(reason="NoCarrier", message=f"{rack.interface} has no link: nobody is at its cable's other end",
                      remedy="switch the switch on, and look at the cable; nothing has to be restarted")
    strangers = [address for address in link.addresses if address.ip != rack.address.ip]
    if strangers and rack.address in link.addresses:
        yield Problem(reason="SecondAddress", message=f"{rack.interface} has {strangers[0]} beside {rack.address}: "
                      "another program, or another DHCP server, configures it too",
                      remedy=f"find what gives it that address (`edge-rack probe`, DHCP clients), then `ip address del "
                             f"{strangers[0]} dev {rack.interface}`")


def _forwarding(rack: Rack, facts: Facts) -> Iterator[Problem]:
    if not facts.forwards:
        yield Problem(reason="ForwardingOff", message="net.ipv4.ip_forward is 0: the master passes no packet on",
                      remedy="run edge-rack apply; when it comes back, look for the file that turns it off: "
                             "grep -r ip_forward /etc/sysctl.conf /etc/sysctl.d /etc/ufw")
    if facts.table is None:
        yield Problem(reason="PacketRulesMissing", message="the table inet edge-rack is not in the kernel: nothing is "
                      "translated to the home network, and nothing is kept out", remedy="run edge-rack apply")
    elif facts.loaded and facts.table != facts.loaded:
        yield Problem(reason="PacketRulesChanged", message="somebody has changed the table inet edge-rack",
                      remedy="run edge-rack apply, which loads it anew")


def _firewalls(rack: Rack, facts: Facts) -> Iterator[Problem]:
    for lost in firewalls.lost(rack, facts):
        yield Problem(reason="ForwardDropped" if lost.forward else "InputDropped",
                      message=f"{lost.owner} drops {', '.join(lost.packets)}", remedy=lost.remedy)


def _uplink(rack: Rack, facts: Facts) -> Iterator[Problem]:
    name = uplink.choose(rack, facts)
    astray = [route for route in facts.default_routes if route.interface == rack.interface]
    if astray:
        yield Problem(
            reason="DefaultRouteOverRack",
            message=f"there is a default route by {rack.interface} ({astray[0].gateway or 'no gateway'}): the master "
                    "looks for the internet among its own workers",
            remedy=f"take `gateway` out of what configures {rack.interface} (a DHCP server on the switch hands one "
                   f"out too: edge-rack probe), then `ip route del default dev {rack.interface}`")
    if not name:
        yield Problem(reason="NoDefaultRoute", message="nothing leads to the internet: there is no default route but "
                      "those of the rack", remedy="connect the Wi-Fi or the second wire; the rack itself works without")
        return
    link = facts.links.get(name)
    if link is None:
        yield Problem(reason="UplinkMissing", message=f"there is no interface {name}",
                      remedy='set `uplink` in rack.toml ("auto" takes any), or plug it in; nothing has to be restarted')
    elif not link.addresses:
        yield Problem(reason="NoUplinkAddress", message=f"{name} has no address",
                      remedy="look at the Wi-Fi's password and the home router's DHCP server"
                      if link.wireless else f"look at the cable of {name} and at the home router's DHCP server")
    elif not any(route.interface == name for route in facts.default_routes):
        yield Problem(reason="NoDefaultRoute", message=f"there is no default route by {name}",
                      remedy=f"let the home router's DHCP server give one to {name}, or set its gateway")


def _routes(rack: Rack, facts: Facts) -> Iterator[Problem]:
    ways = {route.interface for route in facts.default_routes}
    strict = sorted(name for name in (*ways, rack.interface) if name in facts.links
                    and facts.links[name].strict_reverse_path)
    if len(ways) > 1 and strict:
        yield Problem(reason="ReversePathFilter", message=f"there are default routes by {', '.join(sorted(ways))}, and "
                      f"rp_filter is strict on {', '.join(strict)}: answers that take the other way are dropped",
                      remedy="sysctl net.ipv4.conf.all.rp_filter=2 (and in /etc/sysctl.d)")


def _radio(rack: Rack, facts: Facts) -> Iterator[Problem]:
    for link in uplink.awake(rack, facts):
        if link.power_save:
            yield Problem(reason="WifiPowerSave", message=f"{link.name} saves power: the rack answers late or not",
                          remedy="run edge-rack apply" if "iw" in facts.programs
                          else "apt-get install iw, then edge-rack apply")


def _names(rack: Rack, facts: Facts) -> Iterator[Problem]:
    asks = choice.choose(rack, facts).asks_names(rack, facts)
    if not rack.resolve_names or facts.names_resolve is True or (facts.names_resolve is None and asks):
        return
    if asks:
        remedy = ("see whether the name server answers (systemctl status edge-dhcp edge-names); the setting comes with "
                  "the uplink's next DHCP lease at the latest")
    else:
        remedy = (f"install systemd-resolved, or write `nameserver {rack.address.ip}` and `search {rack.dhcp.domain}` "
                  "at the top of /etc/resolv.conf, or set resolve_names = false in rack.toml")
    yield Problem(reason="NamesNotResolved", message="the master itself does not resolve the rack's names, such as "
                  f"{rack.master_name}.{rack.dhcp.domain}; the workers are not concerned", remedy=remedy)


def _time(rack: Rack, facts: Facts) -> Iterator[Problem]:
    if text := ntp.problem(rack, facts):
        yield Problem(reason="TimeNotServed", message=f"the workers get no time from the master: {text}",
                      remedy=ntp.remedy(rack, facts))


def _portal(rack: Rack, facts: Facts) -> Iterator[Problem]:
    if facts.portal == "portal":
        yield Problem(reason="CaptivePortal", message=f"{rack.portal_check} shows something else: a captive portal is "
                      "between the uplink and the internet", remedy="log in at the portal from the master, or choose "
                      "another network; inside the rack nothing changes")
    elif facts.portal == "none" and uplink.choose(rack, facts):
        yield Problem(reason="NoInternet", message=f"{rack.portal_check} does not answer", remedy="see whether other "
                      "machines at home reach the internet, and the master resolves names (getent hosts debian.org)")


def _revocations(_rack: Rack, facts: Facts) -> Iterator[Problem]:
    if why := bus.refused_list(facts):
        yield Problem(reason="RevocationsRefused",
                      message=f"what was revoked lately is not refused by the bus: {why.partition(';')[0]}",
                      remedy="`systemctl restart edge-server` writes the list anew; if that does not help, make "
                             "ConfigMap kube-system/revoked-keys shorter")


_LOOKS: tuple[Callable[[Rack, Facts], Iterator[Problem]], ...] = (
    _objections, _overlaps, _interface, _forwarding, _firewalls, _revocations, _uplink, _routes, _radio, _names, _time,
    _portal)
