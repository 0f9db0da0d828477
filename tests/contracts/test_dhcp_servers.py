"""What every DHCP server behind our adapters must do, on the real ones, with real packets in network namespaces."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from edge.dhcp import hook
from edge.dhcp.model import Reservation
from edge.dhcp.servers import SERVERS
from tests.contracts import dhcp_wire
from tests.contracts.dhcp_wire import MASTER, SCOPE, ZONE, Wire, until
from tests.fakes.dhcp_clients import Client

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")

CAMERA = Reservation(mac="02:ed:9e:00:00:99", address=IPv4Address("10.0.0.50"), name="camera")
RANGE_OF_TWO = {"first": IPv4Address("10.0.0.2"), "last": IPv4Address("10.0.0.3")}


def mac(number: int) -> str:
    return f"02:ed:9e:00:{number >> 8:02x}:{number & 255:02x}"


@pytest.fixture(params=list(SERVERS.values()), ids=list(SERVERS))
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    server = request.param
    if not dhcp_wire.installed(server):
        pytest.skip(f"{server.package} is not installed")
    wire = Wire(server, tmp_path)
    try:
        wire.lay()
        yield wire
    finally:
        wire.take_up()


def started(wire: Wire, **changes: object) -> Wire:
    wire.configure(**changes)
    wire.start()
    return wire


def test_its_own_check_takes_our_configuration_and_refuses_a_broken_one(wire: Wire) -> None:
    scope = replace(SCOPE, reservations=(CAMERA,), ping_check=True, in_order=0)
    wire.configure()
    checked = [file for file in wire.server.files(scope, ZONE, wire.places) if file.check]
    assert {file.check[0] for file in checked} != {"sh"}
    for file in checked:
        assert wire.check(file, file.text), file.name
        assert not wire.check(file, file.text[:-20] + "\n'((no such thing{"), file.name


def test_a_machine_gets_an_address_and_all_that_belongs_to_it(wire: Wire) -> None:
    got = started(wire).one(Client(mac=mac(1), hostname="node-1"))
    assert SCOPE.first <= IPv4Address(got.address) <= SCOPE.last
    master = MASTER.packed.hex()
    told = {code: got.options.get(code) for code in ("1", "3", "6", "15", "42", "51", "54")}
    assert told == {"1": "ffffff00", "3": master, "6": master, "15": b"cluster.home".hex(), "42": master,
                    "51": f"{600:08x}", "54": master}


def test_machines_get_addresses_in_the_order_they_come_and_never_the_masters(wire: Wire) -> None:
    started(wire)
    assert [wire.one(Client(mac=mac(number))).address for number in (7, 3, 5)] == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]


def test_leases_are_read_back(wire: Wire) -> None:
    got = started(wire).one(Client(mac=mac(0xab), hostname="node-1"))
    until(lambda: bool(wire.leases()), wire.log)
    lease, = wire.leases()
    assert (str(lease.address), lease.mac) == (got.address, mac(0xab))
    assert lease.expires
    assert timedelta(seconds=500) < lease.expires - dhcp_wire.now() <= timedelta(seconds=601)


def test_a_machine_is_found_by_its_name_and_by_its_address(wire: Wire) -> None:
    got = started(wire).one(Client(mac=mac(1), hostname="Node-1.lan"))
    until(lambda: wire.resolve("node-1.cluster.home") == got.address, wire.log)
    assert wire.resolve("node-1") == got.address
    assert wire.resolve(got.address) == "node-1.cluster.home"
    assert wire.resolve("master.cluster.home") == str(MASTER)


def test_a_reservation_is_kept_with_its_name_and_given_to_nobody_else(wire: Wire) -> None:
    kept = replace(CAMERA, address=IPv4Address("10.0.0.2"))
    started(wire, reservations=(kept,), **RANGE_OF_TWO)
    assert wire.one(Client(mac=mac(1), requested="10.0.0.2")).address == "10.0.0.3"
    got = wire.one(Client(mac=CAMERA.mac, hostname="liar"))
    assert got.address == "10.0.0.2"
    assert bytes.fromhex(got.options["12"]).decode() == "camera"
    assert wire.resolve("camera.cluster.home") == "10.0.0.2"
    assert wire.resolve("liar") == "-"


def test_a_machine_with_a_new_reservation_moves_when_it_is_switched_on_again(wire: Wire) -> None:
    before = started(wire).one(Client(mac=CAMERA.mac, hostname="node-1"))
    until(lambda: wire.resolve("node-1") == before.address, wire.log)
    wire.configure(reservations=(CAMERA,))
    wire.kill(signal.SIGTERM)
    wire.start()
    after = wire.one(Client(mac=CAMERA.mac, hostname="node-1", requested=before.address, start="reboot"))
    assert after.address == str(CAMERA.address)
    until(lambda: wire.resolve("camera") == after.address, wire.log)


@pytest.mark.parametrize("ended", [signal.SIGTERM, signal.SIGKILL])
def test_leases_and_names_outlive_the_server(wire: Wire, ended: signal.Signals) -> None:
    machines = [Client(mac=mac(number), hostname=f"node-{number}") for number in range(1, 5)]
    before = {got.mac: got.address for got in started(wire).ask(*machines)}
    until(lambda: len(wire.leases()) == 4 and len(wire.names()) == 4, wire.log)
    wire.kill(ended)
    wire.start()
    assert {lease.mac: str(lease.address) for lease in wire.leases()} == before
    assert wire.one(Client(mac=mac(9))).address not in before.values()
    assert {got.mac: got.address for got in wire.ask(*machines)} == before
    assert wire.resolve("node-3") == before[mac(3)]


def test_a_lease_file_torn_by_a_power_cut_costs_the_torn_lease_at_most(wire: Wire) -> None:
    machines = [Client(mac=mac(number), hostname=f"node-{number}") for number in range(1, 5)]
    before = {got.mac: got.address for got in started(wire).ask(*machines)}
    until(lambda: len(wire.leases()) == 4, wire.log)
    wire.kill()
    path = wire.directory / "state" / wire.server.lease_files[-1]
    path.write_bytes(path.read_bytes()[:-30] + b"\0" * 12)
    assert len(wire.leases()) == 3
    wire.start()
    again = wire.ask(*(Client(mac=each, requested=address, start="reboot") for each, address in before.items()))
    assert {got.mac: got.address for got in again} == before
    until(lambda: len(wire.leases()) == 4, wire.log)


def test_a_machine_that_was_away_keeps_its_address_though_others_came(wire: Wire) -> None:
    started(wire)
    first = wire.one(Client(mac=mac(1)))
    others = wire.ask(*(Client(mac=mac(number)) for number in range(2, 6)))
    assert first.address not in {got.address for got in others}
    assert wire.one(Client(mac=mac(1))).address == first.address
    assert wire.one(Client(mac=mac(1), requested=first.address, start="reboot")).address == first.address


def test_when_all_addresses_are_leased_those_who_have_one_keep_it_and_the_log_says_so(wire: Wire) -> None:
    first, second = started(wire, **RANGE_OF_TWO).ask(Client(mac=mac(1)), Client(mac=mac(2)))
    assert {first.address, second.address} == {"10.0.0.2", "10.0.0.3"}
    assert not wire.one(Client(mac=mac(3)), seconds=1.5).address
    again = wire.one(Client(mac=mac(1), requested=first.address, start="reboot"))
    assert again.address == first.address
    assert any(words in wire.log() for words in ("no address available", "no free leases", "ALLOC_FAIL"))


def test_an_address_of_another_network_is_refused_and_a_right_one_follows(wire: Wire) -> None:
    got = started(wire).one(Client(mac=mac(1), requested="192.168.1.77", start="reboot"))
    assert got.naks == 1
    assert got.address == "10.0.0.2"


def test_a_static_machine_inside_the_range_is_left_alone(wire: Wire) -> None:
    if not wire.server.can_ping:
        pytest.skip(f"{wire.server.name} has no ping check in Debian 12 and 13")
    subprocess.run(["ip", "-n", f"{wire.prefix}-client", "address", "add", "10.0.0.2/24", "dev", "eth0"], check=True)
    got = started(wire, ping_check=True).one(Client(mac=mac(1)), seconds=25)
    assert got.address
    assert got.address != "10.0.0.2"


def test_a_machine_gets_the_time_it_asks_for_up_to_the_most(wire: Wire) -> None:
    started(wire, lease_seconds=600, max_lease_seconds=600)
    asked = {seconds: wire.one(Client(mac=mac(seconds), seconds=seconds)).options["51"] for seconds in (300, 60000)}
    assert {seconds: int(text, 16) for seconds, text in asked.items()} == {300: 300, 60000: 600}


def test_the_first_of_two_machines_with_one_name_keeps_it(wire: Wire) -> None:
    first = started(wire).one(Client(mac=mac(1), hostname="node-1"))
    until(lambda: wire.resolve("node-1") == first.address, wire.log)
    second = wire.one(Client(mac=mac(2), hostname="NODE-1"))
    until(lambda: wire.names().get(second.address) == "node-1-000002", wire.log)
    assert wire.resolve("node-1") == first.address
    assert wire.resolve("node-1-000002.cluster.home") == second.address


HOSTILE = ("master", "kubernetes", "localhost", "wpad", "camera", "../x", "a b", "$(reboot)", "`id`", "a;b", "x\ny",
           "10.0.0.1 master", "-x", "x-", "ü", "a" * 255, '"}', "*", "#", ".", "a/b", "%s", "x\\", "'")


def test_a_machine_cannot_take_a_name_or_put_a_line_into_anything(wire: Wire) -> None:
    started(wire, reservations=(CAMERA,))
    got = wire.ask(*(Client(mac=mac(number), hostname=name) for number, name in enumerate(HOSTILE, 1)))
    assert all(one.address for one in got)
    good = wire.one(Client(mac=mac(200), hostname="good"))
    until(lambda: wire.resolve("good") == good.address, wire.log)
    until(lambda: len(wire.leases()) == len(HOSTILE) + 1, wire.log)
    # A name that is taken gets the end of the hardware address; the others give none.
    assert set(wire.names().values()) == {"good", "camera-000005"}
    for name, address in (("master", MASTER), ("kubernetes", MASTER), ("camera", CAMERA.address)):
        assert wire.resolve(f"{name}.cluster.home") == str(address)
    assert [path.name for path in (wire.directory / "state" / "names").iterdir() if path.name[0] not in "1."] == []


def test_a_name_goes_with_its_lease(wire: Wire) -> None:
    got = started(wire).one(Client(mac=mac(1), hostname="node-1"))
    until(lambda: wire.resolve("node-1") == got.address, wire.log)
    wire.one(Client(mac=mac(1), requested=got.address, server=str(MASTER), start="release"))
    until(lambda: wire.resolve("node-1") == "-", wire.log)
    assert not wire.leases()


def test_a_hundred_machines_at_once_each_get_one(wire: Wire) -> None:
    got = started(wire, lease_seconds=7200).ask(
        *(Client(mac=mac(number), hostname=f"node-{number}") for number in range(1, 101)), seconds=60)
    assert len({one.address for one in got} - {""}) == 100
    until(lambda: len(wire.names()) == 100 and len(wire.leases()) == 100, wire.log, 60)


def test_the_hook_is_plain_shell(tmp_path: Path) -> None:
    checker = next((path for path in ("/usr/bin/shellcheck", "/usr/local/bin/shellcheck") if Path(path).exists()), "")
    if not checker:
        pytest.skip("shellcheck is not installed")
    places = Wire(SERVERS["dnsmasq"], tmp_path).places
    for arguments in (hook.DNSMASQ_ARGUMENTS, hook.ISC_ARGUMENTS, hook.KEA_ARGUMENTS):
        path = tmp_path / "lease-hook"
        path.write_text(hook.file(ZONE, places, arguments).text)
        subprocess.run([checker, "--exclude=SC2013,SC2018,SC2019,SC2034,SC2154", str(path)], check=True)
