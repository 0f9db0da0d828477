from __future__ import annotations

from ipaddress import IPv4Interface

from edge.discovery import sides
from edge.discovery.sides import Interface

LO = Interface(name="lo", index=1, addresses=(IPv4Interface("127.0.0.1/8"),), loopback=True)
RACK = Interface(name="eth0", index=2, addresses=(IPv4Interface("10.0.0.1/24"),))
HOME = Interface(name="wlan0", index=3, addresses=(IPv4Interface("192.168.1.7/24"), IPv4Interface("192.168.1.8/24")))
PODS = Interface(name="edge0", index=9, addresses=(IPv4Interface("10.244.0.1/24"),))
ALL = (LO, RACK, HOME, PODS)


def roles(found: tuple[sides.Side, ...]) -> list[tuple[str, str, str]]:
    return [(side.role, side.interface, side.address) for side in found]


def test_a_master_has_the_rack_and_the_way_out() -> None:
    assert roles(sides.of_master(ALL, "wlan0", rack=("10.0.0.1",))) == [
        ("rack", "eth0", "10.0.0.1"), ("uplink", "wlan0", "192.168.1.7")]


def test_the_uplink_may_be_named_left_out_or_missing() -> None:
    assert roles(sides.of_master(ALL, "", rack=("10.0.0.1",), uplink_interface="wlan0"))[1:] == [
        ("uplink", "wlan0", "192.168.1.7")]
    assert roles(sides.of_master(ALL, "wlan0", rack=("10.0.0.1",), uplink=False)) == [("rack", "eth0", "10.0.0.1")]
    assert roles(sides.of_master(ALL, "", rack=("10.0.0.1",))) == [("rack", "eth0", "10.0.0.1")]
    assert roles(sides.of_master(ALL, "eth0", rack=("10.0.0.1",))) == [("rack", "eth0", "10.0.0.1")]


def test_a_wire_that_is_pulled_is_no_side_and_another_index_is_another_side() -> None:
    down = Interface(name="wlan0", index=3, addresses=HOME.addresses, running=False)
    assert len(sides.of_master((RACK, down), "wlan0", rack=("10.0.0.1",))) == 1
    again = Interface(name="wlan0", index=4, addresses=HOME.addresses)
    assert sides.of_master((again,), "wlan0", rack=()) != sides.of_master((HOME,), "wlan0", rack=())


def test_a_machine_that_waits_is_heard_wherever_it_has_a_wire_but_not_by_its_containers() -> None:
    assert roles(sides.of_machine(ALL)) == [("any", "eth0", "10.0.0.1"), ("any", "wlan0", "192.168.1.7")]
    assert roles(sides.of_machine(ALL, "eth0")) == [("any", "eth0", "10.0.0.1")]
    assert sides.of_machine((Interface(name="eth0"),)) == ()


def test_addresses_pick_interfaces() -> None:
    assert roles(sides.at(ALL, ("192.168.1.8",))) == [("any", "wlan0", "192.168.1.8")]


ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth1\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
"""


def test_the_best_default_route_counts() -> None:
    assert sides.default_route(ROUTES) == "eth1"
    assert sides.default_route(ROUTES.replace("eth1\t00000000", "eth1\t0A000000")) == "wlan0"


def test_half_a_table_is_none() -> None:
    assert sides.default_route("") == ""
    assert sides.default_route("head\nwlan0\t00000000\n") == ""
