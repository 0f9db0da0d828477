"""Takes a rack away and leaves nothing: no process, mount, namespace, interface or cgroup. Safe on a half-made one."""

from __future__ import annotations

import shutil

import yaml

from edge.lab import groups, kubeconfig, power, topology, up, wires
from edge.lab.steps import Steps
from edge.lab.topology import Lab

CGROUP_SECONDS = 15.0


def down(lab: Lab, *, keep: bool = False) -> None:
    """Stop everything; with `keep`, what would be on the machines' cards stays for the next `up`."""
    steps = Steps()
    with steps.step("stop forwarding"):
        up.stop_forwarding(lab)
        forget_kubeconfig(lab)
    with steps.step("switch machines off"):
        for name in reversed(topology.ALL):
            power.switch_off(lab, name)
    with steps.step("remove wires and namespaces") as step:
        for name in (*topology.ALL, *topology.BRIDGES):
            wires.unplug(lab, name)
        step.until(lambda: groups.remove(lab.context), CGROUP_SECONDS,
                   f"there are processes in the cgroup {lab.context}: `edgectl lab down` again")
        groups.restore()
    if not keep and lab.state.exists():
        with steps.step("erase the machines' cards"):
            shutil.rmtree(lab.state)


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
