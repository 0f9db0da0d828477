from ipaddress import IPv4Address

import pytest
from pydantic import ValidationError

from edge.rack import addressing, dhcp, nat
from edge.rack.settings import Dhcp, Rack


def test_the_range_may_not_hold_the_masters_own_address() -> None:
    with pytest.raises(ValidationError, match=r"includes the master's own address 10\.0\.0\.1"):
        Rack(dhcp=Dhcp(first=IPv4Address("10.0.0.1")))


@pytest.mark.parametrize(("settings", "words"), [
    ({"dhcp": {"first": "10.0.1.2"}}, "not in the rack's network"),
    ({"dhcp": {"first": "10.0.0.9", "last": "10.0.0.3"}}, "comes after"),
    ({"interface": "eth0", "uplink": "eth0"}, "the same"),
    ({"adress": "10.0.0.1/24"}, "Extra inputs"),
])
def test_mistakes_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rack.model_validate(settings)


def test_dhcp_points_machines_at_the_master_and_leases_in_the_order_they_ask() -> None:
    lines = dhcp.render(Rack()).splitlines()
    assert "dhcp-range=10.0.0.2,10.0.0.254,255.255.255.0,7200" in lines
    assert "dhcp-sequential-ip" in lines
    assert "dhcp-option=option:router,10.0.0.1" in lines
    assert "interface=eth0" in lines
    assert "no-ping" not in lines


def test_the_home_network_opens_nothing_but_what_is_offered() -> None:
    script = nat.render(Rack())
    assert 'iifname "wlan0" drop' in script
    assert 'iifname "wlan0" ip daddr { 10.0.0.0/24, 10.244.0.0/16, 10.96.0.0/12 } drop' in script
    assert 'iifname "wlan0" ct status dnat accept' in script
    assert 'oifname "wlan0" ip saddr { 10.0.0.0/24, 10.244.0.0/16 } masquerade' in script
    assert "tcp dport { 53, 10250, 8883 } drop" in script


def test_names_and_addresses_are_told_apart() -> None:
    rack = Rack(names=("master.home", "192.168.1.7"))
    assert "master.home" in addressing.dns_names(rack)
    assert addressing.addresses(rack) == ("10.0.0.1", "10.96.0.1", "192.168.1.7")
