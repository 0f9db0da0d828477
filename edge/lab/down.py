"""Takes a rack away and leaves nothing: no process, mount, namespace, interface or cgroup. Safe on a half-made one."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from edge.lab import kubeconfig, power, topology, up, wires
from edge.lab.steps import Steps
from edge.lab.topology import Lab


def down(lab: Lab, *, keep: bool = False) -> None:
    """Stop everything; with `keep`, what would be on the machines' cards stays for the next `up`."""
    steps = Steps()
    with steps.step("stop forwarding"):
        up.stop_forwarding(lab)
        forget_kubeconfig(lab)
    with steps.step("switch machines off"):
        for name in reversed(topology.ALL):
            power.switch_off(lab, name)
    with steps.step("remove wires and namespaces"):
        for name in (*topology.ALL, *topology.BRIDGES):
            wires.unplug(lab, name)
        remove_cgroups(lab)
    if not keep and lab.state.exists():
        with steps.step("erase the machines' cards"):
            shutil.rmtree(lab.state)


def remove_cgroups(lab: Lab) -> None:
    """Remove the empty cgroups the lab's containers left in every tree."""
    for tree in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
        top = tree / lab.cgroup("").strip("/")
        if tree.is_symlink() or not top.is_dir():
            continue
        for directory in sorted(top.rglob("*/"), key=lambda path: len(path.parts), reverse=True):
            directory.rmdir()
        top.rmdir()


def forget_kubeconfig(lab: Lab) -> None:
    """Take the lab's context out of the person's kubeconfig; the file goes when nothing else was in it."""
    path = up.user_kubeconfig()
    try:
        existing = yaml.safe_load(path.read_text()) or {}
        left = kubeconfig.remove(existing, lab.context)
    except (OSError, yaml.YAMLError, AttributeError, TypeError):
        return
    if left == existing:
        return
    if kubeconfig.is_empty(left):
        path.unlink()
    else:
        up.write_private(path, yaml.safe_dump(left))
