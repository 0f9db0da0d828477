"""Switches machines on and off, and enters them.

A machine is one `unshare` process on the host whose child is the machine's init (`edge.lab.init`). When the former is
killed the kernel kills the latter, and with it every process of the machine: a power cut.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from edge.lab import groups, topology, wires
from edge.lab.host import Cgroups, LabError, run
from edge.lab.topology import Lab, Machine

ON_SECONDS = 20.0
OFF_SECONDS = 20.0
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "HOME", "TERM")


def switch_on(lab: Lab, machine: Machine, cgroups: Cgroups) -> None:
    """Start the machine; one that is on already is left alone."""
    if init_pid(lab, machine.name):
        return
    directory = lab.directory(machine.name)
    directory.mkdir(parents=True, exist_ok=True)
    spec = {"name": machine.name, "directory": str(directory), "nameserver": machine.nameserver,
            "search": machine.search, "hide_unified": cgroups.hide_unified,
            "environment": _environment(directory, cgroups),
            "services": [{"name": s.name, "argv": s.argv, "environment": s.environment, "once": s.once,
                          "watch": s.watch, "reload": s.reload}
                         for s in machine.services]}
    (directory / "services.json").unlink(missing_ok=True)
    path = directory / "machine.json"
    path.write_text(json.dumps(spec, indent=1))
    with (directory / "init.log").open("ab") as log:
        process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{lab.namespace(machine.name)}",
             "unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc", "--propagation", "slave",
             "--mount-proc", sys.executable, "-m", "edge.lab.init", str(path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            preexec_fn=functools.partial(groups.enter, groups.programs(lab, machine.name, cgroups)),
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ})
    (directory / "pid").write_text(f"{process.pid} {start_time(process.pid)}")
    deadline = time.monotonic() + ON_SECONDS
    while not (directory / "services.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"{machine.name} does not start: see {directory / 'init.log'}")
        time.sleep(0.02)


def switch_off(lab: Lab, name: str) -> None:
    """Cut the machine's power and wait until nothing of it runs; a machine that is off is no error."""
    pid = _unshare_pid(lab, name)
    if not pid:
        return
    init = init_pid(lab, name)
    # Its wires first: the kernel would still say goodbye to peers for programs that are killed.
    wires.pull_out(lab, name, topology.links(name))
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + OFF_SECONDS
    while _alive(pid) or (init and _alive(init)):
        collect(pid)
        if time.monotonic() > deadline:
            raise LabError(f"{name} does not end: look at process {init or pid}")
        time.sleep(0.02)
    (lab.directory(name) / "pid").unlink(missing_ok=True)
    if name in topology.RACK:
        # Addresses, routes and packet rules are gone after a power cut. Home and laptop keep what others stand on.
        wires.unplug(lab, name)
    groups.remove(lab.cgroup(name))


def init_pid(lab: Lab, name: str) -> int:
    """Return the host's process id of the machine's init, 0 when it is off."""
    pid = _unshare_pid(lab, name)
    if not pid:
        return 0
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        numbers = children.read_text().split()
    except OSError:
        return 0
    return int(numbers[0]) if numbers else 0


def enter(lab: Lab, name: str, argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line that runs `argv` inside a machine that is on.

    Raises:
        LabError: the machine is off.
    """
    pid = init_pid(lab, name)
    if not pid:
        raise LabError(f"{name} is off: `edgectl lab power on {name}` switches it on")
    return ("nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "--", *argv)


def inside(lab: Lab, name: str, *argv: str, check: bool = True, failed: str | None = None) -> str:
    """Run a program inside a machine and return what it printed; `failed` instead where that is given and it failed."""
    settings = [f"{key}={value}" for key, value in environment(lab, name).items()]
    return run(*enter(lab, name, ("env", *settings, *argv)), check=check, failed=failed)


def environment(lab: Lab, name: str) -> dict[str, str]:
    """Return the variables the machine's programs run with."""
    spec = json.loads((lab.directory(name) / "machine.json").read_text())
    return dict(spec["environment"])


def _environment(directory: Path, cgroups: Cgroups) -> dict[str, str]:
    """Return what every program of the machine needs to find its own container storage."""
    return {"CONTAINERS_CONF": str(directory / "etc" / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "etc" / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(directory / "etc" / "registries.conf"),
            "PYTHONUNBUFFERED": "1", "TMPDIR": "/tmp", "EDGE_CGROUPS": cgroups.mode}  # noqa: S108 - the machine's


def _unshare_pid(lab: Lab, name: str) -> int:
    return recorded_pid(lab.directory(name) / "pid")


def recorded_pid(path: Path) -> int:
    """Return the process id in a file of ours, 0 when that process is gone (or the number is another's by now)."""
    try:
        pid, started = path.read_text().split()
    except (OSError, ValueError):
        return 0
    return int(pid) if start_time(int(pid)) == started and _alive(int(pid)) else 0


def start_time(pid: int) -> str:
    """Return field 22 of /proc/PID/stat, which tells a process from a later one with its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def collect(pid: int) -> None:
    """Take the exit of our own child, so that it does not stay as a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
