"""Effects: mounts and unmounts file systems on the node, by mount(8) and umount(8) as child processes.

Which mounts there are is read from the kernel's list: to look at a path of a dead file server may take for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge.agent.volumes import FilesError, NetworkMount

NETWORK_SECONDS = 45.0
"""How long a file server may take to answer a mount."""
LOCAL_SECONDS = 30.0
MOUNT_FAILED = 32
"""What mount(8) ends with when the mount itself failed."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def mount_points() -> tuple[str, ...]:
    """Return where something is mounted, in the order it was; a path is there as often as it is mounted on."""
    found = []
    for line in Path("/proc/self/mountinfo").read_bytes().decode(errors="surrogateescape").splitlines():
        found.append(_OCTAL.sub(lambda match: chr(int(match[1], 8)), line.split(" ")[4]))
    return tuple(found)


def mount_memory(path: Path, size_bytes: int, mode: int) -> None:
    """Mount a tmpfs; size 0 leaves the bound to the kernel.

    Raises:
        FilesError: it does not work.
    """
    options = f"size={size_bytes},mode={mode:o}" if size_bytes else f"mode={mode:o}"
    done = _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path))
    if done.returncode != 0:
        raise FilesError(f"cannot mount {path}: {done.stdout.strip()}")


def bind(descriptor: int, target: str, *, shared: bool) -> None:
    """Bind what an open file descriptor stands for to a path, whatever its own path leads to by now.

    Raises:
        FilesError: it does not work.
    """
    # A slave sees what is mounted below on the node later, and its own end does not end that.
    propagation = () if shared else ("--make-slave",)
    done = _run("mount", "--no-canonicalize", "--bind", *propagation, f"/proc/{os.getpid()}/fd/{descriptor}", target)
    if done.returncode != 0:
        raise FilesError(f"cannot mount {target}: {done.stdout.strip()}")


def arguments(network: NetworkMount) -> tuple[str, ...]:
    """Return what mount(8) is called with, as people are told."""
    options = ("-o", ",".join(network.options)) if network.options else ()
    return "-t", network.type, *options, network.source, network.target


async def mount_network(network: NetworkMount, seconds: float = NETWORK_SECONDS) -> None:
    """Mount a file system of another machine, unless it is; give up after some seconds.

    Raises:
        FilesError: it does not work, in Kubernetes' words.
    """
    if network.target in await asyncio.to_thread(mount_points):
        return
    try:
        Path(network.target).mkdir(parents=True, exist_ok=True, mode=0o750)
        child = await asyncio.create_subprocess_exec(
            # The source is a pod's own word: one that begins with a dash must not become an option, as another fstab.
            "mount", *arguments(network)[:-2], "--", network.source, network.target, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    except OSError as error:
        raise _failed(network, str(error), "") from error
    try:
        async with asyncio.timeout(seconds):
            output, _ = await child.communicate()
    except TimeoutError:
        raise _failed(network, "signal: killed", f"no answer within {seconds:.0f} s") from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    if child.returncode != 0:
        raise _failed(network, f"exit status {child.returncode}", output.decode(errors="replace").strip())


def _failed(network: NetworkMount, how: str, output: str) -> FilesError:
    return FilesError(f'MountVolume.SetUp failed for volume "{network.volume}" : mount failed: {how}\n'
                      f"Mounting command: mount\nMounting arguments: {' '.join(arguments(network))}\nOutput: {output}")


def unmount_below(directory: str, apart: Sequence[str] = ()) -> None:
    """Unmount everything below a directory; what is in use goes once nobody uses it any more.

    Args:
        directory: where to look.
        apart: directories below it in which each mount is taken off with all that is mounted on it, and nothing of
            that elsewhere: binds of other file systems.

    Raises:
        FilesError: something stays.
    """
    below = [point for point in mount_points() if point.startswith(directory.rstrip("/") + "/")]
    foreign = [point for point in below if point.startswith(tuple(f"{each}/" for each in apart))]
    for point in foreign:
        if not any(point.startswith(f"{other}/") for other in foreign):
            _run("mount", "--no-canonicalize", "--make-rprivate", point)
            _unmount(point, "--lazy")
    for point in reversed(below):
        if point not in foreign:
            _unmount(point)


def unmount(point: str) -> None:
    """Take a bind off a path, at once for new users.

    Raises:
        FilesError: it does not work.
    """
    _run("mount", "--no-canonicalize", "--make-rprivate", point)
    _unmount(point, "--lazy")


def _unmount(point: str, *options: str) -> None:
    done = _run("umount", "--no-canonicalize", *options, point)
    if done.returncode != 0 and "--lazy" not in options and point in mount_points():
        done = _run("umount", "--no-canonicalize", "--lazy", point)
    if done.returncode != 0 and point in mount_points():
        raise FilesError(f"cannot unmount {point}: {done.stdout.strip()}")


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said and how it ended, also when it did not end in time or is not there."""
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=LOCAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, MOUNT_FAILED, str(error))
