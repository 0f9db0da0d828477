"""Effects: makes what the containers of a pod share: a process namespace, an IPC namespace, and /dev/shm.

Namespaces and mounts stay when the agent ends; they go with the pod's directory in memory, and with a reboot.
"""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path

from edge.agent import actions, files
from edge.runtime.containers import Mount, RuntimeFailure
from edge.runtime.interface import Runtime

# A program that waits and reaps what dies, of the package catatonit, which Podman's own pods need as well.
PROGRAMS = (Path("/usr/libexec/podman/catatonit"), Path("/usr/bin/catatonit"), Path("/usr/local/bin/catatonit"))
SHARED_MEMORY_BYTES = 64 * 1024 * 1024


async def perform(action: actions.StartPause | actions.ShareMemory, runtime: Runtime) -> None:
    """Carry out one action.

    Raises:
        RuntimeFailure, FilesError: it did not work; try again later.
    """
    match action:
        case actions.StartPause():
            program = next((path for path in PROGRAMS if path.exists()), None)
            if program is None:
                raise RuntimeFailure("shareProcessNamespace needs the program catatonit: install the package catatonit")
            await asyncio.to_thread(Path(action.spec.rootfs).mkdir, mode=0o755, parents=True, exist_ok=True)
            mount = Mount(source=str(program), destination=action.spec.command[0], read_only=True)
            await runtime.start(await runtime.create(replace(action.spec, mounts=(mount,))))
        case actions.ShareMemory():
            await asyncio.to_thread(_share_memory, Path(action.directory))


def has_shared_memory(directory: str) -> bool:
    """Return whether the IPC namespace and /dev/shm of a pod are there."""
    return (Path(directory) / "shm").is_mount()


def _share_memory(directory: Path) -> None:
    """Make the namespace first and the mount last: it says that all is there."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    (directory / "shm").mkdir(exist_ok=True)
    (directory / "ipc").touch()
    _run("unshare", f"--ipc={directory}/ipc", "true")
    _run("mount", "-t", "tmpfs", "-o", f"mode=1777,nosuid,nodev,noexec,size={SHARED_MEMORY_BYTES}", "shm",
         f"{directory}/shm")


def _run(*command: str) -> None:
    """Raises FilesError."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise files.FilesError(f"cannot share memory among the pod's containers: {error}") from error
    if done.returncode != 0:
        raise files.FilesError(f"cannot share memory among the pod's containers: {done.stderr.strip()}")
