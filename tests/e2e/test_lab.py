"""The lab itself, on a small rack of its own: up twice, up after everything was killed, and down to nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.lab import host, topology
from edge.lab.topology import Lab
from tests.e2e.conftest import ROOT, until

NAME = os.environ.get("EDGE_E2E_NAME", "edge") + "tiny"
PORT = str(int(os.environ.get("EDGE_E2E_PORT", "16443")) + 100)
LAB = Lab(Path(f"/var/lib/{NAME}-lab"), NAME)
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or bool(host.missing_programs()),
                                reason="needs root and the lab's programs")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home directory with a kubeconfig that knows another cluster already."""
    home = tmp_path_factory.mktemp("lab-home")
    (home / ".kube").mkdir()
    (home / ".kube/config").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "work",
        "clusters": [{"name": "work", "cluster": {"server": "https://work.example"}}],
        "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "mine"}}]}))
    edgectl(home, "down")
    yield home
    edgectl(home, "down")


def edgectl(home: Path, *argv: str, name: str = NAME, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run `edgectl lab`."""
    environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    return subprocess.run(
        [*before, sys.executable, "-m", "edge.edgectl.main", "lab", "--name", name, *argv], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=200, check=False,
        env={**environment, "HOME": str(home), "PYTHONPATH": str(ROOT)})


def kubectl(home: Path, *argv: str) -> str:
    return subprocess.run([host.find_kubectl(), "--kubeconfig", str(home / ".kube/config"), *argv], check=False,
                          capture_output=True, text=True, timeout=60).stdout


def sentence(result: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence a command failed with."""
    assert result.returncode == 1, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def programs() -> dict[str, int]:
    """Return the process ids of all machines' programs."""
    return {f"{machine} {program}": state["pid"] for machine in topology.ALL
            for program, state in json.loads((LAB.directory(machine) / "services.json").read_text()).items()}


def remains(name: str) -> dict[str, list[str]]:
    """Return everything a rack of that name has left on this host."""
    links = json.loads(subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout)
    found = {
        "processes": [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if _names(path, name)],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if f"{name}-" in line],
        "namespaces": [str(path) for path in Path("/run/netns").glob(f"{name}-*")],
        "interfaces": [link["ifname"] for link in links if name in link["ifname"]],
        "cgroups": [str(path) for path in (*Path("/sys/fs/cgroup").glob(f"{name}-lab"),
                                           *Path("/sys/fs/cgroup").glob(f"*/{name}-lab"))],
        "files": [str(path) for path in Path("/var/lib").glob(f"{name}-*")],
    }
    return {what: left for what, left in found.items() if left}


def _names(path: Path, name: str) -> bool:
    try:
        return f"{name}-" in path.read_bytes().decode(errors="replace")
    except OSError:
        return False


def test_up_twice_changes_nothing_and_is_quick(home: Path) -> None:
    first = edgectl(home, "up", "--port", PORT, "--no-sample")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "The rack is up after" in first.stdout
    assert kubectl(home, "get", "nodes", "-o", "name").split() == [f"node/{name}" for name in topology.RACK]
    before, began = programs(), time.monotonic()
    second = edgectl(home, "up", "--port", PORT, "--no-sample")
    assert second.returncode == 0, second.stdout + second.stderr
    print(f"up again: {time.monotonic() - began:.1f} s")
    assert programs() == before
    config = json.loads(kubectl(home, "config", "view", "-o", "json"))
    assert {each["name"] for each in config["contexts"]} == {"work", LAB.context}
    assert config["current-context"] == LAB.context
    assert (home / ".kube/config").stat().st_mode & 0o077 == 0


def test_status_shows_machines_and_a_pulled_plug(home: Path) -> None:
    shown = edgectl(home, "status")
    assert shown.returncode == 0
    for word in ("master", "10.0.0.1, 192.168.42.10", "edge-server", "mosquitto", "node-3", "10.0.0.4", "laptop"):
        assert word in shown.stdout
    assert edgectl(home, "power", "off", "node-3").returncode == 0
    assert edgectl(home, "power", "off", "node-3").returncode == 0
    shown = edgectl(home, "status")
    assert shown.returncode == 1
    assert next(line for line in shown.stdout.splitlines() if line.startswith("node-3")).split() == [
        "node-3", "off", "-", "-"]
    assert "node-3 is off: `edgectl lab power on node-3` switches it on" in sentence(
        edgectl(home, "shell", "node-3", "--", "true"))
    assert edgectl(home, "power", "on", "node-3").returncode == 0
    assert edgectl(home, "shell", "node-3", "--", "hostname").stdout.strip() == "node-3"


def test_a_busy_port_is_one_sentence_and_nothing_is_made(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = sentence(edgectl(home, "up", "--port", port, name="edgebusy"))
    assert f"port {port} on 127.0.0.1 is taken by another program" in said
    assert remains("edgebusy") == {}


def test_without_root_it_is_one_sentence(home: Path) -> None:
    # A user namespace: no longer root, and yet this checkout's Python can be read wherever it is installed.
    nobody = ("unshare", "--user")
    for command in (("up", "--port", PORT), ("down",), ("status",), ("power", "off", "node-1"), ("shell", "node-1")):
        assert "root" in sentence(edgectl(home, *command, before=nobody))


def test_up_after_everything_was_killed_brings_the_rack_back(home: Path) -> None:
    kubectl(home, "create", "configmap", "kept")
    pids = [int((LAB.directory(machine) / "pid").read_text().split()[0]) for machine in topology.ALL]
    for pid in (*pids, int((LAB.state / "forward.pid").read_text().split()[0])):
        os.kill(pid, signal.SIGKILL)
    up = edgectl(home, "up", "--port", PORT, "--no-sample")
    assert up.returncode == 0, up.stdout + up.stderr
    assert kubectl(home, "get", "configmap", "kept", "-o", "name").strip() == "configmap/kept"
    until(lambda: kubectl(home, "get", "nodes", "--no-headers").count(" Ready ") == 4, 30, "the nodes are not Ready")


def test_down_leaves_nothing(home: Path) -> None:
    assert set(remains(NAME)) >= {"processes", "mounts", "namespaces", "files"}
    down = edgectl(home, "down")
    assert down.returncode == 0, down.stdout + down.stderr
    until(lambda: remains(NAME) == {}, 5, f"left: {remains(NAME)}")
    config = json.loads(kubectl(home, "config", "view", "-o", "json"))
    assert [each["name"] for each in config["contexts"]] == ["work"]
    assert edgectl(home, "down").returncode == 0
    assert edgectl(home, "status").returncode == 1


def test_a_failed_start_says_where_to_look_and_down_cleans_up(home: Path) -> None:
    name = "edgebroken"
    data = Path(f"/var/lib/{name}-lab/machines/master/data")
    try:
        data.parent.mkdir(parents=True)
        data.write_text("this was to be a directory\n")
        up = edgectl(home, "up", "--port", PORT, "--no-sample", name=name)
        assert up.returncode == 1
        assert str(data.parent) in up.stderr
        assert "Traceback" not in up.stderr
        assert remains(name)
    finally:
        edgectl(home, "down", name=name)
    until(lambda: remains(name) == {}, 5, f"left: {remains(name)}")


def test_names_that_would_not_work_are_refused(home: Path) -> None:
    for name in ("Edge", "9lives", "a" * 17, "../x", "a b"):
        assert "use up to 16 lower case letters and digits" in sentence(edgectl(home, "status", name=name))
