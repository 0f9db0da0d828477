"""The lab rack as benchmarks see it: its API, its processes, and what a node's programs are asked for directly.

Bring it up first: `edgectl lab up` (or with --name and --state, and give both here as well).
"""

from __future__ import annotations

import argparse
import ctypes
import http.client
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge.lab import host, power, topology
from edge.lab.topology import Lab

IMAGE = "localhost/hello:1.0"
PORT = 8080
CLONE_NEWNET = 0x40000000


def arguments(words: str) -> argparse.ArgumentParser:
    """Return a parser with what names the lab."""
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("--name", default="edge", help="the lab's name")
    parser.add_argument("--state", type=Path, help="the lab's directory (default /var/lib/NAME-lab)")
    return parser


def lab_of(options: argparse.Namespace) -> Lab:
    """Return the lab that was named. Raises SystemExit when it is not up."""
    lab = Lab((options.state or Path(f"/var/lib/{options.name}-lab")).absolute(), options.name)
    if not power.init_pid(lab, "master"):
        raise SystemExit(f"the lab {options.name} is not up: run `edgectl lab up`")
    return lab


def socket_in(namespace: str, family: int = socket.AF_INET) -> socket.socket:
    """Return a socket that belongs to a network namespace; it keeps it wherever it is used."""
    made: list[socket.socket] = []

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{namespace}") as place:
            if libc.setns(place.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.socket(family, socket.SOCK_STREAM))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


def fetch(lab: Lab, node: str, address: str, seconds: float = 30.0) -> float:
    """Ask a web server from a node until it says 200; return the seconds that took."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        with socket_in(lab.namespace(node)) as link:
            link.settimeout(1.0)
            try:
                link.connect((address, PORT))
                link.sendall(b"GET / HTTP/1.0\r\nHost: pod\r\n\r\n")
                if b" 200 " in link.recv(64):
                    return time.perf_counter() - began
            except OSError:
                pass
        time.sleep(0.002)
    raise SystemExit(f"http://{address}:{PORT}/ does not answer")


class Api:
    """One connection to the rack's API as its administrator, opened inside the laptop's namespace."""

    def __init__(self, lab: Lab) -> None:
        pki = lab.directory("master") / "data/pki"
        self._lab = lab
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        link = socket_in(self._lab.namespace("laptop"))
        link.connect((topology.MASTER_UPLINK, topology.API_PORT))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = http.client.HTTPConnection(topology.MASTER_UPLINK, topology.API_PORT)
        connection.sock = self._context.wrap_socket(link, server_hostname=topology.MASTER_UPLINK)
        return connection

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> dict[str, Any]:
        """Make one request. Raises SystemExit when it is refused, apart from what is gone already."""
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, {"Content-Type": kind, "Accept": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400 and not (method == "DELETE" and answer.status == 404):
            raise SystemExit(f"{method} {path}: {answer.status} {text[:300].decode()}")
        found: dict[str, Any] = json.loads(text)
        return found

    def text(self, path: str) -> str:
        """Return the body of an answer, whatever its status."""
        self._connection.request("GET", path)
        return self._connection.getresponse().read().decode()

    def watch(self, path: str, seconds: float) -> Iterator[tuple[float, str, dict[str, Any]]]:
        """Yield time, type and object of each change from now on, over a connection of its own."""
        version = self.call("GET", path + "&limit=1" if "?" in path else path + "?limit=1")
        link = self._connect()
        mark = "&" if "?" in path else "?"
        revision = version["metadata"]["resourceVersion"]
        link.request("GET", f"{path}{mark}watch=1&resourceVersion={revision}&timeoutSeconds={int(seconds)}")
        answer = link.getresponse()
        return self._events(answer)

    @staticmethod
    def _events(answer: http.client.HTTPResponse) -> Iterator[tuple[float, str, dict[str, Any]]]:
        while line := answer.readline():
            event = json.loads(line)
            yield time.perf_counter(), event["type"], event["object"]

    def until(self, path: str, holds: Callable[[dict[str, Any]], bool], seconds: float) -> None:
        """Read an object or list again and again until something holds of it. Raises SystemExit."""
        deadline = time.perf_counter() + seconds
        while not holds(self.call("GET", path)):
            if time.perf_counter() > deadline:
                raise SystemExit(f"{path} is not as expected after {seconds:.0f} s")
            time.sleep(0.1)


def pods_path(label: str) -> str:
    """Return the list of the pods with a label `app`."""
    return f"/api/v1/namespaces/default/pods?labelSelector=app%3D{label}"


def is_ready(pod: dict[str, Any]) -> bool:
    """Return whether a pod runs and is Ready."""
    return any(each["type"] == "Ready" and each["status"] == "True"
               for each in pod.get("status", {}).get("conditions", ()))


def template(label: str, *, node: str = "", cpu: str = "1m", memory: str = "1Mi") -> dict[str, Any]:
    """Return a pod template of the sample image, on one node or on any."""
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": 5, "automountServiceAccountToken": False,
        "containers": [{"name": "hello", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
                        "ports": [{"containerPort": PORT}],
                        "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"metadata": {"labels": {"app": label}}, "spec": spec}


def deployment(label: str, replicas: int) -> dict[str, Any]:
    """Return a Deployment of the sample image."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": label},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": label}}, "template": template(label)}}


def podman(lab: Lab, node: str, *words: str, check: bool = True) -> str:
    """Run Podman on a node and return what it printed."""
    return power.inside(lab, node, "podman", *words, check=check).strip()


def processes(lab: Lab, machine: str) -> dict[str, int]:
    """Return the host's process ids of a machine's programs, by name."""
    found: dict[str, int] = {}
    init = power.init_pid(lab, machine)
    for number in Path(f"/proc/{init}/task/{init}/children").read_text().split():
        words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        name = next((Path(os.fsdecode(word)).name for word in words[:2] if b"python" not in word), "?")
        if name == "podman" and b"service" not in words:
            continue
        if name in ("edge-server", "edge-agent", "mosquitto", "dnsmasq", "podman", "edge-rack"):
            found[name] = int(number)
    return found


def environment(lab: Lab, node: str) -> dict[str, str]:
    """Return the variables of a node's programs, for calling them without a shell in between."""
    return power.environment(lab, node) | {"PATH": host.SEARCH_PATH}
