"""What the tests of kubectl and of pods share: kubectl within one namespace, and small pods."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from tests.e2e.conftest import Rack, until

IMAGE = "localhost/hello:1.0"


@dataclass(frozen=True)
class Within:
    """kubectl in one namespace."""

    rack: Rack
    namespace: str

    def kubectl(self, *argv: str, text: str | None = None, timeout: float = 60) -> str:
        return self.rack.kubectl("-n", self.namespace, *argv, text=text, timeout=timeout)

    def try_kubectl(self, *argv: str, text: str | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return self.rack.try_kubectl("-n", self.namespace, *argv, text=text, timeout=timeout)

    def fails(self, *argv: str, text: str | None = None) -> str:
        """Run a kubectl that has to fail, and return its complaint."""
        result = self.try_kubectl(*argv, text=text)
        assert result.returncode != 0, result.stdout
        return result.stderr

    def get(self, *argv: str) -> Any:
        return self.rack.get("-n", self.namespace, *argv)

    def path(self, what: str, jsonpath: str) -> str:
        """Return what a JSONPath expression such as `.status.phase` gives for one object."""
        return self.kubectl("get", what, "-o", f"jsonpath={{{jsonpath}}}")

    def apply(self, *objects: dict[str, Any]) -> str:
        items = [{"apiVersion": "v1", **each} for each in objects]
        return self.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def shown(self, pod: str) -> str:
        """Return the STATUS that `kubectl get pod` prints."""
        return self.kubectl("get", "pod", pod, "--no-headers").split()[2]

    def until_shown(self, pod: str, status: str, seconds: float = 20) -> None:
        until(lambda: self.shown(pod) == status, seconds, f"pod {pod} is {self.shown(pod)}, not {status}")

    def until_ready(self, *pods: str, seconds: int = 20) -> None:
        self.kubectl("wait", "--for=condition=Ready", f"--timeout={seconds}s", *(f"pod/{pod}" for pod in pods))

    def reasons(self, pod: str) -> list[str]:
        """Return the reasons of the pod's events, in the order `kubectl describe` prints them."""
        text = self.kubectl("describe", "pod", pod).partition("\nEvents:")[2]
        return [line.split()[1] for line in text.splitlines()[3:] if line.strip()]

    def sh(self, pod: str, script: str, container: str = "") -> str:
        """Run a shell script in the pod."""
        chosen = ("-c", container) if container else ()
        return self.kubectl("exec", pod, *chosen, "--", "sh", "-c", script)


def container(script: str = "exec sleep 1000", name: str = "main", **more: Any) -> dict[str, Any]:
    """Return a container that runs a shell script."""
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **more}


def pod(name: str, *containers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a pod that goes at once when it is deleted."""
    return {"kind": "Pod", "metadata": {"name": name, "labels": labels or {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": list(containers) or [container()], **spec}}
