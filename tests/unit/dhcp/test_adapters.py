"""One model in the words of three servers."""

import json
import shlex
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePath

import pytest

from edge.dhcp import isc, macs, zone
from edge.dhcp.model import Places, Reservation, Scope, Server, Zone
from edge.dhcp.servers import SERVERS

MASTER = IPv4Address("10.0.0.1")
SCOPE = Scope(interface="eth0", network=IPv4Network("10.0.0.0/24"), first=IPv4Address("10.0.0.2"),
              last=IPv4Address("10.0.0.254"), router=MASTER, dns=(MASTER,), ntp=(MASTER,))
ZONE = Zone(interface="eth0", domain="cluster.home", records=(("master", MASTER),), upstream=(IPv4Address("8.8.8.8"),))
PLACES = Places(config_dir=PurePath("/etc/edge/my rack"), state_dir=PurePath("/var/lib/edge/rack"),
                run_dir=PurePath("/run/edge-rack"))
CAMERA = Reservation(mac="02:ed:9e:00:00:99", address=IPv4Address("10.0.0.50"), name="camera")
each = pytest.mark.parametrize("server", list(SERVERS.values()), ids=list(SERVERS))


def texts(server: Server, scope: Scope = SCOPE) -> dict[str, str]:
    return {file.name: file.text for file in server.files(scope, ZONE, PLACES)}


@each
def test_public_name_servers_are_never_handed_out(server: Server) -> None:
    dhcp = texts(server)
    if server.serves_names:
        assert [line for line in dhcp["dnsmasq.conf"].splitlines() if "8.8.8.8" in line] == ["server=8.8.8.8"]
    else:
        assert not any("8.8.8.8" in text for text in dhcp.values())
        assert "server=8.8.8.8" in zone.file(ZONE, PLACES).text


@each
def test_a_hook_and_the_reserved_names_come_with_every_server(server: Server) -> None:
    files = {file.name: file for file in server.files(replace(SCOPE, reservations=(CAMERA,)), ZONE, PLACES)}
    assert files["names/reserved"].text == "10.0.0.50 camera\n"
    assert files["lease-hook"].mode == 0o755
    assert shlex.quote("/etc/edge/my rack/names/reserved") in files["lease-hook"].text


@each
def test_every_configuration_has_a_check_of_the_server_itself(server: Server) -> None:
    main = next(file for file in server.files(SCOPE, ZONE, PLACES) if file.name.endswith(".conf"))
    assert any("{}" in part for part in main.check)
    assert main.noticed == "restart"


def test_reservations_of_dnsmasq_need_no_restart() -> None:
    before, after = (texts(SERVERS["dnsmasq"], scope) for scope in (SCOPE, replace(SCOPE, reservations=(CAMERA,))))
    changed = {name for name in after if after[name] != before[name]}
    files = {file.name: file for file in SERVERS["dnsmasq"].files(SCOPE, ZONE, PLACES)}
    assert changed == {"names/reserved", "dhcp-hosts/reservations"}
    assert not any(files[name].noticed == "restart" for name in changed)


@pytest.mark.parametrize(("kept", "wanted"), [
    ((), [(2, 254)]), ((2,), [(3, 254)]), ((254,), [(2, 253)]), ((50, 51, 53), [(2, 49), (52, 52), (54, 254)]),
    ((1, 255), [(2, 254)]), (tuple(range(2, 255)), [])])
def test_a_reserved_address_is_cut_out_of_what_dhcpd_leases(kept: tuple[int, ...],
                                                            wanted: list[tuple[int, int]]) -> None:
    scope = replace(SCOPE, reservations=tuple(Reservation(mac=CAMERA.mac, address=IPv4Address(f"10.0.0.{number}"))
                                              for number in kept))
    found = [(int(first) & 255, int(last) & 255) for first, last in isc.free_ranges(scope)]
    assert found == wanted


def test_keas_configuration_is_json_whatever_the_paths_are_called() -> None:
    places = replace(PLACES, config_dir=PurePath('/etc/a "b"'))
    text = next(file.text for file in SERVERS["kea"].files(SCOPE, ZONE, places) if file.name == "kea-dhcp4.conf")
    assert json.loads(text)["Dhcp4"]["hooks-libraries"][0]["parameters"]["name"] == '/etc/a "b"/lease-hook'


@pytest.mark.parametrize(("text", "wanted"), [
    ("02:ED:9e:00:00:01", "02:ed:9e:00:00:01"), ("2:ed:9e:0:0:1", "02:ed:9e:00:00:01"),
    ("02-ed-9e-00-00-01", "02:ed:9e:00:00:01"), ("02ed9e000001", "02:ed:9e:00:00:01"), ("", ""), ("x", ""),
    ("ff:ff:ff:ff:ff:ff", ""), ("01:00:5e:00:00:01", ""), ("00:00:00:00:00:00", ""), ("02:ed:9e:00:00", ""),
    ("02:ed:9e:00:00:01:02", ""), ("02:ed:9e:00:00:001", ""), ("02:ed:9e:00:00:0g", "")])
def test_hardware_addresses_have_one_spelling(text: str, wanted: str) -> None:
    assert macs.normal(text) == wanted


@pytest.mark.parametrize(("serial", "wanted"), [
    ("00000000d3b4a1c2", "b8:27:eb:b4:a1:c2"), ("d3b4a1c2", "b8:27:eb:b4:a1:c2"),
    ("10000000d3b4a1c2", ""), ("", ""), ("edgelab-node-1", ""), ("00000000d3b4a1c", "")])
def test_a_boards_address_follows_from_its_serial_number_up_to_the_pi_3(serial: str, wanted: str) -> None:
    assert macs.of_board(serial) == wanted


@pytest.mark.parametrize(("first", "last", "in_order", "wanted"), [
    (2, 254, 2, ["2,10.0.0.2", "3,10.0.0.3", "4,10.0.0.254"]), (2, 254, 0, ["2,10.0.0.254"]),
    (2, 3, 8, ["2,10.0.0.2", "3,10.0.0.3"]), (5, 5, 8, ["5,10.0.0.5"])])
def test_dnsmasq_leases_the_first_addresses_in_order(first: int, last: int, in_order: int, wanted: list[str]) -> None:
    scope = replace(SCOPE, first=IPv4Address(f"10.0.0.{first}"), last=IPv4Address(f"10.0.0.{last}"), in_order=in_order)
    lines = [line for line in texts(SERVERS["dnsmasq"], scope)["dnsmasq.conf"].splitlines() if "dhcp-range" in line]
    assert lines == [f"dhcp-range=10.0.0.{each},255.255.255.0,7200" for each in wanted]
