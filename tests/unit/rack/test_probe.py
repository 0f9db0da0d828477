"""What was seen on the wire -> what is wrong there."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.dhcp import findings
from edge.dhcp.findings import DUPLICATE_ADDRESS, POOL_EXHAUSTED, ROGUE_SERVER, SERVER_SILENT, Finding, Findings
from edge.dhcp.model import Lease
from edge.rack import probe, probe_run
from edge.rack.commands import RackError
from edge.rack.facts import DefaultRoute, Facts, Link
from edge.rack.probe import Claim, Offer, Seen, Wire
from edge.rack.settings import Rack

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWN, NODE_1, NODE_2, STRANGER = (f"b8:27:eb:00:00:0{number}" for number in (1, 2, 3, 9))
WIRE = Wire(interface="eth0", address=IPv4Interface("10.0.0.1/24"), mac=OWN, first=IPv4Address("10.0.0.2"),
            last=IPv4Address("10.0.0.11"), leases={"10.0.0.2": NODE_1, "10.0.0.3": NODE_2}, names={NODE_2: "node-2"},
            uplink="wlan0", uplink_networks=(IPv4Network("192.168.1.0/24"),), uplink_router="192.168.1.1", serving=True)
OURS = Offer(mac=OWN, server="10.0.0.1", address="10.0.0.4", router="10.0.0.1")
WELL = Seen(offers=(OURS, OURS), claims=(Claim("10.0.0.1", OWN), Claim("10.0.0.2", NODE_1)))


def found(*offers: Offer, claims: tuple[Claim, ...] = (), wire: Wire = WIRE) -> list[tuple[str, str]]:
    """Return reason and message of what is wrong, when our own server answered as well."""
    return [(each.reason, each.message) for each in probe.findings(Seen(offers=(OURS, *offers), claims=claims), wire)]


def test_a_wire_on_which_all_is_well_has_no_findings() -> None:
    assert probe.findings(WELL, WIRE) == ()


def test_another_server_is_told_of_once_with_what_it_offers() -> None:
    offer = Offer(mac=STRANGER, server="10.9.9.1", address="10.9.9.7", router="10.9.9.1", dns=("8.8.8.8", "8.8.4.4"))
    [(reason, message)] = found(offer, replace(offer, address="10.9.9.8"))
    assert reason == ROGUE_SERVER
    assert f"10.9.9.1 ({STRANGER}) offers 10.9.9.7, router 10.9.9.1, name servers 8.8.8.8 8.8.4.4" in message
    assert "home" not in message


def test_two_other_servers_are_two_findings() -> None:
    one = Offer(mac=STRANGER, server="10.9.9.1", address="10.9.9.7")
    assert len(found(one, replace(one, server="10.8.8.1"))) == 2
    assert len(found(one, replace(one, mac=NODE_1))) == 2


@pytest.mark.parametrize("offer", [
    Offer(mac=STRANGER, server="192.168.1.1", address="192.168.1.57", router="192.168.1.1"),
    Offer(mac=STRANGER, server="192.168.1.9", address="192.168.1.57"),
    Offer(mac=STRANGER, server="", address="172.16.0.9", router="192.168.1.1")])
def test_the_home_router_on_the_switch_is_called_that(offer: Offer) -> None:
    [(_, message)] = found(offer)
    assert "the rack's switch is plugged into the home router. Pull that cable" in message
    assert "only the master's wlan0 joins the two" in message


def test_a_machine_that_pretends_to_be_our_server_is_not_ours() -> None:
    [(reason, _)] = found(replace(OURS, mac=STRANGER))
    assert reason == ROGUE_SERVER


def test_a_second_server_on_the_master_itself_is_called_that() -> None:
    [(_, message)] = found(replace(OURS, server="172.17.0.1"))
    assert "It runs on the master itself" in message


def test_words_that_are_no_addresses_are_survived() -> None:
    [(_, message)] = found(Offer(mac=STRANGER, server="", address="no address", router="neither", dns=("x",)))
    assert "a server without a name" in message


def test_the_masters_own_address_in_use_elsewhere() -> None:
    [(reason, message)] = found(claims=(Claim("10.0.0.1", OWN), Claim("10.0.0.1", STRANGER)))
    assert reason == DUPLICATE_ADDRESS
    assert message.startswith(f"10.0.0.1 is the master's own address, and {STRANGER} uses it too")


def test_a_leased_address_that_two_machines_use() -> None:
    [(reason, message)] = found(claims=(Claim("10.0.0.3", NODE_2), Claim("10.0.0.3", STRANGER)))
    assert reason == DUPLICATE_ADDRESS
    assert message.startswith(f"10.0.0.3 is leased to node-2, {NODE_2}, and {STRANGER} uses it too. Find {STRANGER}")


def test_a_leased_address_that_another_machine_has_taken() -> None:
    [(_, message)] = found(claims=(Claim("10.0.0.2", STRANGER),))
    assert message.startswith(f"10.0.0.2 is leased to {NODE_1}, but {STRANGER} answers for it")


def test_addresses_nobody_was_asked_about_are_nobodys_business() -> None:
    assert found(claims=(Claim("10.0.0.200", STRANGER), Claim("192.168.7.7", STRANGER))) == []


def test_one_machine_that_answers_for_all_is_told_of_once() -> None:
    wire = replace(WIRE, leases={f"10.0.0.{number}": NODE_1 for number in range(2, 9)})
    claims = tuple(Claim(address, STRANGER) for address in wire.leases)
    [(reason, message)] = found(claims=claims, wire=wire)
    assert reason == DUPLICATE_ADDRESS
    assert f"{STRANGER} answers for 7 addresses" in message
    assert "proxy_arp" in message


@pytest.mark.parametrize(("wire", "reason", "words"), [
    (replace(WIRE, serving=False), SERVER_SILENT, "does not run: nothing listens on UDP port 67"),
    (replace(WIRE, last=IPv4Address("10.0.0.3")), POOL_EXHAUSTED, "all 2 addresses from 10.0.0.2 to 10.0.0.3 are"),
    (WIRE, SERVER_SILENT, "makes no offer on eth0, though 8 of 10 addresses are free"),
    (replace(WIRE, serving=None), SERVER_SILENT, "makes no offer")])
def test_silence_of_our_own_server_is_told_with_its_cause(wire: Wire, reason: str, words: str) -> None:
    [finding] = probe.findings(Seen(claims=WELL.claims), wire)
    assert finding.reason == reason
    assert words in finding.message


def test_the_own_address_is_asked_about_first_and_never_more_than_the_bound() -> None:
    wire = replace(WIRE, leases={str(IPv4Address("10.1.0.0") + number): NODE_1 for number in range(5000)})
    asked = probe.asked(wire)
    assert asked[:3] == ("10.0.0.1", "10.1.0.0", "10.1.0.1")
    assert len(asked) == probe.MOST_ADDRESSES


def test_the_worst_comes_first() -> None:
    offers = (Offer(mac=STRANGER, server="10.9.9.1", address="10.9.9.7"),)
    reasons = [each.reason for each in probe.findings(Seen(offers=offers, claims=(Claim("10.0.0.1", STRANGER),)), WIRE)]
    assert reasons == [ROGUE_SERVER, DUPLICATE_ADDRESS, SERVER_SILENT]


FACTS = Facts(
    links={"eth0": Link(name="eth0", addresses=(IPv4Interface("10.0.0.1/24"),)),
           "wlan0": Link(name="wlan0", addresses=(IPv4Interface("192.168.1.20/24"),))},
    default_routes=(DefaultRoute(interface="wlan0", gateway="192.168.1.1"),),
    leases=(Lease(address=IPv4Address("10.0.0.2"), mac=NODE_1, name="node-1", expires=NOW + timedelta(minutes=5)),
            Lease(address=IPv4Address("10.0.0.3"), mac=NODE_2, expires=NOW - timedelta(minutes=5)),
            Lease(address=IPv4Address("10.0.0.4"), mac=STRANGER, expires=None)))
UP = {"ifname": "eth0", "address": OWN.upper(), "flags": ["BROADCAST", "UP", "LOWER_UP"]}
UDP = "  sl  local_address rem_address\n 12: 00000000:0043 00000000:0000 07\n"


def test_the_wire_ought_to_be_as_settings_leases_and_uplink_say() -> None:
    wire = probe_run.expected(Rack(), FACTS, NOW, link=UP, udp=UDP)
    assert wire.mac == OWN
    assert wire.leases == {"10.0.0.2": NODE_1, "10.0.0.4": STRANGER}
    assert wire.names == {NODE_1: "node-1"}
    assert (wire.uplink, wire.uplink_router) == ("wlan0", "192.168.1.1")
    assert wire.uplink_networks == (IPv4Network("192.168.1.0/24"),)
    assert wire.serving is True


@pytest.mark.parametrize(("known", "link", "words"), [
    (None, {}, "there is no interface eth0: `ip link` lists"),
    (FACTS.links["eth0"], {}, "there is no interface eth0"),
    (FACTS.links["eth0"], {**UP, "flags": ["BROADCAST", "UP", "NO-CARRIER"]}, "eth0 has no link: the cable is out"),
    (FACTS.links["eth0"], {"address": OWN}, "eth0 has no link"),
    (Link(name="eth0", addresses=(IPv4Interface("10.0.0.9/24"),)), UP,
     "does not have the address 10.0.0.1/24: `edge-rack apply`")])
def test_an_interface_that_is_not_as_it_has_to_be_is_an_error(known: Link | None, link: dict[str, Any],
                                                              words: str) -> None:
    facts = Facts(links={"eth0": known} if known else {})
    with pytest.raises(RackError, match=re.escape(words)):
        probe_run.expected(Rack(), facts, NOW, link=link, udp="")


def test_port_67_is_known_by_its_number_only() -> None:
    assert probe_run.serving(UDP) is True
    assert probe_run.serving(UDP.replace("0043", "0044")) is False
    assert probe_run.serving("") is None
    assert probe_run.serving("sl local\n\n 1:\n") is False


def test_findings_are_written_as_a_whole_for_everybody_to_read(tmp_path: Path) -> None:
    finding = Finding(reason=ROGUE_SERVER, message="x", mac=STRANGER)
    probe_run.write(tmp_path / "run", Findings(looked_at="2026-11-21T12:00:00Z", findings=(finding,)))
    path = tmp_path / "run" / findings.FILE
    assert path.stat().st_mode & 0o777 == 0o644
    assert findings.decoded(path.read_bytes()).findings == (finding,)
    probe_run.write(tmp_path / "run", Findings(looked_at="2026-11-21T12:10:00Z"))
    assert findings.decoded(path.read_bytes()).findings == ()
    assert [each.name for each in path.parent.iterdir()] == [findings.FILE]


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RackError, match=r"cannot write .*findings\.json"):
        probe_run.write(tmp_path / "file", Findings())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"findings": 3}', b"\xff\xfe", b'{"looked_at": "x"'])
def test_a_torn_file_of_findings_says_so_and_finds_nothing(content: bytes) -> None:
    found_ = findings.decoded(content)
    assert "edge-rack probe" in found_.problem
    assert found_.findings == ()


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert findings.decoded(msgspec.json.encode({"looked_at": "now", "weather": "fine"})) == Findings(looked_at="now")


def test_words_for_people() -> None:
    assert probe_run.words(()) == ["nothing is wrong on the wire"]
    assert probe_run.words((Finding(reason="A", message="b"),)) == ["A: b"]
