"""The lab's control groups in a unified tree (cgroup v2): one for the programs of each machine, and a root that hands
its controllers on.

A machine has a group of its own for two reasons. A rack outlives the login session that made it: systemd may end what
is left in a session's group. And where the rack runs in a container, the processes in the root of the container's tree
keep every controller from its children, so that no pod could have a memory limit: they move into a group below it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from edge.lab.host import Cgroups, LabError
from edge.lab.topology import Lab

ROOT = Path("/sys/fs/cgroup")
HOST_GROUP = "edge-lab-host"
"""Where the processes of a container go which were in the root of its tree."""
CONTROLLERS = ("cpu", "memory", "pids")
MOVES = 10


def to_enable(available: str, enabled: str) -> str:
    """Return what to write to cgroup.subtree_control so that pods can have limits, from cgroup.controllers and
    cgroup.subtree_control; empty when there is nothing to do."""
    return " ".join(f"+{name}" for name in CONTROLLERS if name in available.split() and name not in enabled.split())


def prepare(lab: Lab, cgroups: Cgroups) -> str:
    """Make sure that pods can have limits, and return what had to be done for it, empty if nothing.

    Raises:
        LabError: the tree is not ours to change.
    """
    if cgroups.mode != "v2":
        return ""
    try:
        (ROOT / lab.context).mkdir(exist_ok=True)
        wanted = to_enable((ROOT / "cgroup.controllers").read_text(), (ROOT / "cgroup.subtree_control").read_text())
        # Only the kernel's own root may have both processes and children with controllers; it has no type.
        if not wanted or not (ROOT / "cgroup.type").exists() or not (ROOT / "cgroup.procs").read_text():
            return ""
        moved = _move(ROOT, ROOT / HOST_GROUP)
        (ROOT / "cgroup.subtree_control").write_text(wanted)
    except OSError as error:
        raise LabError(f"control groups cannot be changed here ({error}): "
                       "in a container the lab needs `--privileged`") from error
    return f"{moved} processes moved into {HOST_GROUP}, so that pods can have limits"


def programs(lab: Lab, name: str, cgroups: Cgroups) -> Path | None:
    """Return the group of a machine's (or the forwarder's) own processes, made if need be; None: it stays in ours."""
    if cgroups.mode != "v2":
        return None
    # Not the machine's group itself: one with controllers for its children may hold no process.
    group = ROOT / lab.cgroup(name).lstrip("/") / "programs"
    group.mkdir(parents=True, exist_ok=True)
    return group


def enter(group: Path | None) -> None:
    """Move this process, and what it will start, into a group."""
    if group:
        (group / "cgroup.procs").write_text("0")


def remove(name: str) -> bool:
    """Remove the empty groups at and below `name` from every tree; return whether none is left.

    One stays busy for a moment after its last process has ended.
    """
    trees = [ROOT, *ROOT.iterdir()]
    tops = [tree / name.lstrip("/") for tree in trees if not tree.is_symlink()]
    for top in tops:
        with contextlib.suppress(OSError):
            directories = sorted(top.rglob("*/"), key=lambda path: len(path.parts), reverse=True)
            for directory in (*directories, top):
                directory.rmdir()
    return not any(top.exists() for top in tops)


def restore() -> None:
    """Put back what `prepare` moved, unless another lab still needs it."""
    group = ROOT / HOST_GROUP
    if not group.is_dir():
        return
    enabled = (ROOT / "cgroup.subtree_control").read_text().split()
    with contextlib.suppress(OSError):
        (ROOT / "cgroup.subtree_control").write_text(" ".join(f"-{name}" for name in enabled))
        _move(group, ROOT)
        group.rmdir()


def _move(source: Path, target: Path) -> int:
    """Move every process from one group to another and return how many; new ones may appear meanwhile."""
    target.mkdir(exist_ok=True)
    moved = 0
    for _ in range(MOVES):
        pids = (source / "cgroup.procs").read_text().split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (target / "cgroup.procs").write_text(pid)
                moved += 1
        if not pids:
            break
    return moved
