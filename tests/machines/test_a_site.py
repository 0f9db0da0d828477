"""What `site.yml` leaves: a rack, four machines that are safe to leave on, and nothing to do a second time."""

from __future__ import annotations

import re

import pytest

from tests.machines import image, playbooks
from tests.machines.conftest import NAMES, Rack, is_ready, until
from tests.machines.home import PAGE, get
from tests.machines.machine import BOARDS, WORKERS
from tests.machines.wires import HOME_ROUTER

EVERYWHERE = ("edge-agent.service", "podman.socket")
ON_MASTER = ("edge-rack.service", "edge-dhcp.service", "edge-broker.service", "edge-server.service", "edge-rack.path")


def test_every_machine_is_a_node_and_says_what_it_is(rack: Rack) -> None:
    nodes = {node["metadata"]["name"]: node for node in rack.laptop.get("nodes")["items"]}
    assert set(nodes) == set(NAMES)
    assert all(is_ready(node) for node in nodes.values())
    assert [taint["effect"] for taint in nodes["master"]["spec"]["taints"]] == ["NoSchedule"]
    kinds = {entry["type"]: entry["address"] for entry in nodes["master"]["status"]["addresses"]}
    assert (kinds["InternalIP"], kinds["ExternalIP"]) == ("10.0.0.1", rack.home.master_address())


def test_all_units_run_and_none_has_failed(rack: Rack) -> None:
    for name in NAMES:
        units = (*EVERYWHERE, *(ON_MASTER if name == "master" else ()))
        states = rack.machines.shell(name, f"systemctl is-active {' '.join(units)}", check=False).split()
        assert states == ["active"] * len(units), dict(zip(units, states, strict=True))
        assert rack.machines.shell(name, "systemctl --failed --no-legend") == ""


def test_a_second_run_changes_nothing(rack: Rack) -> None:
    assert playbooks.changed(rack.first_run).keys() >= set(NAMES)
    cache = playbooks.cache()
    second = playbooks.play(rack.laptop, "site.yml", f"edge_offline_cache={cache}")
    assert playbooks.changed(second) == dict.fromkeys(playbooks.changed(second), 0), second[-8000:]


def test_check_mode_works_and_changes_nothing(rack: Rack) -> None:
    cache = playbooks.cache()
    shown = playbooks.play(rack.laptop, "site.yml", f"edge_offline_cache={cache}", arguments=("--check",))
    assert set(playbooks.changed(shown).values()) == {0}, shown[-8000:]


def test_no_secret_was_printed(rack: Rack) -> None:
    assert not re.search(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b", rack.first_run)
    assert "PRIVATE KEY" not in rack.first_run


def test_the_default_password_is_gone_and_the_key_works(rack: Rack) -> None:
    for name in NAMES:
        assert rack.laptop.ssh(name, "id -un").stdout.strip() == image.USER
        shadow = rack.machines.shell(name, f"getent shadow {image.USER}").split(":")[1]
        assert shadow.startswith(("!", "*")), "the password the imager asked for still works"


def test_workers_are_leased_from_the_masters_range_and_it_is_not_in_it(rack: Rack) -> None:
    leases = rack.laptop.edgectl("dhcp", "leases").stdout
    for board in WORKERS:
        line = next(line for line in leases.splitlines() if board.links[0].mac in line)
        assert re.search(r"\b10\.0\.0\.(?!1\b)\d+\b", line)
        assert board.name in line


@pytest.mark.parametrize("machine", NAMES)
def test_every_machine_resolves_every_other_by_name(rack: Rack, machine: str) -> None:
    addresses = {node["metadata"]["name"]: node["status"]["addresses"][0]["address"]
                 for node in rack.laptop.get("nodes")["items"]}
    for other in NAMES:
        for name in (other, f"{other}.cluster.home"):
            found = rack.machines.shell(machine, f"getent ahostsv4 {name} | awk '{{print $1; exit}}'").strip()
            assert found == addresses[other] or (machine == other and found.startswith("127.")), (machine, name, found)


def test_workers_reach_the_internet_through_the_master_and_nobody_reaches_them(rack: Rack) -> None:
    for board in WORKERS:
        assert PAGE in rack.machines.shell(board.name, get(HOME_ROUTER))
    address = rack.machines.shell("node-1", "hostname -I").split()[0]
    rack.laptop.run("ip", "route", "replace", "10.0.0.0/24", "via", rack.home.master_address())
    try:
        assert rack.laptop.run("ping", "-c", "1", "-W", "2", address, check=False).returncode != 0
    finally:
        rack.laptop.run("ip", "route", "delete", "10.0.0.0/24")


def test_the_master_tells_the_time_to_the_workers(rack: Rack) -> None:
    """Time daemons do not set a container's clock, so the master is asked as they would ask (RFC 5905)."""
    ask = ("python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); "
           "s.sendto(bytes([0x23]) + bytes(47), (\"10.0.0.1\", 123)); a = s.recv(48); print(a[0] & 7, a[1])'")
    for board in WORKERS:
        mode, stratum = rack.machines.shell(board.name, ask).split()
        assert mode == "4"
        assert 1 <= int(stratum) <= 15
        assert "10.0.0.1" in rack.machines.shell(board.name, "cat /etc/systemd/timesyncd.conf.d/*")


def test_no_gateway_points_at_the_rack_from_the_master(rack: Rack) -> None:
    routes = rack.machines.shell("master", "ip -4 route show default").strip().splitlines()
    assert len(routes) == 1
    assert "dev wlan0" in routes[0]


def test_keys_are_for_their_owners_alone(rack: Rack) -> None:
    for name in NAMES:
        modes = rack.machines.shell(name, "find /var/lib/edge /etc/edge -name '*.key' -o -name '*token*' -type f | "
                                          "xargs -r stat -c '%a %n'")
        assert modes
        assert all(line.split()[0] in ("600", "400") for line in modes.splitlines()), modes


def test_units_are_sandboxed(rack: Rack) -> None:
    shown = rack.machines.shell("master", "systemd-analyze security --no-pager 'edge-*' 2>/dev/null || "
                                          "systemd-analyze security --no-pager | grep edge-")
    rows = [line.split() for line in shown.splitlines() if line.startswith("edge-")]
    assert {row[0] for row in rows} >= {"edge-server.service", "edge-dhcp.service", "edge-broker.service"}
    assert [row for row in rows if row[2] not in ("OK", "SAFE", "PERFECT")] == []


def test_doctor_finds_nothing_wrong(rack: Rack) -> None:
    result = rack.laptop.edgectl("doctor", check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_sample_runs_on_every_worker(rack: Rack) -> None:
    rack.laptop.kubectl("scale", "deployment/hello", "--replicas=6")
    rack.laptop.kubectl("rollout", "status", "deployment/hello", "--timeout=60s")
    nodes = {pod["spec"]["nodeName"] for pod in rack.laptop.get("pods", "-l", "app=hello")["items"]}
    assert nodes == {board.name for board in WORKERS}
    rack.laptop.kubectl("scale", "deployment/hello", "--replicas=3")
    until(rack.sample_answers, 30, "the sample does not answer", rack.report)
    assert set(BOARDS) == rack.ready()
