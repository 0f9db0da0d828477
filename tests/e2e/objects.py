"""Manifests the end-to-end tests share, and ways to look at a rack from its machines and pods."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge.lab import fetch as page
from edge.lab import power
from edge.lab.topology import Lab
from tests.e2e.conftest import NAME, PORT, Rack

IMAGE = "localhost/hello:1.0"
"""Busybox: answers `hello from <pod>` on port 8080."""

LAB = Lab(Path(f"/var/lib/{NAME}-lab"), NAME)

Json = dict[str, Any]


def container(*command: str, **more: Any) -> Json:
    """Return a container of the sample image; without a command it serves HTTP on port 8080."""
    made: Json = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", **more}
    return {**made, "command": ["/bin/sh", "-c", " ".join(command)]} if command else made


def pod(name: str, main: Json | None = None, *, labels: dict[str, str] | None = None, **spec: Any) -> Json:
    """Return a pod that ends quickly when it is told to."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {"app": name}},
            "spec": {"containers": [main or container()], "terminationGracePeriodSeconds": 1, **spec}}


def deployment(name: str, replicas: int, main: Json | None = None, *, kind: str = "Deployment", **spec: Any) -> Json:
    """Return a Deployment (or DaemonSet) whose pods carry the label app=NAME."""
    template = pod(name, main or serving(), **spec)
    made = {"selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
            "spec": made if kind == "DaemonSet" else {"replicas": replicas, **made}}


SERVER = ('mkdir -p /www; echo "hello from $(hostname)" > /www/index.html; trap "exit 0" TERM; '
          "httpd -f -v -p 8080 -h /www & wait")


def serving(**more: Any) -> Json:
    """Return a container that is ready once it answers, and logs who asks."""
    return container(SERVER, readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}, **more)


def service(name: str, app: str, port: int = 80, target: int = 8080, **spec: Any) -> Json:
    """Return a Service that leads to the pods with the label app=APP."""
    ports = [{"name": "http", "port": port, "targetPort": target}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": app}, "ports": ports, **spec}}


def apply(rack: Rack, namespace: str, *objects: Json) -> None:
    """Apply all objects in one go."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    rack.kubectl("apply", "-n", namespace, "-f", "-", text=text)


def inside(rack: Rack, namespace: str, name: str, script: str, *, check: bool = True) -> str:
    """Run a shell script in a pod and return what it printed."""
    return rack.run(rack.kubectl_program, "exec", "-n", namespace, name, "--", "sh", "-c", script, check=check).stdout


def get_page(rack: Rack, namespace: str, name: str, address: str, port: int = 80) -> str:
    """Fetch the page of an HTTP server as a pod sees it; empty when there is none."""
    return next(iter(get_pages(rack, namespace, name, address, port, times=1)), "")


def get_pages(rack: Rack, namespace: str, name: str, address: str, port: int = 80, *, times: int) -> set[str]:
    """Fetch the page of an HTTP server several times as a pod sees it; return the different ones."""
    one = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {port} | tail -n 1"
    lines = inside(rack, namespace, name, f"for n in $(seq {times}); do {one}; done", check=False).splitlines()
    return {line.strip() for line in lines if line.strip()}


def on(machine: str, *argv: str) -> str:
    """Run a program on a machine, without the detour over `edgectl`, and return what it printed however it ended."""
    command = power.enter(LAB, machine, argv)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


def here(*argv: str) -> str:
    """Run a program on this host, where the rack's wires are, and return what it printed."""
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def fetch(machine: str, address: str, port: int = 80) -> str:
    """Fetch a page as a machine's browser sees it; empty when there is none."""
    return on(machine, sys.executable, "-I", str(Path(page.__file__)), f"http://{address}:{port}/").strip()


KNOCK = """import socket, sys
from concurrent.futures import ThreadPoolExecutor
def knock(target):
    host, port = target.split(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
        return "open"
    except ConnectionRefusedError: return "refused"
    except TimeoutError: return "silent"
    except OSError as error: return error.strerror
with ThreadPoolExecutor(16) as pool: print(*pool.map(knock, sys.argv[1:]), sep="\\n")
"""


def knock(machine: str, address: str, port: int) -> str:
    """Open a TCP connection from a machine: `open`, `refused`, `silent` (nothing within 2 s), or the system's words."""
    return knocks(machine, f"{address}:{port}")[f"{address}:{port}"]


def knocks(machine: str, *targets: str) -> dict[str, str]:
    """Open TCP connections from a machine to many places (`host:port`) at once; see `knock`."""
    return dict(zip(targets, on(machine, sys.executable, "-I", "-c", KNOCK, *targets).splitlines(), strict=True))


def pod_on(rack: Rack, namespace: str, app: str, node: str) -> str:
    """Return the name of the app's pod on a node."""
    return str(next(each["metadata"]["name"] for each in rack.pods(f"app={app}", namespace)
                    if each["spec"].get("nodeName") == node))


def running_containers(node: str) -> list[Json]:
    """Return what Podman runs on a node, asked on the node itself; the API server has no say in it."""
    found: list[Json] = json.loads(on(node, "env", *settings(node), "podman", "ps", "--format", "json") or "[]")
    return found


def settings(machine: str) -> list[str]:
    """Return what a machine's programs find in their environment, as `env` takes it."""
    return [f"{key}={value}" for key, value in power.environment(LAB, machine).items()]


def switch(machine: str, *, on: bool) -> None:
    """Put a machine's plug in or pull it."""
    here(sys.executable, "-m", "edge.edgectl.main", "lab", "--name", NAME, "power", "on" if on else "off", machine)


def request(method: str, path: str, body: Json | bytes | None = None, *, identity: Path | None = None, token: str = "",
            content_type: str = "application/json") -> tuple[int, Json]:
    """Ask the API without any client in between; return the status code and the answer.

    Args:
        identity: client certificate and key without their endings; with `token` empty and no identity, anonymous.

    Raises:
        OSError: no whole answer came.
    """
    pki = LAB.directory("master") / "data/pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    if identity is not None:
        context.load_cert_chain(identity.with_suffix(".crt"), identity.with_suffix(".key"))
    connection = http.client.HTTPSConnection("127.0.0.1", int(PORT), context=context, timeout=10)
    headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except http.client.HTTPException as error:
        raise ConnectionResetError(str(error)) from error
    finally:
        connection.close()
    assert isinstance(answer, dict)
    return response.status, answer


ADMIN = LAB.directory("master") / "data/pki/admin"
"""The administrator's identity, for `request`."""


def failure(result: subprocess.CompletedProcess[str]) -> str:
    """Return the words of a command that had to fail."""
    assert result.returncode != 0, f"this was to fail: {result.stdout}"
    return result.stderr
