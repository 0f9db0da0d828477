"""A master between a rack and a home network, and what goes on there: real zeroconf in network namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.discovery import nodes
from tests.fakes.authority import Authority
from tests.integration.discovery.networks import Networks, Program, ip, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for network namespaces")

HOME, LAPTOP, RACK, WORKER = "192.168.77.10", "192.168.77.20", "10.0.0.1", "10.0.0.2"


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Networks]:
    """The switch, the home network, a worker and a laptop."""
    made = Networks(f"edgekh{os.getpid() % 10000}")
    try:
        made.bridge("switch")
        made.bridge("home")
        made.plug("worker", "switch", "eth0", f"{WORKER}/24")
        made.plug("laptop", "home", "wlan0", f"{LAPTOP}/24")
        yield made
    finally:
        made.close()


def authority(folder: Path) -> Path:
    folder.mkdir()
    return Authority(folder).ca


def master(around: Networks, ca: Path, *, machine: str = "master", home: str = HOME, rack: str = RACK,
           **discovery: Any) -> Program:
    around.plug(machine, "switch", "eth0", f"{rack}/24")
    around.plug(machine, "home", "wlan0", f"{home}/24", default=True)
    settings = {"advertise_address": rack, "discovery": discovery}
    program = around.python(machine, "tests.integration.discovery.actor_master", json.dumps(settings), str(ca))
    until(lambda: named(program, "rack"), 20, lambda: program.order("document"))
    return program


def named(program: Program, *labels: str) -> bool:
    names = {each["name"] for each in program.order("document")["names"]}
    return all(any(name.startswith(label) for name in names) for label in labels)


def name_of(program: Program, key: str) -> str:
    return next((str(each["name"]) for each in program.order("document")["names"] if each["of"] == key), "")


def found(around: Networks, machine: str, *argv: str) -> list[dict[str, Any]]:
    done = around.run(machine, sys.executable, "-m", "edge.discovery.find", "--timeout", "2", *argv)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_network_hears_its_own_address_and_no_more_than_it_needs(around: Networks, tmp_path: Path) -> None:
    ours = master(around, authority(tmp_path / "a"))
    ours.order("service", name="hello", address=HOME)
    until(lambda: name_of(ours, "default/hello"), 10, lambda: ours.order("document"))
    assert around.addresses("laptop", LAPTOP, "hello.local") == {HOME}
    assert around.addresses("worker", WORKER, "hello.local") == set()
    assert around.addresses("laptop", LAPTOP, "rack.local") == {HOME}
    assert around.addresses("worker", WORKER, "rack.local") == {RACK}
    pages = {data for _, kind, _, data in around.ask("laptop", LAPTOP, "_http._tcp.local", "PTR") if kind == "PTR"}
    assert len(pages) == 1
    texts = [data for _, kind, _, data in around.ask("laptop", LAPTOP, "_edge-api._tcp.local", "PTR") if kind == "TXT"]
    assert len(texts) == 1
    assert "api=6443" in texts[0]
    assert "bus=" not in texts[0]
    assert [each["addresses"] for each in found(around, "laptop")] == [[HOME]]
    assert found(around, "laptop", "--for-node") == []
    assert [each["addresses"] for each in found(around, "worker", "--for-node")] == [[RACK]]
    assert [each["addresses"] for each in found(around, "master", "--for-node")] == [[RACK]]
    ours.order("delete", name="hello", namespace="default")
    until(lambda: not name_of(ours, "default/hello"), 10, lambda: ours.order("document"))
    assert around.addresses("laptop", LAPTOP, "hello.local") == set()


def test_a_network_of_strangers_is_told_nothing(around: Networks, tmp_path: Path) -> None:
    ours = master(around, authority(tmp_path / "a"), uplink=False)
    ours.order("service", name="hello", address=HOME)
    assert found(around, "laptop") == []
    assert [side["role"] for side in ours.order("document")["sides"]] == ["rack"]
    assert name_of(ours, "default/hello") == ""


def test_the_uplink_comes_later_goes_and_gets_another_address(around: Networks, tmp_path: Path) -> None:
    ours = master(around, authority(tmp_path / "a"))
    full = around.namespace("master")

    def sides() -> list[str]:
        return [str(side["address"]) for side in ours.order("document")["sides"]]

    ip("-n", full, "link", "set", "wlan0", "down")
    until(lambda: sides() == [RACK], 15, sides)
    ip("-n", full, "link", "set", "wlan0", "up")
    ip("-n", full, "address", "flush", "dev", "wlan0")
    ip("-n", full, "address", "add", "192.168.77.99/24", "dev", "wlan0")
    ip("-n", full, "route", "replace", "default", "dev", "wlan0")
    until(lambda: sides() == [RACK, "192.168.77.99"], 15, sides)
    until(lambda: around.addresses("laptop", LAPTOP, "rack.local") == {"192.168.77.99"}, 15,
          lambda: around.ask("laptop", LAPTOP, "rack.local"))
    switch = around.namespace("home")
    ip("-n", switch, "link", "set", "master-wlan0", "down")  # The radio loses its access point.
    until(lambda: sides() == [RACK], 15, sides)
    ip("-n", switch, "link", "set", "master-wlan0", "up")
    until(lambda: sides() == [RACK, "192.168.77.99"], 15, sides)


def test_a_machine_that_waits_is_shown_with_its_reason_until_it_says_goodbye(around: Networks, tmp_path: Path) -> None:
    ours = master(around, authority(tmp_path / "a"))
    waiting = around.python("worker", "edge.discovery.unclaimed")

    def shown() -> list[tuple[str, str, list[str]]]:
        return [(each["name"], each["reason"], each["addresses"]) for each in ours.order("document")["machines"]]

    waiting.write("this is no JSON")
    waiting.write(json.dumps({"name": "node-9", "serial": "10000000abcdef12", "reason": "no token"}))
    until(lambda: shown() == [("node-9", "no token", [WORKER])], 15, shown)
    waiting.write(json.dumps({"name": "node-9", "serial": "10000000abcdef12", "reason": "the token has expired"}))
    until(lambda: shown() == [("node-9", "the token has expired", [WORKER])], 15, shown)
    ip("-n", around.namespace("worker"), "address", "del", f"{WORKER}/24", "dev", "eth0")
    ip("-n", around.namespace("worker"), "address", "add", "10.0.0.77/24", "dev", "eth0")
    until(lambda: shown() == [("node-9", "the token has expired", ["10.0.0.77"])], 15, shown)
    waiting.stop()
    until(lambda: shown() == [], 10, shown)


def test_a_master_that_starts_later_hears_who_waits(around: Networks, tmp_path: Path) -> None:
    waiting = around.python("worker", "edge.discovery.unclaimed")
    waiting.write(json.dumps({"name": "node-9", "serial": "10000000abcdef12", "reason": "no token"}))
    ours = master(around, authority(tmp_path / "a"))
    until(lambda: ours.order("document")["machines"], 10, lambda: ours.order("document"))


def test_two_racks_in_one_home_are_kept_apart_and_share_no_name(around: Networks, tmp_path: Path) -> None:
    one = master(around, authority(tmp_path / "a"))
    one.order("service", name="hello", address=HOME)
    until(lambda: name_of(one, "default/hello"), 10, lambda: one.order("document"))
    two = master(around, authority(tmp_path / "b"), machine="second", home="192.168.77.30", rack="10.0.0.200")
    two.order("service", name="hello", address="192.168.77.30")
    until(lambda: name_of(two, "default/hello") == "hello-2.local", 15, lambda: two.order("document"))
    assert name_of(one, "default/hello") == "hello.local"
    assert around.addresses("laptop", LAPTOP, "hello.local") == {HOME}
    assert around.addresses("laptop", LAPTOP, "hello-2.local") == {"192.168.77.30"}
    events = two.order("events")
    assert [event for event in events if "NameConflict" in event] == [
        f"Warning NameConflict default/hello: hello.local is {HOME} in the home network: announced as hello-2.local"]
    both = found(around, "laptop")
    assert {(each["name"], *each["addresses"]) for each in both} == {("rack", HOME), ("rack", "192.168.77.30")}
    assert len({each["ca_hash_prefix"] for each in both}) == 2
    pinned = f"sha256:{both[0]['ca_hash_prefix']:0<64}"
    assert {each["ca_hash_prefix"] for each in found(around, "laptop", "--ca-cert-hash", pinned)} == {
        both[0]["ca_hash_prefix"]}


def test_two_racks_that_come_at_once_settle_who_is_hello(around: Networks, tmp_path: Path) -> None:
    one = master(around, authority(tmp_path / "a"))
    two = master(around, authority(tmp_path / "b"), machine="second", home="192.168.77.30", rack="10.0.0.200")
    for program, address in ((one, HOME), (two, "192.168.77.30")):
        program.write(json.dumps({"do": "service", "name": "hello", "address": address}))
    for program in (one, two):
        program.read()
    until(lambda: {name_of(one, "default/hello"), name_of(two, "default/hello")} == {"hello.local", "hello-2.local"},
          20, lambda: (one.order("document"), two.order("document")))


def test_a_copied_card_is_noticed(around: Networks, tmp_path: Path) -> None:
    ca = authority(tmp_path / "a")
    one = master(around, ca)
    master(around, ca, machine="second", home="192.168.77.30", rack="10.0.0.200")
    until(lambda: "announces this rack's master too" in one.order("document")["problem"], 15,
          lambda: one.order("document"))


def test_a_flood_leaves_the_server_small_and_answering(around: Networks, tmp_path: Path) -> None:
    ours = master(around, authority(tmp_path / "a"))
    before = ours.order("memory")
    for machine, own in (("worker", WORKER), ("laptop", LAPTOP)):
        done = around.run(machine, sys.executable, "-m", "tests.integration.discovery.flood", own, "10000")
        assert done.returncode == 0, done.stderr
    document = ours.order("document")
    assert len(document["machines"]) <= nodes.MOST
    assert all(each["reason"].isprintable() for each in document["machines"])
    assert ours.order("memory") - before < 20 * 1024**2
    # Whoever asks sends his question again; one in the middle of the flood may be lost.
    assert any(around.addresses("laptop", LAPTOP, "rack.local") == {HOME} for _ in range(5))


def test_a_search_in_a_flood_ends_and_is_bounded(around: Networks, tmp_path: Path) -> None:
    master(around, authority(tmp_path / "a"))
    flood = around.python("worker", "tests.integration.discovery.flood", WORKER, "10000")
    around.plug("looker", "switch", "eth0", "10.0.0.50/24")
    assert 0 < len(found(around, "looker")) <= 32
    flood.kill()


def test_a_master_that_only_claims_the_hash_is_not_joined(around: Networks, tmp_path: Path) -> None:
    """Also when it answers and the right one is there too: what is announced is a hint."""
    honest, rogue = tmp_path / "honest", tmp_path / "rogue"
    hashes = {}
    for folder, machine, address in ((rogue, "rogue", "10.0.0.66"), (honest, "honest", "10.0.0.10")):
        folder.mkdir()
        made = Authority(folder)
        made.issue("api", server=True)
        hashes[machine] = subprocess.run(
            ("openssl", "x509", "-in", str(made.ca), "-noout", "-pubkey"), capture_output=True, check=True).stdout
        around.plug(machine, "switch", "eth0", f"{address}/24")
    pinned = _key_hash(hashes["honest"])
    for folder, machine, address in ((rogue, "rogue", "10.0.0.66"), (honest, "honest", "10.0.0.10")):
        actor = around.python(machine, "tests.integration.discovery.actor_api", address, str(folder), pinned)
        assert actor.read() == "announced"
    done = around.run("worker", sys.executable, "-c", _FIND, str(tmp_path / "data"), pinned)
    assert done.stdout.strip() == "10.0.0.10", done.stderr
    strangers = around.run("worker", sys.executable, "-c", _FIND, str(tmp_path / "data"), "sha256:" + "0" * 64)
    assert strangers.returncode != 0
    assert "no master with the CA hash" in strangers.stderr


def _key_hash(public_pem: bytes) -> str:
    import hashlib

    der = subprocess.run(("openssl", "pkey", "-pubin", "-outform", "der"), input=public_pem, capture_output=True,
                         check=True).stdout
    return "sha256:" + hashlib.sha256(der).hexdigest()


_FIND = """
import asyncio, pathlib, sys
from edge.agent import identity_files, masters
print(asyncio.run(masters.find(identity_files.Joining(node_name="node-9", data_dir=pathlib.Path(sys.argv[1]),
                                           ca_cert_hash=sys.argv[2]))).address)
"""


def avahi(around: Networks, machine: str, name: str, folder: Path) -> Program:
    """Start a real avahi-daemon, as Raspberry Pi OS has one."""
    if shutil.which("avahi-daemon") is None:
        pytest.skip("avahi-daemon is not installed: Debian's avahi-daemon")
    config = folder / f"{name}.conf"
    config.write_text(f"[server]\nhost-name={name}\nuse-ipv4=yes\nuse-ipv6=no\nenable-dbus=no\n"
                      "[publish]\npublish-workstation=no\n")
    start = ("mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon && exec avahi-daemon --no-drop-root "
             f"--no-chroot --no-rlimits -f {config}")
    return around.start(machine, "unshare", "--mount", "--propagation", "private", "sh", "-c", start)


def test_a_name_avahi_has_is_left_to_it(around: Networks, tmp_path: Path) -> None:
    avahi(around, "laptop", "hello", tmp_path)
    until(lambda: around.addresses("laptop", LAPTOP, "hello.local") == {LAPTOP}, 15, lambda: "avahi has no name")
    ours = master(around, authority(tmp_path / "a"))
    ours.order("service", name="hello", address=HOME)
    until(lambda: name_of(ours, "default/hello") == "hello-2.local", 15, lambda: ours.order("document"))
    assert around.addresses("laptop", LAPTOP, "hello.local") == {LAPTOP}


def test_a_name_of_ours_is_defended_against_avahi(around: Networks, tmp_path: Path) -> None:
    ours = master(around, authority(tmp_path / "a"))
    ours.order("service", name="hello", address=HOME)
    until(lambda: name_of(ours, "default/hello") == "hello.local", 15, lambda: ours.order("document"))
    avahi(around, "laptop", "hello", tmp_path)
    until(lambda: around.addresses("laptop", LAPTOP, "hello-2.local") == {LAPTOP}, 20,
          lambda: around.ask("laptop", LAPTOP, "hello.local"))
    assert around.addresses("laptop", LAPTOP, "hello.local") == {HOME}
    assert name_of(ours, "default/hello") == "hello.local"


def test_beside_avahi_on_the_same_machine_both_are_heard(around: Networks, tmp_path: Path) -> None:
    """The host's own name is avahi's business there; ours are found all the same, by avahi's clients too."""
    around.plug("master", "switch", "eth0", f"{RACK}/24")
    around.plug("master", "home", "wlan0", f"{HOME}/24", default=True)
    avahi(around, "master", "rack", tmp_path)
    until(lambda: around.addresses("laptop", LAPTOP, "rack.local") == {HOME}, 15, lambda: "avahi has no name")
    ours = around.python("master", "tests.integration.discovery.actor_master",
                         json.dumps({"advertise_address": RACK}), str(authority(tmp_path / "a")))
    ours.order("service", name="hello", address=HOME)
    until(lambda: name_of(ours, "default/hello") == "hello.local", 20, lambda: ours.order("document"))
    assert not any(each["name"].startswith("rack") for each in ours.order("document")["names"])
    assert around.addresses("laptop", LAPTOP, "rack.local") == {HOME}
    assert around.addresses("laptop", LAPTOP, "hello.local") == {HOME}
    assert [each["addresses"] for each in found(around, "laptop")] == [[HOME]]
    assert [each["addresses"] for each in found(around, "master", "--for-node")] == [[RACK]]
    waiting = around.python("worker", "edge.discovery.unclaimed")
    waiting.write(json.dumps({"name": "node-9", "serial": "1", "reason": "no token"}))
    until(lambda: ours.order("document")["machines"], 15, lambda: ours.order("document"))


def test_an_agent_that_dies_is_no_longer_announced(around: Networks, tmp_path: Path) -> None:
    ours = master(around, authority(tmp_path / "a"))
    agent = around.start("worker", sys.executable, "-c", _AGENT)
    shown = until(lambda: ours.order("document")["machines"], 15, lambda: ours.order("document"))
    assert [each["reason"] for each in shown] == ["no token"]
    agent.process.kill()
    until(lambda: ours.order("document")["machines"] == [], 15, lambda: ours.order("document"))


_AGENT = """
import asyncio
from edge.agent.unclaimed import Announcing
async def main():
    announcing = Announcing("eth0")
    await announcing.tell("no token")
    await announcing.tell("no token")
    await asyncio.Event().wait()
asyncio.run(main())
"""
