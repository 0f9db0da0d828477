"""`edgectl doctor` on a rack that is well, and on one that is broken in the ways racks break."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.lab import topology
from edge.pki import authority, names
from tests.e2e import objects
from tests.e2e.conftest import Rack, is_ready, until
from tests.e2e.objects import LAB, switch

PROGRAMS = Path(sys.executable).parent
ETC = LAB.directory("master") / "etc"
ROGUE, ROGUE_MAC = "172.20.0.1", "02:ed:9e:00:00:99"


def lines(result: subprocess.CompletedProcess[str], *levels: str) -> dict[str, str]:
    """Return what each check of those levels says."""
    found: dict[str, str] = {}
    for each in json.loads(result.stdout)["results"]:
        if each["level"] in levels:
            found[each["check"]] = f"{found.get(each['check'], '')}{each['says']} -> {each.get('next', '')}\n"
    return found


def doctor(rack: Rack, *levels: str) -> dict[str, str]:
    """Ask from the laptop; the exit code tells of problems."""
    result = rack.edgectl("doctor", "-o", "json", check=False)
    problems = lines(result, "problem")
    assert result.returncode == (1 if problems else 0), result.stderr
    return lines(result, *levels)


def doctor_here(rack: Rack, machine: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Ask on a machine of the rack."""
    etc = LAB.directory(machine) / "etc"
    return rack.lab("shell", machine, "--", str(PROGRAMS / "edgectl"), "doctor", "--here", "-o", "json", "--offline",
                    "--rack-config", str(etc / "rack.toml"), "--agent-config", str(etc / "agent.toml"), *options,
                    check=False)


@pytest.fixture
def well(rack: Rack) -> Rack:
    """A rack in which every node is Ready."""
    until(lambda: all(is_ready(node) for node in rack.get("nodes")["items"]), 60, "a node is not Ready")
    return rack


@contextmanager
def rogue_server() -> Iterator[None]:
    """A DHCP server on the rack's switch, where none should be."""
    switch_ = LAB.namespace("switch")
    inside = ("ip", "netns", "exec", switch_)
    objects.here("ip", "-n", switch_, "link", "add", "rogue", "type", "veth", "peer", "name", "rogue0", "address",
                 ROGUE_MAC)
    server = None
    try:
        objects.here("ip", "-n", switch_, "link", "set", "rogue", "master", "br0", "up")
        objects.here("ip", "-n", switch_, "address", "add", f"{ROGUE}/24", "dev", "rogue0")
        objects.here("ip", "-n", switch_, "link", "set", "rogue0", "up")
        server = subprocess.Popen((*inside, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
                                   "--interface=rogue0", "--bind-dynamic", "--dhcp-range=172.20.0.50,172.20.0.60,120",
                                   "--leasefile-ro", "--user=root", "--pid-file=", "--no-ping"),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: ":0043 " in objects.here(*inside, "cat", "/proc/net/udp"), 10, "dnsmasq does not listen")
        yield
    finally:
        if server is not None:
            server.terminate()
            server.wait(10)
        objects.here("ip", "-n", switch_, "link", "delete", "rogue")


def test_a_rack_that_is_well_has_no_problem(well: Rack) -> None:
    assert doctor(well, "problem") == {}
    said = doctor(well, "ok")
    assert f"{len(topology.RACK)} nodes are Ready" in said["nodes"]
    assert f"the clocks of {len(topology.RACK)} nodes agree" in said["clocks-of-nodes"]
    assert "addresses of the rack are free" in said["addresses"]
    text = well.edgectl("doctor").stdout
    assert "ok       api " in text
    assert "problem" not in text
    for machine in ("master", "node-1"):
        here = doctor_here(well, machine)
        assert (here.returncode, lines(here, "problem")) == (0, {}), here.stdout
        assert "the certificate is valid until" in lines(here, "ok")["node-certificate"]


def test_packet_rules_that_are_gone_are_named_on_the_master(well: Rack) -> None:
    well.shell("master", "nft", "delete", "table", "inet", "edge-rack")
    try:
        here = doctor_here(well, "master")
        assert here.returncode == 1
        assert "PacketRulesMissing" in lines(here, "problem")["ground"]
        assert "edge-rack apply" in lines(here, "problem")["ground"]
    finally:
        well.shell("master", str(PROGRAMS / "edge-rack"), "apply", "--config", str(ETC / "rack.toml"))
    assert "ground" not in lines(doctor_here(well, "master"), "problem")


@pytest.mark.skipif(importlib.util.find_spec("scapy") is None, reason="scapy is not installed (the extra `probe`)")
def test_another_dhcp_server_on_the_switch_is_named_here_there_and_in_an_event(well: Rack) -> None:
    with rogue_server():
        here = doctor_here(well, "master")
        assert f"RogueDHCPServer: another DHCP server answers on eth0: {ROGUE} ({ROGUE_MAC})" in lines(
            here, "problem")["wire"]
        assert "RogueDHCPServer" in doctor(well, "problem")["wire"]
        until(lambda: events(well, "RogueDHCPServer"), 40, "there is no event of the other server")
    assert "wire" in lines(doctor_here(well, "master"), "ok")
    assert "wire" in doctor(well, "ok")
    until(lambda: events(well, "RogueDHCPServerGone"), 40, "there is no event that it is gone")
    assert "another DHCP server answers" in well.kubectl("describe", "node", "master")


def events(rack: Rack, reason: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rack.get("events", "--field-selector", f"reason={reason},involvedObject.name=master")[
        "items"]
    return found


def test_a_machine_that_is_off_and_a_request_that_waits_are_named_from_the_laptop(well: Rack) -> None:
    request = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
               "metadata": {"name": "somebody-waits"},
               "spec": {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"],
                        "request": base64.b64encode(authority.request(
                            authority.new_key(), names.Profile(common_name="somebody"))).decode()}}
    well.kubectl("create", "-f", "-", text=json.dumps(request))
    switch("node-2", on=False)
    try:
        off = until(lambda: doctor(well, "problem").get("nodes"), 60, "nothing is said of node-2")
        assert off.startswith("node-2 is silent since ")
        assert "is its light on?" in off
        waits = until(lambda: doctor(well, "warning").get("certificate-requests"), 40, "nothing is said of the request")
        assert "edgectl certificate approve somebody-waits" in waits
    finally:
        switch("node-2", on=True)
        well.kubectl("delete", "csr", "somebody-waits")
    well.until_back("node-2")
    until(lambda: "nodes" not in doctor(well, "problem"), 60, "node-2 is still a problem")


def test_a_rack_that_cannot_be_reached_is_one_problem_with_its_cause(well: Rack, tmp_path: Path) -> None:
    good = json.loads(well.kubectl("config", "view", "--raw", "--minify", "-o", "json"))

    def says(**cluster: str) -> str:
        changed = json.loads(json.dumps(good))
        changed["clusters"][0]["cluster"] |= cluster
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(changed))
        result = well.edgectl("--kubeconfig", str(path), "doctor", "-o", "json", check=False)
        assert result.returncode == 1, result.stdout + result.stderr
        return lines(result, "problem")["api"]

    assert "nothing listens" in says(server="https://127.0.0.1:9")
    assert "does not resolve" in says(server="https://no-such-name.invalid:6443")
    other = authority.create_ca(SystemClock().now()).certificate
    assert "of another authority" in says(**{"certificate-authority-data": base64.b64encode(other).decode()})
    missing = well.edgectl("--kubeconfig", str(tmp_path / "none"), "doctor", check=False)
    assert missing.returncode == 1
    assert "no such file" in missing.stdout
