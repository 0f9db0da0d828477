"""What the playbooks conclude from the rack's own inventory."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.ansible.collection import load

machines = load("filter/machines.py")


def inventory(**hosts: dict[str, Any]) -> dict[str, Any]:
    return {"_meta": {"hostvars": {name.replace("_", "-"): entry for name, entry in hosts.items()}}}


RACK = inventory(
    master={"ansible_host": "10.0.0.1", "edge_ready": True, "edge_joined": True, "edge_version": "v1.32.0+edge.0.3.1"},
    node_1={"ansible_host": "10.0.0.2", "edge_ready": False, "edge_joined": True, "edge_mac": "dc:a6:32:00:00:02",
            "edge_version": "v1.32.0+edge.0.2.9"},
    raspberrypi={"ansible_host": "10.0.0.9", "edge_mac": "dc:a6:32:00:00:09", "edge_joined": False})


def test_a_machine_is_found_by_its_name() -> None:
    assert machines.addresses(RACK, {"node-1": "", "node-2": ""}) == {"node-1": "10.0.0.2"}


def test_a_machine_with_an_ethernet_address_is_found_by_that_alone() -> None:
    wanted = {"node-1": "DC:A6:32:00:00:09", "master": "dc:a6:32:ff:ff:ff"}
    assert machines.addresses(RACK, wanted) == {"node-1": "10.0.0.9"}


def test_domain_and_case_of_a_name_do_not_matter() -> None:
    assert machines.addresses(RACK, {"Node-1.cluster.home": ""}) == {"Node-1.cluster.home": "10.0.0.2"}


def test_nothing_is_found_in_nothing() -> None:
    assert machines.addresses({}, {"node-1": ""}) == {}
    assert machines.ready({}) == []
    assert machines.leases({}) == []
    assert machines.skew({}, "1.0.0") == []


def test_ready_are_those_that_say_so() -> None:
    assert machines.ready(RACK) == ["master"]


def test_machines_that_have_not_joined_are_told_with_what_identifies_them() -> None:
    assert machines.leases(RACK) == ["10.0.0.9 to raspberrypi (dc:a6:32:00:00:09)"]


@pytest.mark.parametrize(("new", "problems"), [
    ("0.3.1", 0), ("0.3.2", 0), ("0.3.0", 1), ("0.4.0", 1), ("0.2.9", 1), ("1.0.0", 2), ("unknown", 0)])
def test_a_version_follows_when_no_node_is_newer_or_two_minor_versions_older(new: str, problems: int) -> None:
    assert len(machines.skew(RACK, new)) == problems


def test_a_problem_of_versions_names_node_and_versions() -> None:
    assert machines.skew(RACK, "0.3.0") == [
        "master runs 0.3.1, which is newer than 0.3.0: check out that version or a later one"]
