"""Settings, wishes and leases -> the files of the DHCP server the settings name."""

import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edge.dhcp.model import Lease
from edge.rack import dhcp, dhcp_serve
from edge.rack.document import Document
from edge.rack.facts import Facts
from edge.rack.settings import Rack

SERVERS = ("dnsmasq", "isc-dhcp-server", "kea")
MAC, OTHER = "02:ed:9e:00:00:01", "02:ed:9e:00:00:02"


def rack(**settings: Any) -> Rack:
    return Rack.model_validate({"dhcp": settings})


def documents(settings: Rack, facts: Facts | None = None) -> dict[str, Document]:
    found = dhcp.documents(settings, facts or Facts())
    return {str(each.path.relative_to(settings.config_dir)) if settings.config_dir in each.path.parents
            else each.path.name: each for each in found}


def result(facts: Facts, **settings: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(documents(rack(**settings), facts)["reservations.json"].text)
    return made


@pytest.mark.parametrize("server", SERVERS)
def test_the_master_is_router_name_server_and_time_for_every_server(server: str) -> None:
    plan, own = dhcp.plan(rack(server=server), Facts()), IPv4Address("10.0.0.1")
    scope = plan.scope
    assert (scope.router, scope.dns, scope.ntp, scope.domain) == (own, (own,), (own,), "cluster.home")
    assert not scope.first <= own <= scope.last
    assert plan.server.name == server == dhcp.server_name(rack(server=server))


@pytest.mark.parametrize(("server", "main", "names"), [
    ("dnsmasq", "dnsmasq.conf", False), ("isc-dhcp-server", "dhcpd.conf", True), ("kea", "kea-dhcp4.conf", True)])
def test_names_have_a_server_of_their_own_where_leases_come_from_another(server: str, main: str, names: bool) -> None:
    found = documents(rack(server=server))
    assert found[main].unit == "edge-dhcp.service"
    assert found[main].check
    assert ("names.conf" in found) is names
    assert bool(dhcp.names_command(rack(server=server))) is names
    if names:
        assert (found["names.conf"].unit, found["names.conf"].part) == ("edge-names.service", "names")


def test_a_ping_holds_nobody_up_unless_somebody_asks_for_it() -> None:
    assert [dhcp.plan(rack(server=server), Facts()).scope.ping_check for server in SERVERS] == [False, True, False]
    assert dhcp.plan(rack(ping_check=True), Facts()).scope.ping_check


def test_a_wish_becomes_a_reservation_without_a_restart() -> None:
    wished = b'{"reservations": [{"address": "10.0.0.20", "mac": "02:ED:9E:00:00:01", "name": "camera"}]}'
    before, after = documents(rack()), documents(rack(), Facts(wishes={"reservations.json": wished}))
    assert after["dhcp-hosts/reservations"].text == "02:ed:9e:00:00:01,10.0.0.20,camera\n"
    assert {name for name in after if after[name] != before[name]} == {
        "dhcp-hosts/reservations", "names/reserved", "reservations.json"}
    assert after["dhcp-hosts/reservations"].reload


def test_a_bad_wish_is_told_and_changes_nothing_else() -> None:
    kept = [{"address": "10.0.0.20", "mac": MAC}]
    wished = b'{"reservations": [{"address": "10.0.0.20", "mac": "02:ed:9e:00:00:02"}, {"address": "$(reboot)"}]}'
    made = result(Facts(wishes={"reservations.json": wished}), reservations=kept)
    assert [bool(one.get("problem")) for one in made["outcomes"]] == [False, True, True]
    assert documents(rack(reservations=kept), Facts(wishes={"reservations.json": wished}))[
        "dhcp-hosts/reservations"].text == f"{MAC},10.0.0.20\n"


@pytest.mark.parametrize("damaged", [b"", b"{", b"\0\0", b"[" * 5000])
def test_damaged_wishes_leave_the_settings_in_force(damaged: bytes) -> None:
    made = result(Facts(wishes={"reservations.json": damaged}), reservations=[{"address": "10.0.0.20", "mac": MAC}])
    assert "cannot be read" in made["problem"]
    assert len(made["outcomes"]) == 1


def test_an_address_that_another_machine_has_now_is_not_taken_from_it() -> None:
    facts = Facts(leases=(Lease(address=IPv4Address("10.0.0.20"), mac=OTHER),))
    made = result(facts, reservations=[{"address": "10.0.0.20", "mac": MAC}])
    assert "leased to 02:ed:9e:00:00:02" in made["outcomes"][0]["problem"]


@pytest.mark.parametrize(("kept", "words"), [
    ([{"address": "10.0.0.20"}], "needs a mac or a serial"),
    ([{"address": "10.0.0.20", "mac": MAC, "serial": "1"}], "needs a mac or a serial"),
    ([{"address": "10.0.0.20", "mac": "nonsense"}], "no hardware address"),
    ([{"address": "10.0.0.20", "mac": MAC}, {"address": "10.0.0.20", "mac": OTHER}], "two reservations have the addr"),
    ([{"address": "10.0.0.20", "mac": MAC}, {"address": "10.0.0.21", "mac": MAC.upper()}], "reservations have the mac"),
    ([{"address": "10.0.0.20", "mac": MAC, "name": "a b"}], "name"),
    ([{"address": "10.0.0.20", "mac": MAC, "colour": "red"}], "colour"),
])
def test_reservations_in_the_settings_that_cannot_be_are_errors_that_name_them(kept: list[dict[str, str]],
                                                                             words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        rack(reservations=kept)


def test_where_everything_runs_as_root_dnsmasq_does_too() -> None:
    assert "user=root\n" in documents(Rack(server_user="root"))["dnsmasq.conf"].text
    assert "user=" not in documents(Rack())["dnsmasq.conf"].text


def ground(tmp_path: Path, **settings: Any) -> Rack:
    return Rack.model_validate({"state_dir": tmp_path / "state", "run_dir": tmp_path / "run", "dhcp": settings})


def test_a_server_finds_what_it_needs_and_a_lease_file(tmp_path: Path) -> None:
    settings = ground(tmp_path, server="isc-dhcp-server")
    assert dhcp_serve.prepare(settings) == ()
    assert (tmp_path / "state/names").is_dir()
    assert (tmp_path / "state/dhcpd.leases").read_bytes() == b""


def test_a_lease_file_that_was_being_replaced_comes_back_from_the_one_before(tmp_path: Path) -> None:
    settings = ground(tmp_path, server="isc-dhcp-server")
    (tmp_path / "state").mkdir()
    (tmp_path / "state/dhcpd.leases~").write_bytes(b"lease 10.0.0.2 {\n}\n")
    dhcp_serve.prepare(settings)
    assert (tmp_path / "state/dhcpd.leases").read_bytes() == b"lease 10.0.0.2 {\n}\n"


@pytest.mark.parametrize("torn", [b"179 02:ed", b"\0" * 40, b"\0\0\n", b"1 \0 2\n"])
def test_what_a_power_cut_has_left_of_a_line_is_put_aside(tmp_path: Path, torn: bytes) -> None:
    settings = ground(tmp_path)
    (tmp_path / "state").mkdir()
    path = tmp_path / "state/dnsmasq.leases"
    path.write_bytes(b"0 02:ed:9e:00:00:02 10.0.0.3 * *\n" + torn)
    assert "was torn" in dhcp_serve.prepare(settings)[0]
    assert path.read_bytes() == b"0 02:ed:9e:00:00:02 10.0.0.3 * *\n"
    assert (tmp_path / "state/dnsmasq.leases.torn").read_bytes().endswith(torn)
    assert dhcp_serve.prepare(settings) == ()


@pytest.mark.parametrize("server", SERVERS)
def test_servers_with_an_apparmor_profile_of_debians_are_started_and_checked_without_it(server: str) -> None:
    confined = Facts(programs=frozenset({"aa-exec"}))
    for facts, wanted in ((Facts(), False), (confined, server != "dnsmasq")):
        checks = [each.check for each in documents(rack(server=server), facts).values() if "-t" in each.check]
        for command in (*checks, dhcp.command(rack(server=server), facts)):
            assert ("aa-exec" in command) is wanted
