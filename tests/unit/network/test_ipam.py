import pytest

from edge.network import ipam


def test_addresses_are_given_one_after_the_other() -> None:
    assert ipam.allocate("10.244.1.0/24", ()) == "10.244.1.2"
    assert ipam.allocate("10.244.1.0/24", {"10.244.1.2"}, after="10.244.1.2") == "10.244.1.3"


def test_a_freed_address_rests_until_the_end_of_the_subnet_is_reached() -> None:
    assert ipam.allocate("10.244.1.0/24", (), after="10.244.1.9") == "10.244.1.10"
    assert ipam.allocate("10.244.1.0/24", (), after="10.244.1.254") == "10.244.1.2"


def test_gateway_network_and_broadcast_are_never_given() -> None:
    used = {f"10.244.1.{n}" for n in range(2, 255)}
    with pytest.raises(ipam.SubnetFull, match="all 253 addresses"):
        ipam.allocate("10.244.1.0/24", used, after="10.244.1.7")
    assert ipam.gateway("10.244.1.0/24") == "10.244.1.1"


def test_an_address_of_an_earlier_subnet_starts_from_the_beginning() -> None:
    assert ipam.allocate("10.244.1.0/24", (), after="10.244.7.9") == "10.244.1.2"
