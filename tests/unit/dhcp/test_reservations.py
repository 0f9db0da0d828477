"""Which address is kept for whom, and what is refused with which words."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network

import pytest

from edge.dhcp import report, reservations, wishes
from edge.dhcp.ground import Ground as MadeGround
from edge.dhcp.model import Lease
from edge.dhcp.reservations import Ground, Result, Wanted, Wishes, merge

GROUND = Ground(network=IPv4Network("10.0.0.0/24"), own=IPv4Address("10.0.0.1"), names=("master", "kubernetes"))
NOW = datetime(2025, 11, 20, 12, 0, 0, tzinfo=UTC)


def mac(number: int) -> str:
    return f"02:ed:9e:00:00:{number:02x}"


def lease(number: int, address: int) -> Lease:
    return Lease(address=IPv4Address(f"10.0.0.{address}"), mac=mac(number), name=f"node-{number}",
                 expires=NOW + timedelta(seconds=100))


def kept(result: Result) -> dict[str, str]:
    return {str(one.address): one.mac for one in result.kept}


def test_the_settings_win_over_wishes_and_wishes_over_what_nodes_have() -> None:
    wished = Wishes(reservations=(Wanted(address="10.0.0.20", mac=mac(2)), Wanted(address="10.0.0.21", mac=mac(3))),
                    nodes=(Wanted(address="10.0.0.21", mac=mac(4), node="node-4"),
                           Wanted(address="10.0.0.5", mac=mac(5), node="node-5")))
    result = merge([Wanted(address="10.0.0.20", mac=mac(1))], wished, GROUND)
    assert kept(result) == {"10.0.0.20": mac(1), "10.0.0.21": mac(3), "10.0.0.5": mac(5)}
    refused = [one for one in result.outcomes if one.problem]
    assert [(one.address, one.mac) for one in refused] == [("10.0.0.20", mac(2))]
    assert "kept already" in refused[0].problem
    assert "rack.toml" in refused[0].problem


@pytest.mark.parametrize(("wanted", "words"), [
    (Wanted(address="10.0.1.5", mac=mac(1)), "not in the rack's network"),
    (Wanted(address="10.0.0.0", mac=mac(1)), "no machine's address"),
    (Wanted(address="10.0.0.255", mac=mac(1)), "no machine's address"),
    (Wanted(address="10.0.0.1", mac=mac(1)), "master's own"),
    (Wanted(address="10.0.0.999", mac=mac(1)), "no IPv4 address"),
    (Wanted(address="", mac=mac(1)), "no IPv4 address"),
    (Wanted(address="10.0.0.9"), "for which machine"),
    (Wanted(address="10.0.0.9", mac="ff:ff:ff:ff:ff:ff"), "no hardware address"),
    (Wanted(address="10.0.0.9", mac=mac(1), name="a,b"), "no host name"),
    (Wanted(address="10.0.0.9", mac=mac(1), name="a\nb"), "no host name"),
    (Wanted(address="10.0.0.9", mac=mac(1), name="master"), "a name of the master's"),
    (Wanted(address="10.0.0.9", serial="10000000a1b2c3d4"), "not known yet"),
    (Wanted(address="10.0.0.9", node="node-9"), "not known yet"),
    (Wanted(address="10.0.0.9", serial="a\nb"), "no serial number"),
    (Wanted(address="10.0.0.9", serial="a" * 65), "no serial number"),
    (Wanted(address="10.0.0.9", mac=mac(1), node="node-1\ndhcp-script=/x"), "no name of a node"),
    (Wanted(address="10.0.0.9", mac=mac(1), node="a" * 254), "no name of a node"),
    (Wanted(address="10.0.0.7", mac=mac(1)), "is leased to 02:ed:9e:00:00:63 now"),
    (Wanted(address="10.0.0.30", mac=mac(50)), "has a reservation already"),
    (Wanted(address="10.0.0.30", mac=mac(51), name="camera"), "is the name already"),
])
def test_what_cannot_be_is_refused_and_the_rest_is_kept(wanted: Wanted, words: str) -> None:
    good = Wanted(address="10.0.0.50", mac=mac(50), name="camera")
    ground = Ground(network=GROUND.network, own=GROUND.own, names=GROUND.names, leases=(lease(99, 7),))
    result = merge([good], Wishes(reservations=(wanted,)), ground)
    assert kept(result) == {"10.0.0.50": mac(50)}
    assert words in result.outcomes[1].problem


def test_a_machine_that_has_the_address_already_may_have_it_reserved() -> None:
    ground = Ground(network=GROUND.network, own=GROUND.own, leases=(lease(7, 7),))
    wished = Wishes(reservations=(Wanted(address="10.0.0.7", mac=mac(7)),))
    assert kept(merge([], wished, ground)) == {"10.0.0.7": mac(7)}


def test_a_board_is_known_by_its_serial_number() -> None:
    wished = Wishes(reservations=(Wanted(address="10.0.0.8", serial="10000000A1B2C3D4"),
                                  Wanted(address="10.0.0.9", serial="00000000a1b2c3d4")),
                    boards={"10000000a1b2c3d4": mac(8)})
    assert kept(merge([], wished, GROUND)) == {"10.0.0.8": mac(8), "10.0.0.9": "b8:27:eb:b2:c3:d4"}


@pytest.mark.parametrize("said", ["02:ed:9e:00:00:01,10.0.0.66\ndhcp-script=/tmp/x", "no address", "ff:ff:ff:ff:ff:ff"])
def test_what_is_said_to_be_a_boards_address_is_one(said: str) -> None:
    wished = Wishes(reservations=(Wanted(address="10.0.0.8", serial="10000000a1b2c3d4"),),
                    boards={"10000000a1b2c3d4": said})
    result = merge([], wished, GROUND)
    assert kept(result) == {}
    assert "is no hardware address of the board 10000000a1b2c3d4" in result.outcomes[0].problem
    written = Wishes(reservations=wished.reservations, boards={"10000000a1b2c3d4": "02-ED-9E-00-00-08"})
    assert kept(merge([], written, GROUND)) == {"10.0.0.8": mac(8)}


def test_nodes_are_pinned_only_where_the_server_would_forget_them() -> None:
    wished = Wishes(nodes=(Wanted(address="10.0.0.5", mac=mac(5), node="node-5"),))
    ground = Ground(network=GROUND.network, own=GROUND.own, pins=False)
    assert kept(merge([], wished, ground)) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"reservations": 7}', b'{"reservations": [{}]}',
                                     b'{"nodes": [{"address": 7}]}'])
def test_damaged_wishes_are_told_and_the_settings_hold(content: bytes) -> None:
    wished, problem = reservations.read(content)
    result = merge([Wanted(address="10.0.0.20", mac=mac(1))], wished, GROUND, problem)
    assert "cannot be read" in result.problem
    assert kept(result) == {"10.0.0.20": mac(1)}


def test_more_wishes_than_anybody_has_machines_are_none() -> None:
    many = b'{"reservations": [' + b",".join([b'{"address": "10.0.0.9"}'] * 3000) + b"]}"
    assert reservations.read(many) == (Wishes(), "reservations.json has more than 2048 reservations")
    assert reservations.read(None) == (Wishes(), "")


def test_a_node_keeps_its_address_while_it_is_off_and_loses_it_with_its_object() -> None:
    member = wishes.Member(name="node-1", addresses=frozenset({"10.0.0.2"}), serial="10000000a1b2c3d4")
    first = wishes.wishes({}, [member], [lease(1, 2)], Wishes())
    assert first.nodes == (Wanted(address="10.0.0.2", mac=mac(1), node="node-1"),)
    assert first.boards == {"10000000a1b2c3d4": mac(1)}
    assert wishes.wishes({}, [member], [], first) == first
    assert wishes.wishes({}, [], [], first) == Wishes()


def test_a_node_that_has_moved_keeps_the_new_address() -> None:
    first = wishes.wishes({}, [wishes.Member(name="n", addresses=frozenset({"10.0.0.2"}))], [lease(1, 2)], Wishes())
    moved = wishes.wishes({}, [wishes.Member(name="n", addresses=frozenset({"10.0.0.9"}))], [lease(1, 9)], first)
    assert moved.nodes == (Wanted(address="10.0.0.9", mac=mac(1), node="n"),)


def test_entries_are_read_whatever_stands_in_them() -> None:
    data = {"10.0.0.9": '{"mac": "' + mac(9) + '", "name": "camera"}', "10.0.0.8": "no json", "x": "[]",
            "10.0.0.7": '{"node": "node-1"}'}
    pinned = {"node-1": Wanted(address="10.0.0.2", mac=mac(1), node="node-1")}
    assert wishes.wanted(data, pinned) == (
        Wanted(address="10.0.0.7", mac=mac(1), node="node-1"), Wanted(address="10.0.0.8"),
        Wanted(address="10.0.0.9", mac=mac(9), name="camera"), Wanted(address="x"))


def test_the_report_counts_what_nobody_new_can_get() -> None:
    ground = MadeGround(server="dnsmasq", first="10.0.0.2", last="10.0.0.11", domain="cluster.home")
    result = merge([Wanted(address="10.0.0.11", mac=mac(9)), Wanted(address="10.0.0.2", mac=mac(1)),
                    Wanted(address="10.0.0.200", mac=mac(10))], Wishes(), GROUND)
    leases = [lease(1, 2), lease(2, 3), Lease(address=IPv4Address("10.0.0.4"), mac=mac(4), name="\x1b[2J")]
    made = report.make(ground, leases, {"10.0.0.2": "node-1"}, result, NOW)
    assert (made.pool.size, made.pool.used, made.pool.free) == (10, 4, 6)
    first, second, third = made.leases
    assert (first.name, first.expires, first.expires_in_seconds, first.reserved) == (
        "node-1", "2025-11-20T12:01:40Z", 100, True)
    assert (second.name, second.reserved) == ("node-2", False)
    assert (third.name, third.expires, third.expires_in_seconds) == ("", None, None)


def test_a_lease_whose_clock_was_wrong_ends_now_at_the_earliest() -> None:
    made = report.make(MadeGround(), [lease(1, 2)], {}, Result(), NOW + timedelta(days=9000))
    assert made.leases[0].expires_in_seconds == 0
    assert made.pool.size == 0
