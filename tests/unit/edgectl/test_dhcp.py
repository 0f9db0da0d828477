"""What `edgectl dhcp` computes of the report, the nodes and the ConfigMap."""

from typing import Any

import pytest

from edge.dhcp.reservations import Wanted
from edge.edgectl.commands import dhcp
from edge.edgectl.failures import CtlError

MAC, OTHER = "02:ed:9e:00:00:01", "02:ed:9e:00:00:02"
LEASES = [{"address": "10.0.0.2", "mac": MAC, "name": "node-1"}, {"address": "10.0.0.3", "mac": OTHER, "name": ""}]


def node(name: str, address: str, serial: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {
        "addresses": [{"type": "InternalIP", "address": address}], "nodeInfo": {"systemUUID": serial}}}


def test_leases_are_shown_with_the_node_that_has_the_address() -> None:
    rows = dhcp.with_nodes(LEASES, [node("node-1", "10.0.0.2"), {"metadata": {"name": "new"}}])
    assert [row["node"] for row in rows] == ["node-1", ""]


@pytest.mark.parametrize(("marks", "wanted"), [
    (("02-ED-9E-00-00-05", "", ""), "02:ed:9e:00:00:05"), (("", "00000000a1b2c3d4", ""), "b8:27:eb:b2:c3:d4"),
    (("", "10000000A1B2C3D4", ""), MAC), (("", "10000000ffffffff", ""), ""), (("", "", "node-1"), MAC)])
def test_a_machine_is_found_by_any_of_its_marks(marks: tuple[str, str, str], wanted: str) -> None:
    assert dhcp.machine([node("node-1", "10.0.0.2", "10000000a1b2c3d4")], LEASES, *marks) == wanted


@pytest.mark.parametrize(("marks", "words"), [
    (("x", "", ""), "no hardware address"), (("", "", "node-9"), "no node node-9"), (("", "", "node-2"), "no lease")])
def test_a_machine_that_cannot_be_found_is_told_with_what_to_do(marks: tuple[str, str, str], words: str) -> None:
    with pytest.raises(CtlError, match=words):
        dhcp.machine([node("node-1", "10.0.0.2"), node("node-2", "10.0.0.77")], LEASES, *marks)


@pytest.mark.parametrize(("address", "mac", "words"), [
    ("10.0.0.20", OTHER, "release 10.0.0.20"), ("10.0.0.21", MAC, "release 10.0.0.20"),
    ("10.0.0.30", "02:00:00:00:00:07", "wished for another"), ("10.0.0.3", "02:00:00:00:00:07", "leased to"),
    ("10.0.0.20", MAC, ""), ("10.0.0.40", "02:00:00:00:00:07", ""), ("10.0.0.50", "02:00:00:00:00:07", "")])
def test_what_stands_in_the_way_is_named(address: str, mac: str, words: str) -> None:
    report = {"leases": LEASES, "reservations": [
        {"address": "10.0.0.20", "mac": MAC, "source": "wished"},
        {"address": "10.0.0.40", "mac": OTHER, "source": "node"},
        {"address": "10.0.0.50", "mac": OTHER, "source": "wished"}]}
    wished = {"10.0.0.20": '{"mac": "' + MAC + '"}', "10.0.0.30": '{"mac": "' + OTHER + '"}'}
    found = dhcp.objection(Wanted(address=address, mac=mac), report, wished)
    assert words in found
    assert bool(words) is bool(found)


def test_a_wish_nobody_has_heard_of_yet_is_shown_as_such() -> None:
    rows = dhcp.pending([{"address": "10.0.0.100", "mac": MAC}], {"10.0.0.20": "{}", "nonsense": ""})
    assert [(row["address"], row.get("problem", "")) for row in rows] == [
        ("nonsense", "not in force yet"), ("10.0.0.20", "not in force yet"), ("10.0.0.100", "")]


@pytest.mark.parametrize(("seconds", "text"), [(None, "never"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"),
                                               (7200, "2h"), (172800, "2d")])
def test_times_are_short(seconds: int | None, text: str) -> None:
    assert dhcp.duration(seconds) == text
