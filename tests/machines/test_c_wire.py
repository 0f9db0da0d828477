"""What goes wrong on the rack's wire: a full pool, a second DHCP server. It is named, and the rack goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.machines.conftest import NAMES, STATE, Rack, until
from tests.machines.laptop import ROOT
from tests.machines.wires import SWITCH, ip

ROGUE_MAC, ROGUE = "66:00:00:00:00:66", "10.0.0.66"


@contextmanager
def rogue(rack: Rack) -> Iterator[None]:
    """Plug a second DHCP server into the switch."""
    switch, name = rack.machines.wires.namespace(SWITCH), rack.machines.wires.namespace("rogue")
    ip("netns", "add", name)
    ip("-n", switch, "link", "add", "name", "rogue", "type", "veth", "peer", "name", "eth0", "address", ROGUE_MAC,
       "netns", name)
    ip("-n", switch, "link", "set", "rogue", "master", "br0", "up")
    ip("-n", name, "address", "add", f"{ROGUE}/24", "dev", "eth0")
    ip("-n", name, "link", "set", "eth0", "up")
    with (STATE / "rogue.log").open("ab") as log:
        server = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{name}", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
             "--interface=eth0", "--bind-interfaces", "--port=0", "--pid-file=", "--user=root",
             "--dhcp-range=10.0.0.210,10.0.0.220,120", f"--dhcp-leasefile={STATE / 'rogue.leases'}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        server.kill()
        server.wait()
        ip("-n", switch, "link", "delete", "rogue", check=False)
        ip("netns", "delete", name)


def events(rack: Rack, reason: str) -> list[str]:
    return [event["message"] for event in rack.laptop.get("events", "-A")["items"] if event["reason"] == reason]


def test_a_second_dhcp_server_is_named_in_events_and_by_doctor(rack: Rack) -> None:
    with rogue(rack):
        rack.machines.shell("master", "systemctl start edge-probe.service", check=False)
        until(lambda: any(ROGUE in message for message in events(rack, "RogueDHCPServer")), 60,
              "there is no event about it", rack.report)
        doctor = rack.laptop.edgectl("doctor", check=False)
        assert doctor.returncode != 0
        assert ROGUE in doctor.stdout
        assert ROGUE_MAC in doctor.stdout
    rack.machines.shell("master", "systemctl start edge-probe.service", check=False)
    until(lambda: rack.laptop.edgectl("doctor", check=False).returncode == 0, 60, "doctor still complains",
          lambda: rack.laptop.edgectl("doctor", check=False).stdout)
    assert rack.ready() == set(NAMES)


def test_a_full_pool_is_named_and_the_rack_keeps_its_addresses(rack: Rack) -> None:
    """Strangers take every free address; the nodes keep theirs, also over a reboot."""
    before = {node["metadata"]["name"]: node["status"]["addresses"][0]["address"]
              for node in rack.laptop.get("nodes")["items"]}
    switch = rack.machines.wires.namespace(SWITCH)
    subprocess.run(["nsenter", f"--net=/run/netns/{switch}", sys.executable, "-m", "tests.machines.strangers", "br0",
                    "260"], check=True, timeout=120, cwd=ROOT)
    rack.machines.shell("master", "systemctl start edge-probe.service", check=False)
    until(lambda: events(rack, "DHCPPoolExhausted"), 90, "there is no event about it", rack.report)
    doctor = rack.laptop.edgectl("doctor", check=False)
    assert doctor.returncode != 0
    assert "pool" in doctor.stdout.lower()
    rack.machines.cut("node-1")
    rack.machines.power_on("node-1")
    until(lambda: rack.ready() == set(NAMES), 120, "node-1 has no address", rack.report)
    after = {node["metadata"]["name"]: node["status"]["addresses"][0]["address"]
             for node in rack.laptop.get("nodes")["items"]}
    assert after == before
