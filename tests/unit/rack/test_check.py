"""What is wrong with a ground is found, named, and has a remedy."""

from dataclasses import replace
from ipaddress import IPv4Interface

import pytest

from edge.dhcp.ground import Ground
from edge.rack import check, portal, uplink
from edge.rack.facts import DefaultRoute, Facts, Link, Rules
from edge.rack.settings import Rack

RACK = IPv4Interface("10.0.0.1/24")
ETH0 = Link(name="eth0", addresses=(RACK,))
WLAN0 = Link(name="wlan0", wireless=True, addresses=(IPv4Interface("192.168.1.7/24"),), power_save=False)
GOOD = Facts(
    systemd=True, active=frozenset({"NetworkManager.service", "chrony.service"}), programs=frozenset({"chronyd", "iw"}),
    links={"lo": Link(name="lo", addresses=(IPv4Interface("127.0.0.1/8"), IPv4Interface("10.96.0.10/32"))),
           "eth0": ETH0, "wlan0": WLAN0,
           "edge0": Link(name="edge0", addresses=(IPv4Interface("10.244.0.1/24"),))},
    default_routes=(DefaultRoute(interface="wlan0", gateway="192.168.1.1", metric=600),), forwards=True,
    table="rules", loaded="rules", names_resolve=True, portal="open")


def reasons(facts: Facts, **settings: object) -> list[str]:
    return [problem.reason for problem in check.check(Rack.model_validate(settings), facts)]


def with_links(*links: Link) -> Facts:
    return replace(GOOD, links={**GOOD.links, **{link.name: link for link in links}})


def without(*names: str) -> Facts:
    return replace(GOOD, links={name: link for name, link in GOOD.links.items() if name not in names})


def test_nothing_is_wrong_with_a_good_ground() -> None:
    assert reasons(GOOD) == []


ROUTES = GOOD.default_routes
CASES = [
    (without("eth0"), ["InterfaceMissing"]),
    (replace(without("eth0"), systemd=False, names_resolve=None), ["InterfaceMissing", "NamesNotResolved"]),
    (with_links(replace(ETH0, addresses=())), ["NoRackAddress"]),
    (with_links(replace(ETH0, addresses=(IPv4Interface("10.0.0.1/8"),))), ["NoRackAddress"]),
    (with_links(replace(ETH0, addresses=(RACK, IPv4Interface("169.254.3.4/16")))), ["SecondAddress"]),
    (with_links(replace(ETH0, carrier=False)), ["NoCarrier"]),
    (replace(GOOD, forwards=False), ["ForwardingOff"]),
    (replace(GOOD, table=None), ["PacketRulesMissing"]),
    (replace(GOOD, table="other rules"), ["PacketRulesChanged"]),
    (replace(GOOD, table="rules", loaded=""), []),
    (with_links(replace(WLAN0, addresses=())), ["NoUplinkAddress"]),
    (replace(GOOD, default_routes=()), ["NoDefaultRoute"]),
    (replace(GOOD, default_routes=(*ROUTES, DefaultRoute(interface="eth0", gateway="10.0.0.1"))),
     ["DefaultRouteOverRack"]),
    (replace(with_links(replace(ETH0, strict_reverse_path=True)),
             default_routes=(*ROUTES, DefaultRoute(interface="usb0"))), ["UplinkMissing", "ReversePathFilter"]),
    (with_links(replace(WLAN0, addresses=(IPv4Interface("10.0.0.57/24"),))), ["NetworksOverlap"]),
    (with_links(replace(WLAN0, addresses=(IPv4Interface("10.100.0.57/24"),))), ["NetworksOverlap"]),
    (with_links(replace(WLAN0, power_save=True)), ["WifiPowerSave"]),
    (with_links(replace(WLAN0, power_save=None)), []),
    (replace(GOOD, names_resolve=False), ["NamesNotResolved"]),
    (replace(GOOD, names_resolve=None), []),
    (replace(GOOD, programs=frozenset()), ["TimeNotServed"]),
    (replace(GOOD, active=frozenset({"NetworkManager.service"})), ["TimeNotServed"]),
    (replace(GOOD, texts={"chrony/chrony.conf": "pool pool.ntp.org\n"}), ["TimeNotServed"]),
    (replace(GOOD, texts={"chrony/chrony.conf": "confdir /etc/chrony/conf.d\n"}), []),
    (replace(GOOD, portal="portal"), ["CaptivePortal"]),
    (replace(GOOD, portal="none"), ["NoInternet"]),
    (replace(GOOD, rules=Rules(iptables_legacy="*filter\n:FORWARD DROP [0:0]\n:INPUT DROP [0:0]\n")),
     ["ForwardDropped", "InputDropped"]),
    (replace(GOOD, network_manager={"eth0": "unmanaged"}, names_resolve=None), ["NamesNotResolved"]),
]


@pytest.mark.parametrize(("facts", "found"), CASES)
def test_each_cause_has_a_name(facts: Facts, found: list[str]) -> None:
    assert reasons(facts) == found
    assert all(problem.message and problem.remedy for problem in check.check(Rack(), facts))


def test_an_uplink_of_a_name_that_is_not_there_is_missing_and_the_rack_works() -> None:
    assert reasons(GOOD, uplink="eth9") == ["UplinkMissing"]
    assert check.blocking(Rack(uplink="eth9"), GOOD) == ()


def test_what_the_settings_do_without_is_no_problem() -> None:
    bare = replace(GOOD, names_resolve=False, programs=frozenset(), portal="")
    assert reasons(bare, resolve_names=False, serve_time=False) == []


def test_the_home_networks_addresses_stop_a_new_rack_and_not_one_that_is() -> None:
    facts = with_links(replace(WLAN0, addresses=(IPv4Interface("10.0.0.57/24"),)))
    (problem,) = check.blocking(Rack(), facts)
    assert problem.reason == "NetworksOverlap"
    assert "10.10.10.1/24" in problem.remedy or "172.30.0.1/24" in problem.remedy
    assert check.blocking(Rack(), replace(facts, previous=Ground(network="10.0.0.0/24"))) == ()
    assert check.blocking(Rack(), replace(facts, previous=Ground(network="10.1.0.0/24"))) != ()


def test_addresses_of_services_that_the_home_network_has_too_stop_nothing() -> None:
    assert check.blocking(Rack(), with_links(replace(WLAN0, addresses=(IPv4Interface("10.100.0.57/24"),)))) == ()


def test_a_remedy_for_an_overlap_does_not_overlap() -> None:
    facts = with_links(replace(WLAN0, addresses=(IPv4Interface("172.30.0.57/24"),)))
    (problem,) = check.blocking(Rack.model_validate({
        "address": "172.30.0.1/24", "dhcp": {"first": "172.30.0.2", "last": "172.30.0.9"}}), facts)
    assert "10.10.10.1/24" in problem.remedy


@pytest.mark.parametrize(("routes", "chosen"), [
    ((), ""),
    ((DefaultRoute(interface="eth0"),), ""),
    ((DefaultRoute(interface="wlan0", metric=600), DefaultRoute(interface="eth1", metric=101)), "eth1"),
    ((DefaultRoute(interface="eth0"), DefaultRoute(interface="wwan0", metric=700)), "wwan0"),
])
def test_the_uplink_is_that_of_the_best_default_route_but_never_the_racks(routes: tuple[DefaultRoute, ...],
                                                                          chosen: str) -> None:
    assert uplink.choose(Rack(), Facts(default_routes=routes)) == chosen
    assert uplink.choose(Rack(uplink="wlan7"), Facts(default_routes=routes)) == "wlan7"


def test_only_a_wireless_uplink_that_dozes_is_woken() -> None:
    def woken(link: Link, **settings: object) -> int:
        return len(uplink.wake(Rack.model_validate(settings), with_links(link)))

    assert woken(replace(WLAN0, power_save=True)) == 1
    assert woken(replace(WLAN0, power_save=None)) == 1
    assert woken(WLAN0) == 0
    assert woken(replace(WLAN0, power_save=True), wifi_power_save=True) == 0
    assert woken(replace(WLAN0, power_save=True), uplink="eth1") == 0
    assert woken(replace(WLAN0, power_save=True), interface="wlan0") == 0


@pytest.mark.parametrize(("host", "status", "body", "means"), [
    ("network-test.debian.org", 200, b"NetworkManager is online\n", "open"),
    ("network-test.debian.org", 200, b"<html>Welcome to the hotel", "portal"),
    ("network-test.debian.org", 302, b"", "portal"),
    ("connectivity-check.example", 204, b"", "open"),
    ("connectivity-check.example", 511, b"", "portal"),
])
def test_an_answer_tells_a_portal_from_the_internet(host: str, status: int, body: bytes, means: str) -> None:
    assert portal.judge(host, status, body) == means
