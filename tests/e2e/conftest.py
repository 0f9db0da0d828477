"""One lab rack for all end-to-end tests: real Mosquitto, Podman, DHCP, nftables and kubectl in network namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.api import times
from edge.clock import SystemClock
from edge.lab import host

NAME = os.environ.get("EDGE_E2E_NAME", "edgetest")
PORT = os.environ.get("EDGE_E2E_PORT", "16443")
KEEP = bool(os.environ.get("EDGE_E2E_KEEP"))
"""Use a rack that is up already and leave it up: for working on tests."""
ROOT = Path(__file__).resolve().parents[2]
WORKERS = ("node-1", "node-2", "node-3")


@dataclass(frozen=True)
class Rack:
    """The rack under test, driven as a person drives it: with kubectl, edgectl and the machines' own shells."""

    kubectl_program: str
    kubeconfig: Path
    environment: dict[str, str]

    def run(self, *argv: str, text: str | None = None, check: bool = True,
            timeout: float = 120) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(argv, input=text, stdin=None if text is not None else subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=timeout, check=False, env=self.environment)
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(argv)} failed ({result.returncode}):\n{result.stdout}\n{result.stderr}")
        return result

    def try_kubectl(self, *argv: str, text: str | None = None,
                    timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the host's own shell; the caller looks at how it ended."""
        return self.run(self.kubectl_program, *argv, text=text, check=False, timeout=timeout)

    def kubectl(self, *argv: str, text: str | None = None, timeout: float = 120) -> str:
        return self.run(self.kubectl_program, *argv, text=text, timeout=timeout).stdout

    def get(self, *argv: str) -> Any:
        """Return what `kubectl get ... -o json` prints."""
        return json.loads(self.kubectl("get", *argv, "-o", "json"))

    def edgectl(self, *argv: str, check: bool = True, timeout: float = 200) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "edge.edgectl.main", *argv, check=check, timeout=timeout)

    def lab(self, *argv: str, check: bool = True, timeout: float = 200) -> subprocess.CompletedProcess[str]:
        return self.edgectl("lab", "--name", NAME, *argv, check=check, timeout=timeout)

    def shell(self, machine: str, *argv: str, check: bool = True) -> str:
        """Run a command inside a machine."""
        return self.lab("shell", machine, "--", *argv, check=check).stdout

    def kill(self, machine: str, program: str) -> None:
        """Kill a program of a machine with SIGKILL; the machine's init starts it again, as systemd would."""
        pid = json.loads(Path(f"/var/lib/{NAME}-lab/machines/{machine}/services.json").read_text())[program]["pid"]
        self.shell(machine, "kill", "-9", str(pid))

    def log(self, machine: str, program: str) -> str:
        return Path(f"/var/lib/{NAME}-lab/machines/{machine}/log/{program}.log").read_text(errors="replace")

    def pods(self, selector: str, namespace: str = "default") -> list[dict[str, Any]]:
        """Return the pods of a selector that are not being deleted."""
        items = self.get("pods", "-n", namespace, "-l", selector)["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self, selector: str, namespace: str = "default") -> list[dict[str, Any]]:
        return [pod for pod in self.pods(selector, namespace) if is_ready(pod)]

    def until_back(self, node: str, seconds: float = 60) -> None:
        """Wait until a node is Ready and has been heard once more: one that went counts as Ready for a while."""
        since = SystemClock().now()

        def heard() -> bool:
            lease = self.get("lease", "-n", "kube-node-lease", node)
            return times.parse(lease["spec"]["renewTime"]) > since and is_ready(self.get("node", node))
        until(heard, seconds, f"{node} is not back")


def is_ready(obj: dict[str, Any]) -> bool:
    """Return whether a pod or node has the condition Ready."""
    return any(condition["type"] == "Ready" and condition["status"] == "True"
               for condition in obj.get("status", {}).get("conditions", []))


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until the condition gives something true, and return that; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := condition():
                return result
        except (AssertionError, json.JSONDecodeError):
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"after {seconds:.0f} s: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    if os.geteuid() != 0 or host.missing_programs():
        pytest.skip(f"needs root and {', '.join(host.missing_programs()) or 'nothing else'}")
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("KUBECONFIG", None)
    rack = Rack(host.find_kubectl(), home / ".kube" / "config", environment)
    if not KEEP:
        rack.lab("down")
    try:
        up = rack.lab("up", "--port", PORT, check=False, timeout=300)
        assert up.returncode == 0, up.stdout + up.stderr + _logs()
        (home / "up.txt").write_text(up.stdout)
        yield rack
    finally:
        if not KEEP:
            rack.lab("down")


@pytest.fixture
def namespace(rack: Rack, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, gone afterwards."""
    name = request.node.name.replace("_", "-").replace("[", "-").rstrip("]").lower()[:50].strip("-")
    rack.kubectl("create", "namespace", name)
    yield name
    rack.kubectl("delete", "namespace", name, "--wait=false")


def _logs() -> str:
    """Return the ends of all the rack's logs, for the message of a failed start."""
    parts = []
    for path in sorted(Path(f"/var/lib/{NAME}-lab").glob("machines/*/log/*.log")):
        parts.append(f"--- {path}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:]))
    return "\n".join(parts)
