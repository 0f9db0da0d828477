"""Brings the whole rack up, step by step; every step is safe to repeat on a rack that is already there."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from edge.lab import groups, host, kubeconfig, machines, power, topology, wires
from edge.lab.host import Cgroups
from edge.lab.steps import Steps
from edge.lab.topology import Lab

TOKEN_HOURS = 24
HELLO_URL = f"http://{topology.MASTER_UPLINK}/"


@dataclass(frozen=True, slots=True)
class Options:
    """What a person can choose at `edgectl lab up`."""

    port: int = topology.API_PORT
    sample: bool = True
    examples: Path = Path("examples")


def up(lab: Lab, options: Options) -> None:
    """Bring up what is not up yet.

    Raises:
        LabError: with what failed and where to look; `down` cleans up after it.
    """
    steps = Steps()
    with steps.step("this machine") as step:
        cgroups = host.cgroups(Path("/proc/mounts").read_text())
        host.require_ready()
        if not _forwarder_pid(lab):
            host.require_free_port(options.port)
        room = groups.prepare(lab, cgroups)
        step.note(f"cgroups are {_CGROUP_WORDS[cgroups.mode]}{room and '; '}{room}")
    lab.state.mkdir(parents=True, exist_ok=True)
    lab.state.chmod(0o700)
    with steps.step("home network, switch and wires"):
        wires.make_bridges(lab)
        for name in topology.ALL:
            wires.plug_in(lab, name, topology.links(name))
        for name in ("home", "laptop"):
            switch_on(lab, name, cgroups)
    _master(lab, options, steps, cgroups)
    _workers(lab, steps, cgroups)
    if options.sample:
        _sample(lab, options, steps)
    print(f"\nThe rack is up after {steps.total_seconds():.0f} s.\n")
    summary = _SUMMARY if options.sample else _SUMMARY_BARE
    print(summary.format(url=HELLO_URL, kubeconfig=lab.kubeconfig, context=lab.context))


def switch_on(lab: Lab, name: str, cgroups: Cgroups) -> None:
    """Write the machine's files and start it."""
    wires.plug_in(lab, name, topology.links(name))
    if not power.init_pid(lab, name):
        for file in machines.files(lab, name, host.storage_driver(lab.state)):
            file.path.parent.mkdir(parents=True, exist_ok=True)
            file.path.write_text(file.text)
            file.path.chmod(file.mode)
    power.switch_on(lab, machines.describe(lab, name, host.program_directory()), cgroups)


def _master(lab: Lab, options: Options, steps: Steps, cgroups: Cgroups) -> None:
    with steps.step("master: address, NAT, DHCP, broker") as step:
        switch_on(lab, "master", cgroups)
        admin = lab.directory("master") / "data/pki/admin.crt"
        step.until(admin.exists, 30, f"the master has no identities yet: see {_log(lab, 'master', 'edge-rack')}")
        step.until(lambda: _listens(lab, topology.MASTER, 8883), 20,
                   f"the broker does not answer: see {_log(lab, 'master', 'mosquitto')}")
    with steps.step("master: Kubernetes API") as step:
        step.until(lambda: _listens(lab, topology.MASTER, topology.API_PORT), 30,
                   f"the API does not answer: see {_log(lab, 'master', 'edge-server')}")
        _forward(lab, options.port, cgroups)
        _write_kubeconfig(lab, options.port)
        step.until(lambda: kubectl(lab, "get", "--raw", "/readyz", check=False) == "ok", 30,
                   f"the API is not ready: see {_log(lab, 'master', 'edge-server')}")
        step.note(f"https://127.0.0.1:{options.port} on this host, https://{topology.MASTER_UPLINK}:6443 at home")
    with steps.step("master: joins its own cluster") as step:
        _give_token(lab)
        step.until(lambda: is_ready(lab, "master"), 60,
                   f"node master is not Ready: see {_log(lab, 'master', 'edge-agent')}")


def _workers(lab: Lab, steps: Steps, cgroups: Cgroups) -> None:
    with steps.step("workers: power on, one after the other") as step:
        for name in topology.WORKERS:
            switch_on(lab, name, cgroups)
            step.until(lambda name=name: bool(address(lab, name)), 30,  # type: ignore[misc]
                       f"{name} has no address: see {_log(lab, name, 'udhcpc')}")
            step.note(", ".join(f"{name} {address(lab, name)}" for name in topology.WORKERS if address(lab, name)))
    with steps.step("workers: find the master, join, become Ready") as step:
        for name in topology.WORKERS:
            step.until(lambda name=name: is_ready(lab, name), 90,  # type: ignore[misc]
                       f"node {name} is not Ready: see {_log(lab, name, 'edge-agent')}")


def _sample(lab: Lab, options: Options, steps: Steps) -> None:
    example = options.examples / "hello"
    archive = lab.state / "hello.tar"
    with steps.step("sample: build the image on the laptop") as step:
        if not archive.exists():
            power.inside(lab, "laptop", "sh", str(example / "build"), str(archive))
        step.note(f"{archive.stat().st_size // 1024} KiB, FROM scratch")
    with steps.step("sample: load it on every node, through the API"):
        edgectl(lab, "image", "load", str(archive))
    with steps.step("sample: deploy") as step:
        kubectl(lab, "apply", "-f", str(example / "hello.yaml"))
        step.note("waiting for 3 replicas")
        kubectl(lab, "rollout", "status", "deployment/hello", "--timeout=60s")
    with steps.step("sample: every replica answers the laptop through one address") as step:
        wanted = set(kubectl(lab, "get", "pods", "-l", "app=hello", "--field-selector=status.phase=Running",
                             "-o", "jsonpath={.items[*].metadata.name}").split())
        seen: set[str] = set()

        def ask() -> bool:
            answer = fetch(lab, "laptop", HELLO_URL)
            seen.update(word for word in answer.split() if word in wanted)
            return bool(wanted) and seen == wanted

        step.until(ask, 60, f"only {sorted(seen)} of {sorted(wanted)} answered at {HELLO_URL}")
        step.note(f"{len(seen)} of {len(wanted)} at {HELLO_URL}")


def fetch(lab: Lab, machine: str, url: str) -> str:
    """Return a page as seen from a machine, empty when it does not answer."""
    return power.inside(lab, machine, sys.executable, "-m", "edge.lab.fetch", url, failed="")


def kubectl(lab: Lab, *argv: str, check: bool = True) -> str:
    """Run the real kubectl on the lab's laptop and return what it printed."""
    return power.inside(lab, "laptop", host.find_kubectl(), "--kubeconfig", str(lab.kubeconfig), *argv, check=check)


def edgectl(lab: Lab, *argv: str) -> str:
    """Run edgectl on the lab's laptop and return what it printed."""
    program = str(host.program_directory() / "edgectl")
    return power.inside(lab, "laptop", program, "--kubeconfig", str(lab.kubeconfig), *argv)


def is_ready(lab: Lab, node: str) -> bool:
    """Return whether the API shows the node as Ready."""
    status = kubectl(lab, "get", "node", node, "-o",
                     'jsonpath={.status.conditions[?(@.type=="Ready")].status}', check=False)
    return status == "True"


def address(lab: Lab, machine: str) -> str:
    """Return the machine's leased address, empty while it has none."""
    found = host.run("ip", "-n", lab.namespace(machine), "-json", "-4", "address", "show", "dev", "eth0", check=False)
    entries = [entry for link in json.loads(found or "[]") for entry in link.get("addr_info", [])]
    return str(entries[0]["local"]) if entries else ""


def stop_forwarding(lab: Lab) -> None:
    """End the loopback forwarder; nothing there is no error."""
    if pid := _forwarder_pid(lab):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            power.collect(pid)
            time.sleep(0.02)
    (lab.state / "forward.pid").unlink(missing_ok=True)


def user_kubeconfig() -> Path:
    """Return the file a person's kubectl reads by default."""
    return Path.home() / ".kube" / "config"


def _write_kubeconfig(lab: Lab, port: int) -> None:
    pki = lab.directory("master") / "data/pki"
    ca, certificate, key = ((pki / name).read_bytes() for name in ("ca.crt", "admin.crt", "admin.key"))
    ours = kubeconfig.build(f"https://127.0.0.1:{port}", ca, certificate, key, lab.context)
    write_private(lab.kubeconfig, yaml.safe_dump(ours))
    path = user_kubeconfig()
    try:
        existing = yaml.safe_load(path.read_text()) if path.exists() else {}
        merged = kubeconfig.merge(existing or {}, ours)
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
        print(f"  note: {path} is left alone ({error}); use --kubeconfig {lab.kubeconfig}")
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, yaml.safe_dump(merged))


def write_private(path: Path, text: str) -> None:
    """Write a file nobody else can read, whole or not at all."""
    new = path.with_name(path.name + ".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def _give_token(lab: Lab) -> None:
    """Give every node that has no identity yet a bootstrap token and the CA's hash, and nothing else."""
    nodes = [name for name in topology.RACK if not (lab.directory(name) / "data/agent/identity").exists()]
    if not nodes:
        return
    created = json.loads(edgectl(lab, "token", "create", "--ttl", f"{TOKEN_HOURS}h", "-o", "json"))
    for name in nodes:
        etc = lab.directory(name) / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        write_private(etc / "bootstrap-token", created["token"] + "\n")
        (etc / "ca-cert-hash").write_text(created["caCertHash"] + "\n")


def _forward(lab: Lab, port: int, cgroups: Cgroups) -> None:
    if _forwarder_pid(lab):
        return
    with (lab.state / "forward.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge.lab.forward", lab.namespace("laptop"), str(port), topology.MASTER_UPLINK,
             str(topology.API_PORT)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            preexec_fn=functools.partial(groups.enter, groups.programs(lab, "forward", cgroups)))
    (lab.state / "forward.pid").write_text(f"{process.pid} {power.start_time(process.pid)}")


def _forwarder_pid(lab: Lab) -> int:
    return power.recorded_pid(lab.state / "forward.pid")


def _listens(lab: Lab, target: str, port: int) -> bool:
    """Return whether a port of the rack answers, asked from the master itself."""
    connect = ("busybox", "nc", "-w", "1", target, str(port), "-e", "/bin/true")
    return power.inside(lab, "master", *connect, failed="no") != "no"


def _log(lab: Lab, machine: str, service: str) -> Path:
    return lab.directory(machine) / "log" / f"{service}.log"


_CGROUP_WORDS = {"v2": "v2 (one unified tree)", "v1": "v1",
                 "hybrid": "hybrid: controllers on v1, the unified tree is hidden from Podman"}

_SUMMARY_BARE = """  kubectl get nodes -o wide            (context {context} in ~/.kube/config; also {kubeconfig})
  edgectl lab status                   machines, addresses, programs
  edgectl lab power off node-2         pull a plug; `power on` puts it back
  ./scripts/rack down                  leave nothing behind
"""
_SUMMARY = """  kubectl get nodes -o wide            (context {context} in ~/.kube/config; also {kubeconfig})
  kubectl get pods -o wide
  edgectl lab fetch {url}     as the laptop's browser sees it
  edgectl lab status                   machines, addresses, programs
  edgectl lab power off node-2         pull a plug; `power on` puts it back
  ./scripts/rack down                  leave nothing behind
"""
