"""The look at the wire, on a real wire: network namespaces on one bridge, real dnsmasq servers, stolen addresses."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge.dhcp.findings import DUPLICATE_ADDRESS, POOL_EXHAUSTED, ROGUE_SERVER, SERVER_SILENT

ROOT = Path(__file__).resolve().parents[3]
SWITCH, MASTER, HOME, STRANGER, NODE = (f"prb{os.getpid()}-{name}" for name in ("sw", "master", "home", "str", "node"))
MACS = {MASTER: "02:9a:00:00:00:01", HOME: "02:9a:00:00:00:02", STRANGER: "02:9a:00:00:00:03",
        NODE: "02:9a:00:00:00:04"}
FAR_FUTURE = 4_000_000_000
HAS_SCAPY = importlib.util.find_spec("scapy") is not None
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("dnsmasq") or not shutil.which("ip"), reason="dnsmasq and iproute2 are needed")]
needs_scapy = pytest.mark.skipif(not HAS_SCAPY, reason="scapy is not installed (the extra `probe`)")


def ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True)


@dataclass
class Wire:
    """A switch with a master on it, and whoever a test plugs in."""

    folder: Path
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def plug_in(self, machine: str, *addresses: str) -> None:
        ip("netns", "add", machine)
        ip("-n", machine, "link", "set", "lo", "up")
        ip("-n", SWITCH, "link", "add", machine[-12:], "type", "veth", "peer", "name", "eth0", "address",
           MACS[machine], "netns", machine)
        ip("-n", SWITCH, "link", "set", machine[-12:], "master", "br0", "up")
        for address in addresses:
            ip("-n", machine, "address", "add", address, "dev", "eth0")
        ip("-n", machine, "link", "set", "eth0", "up")

    def serve(self, machine: str, first: str, last: str, *options: str) -> None:
        """Start a DHCP server there, and wait until it listens."""
        leases = self.folder / "state/dnsmasq.leases" if machine == MASTER else self.folder / f"{machine}.leases"
        leases.parent.mkdir(exist_ok=True)
        self.servers.append(subprocess.Popen(
            ("ip", "netns", "exec", machine, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
             "--interface=eth0", "--except-interface=lo", "--bind-dynamic", f"--dhcp-range={first},{last},600",
             "--dhcp-authoritative", f"--dhcp-leasefile={leases}", "--user=root", "--pid-file=", "--no-ping",
             *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 10
        listening = ("ip", "netns", "exec", machine, "cat", "/proc/net/udp")
        while b":0043 " not in subprocess.run(listening, capture_output=True, check=True).stdout:
            assert time.monotonic() < deadline, "dnsmasq does not listen"
            time.sleep(0.02)

    def lease(self, **owners: str) -> None:
        """Write who has which address: `_10_0_0_2="02:..."`."""
        lines = [f"{FAR_FUTURE} {mac} {address[1:].replace('_', '.')} * 01:{mac}\n" for address, mac in owners.items()]
        (self.folder / "state").mkdir(exist_ok=True)
        (self.folder / "state/dnsmasq.leases").write_text("".join(lines))

    def settings(self, text: str = "", **changes: str) -> Path:
        path = self.folder / "rack.toml"
        dirs = "".join(f'{name}_dir = "{self.folder / name}"\n' for name in ("state", "run", "wishes", "config", "pki",
                                                                             "etc"))
        path.write_text(dirs + "".join(f'{key} = "{value}"\n' for key, value in changes.items()) + text)
        return path

    def probe(self, *options: str, settings: Path | None = None, python: tuple[str, ...] = (),
              machine: str = MASTER) -> subprocess.CompletedProcess[str]:
        """Run `edge-rack probe` on a machine, and return how it ended."""
        return subprocess.run(
            ("ip", "netns", "exec", machine, *python, sys.executable, "-m", "edge.rack.main", "probe", "--config",
             str(settings or self.settings()), *options), capture_output=True, text=True, timeout=60, check=False,
            cwd=ROOT, env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path))})

    def findings(self, settings: Path | None = None) -> list[dict[str, Any]]:
        """Look, and return what was found: as printed, and as written for the server."""
        ended = self.probe("-o", "json", settings=settings)
        assert ended.returncode == 0, ended.stderr
        printed: dict[str, Any] = json.loads(ended.stdout)
        assert json.loads((self.folder / "run/findings.json").read_text()) == printed
        found: list[dict[str, Any]] = printed.get("findings", [])
        return found


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    made = Wire(tmp_path)
    try:
        ip("netns", "add", SWITCH)
        ip("-n", SWITCH, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        ip("-n", SWITCH, "link", "set", "br0", "up")
        made.plug_in(MASTER, "10.0.0.1/24")
        ip("-n", MASTER, "link", "add", "wlan0", "type", "bridge")
        ip("-n", MASTER, "address", "add", "192.168.77.20/24", "dev", "wlan0")
        ip("-n", MASTER, "link", "set", "wlan0", "up")
        ip("-n", MASTER, "route", "add", "default", "via", "192.168.77.1", "dev", "wlan0")
        yield made
    finally:
        for server in made.servers:
            server.terminate()
            server.wait(10)
        for name in (*MACS, SWITCH):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "delete", name)


@needs_scapy
def test_a_wire_on_which_all_is_well_has_no_findings_and_no_lease_is_taken(wire: Wire) -> None:
    wire.serve(MASTER, "10.0.0.2", "10.0.0.20")
    wire.plug_in(NODE, "10.0.0.2/24")
    wire.lease(_10_0_0_2=MACS[NODE])
    before = (wire.folder / "state/dnsmasq.leases").read_text()
    assert wire.findings() == []
    assert (wire.folder / "state/dnsmasq.leases").read_text() == before
    assert (wire.folder / "run/findings.json").stat().st_mode & 0o777 == 0o644


ARP_SENDERS = """
import socket
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
wire.bind(("eth0", 0x0806))
print(flush=True)
while True:
    arp = wire.recv(128)[14:]
    print(socket.inet_ntoa(arp[14:18]), socket.inet_ntoa(arp[24:28]), flush=True)
"""


@needs_scapy
def test_no_machine_has_to_defend_its_address_against_the_question(wire: Wire) -> None:
    """dhcpcd declines its lease when it hears two probes for it, which come from 0.0.0.0 (RFC 5227)."""
    wire.serve(MASTER, "10.0.0.2", "10.0.0.20")
    wire.plug_in(NODE, "10.0.0.2/24")
    wire.lease(_10_0_0_2=MACS[NODE])
    with subprocess.Popen(("ip", "netns", "exec", NODE, sys.executable, "-c", ARP_SENDERS), stdout=subprocess.PIPE,
                          text=True) as listening:
        assert listening.stdout is not None
        listening.stdout.readline()
        assert wire.findings() == []
        listening.terminate()
        heard = set(listening.stdout.read().splitlines())
    assert {line.split()[0] for line in heard if line.endswith(" 10.0.0.2")} == {"10.0.0.1"}
    assert {line.split()[0] for line in heard if line.endswith(" 10.0.0.1")} <= {"0.0.0.0", "10.0.0.2"}


@needs_scapy
def test_other_servers_and_stolen_addresses_are_all_named(wire: Wire) -> None:
    wire.lease(_10_0_0_2=MACS[NODE], _10_0_0_3="02:9a:00:00:00:77")
    wire.serve(MASTER, "10.0.0.2", "10.0.0.20")
    wire.plug_in(NODE, "10.0.0.2/24")
    wire.plug_in(HOME, "192.168.77.1/24", "10.0.0.2/24")
    wire.serve(HOME, "192.168.77.50", "192.168.77.60")
    wire.plug_in(STRANGER, "172.20.0.1/24", "10.0.0.1/24")
    wire.serve(STRANGER, "172.20.0.50", "172.20.0.60", "--dhcp-option=option:dns-server,8.8.8.8")
    found = wire.findings()
    rogues = {each["mac"]: each["message"] for each in found if each["reason"] == ROGUE_SERVER}
    assert rogues.keys() == {MACS[HOME], MACS[STRANGER]}
    assert "the rack's switch is plugged into the home router. Pull that cable" in rogues[MACS[HOME]]
    assert "router 172.20.0.1, name servers 8.8.8.8" in rogues[MACS[STRANGER]]
    assert "home" not in rogues[MACS[STRANGER]]
    stolen = {each["address"]: each["message"] for each in found if each["reason"] == DUPLICATE_ADDRESS}
    assert stolen.keys() == {"10.0.0.1", "10.0.0.2"}
    assert "the master's own address" in stolen["10.0.0.1"]
    assert f"is leased to {MACS[NODE]}, and {MACS[HOME]} uses it too" in stolen["10.0.0.2"]
    assert {each["reason"] for each in found} == {ROGUE_SERVER, DUPLICATE_ADDRESS}


@needs_scapy
def test_a_pool_without_addresses_is_told_from_a_server_that_is_dead(wire: Wire) -> None:
    settings = wire.settings('[dhcp]\nfirst = "10.0.0.2"\nlast = "10.0.0.3"\n')
    wire.lease(_10_0_0_2="02:9a:00:00:00:77", _10_0_0_3="02:9a:00:00:00:78")
    wire.serve(MASTER, "10.0.0.2", "10.0.0.3")
    [full] = wire.findings(settings)
    assert full["reason"] == POOL_EXHAUSTED
    assert "all 2 addresses from 10.0.0.2 to 10.0.0.3 are taken" in full["message"]
    wire.servers[0].terminate()
    wire.servers.pop().wait(10)
    [dead] = wire.findings(settings)
    assert dead["reason"] == SERVER_SILENT
    assert "nothing listens on UDP port 67" in dead["message"]


def test_a_master_that_is_not_on_the_wire_says_why_and_leaves_that_for_the_server(wire: Wire) -> None:
    def refused(words: str, **settings: str) -> None:
        ended = wire.probe("-o", "json", settings=wire.settings(**settings))
        assert ended.returncode == 1
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr
        assert words in json.loads((wire.folder / "run/findings.json").read_text())["problem"]

    refused("there is no interface eth9", interface="eth9")
    refused("eth0 does not have the address 10.0.0.254/25: `edge-rack apply`", address="10.0.0.254/25",
            **{"dhcp.first": "10.0.0.130", "dhcp.last": "10.0.0.200"})
    ip("-n", MASTER, "link", "set", "eth0", "down")
    refused("eth0 has no link")


def test_who_may_not_look_and_what_is_missing_are_said(wire: Wire) -> None:
    nobody = wire.probe(python=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
    assert nobody.returncode == 1
    assert "sudo edge-rack probe" in nobody.stderr or "ermission denied" in nobody.stderr
    missing = wire.probe(settings=wire.folder / "none.toml")
    assert missing.returncode == 1
    assert "no such file" in missing.stderr
    blocked = wire.folder / "blocked/scapy"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('not here')")
    without = wire.probe(python=("env", f"PYTHONPATH={blocked.parent}:{ROOT}"))
    assert without.returncode == 1
    assert "pip install" in without.stderr
    assert "scapy" in json.loads((wire.folder / "run/findings.json").read_text())["problem"]
