"""What is found and how it is called: masters from the laptop, machines that wait, names of services and machines."""

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

from edge.lab import power
from tests.e2e import objects
from tests.e2e.conftest import ROOT, WORKERS, Rack, is_ready, until
from tests.e2e.objects import LAB, failure, switch

NODE = "node-3"
HOME, LAPTOP = "192.168.42.10", "192.168.42.20"
MACHINES = ("master", *WORKERS)
EDGECTL = (sys.executable, "-m", "edge.edgectl.main", "--kubeconfig", str(LAB.kubeconfig))


def on_laptop(rack: Rack, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run edgectl on the laptop; the caller looks at how it ended."""
    return rack.run(*power.enter(LAB, "laptop", ("env", f"PYTHONPATH={ROOT}", *EDGECTL, *argv)), check=False,
                    timeout=200)


def discovered(rack: Rack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rack.kubectl("get", "--raw", "/edge/v1/rack/discovered"))
    return found


def asked(rack: Rack, machine: str, own: str, name: str) -> set[str]:
    """Return the addresses a machine hears by multicast DNS."""
    argv = ("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.integration.discovery.ask", own, name)
    return {data for _, kind, _, data in json.loads(rack.run(*power.enter(LAB, machine, argv)).stdout) if kind == "A"}


def test_the_laptop_finds_its_master(rack: Rack) -> None:
    done = on_laptop(rack, "discover", "-o", "json", "--timeout", "2")
    masters = json.loads(done.stdout)["masters"]
    assert [(each["addresses"], each["current"], each["bus_port"]) for each in masters] == [([HOME], True, 0)]
    assert "kubectl get nodes" in on_laptop(rack, "discover", "--timeout", "2").stdout


def test_a_service_answers_by_its_name_at_home(rack: Rack, namespace: str) -> None:
    def service(kind: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "welcome", "namespace": namespace},
                "spec": {"type": kind, "selector": {"app": "welcome"}, "ports": [{"port": 8080}]}}

    objects.apply(rack, namespace, service("LoadBalancer"))
    until(lambda: asked(rack, "laptop", LAPTOP, "welcome.local") == {HOME}, 20, "nobody answers to welcome.local")
    assert asked(rack, "node-1", _address(rack, "node-1"), "welcome.local") == set()
    until(lambda: "NameAnnounced" in rack.kubectl("get", "events", "-n", namespace), 10, "there is no event")
    assert "welcome.local" in on_laptop(rack, "discover", "--timeout", "1").stdout
    objects.apply(rack, namespace, service("ClusterIP"))
    until(lambda: asked(rack, "laptop", LAPTOP, "welcome.local") == set(), 20, "welcome.local is still answered")


def _address(rack: Rack, node: str) -> str:
    return next(str(each["address"]) for each in rack.get("node", node)["status"]["addresses"]
                if each["type"] == "InternalIP")


def test_every_machine_resolves_every_other_and_back(rack: Rack) -> None:
    for machine in MACHINES:
        for other in MACHINES:
            if other == machine:
                continue  # /etc/hosts has it, as Debian writes it.
            address = _address(rack, other)
            for name in (other, f"{other}.cluster.home"):
                assert rack.shell(machine, "getent", "ahostsv4", name).split()[0] == address, (machine, name)
            assert f"{other}.cluster.home" in rack.shell(machine, "getent", "hosts", address)


def test_a_node_that_is_called_otherwise_than_its_machine_is_found_by_both_names(rack: Rack) -> None:
    """A Node made by hand stands for a machine with a fixed address, which DHCP has never heard of."""
    rack.kubectl("create", "-f", "-", text=json.dumps({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "fixed"}}))
    try:
        rack.kubectl("patch", "node", "fixed", "--subresource=status", "--type=merge", "-p", json.dumps(
            {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.222"}]}}))
        until(lambda: rack.shell("node-1", "getent", "ahostsv4", "fixed", check=False).startswith("10.0.0.222"), 30,
              "node-1 does not resolve fixed")
        assert "fixed.cluster.home" in rack.shell("node-2", "getent", "hosts", "10.0.0.222")
    finally:
        rack.kubectl("delete", "node", "fixed", "--wait=false")
    until(lambda: rack.shell("node-1", "getent", "ahostsv4", "fixed", check=False) == "", 30, "fixed is still resolved")


def test_pods_resolve_the_machines(rack: Rack, namespace: str) -> None:
    objects.apply(rack, namespace, objects.pod("names", objects.container("sleep 600")))
    until(lambda: is_ready(rack.get("pod", "names", "-n", namespace)), 40, "the pod does not run")
    address = _address(rack, "node-2")
    for name in ("node-2.cluster.home", "node-2"):
        until(lambda name=name: address in objects.inside(  # type: ignore[misc]
            rack, namespace, "names", f"busybox nslookup {name}", check=False), 20, f"the pod does not resolve {name}")


@pytest.fixture
def keys(rack: Rack, tmp_path: Path) -> Iterator[Path]:
    """A key of the laptop's that root of master and node-3 lets in, and SSH's settings."""
    if not Path("/usr/sbin/sshd").exists() or shutil.which("ssh-keygen") is None:
        pytest.skip("there is no SSH server: Debian's openssh-server")
    for name in ("key", "host"):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)), check=True)
    (tmp_path / "config").write_text(f"Host *\nUserKnownHostsFile {tmp_path}/known\nIdentityFile {tmp_path}/key\n"
                                     "IdentitiesOnly yes\n")
    (tmp_path / "sshd").write_text(
        f"HostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/key.pub\nStrictModes no\nUsePAM no\n"
        f"PermitRootLogin yes\nSetEnv PATH={Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin\n")
    _sshd(rack, "master", tmp_path)
    try:
        yield tmp_path
    finally:
        _end_sshd(rack, "master")


def _sshd(rack: Rack, machine: str, folder: Path) -> None:
    rack.shell(machine, "sh", "-c", f"mkdir -p /run/sshd && /usr/sbin/sshd -f {folder}/sshd -o PidFile=/run/sshd.pid "
                                    f"-E {folder}/{machine}.log")


def _end_sshd(rack: Rack, machine: str) -> None:
    rack.shell(machine, "sh", "-c", "kill $(cat /run/sshd.pid)", check=False)


def test_a_machine_that_waits_is_shown_and_joined_from_the_laptop(rack: Rack, keys: Path) -> None:
    etc = LAB.directory(NODE) / "etc"
    kept = (etc / "bootstrap-token").read_text()
    arguments = ("-F", str(keys / "config"), "--agent-config", str(etc / "agent.toml"))
    switch(NODE, on=False)
    try:
        rack.kubectl("delete", "node", NODE)
        shutil.rmtree(LAB.directory(NODE) / "data/agent/identity")
        (etc / "bootstrap-token").unlink()
        switch(NODE, on=True)
        _sshd(rack, NODE, keys)
        shown = until(lambda: [each for each in discovered(rack)["machines"] if each["name"] == NODE], 40,
                      f"{NODE} does not announce itself")
        assert "cannot read the bootstrap token" in shown[0]["reason"]
        assert f"edgectl join USER@{shown[0]['addresses'][0]}" in on_laptop(rack, "discover", "--timeout", "1").stdout
        dry = on_laptop(rack, "join", f"root@{NODE}", "--dry-run", *arguments)
        assert f"would let it join as {NODE}" in dry.stdout, dry.stderr
        assert "through root@192.168.42.10" in dry.stderr
        assert not (etc / "bootstrap-token").exists()
        before = rack.edgectl("token", "list").stdout
        # The board is known with another key, as after its card was flashed anew.
        refused = on_laptop(rack, "join", f"root@{NODE}", "--timeout", "30", *arguments)
        assert "`edgectl join --adopt` does that too" in failure(refused)
        assert rack.edgectl("token", "list").stdout == before
        done = on_laptop(rack, "join", f"root@{NODE}", "--adopt", *arguments)
        assert done.returncode == 0, done.stderr
        assert f"node {NODE} is Ready" in done.stdout
        assert (etc / "bootstrap-token").stat().st_mode & 0o777 == 0o600
        assert rack.edgectl("token", "list").stdout == before
        assert is_ready(rack.get("node", NODE))
        until(lambda: discovered(rack)["machines"] == [], 10, f"{NODE} is still shown as waiting")
        again = on_laptop(rack, "join", f"root@{NODE}", *arguments)
        assert "has joined already" in again.stdout, again.stderr
    finally:
        _end_sshd(rack, NODE)
        if not (etc / "bootstrap-token").exists():
            (etc / "bootstrap-token").write_text(kept)


def test_joining_says_what_is_wrong(rack: Rack, keys: Path) -> None:
    config = ("-F", str(keys / "config"))
    assert "no SSH server listens there" in failure(on_laptop(rack, "join", "root@node-1", *config))
    assert "edge is not installed there" in failure(on_laptop(
        rack, "join", f"root@{HOME}", *config, "--agent-config", "/nowhere/agent.toml"))
    (keys / "config").write_text(f"Host *\nUserKnownHostsFile {keys}/known\nIdentityFile {os.devnull}\n"
                                 "IdentitiesOnly yes\n")
    assert "ssh-copy-id" in failure(on_laptop(rack, "join", f"root@{HOME}", *config))
    assert "is no [USER@]HOST" in failure(on_laptop(rack, "join", "--", "-oProxyCommand=reboot"))
