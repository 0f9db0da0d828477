from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from edge.dhcp import node_names

RACK = IPv4Network("10.0.0.0/24")


def read(text: str, kept: tuple[str, ...] = ("master", "kubernetes")) -> tuple[tuple[str, str], ...]:
    return node_names.read(text.encode(), RACK, "cluster.home", kept)


def test_nodes_that_dhcp_knows_by_their_name_are_left_out() -> None:
    nodes = [("node-1", ("10.0.0.2",)), ("node-7", ("10.0.0.3", "10.0.0.4")), ("fixed", ("10.0.0.200",)), ("new", ())]
    known = {"10.0.0.2": "node-1", "10.0.0.3": "raspberrypi"}
    assert node_names.entries(nodes, known) == (("10.0.0.200", "fixed"), ("10.0.0.3", "node-7"))


def test_what_is_written_is_read() -> None:
    found = (("10.0.0.200", "fixed"), ("10.0.0.3", "node-7"))
    assert read(node_names.render(found)) == found


@pytest.mark.parametrize("line", [
    "10.0.0.3 google.com", "10.0.0.3 master", "10.0.0.3 kubernetes", "8.8.8.8 node-1", "10.0.0.0 node-1",
    "10.0.0.255 node-1", "fe80::1 node-1", "10.0.0.3 node-1 alias", "10.0.0.3", "", "# comment", "10.0.0.3 -x",
    "10.0.0.3 UPPER", "10.0.0.3 master.cluster.home", "10.0.0.3 a.b.cluster.home"])
def test_no_name_of_the_world_and_none_of_the_masters_is_taken(line: str) -> None:
    assert read(line) == ()


def test_a_name_below_the_domain_is_a_name_of_the_rack() -> None:
    assert read("10.0.0.3 node-1.cluster.home") == (("10.0.0.3", "node-1"),)


def test_of_a_name_that_comes_twice_the_first_holds() -> None:
    assert read("10.0.0.3 a\n10.0.0.4 a\n") == (("10.0.0.3", "a"),)


def test_missing_damaged_and_huge_files_harm_nobody() -> None:
    assert node_names.read(None, RACK, "cluster.home", ()) == ()
    assert node_names.read(b"\xff\xfe\x00", RACK, "cluster.home", ()) == ()
    assert len(node_names.read(b"10.0.0.3 a\n" * 10**6, RACK, "cluster.home", ())) == 1
