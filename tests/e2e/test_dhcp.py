"""Leases and reservations of the lab rack, as a person sees and changes them; a worker moves and comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Rack
from tests.e2e.conftest import until as wait_until

NODE, OWN, ADDRESS, MAC = "node-3", "10.0.0.4", "10.0.0.77", "02:ed:9e:00:00:04"


def leases(rack: Rack) -> dict[str, dict[str, Any]]:
    """Return the leases by node."""
    report = json.loads(rack.edgectl("dhcp", "leases", "-o", "json").stdout)
    return {each["node"]: each for each in report["leases"] if each["node"]}


def reservations(rack: Rack) -> dict[str, dict[str, Any]]:
    rows = json.loads(rack.edgectl("dhcp", "reservations", "-o", "json").stdout)["reservations"]
    return {row["address"]: row for row in rows}


def internal_address(rack: Rack, node: str) -> str:
    addresses = rack.get("node", node)["status"]["addresses"]
    return next(str(each["address"]) for each in addresses if each["type"] == "InternalIP")


def until(condition: Callable[[], Any], seconds: float) -> None:
    wait_until(condition, seconds, "leases or reservations are not as they should be")


def switch(rack: Rack, how: str) -> None:
    rack.lab("power", how, NODE)


@pytest.fixture
def reserved(rack: Rack) -> Iterator[None]:
    """Reserve another address for a worker; afterwards it has its own again."""
    rack.edgectl("dhcp", "reserve", ADDRESS, "--node", NODE)
    yield
    rack.edgectl("dhcp", "release", ADDRESS, check=False)
    rack.edgectl("dhcp", "reserve", OWN, "--mac", MAC)
    until(lambda: reservations(rack)[OWN].get("source") == "wished" and not reservations(rack)[OWN].get("problem"), 30)
    if internal_address(rack, NODE) != OWN:
        switch(rack, "off")
        switch(rack, "on")
        until(lambda: internal_address(rack, NODE) == OWN, 90)
        rack.until_back(NODE)
    rack.edgectl("dhcp", "release", OWN)


def test_every_worker_is_in_the_table_with_its_node(rack: Rack) -> None:
    until(lambda: {"node-1", "node-2", "node-3"} <= leases(rack).keys(), 30)
    lease = leases(rack)["node-1"]
    assert lease["address"] == internal_address(rack, "node-1")
    assert lease["name"] == "node-1"
    assert 0 < lease["expiresInSeconds"] <= 7200
    table = rack.edgectl("dhcp", "leases").stdout
    line = next(line for line in table.splitlines() if " node-1 " in line)
    assert lease["mac"] in line
    assert "of 253 addresses are free (10.0.0.2 to 10.0.0.254), leased by dnsmasq" in table


def test_every_node_keeps_its_address_by_itself(rack: Rack) -> None:
    until(lambda: {"node-1", "node-2", "node-3"} <= {row.get("node") for row in reservations(rack).values()}, 30)
    row = reservations(rack)[internal_address(rack, "node-2")]
    assert row["node"] == "node-2"
    assert not row.get("problem")


def test_a_worker_with_a_reservation_moves_when_it_is_switched_on_again(rack: Rack, reserved: None) -> None:
    until(lambda: ADDRESS in reservations(rack) and not reservations(rack)[ADDRESS].get("problem"), 30)
    switch(rack, "off")
    switch(rack, "on")
    until(lambda: internal_address(rack, NODE) == ADDRESS, 90)
    rack.until_back(NODE)
    lease = leases(rack)[NODE]
    assert (lease["address"], lease["mac"], lease["reserved"]) == (ADDRESS, MAC, True)
    assert ADDRESS in rack.shell("master", "busybox", "nslookup", f"{NODE}.cluster.home", "10.0.0.1")
    answer = rack.shell(NODE, "busybox", "nslookup", "node-1.cluster.home")
    assert internal_address(rack, "node-1") in answer


def test_what_cannot_be_is_refused_in_one_sentence(rack: Rack) -> None:
    other = internal_address(rack, "node-1")
    refused = {
        ("reserve", other, "--mac", "02:00:00:00:00:99"): "is leased to",
        ("reserve", "10.0.0.300", "--mac", "02:00:00:00:00:99"): "is no IPv4 address",
        ("reserve", "10.0.0.90", "--mac", "x"): "is no hardware address",
        ("reserve", "10.0.0.90", "--node", "node-9"): "there is no node node-9",
        ("reserve", "10.0.0.90"): "say for which machine",
        ("reserve", "10.0.0.90", "--mac", "02:00:00:00:00:99", "--name", "../x"): "is no host name",
        ("release", "10.0.0.91"): "is not reserved",
    }
    for words, sentence in refused.items():
        result = rack.edgectl("dhcp", *words, check=False)
        assert result.returncode == 1
        assert sentence in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("address", "sentence"), [("192.168.7.7", "is not in the rack's network"),
                                                   ("10.0.0.1", "is the master's own address")])
def test_a_wish_that_cannot_be_is_told_and_breaks_nothing(rack: Rack, address: str, sentence: str) -> None:
    rack.edgectl("dhcp", "reserve", address, "--mac", "02:00:00:00:00:98")
    try:
        until(lambda: sentence in reservations(rack).get(address, {}).get("problem", ""), 30)
        assert sentence in rack.edgectl("dhcp", "reservations").stdout
    finally:
        rack.edgectl("dhcp", "release", address)
    until(lambda: address not in reservations(rack), 30)
    assert leases(rack).keys() >= {"node-1", "node-2"}
