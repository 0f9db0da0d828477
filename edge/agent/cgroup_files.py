"""Effects: makes, changes and removes the control groups of pods, in the kernel's files or through systemd.

What the files say follows from `cgroups`. Reads and writes of the kernel's files take microseconds; removing waits for
nobody, since a group that is still busy is tried again by whoever removes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

from edge import logs
from edge.agent import cgroups, files, qos
from edge.agent.cgroups import Amounts, PodGroup, Tree
from edge.runtime.interface import Runtime

ROOT = Path("/sys/fs/cgroup")
UNIFIED = "unified"
SYSTEMD_TIMEOUT_SECONDS = 20.0
_BUS = ("busctl", "call", "--quiet", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager")
_QUALITIES = (qos.GUARANTEED, qos.BURSTABLE, qos.BEST_EFFORT)

log = logs.get("agent.cgroups")


class GroupError(files.FilesError):
    """A control group cannot be made or removed; the text says why."""


class PodGroups:
    """The groups of this node's pods. `changed` is called once it is known where they are."""

    def __init__(self, runtime: Runtime, parent: str, node: Callable[[], Amounts], changed: Callable[[], None], *,
                 root: Path = ROOT) -> None:
        self._runtime, self._parent, self._node, self._changed, self._root = runtime, parent, node, changed, root
        self.tree: Tree | None = None
        """Where the groups are; None until the engine has said how it keeps them."""
        self._pods: dict[str, PodGroup] = {}
        self._said: dict[str, Amounts] = {}
        self._lock = asyncio.Lock()

    async def make(self, group: PodGroup) -> None:
        """Make the group of a pod as it should be.

        Raises:
            RuntimeFailure: the engine does not answer.
            GroupError: the kernel or systemd refuses.
        """
        async with self._lock:
            where = await self._find()
            self._pods[group.uid] = group
            await self._above(where)
            await self._put(where, cgroups.branch(where, group.quality, group.uid),
                            cgroups.path(where, group.quality, group.uid), group.amounts)

    async def remove(self, uid: str) -> None:
        """Remove what there is of a pod's group. Raises RuntimeFailure and GroupError."""
        async with self._lock:
            where = await self._find()
            for quality in _QUALITIES:
                path = cgroups.path(where, quality, uid)
                if any((tree / path).is_dir() for tree in self._trees(where)):
                    await self._remove(where, cgroups.branch(where, quality, uid), path)
            if self._pods.pop(uid, None) is not None:
                await self._share(where)

    def exists(self, uid: str) -> bool:
        """Return whether there is a group of that pod."""
        if self.tree is None:
            return False
        return any((self._main(self.tree) / cgroups.path(self.tree, quality, uid)).is_dir() for quality in _QUALITIES)

    async def found(self) -> set[str]:
        """Return the uids of all pods that have a group. Raises RuntimeFailure."""
        async with self._lock:
            where = await self._find()
        uids = set()
        for quality in _QUALITIES:
            top = self._main(where) / cgroups.path(where, quality)
            uids |= {uid for name in _names(top) if (uid := cgroups.uid_of(name))}
        return uids

    async def refresh(self) -> None:
        """Have the groups above the pods' as the node's resources say, once there is a pod. Nothing is raised: the
        next pod that is made says what is wrong."""
        async with self._lock:
            if self.tree is not None and self._pods:
                with contextlib.suppress(GroupError):
                    await self._above(self.tree)

    def all_pods(self) -> Path | None:
        """Return the directory with the memory counters of all pods together."""
        return None if self.tree is None else self._main(self.tree) / cgroups.path(self.tree)

    async def _find(self) -> Tree:
        if self.tree is None:
            manager = await self._runtime.cgroup_manager()
            version = 2 if (self._root / "cgroup.controllers").exists() else 1
            self.tree = cgroups.tree(self._parent, manager, version)
            self._changed()
        return self.tree

    async def _above(self, where: Tree) -> None:
        for quality, amounts in ((qos.GUARANTEED, self._node()), (qos.BEST_EFFORT, Amounts())):
            await self._once(where, quality, amounts)
        await self._share(where)

    async def _share(self, where: Tree) -> None:
        await self._once(where, qos.BURSTABLE, cgroups.burstable(self._pods.values()))

    async def _once(self, where: Tree, quality: str, amounts: Amounts) -> None:
        path = cgroups.path(where, quality)
        if self._said.get(path) != amounts or not (self._main(where) / path).is_dir():
            await self._put(where, cgroups.branch(where, quality), path, amounts)
            self._said[path] = amounts

    async def _put(self, where: Tree, name: str, path: str, amounts: Amounts) -> None:
        if where.systemd:
            await self._slice(where, name, amounts)
            return
        try:
            if where.version == 2:
                _write_v2(self._root, path, amounts)
            else:
                _write_v1(self._root, path, amounts)
        except OSError as error:
            raise GroupError(f"failed to create container for {path}: {error}") from error

    async def _slice(self, where: Tree, name: str, amounts: Amounts) -> None:
        try:
            await self._call(cgroups.unit(where, name, amounts))
        except GroupError as error:
            # Those above a pod's begin with the pod's, and stay.
            if "already loaded" not in str(error):
                raise
            await self._call(cgroups.unit_change(name, amounts, where))

    async def _remove(self, where: Tree, name: str, path: str) -> None:
        if where.systemd:
            await self._call(cgroups.unit_stop(name))
        for tree in self._trees(where):
            try:
                _remove_tree(tree / path)
            except OSError as error:
                if where.version == 1 and tree.name == UNIFIED:
                    continue  # It holds no process and limits nothing where the controllers are elsewhere.
                raise GroupError(f"failed to remove cgroup {path}: {error}") from error

    async def _call(self, arguments: tuple[str, ...]) -> None:
        """Raises GroupError."""
        try:
            process = await asyncio.create_subprocess_exec(
                *_BUS, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT)
        except OSError as error:
            raise GroupError(f"busctl cannot be started: {error}") from error
        try:
            async with asyncio.timeout(SYSTEMD_TIMEOUT_SECONDS):
                printed, _ = await process.communicate()
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise GroupError(f"systemd does not answer to {arguments[0]} {arguments[2]}") from error
        text = printed.decode(errors="replace").strip()
        if process.returncode and "not loaded" not in text:
            raise GroupError(f"systemd refused {arguments[0]} {arguments[2]}: {text}")

    def _main(self, where: Tree) -> Path:
        """Return the hierarchy by which groups are found again."""
        return self._root if where.version == 2 else self._root / "memory"

    def _trees(self, where: Tree) -> list[Path]:
        if where.version == 2:
            return [self._root]
        # The engine makes a container's group in every hierarchy there is; some are links to others.
        return [tree for tree in sorted(self._root.iterdir()) if tree.is_dir() and not tree.is_symlink()]


def _names(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _write_v1(root: Path, path: str, amounts: Amounts) -> None:
    for controller in cgroups.CONTROLLERS_V1:
        if (root / controller).is_dir():
            (root / controller / path).mkdir(parents=True, exist_ok=True)
    for controller, name, content in cgroups.files_v1(amounts):
        if (root / controller).is_dir():
            _write(root / controller / path / name, content)


def _write_v2(root: Path, path: str, amounts: Amounts) -> None:
    group = root
    for part in Path(path).parts:
        _enable(group)
        group = group / part
        group.mkdir(exist_ok=True)
    _enable(group)
    for name, content in cgroups.files_v2(amounts):
        if (group / name).exists():
            _write(group / name, content)


def _enable(group: Path) -> None:
    """Hand the controllers on to the groups below."""
    control = group / "cgroup.subtree_control"
    have = set(control.read_text().split())
    there = (group / "cgroup.controllers").read_text().split()
    missing = [name for name in there if name in cgroups.CONTROLLERS_V2 and name not in have]
    if missing:
        _write(control, " ".join(f"+{name}" for name in missing))


def _write(path: Path, content: str) -> None:
    """Write what is not so yet; the kernel refuses a limit below what is used, and then the one before stays."""
    try:
        if path.read_text().strip() == content:
            return
        path.write_text(content)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        log.warning("limit is below what is used, it stays as it was", path=str(path), wanted=content)


def _remove_tree(top: Path) -> None:
    """Remove a group and all below it; what is gone already is no error."""
    for name in _names(top):
        _remove_tree(top / name)
    try:
        top.rmdir()
    except FileNotFoundError:
        return
