from ipaddress import IPv4Address

import pytest
from pydantic import ValidationError

from edge.rack import addressing
from edge.rack.settings import Dhcp, Rack


def test_the_range_may_not_hold_the_masters_own_address() -> None:
    with pytest.raises(ValidationError, match=r"includes the master's own address 10\.0\.0\.1"):
        Rack(dhcp=Dhcp(first=IPv4Address("10.0.0.1")))


@pytest.mark.parametrize(("settings", "words"), [
    ({"dhcp": {"first": "10.0.1.2"}}, "not in the rack's network"),
    ({"dhcp": {"first": "10.0.0.9", "last": "10.0.0.3"}}, "comes after"),
    ({"interface": "eth0", "uplink": "eth0"}, "the same"),
    ({"adress": "10.0.0.1/24"}, "Extra inputs"),
    ({"address": "10.0.0.1"}, "not in the rack's network"),
    ({"address": "10.0.0.0/24"}, "no machine's address"),
    ({"address": "10.244.3.1/24", "dhcp": {"first": "10.244.3.2", "last": "10.244.3.9"}}, "overlap"),
    ({"manager": "wicd"}, "NetworkManager"),
])
def test_mistakes_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rack.model_validate(settings)


@pytest.mark.parametrize("settings", [
    {"interface": 'eth0" accept'}, {"interface": ".."}, {"interface": "a-name-that-is-too-long"}, {"interface": ""},
    {"uplink": "wlan0\n"}, {"uplink": "wlan 0"}, {"names": ["master\nuser root"]}, {"master_name": "Mäster"},
    {"dhcp": {"domain": "home\naddn-hosts=/etc/shadow"}}, {"server_user": "root; reboot"},
])
def test_nothing_is_smuggled_into_the_files_that_are_rendered(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rack.model_validate(settings)


@pytest.mark.parametrize(("uplink", "name"), [("", ""), ("auto", ""), ("wlan0", "wlan0"), ("enx00e04c", "enx00e04c")])
def test_an_uplink_has_a_name_or_is_whichever_leads_there(uplink: str, name: str) -> None:
    assert Rack.model_validate({"uplink": uplink}).uplink_name == name


def test_names_and_addresses_are_told_apart() -> None:
    rack = Rack(names=("master.home", "192.168.1.7"))
    assert "master.home" in addressing.dns_names(rack)
    assert addressing.addresses(rack) == ("10.0.0.1", "10.96.0.1", "192.168.1.7")
