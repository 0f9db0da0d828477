"""A private `podman system service` for tests: own storage, socket, locks and events, all gone at the end.

On a hybrid cgroup v1 machine the service runs in a mount namespace without the unified hierarchy (crun would try to
use it); on a cgroup v2 machine it is started as it is. Also builds small image archives without any registry.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from edge.agent import processes
from edge.runtime.interface import Runtime

CGROUPS = Path("/sys/fs/cgroup")
UNIFIED = CGROUPS / "unified"
CGROUP_PARENT = "edge-contract-test"
BUSYBOX = Path("/bin/busybox")
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(os.uname().machine, "amd64")

CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
exit_command_delay = 10
"""


@dataclass(frozen=True, slots=True)
class PodmanService:
    """A running service."""

    directory: Path
    socket: Path
    process: subprocess.Popen[bytes]


def missing() -> str:
    """Return why Podman cannot be used here, "" when it can."""
    for program in ("podman", "crun", "conmon", "unshare"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if os.geteuid() != 0:
        return "needs root"
    return "" if BUSYBOX.exists() else "needs a static /bin/busybox"


@contextlib.contextmanager
def running(registries: str = "") -> Iterator[PodmanService]:
    """Run a service in a directory of its own until the block ends, with that registries.conf if one is given."""
    # Unix socket paths are short, and conmon's are deep in here: not pytest's tmp_path.
    directory = Path(tempfile.mkdtemp(prefix="edge-pm-", dir="/tmp"))
    try:
        if registries:
            (directory / "registries.conf").write_text(registries)
        service = _start(directory)
        try:
            yield service
        finally:
            _stop(service)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _command(directory: Path, *arguments: str) -> list[str]:
    podman = ["podman", "--root", f"{directory}/root", "--runroot", f"{directory}/run",
              "--tmpdir", f"{directory}/tmp", *arguments]  # fmt: skip
    if UNIFIED.is_dir():
        # crun writes there even so, and what is beneath may be read-only.
        script = ('umount /sys/fs/cgroup/unified 2>/dev/null; '
                  'mount -t tmpfs -o mode=755,size=4m tmpfs /sys/fs/cgroup/unified; exec "$@"')
        return ["unshare", "--mount", "--propagation", "slave", "bash", "-c", script, "bash", *podman]
    return podman


def _environment(directory: Path) -> dict[str, str]:
    own = {"CONTAINERS_CONF": f"{directory}/containers.conf"}
    if (registries := directory / "registries.conf").exists():
        own |= {"CONTAINERS_REGISTRIES_CONF": str(registries)}
    return {**os.environ, **own}


def _start(directory: Path) -> PodmanService:
    (directory / "containers.conf").write_text(CONTAINERS_CONF)
    socket = directory / "podman.sock"
    command = _command(directory, "system", "service", "-t", "0", f"unix://{socket}")
    with open(directory / "service.log", "wb") as log:
        # conmon leaves a file `oom` in the working directory when a container is killed for its memory.
        process = subprocess.Popen(command, env=_environment(directory), cwd=directory, stdout=log, stderr=log)
    deadline = time.monotonic() + 20
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError("podman did not start: " + (directory / "service.log").read_text()[-2000:])
        time.sleep(0.02)
    return PodmanService(directory, socket, process)


@contextlib.asynccontextmanager
async def cleared(runtime: Runtime) -> AsyncIterator[None]:
    """Close a runtime after the block, without any container; a failure of one test is none of the next one's."""
    try:
        yield
        for container in sorted(await runtime.list(), key=lambda each: each.name == processes.PAUSE):
            await runtime.remove(container.id)
    finally:
        await runtime.close()


def power_cut(service: PodmanService) -> None:
    """End the service and all its containers as a power cut does: what was on a tmpfs is gone, the store stays."""
    service.process.kill()
    service.process.wait(10)
    _end_leftovers(service.directory)
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        with contextlib.suppress(OSError):
            if f"/{cgroup_parent(service)}" in path.read_text():
                os.kill(int(path.parent.name), 9)
    _unmount(service.directory)
    for name in ("run", "tmp"):
        shutil.rmtree(service.directory / name, ignore_errors=True)
    service.socket.unlink(missing_ok=True)


def cgroup_parent(service: PodmanService) -> str:
    """Return a control group for containers that no other service has: a power cut ends all that is in it."""
    return f"{CGROUP_PARENT}/{service.directory.name}"


def power_on(service: PodmanService) -> PodmanService:
    """Start the service again. Raises RuntimeError with its last words when it does not start."""
    return _start(service.directory)


def command(service: PodmanService, *arguments: str) -> tuple[str, ...]:
    """Return how to run another Podman on the same store."""
    words = " ".join(f"{key}={value}" for key, value in _environment(service.directory).items()
                     if key.startswith("CONTAINERS_"))
    return ("env", *words.split(), *_command(service.directory, *arguments))


def _stop(service: PodmanService) -> None:
    # Inside the service's own mount namespace, where the containers' overlays are mounted.
    enter = ["nsenter", f"--mount=/proc/{service.process.pid}/ns/mnt"]
    podman = ["podman", "--root", f"{service.directory}/root", "--runroot", f"{service.directory}/run",
              "--tmpdir", f"{service.directory}/tmp"]  # fmt: skip
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([*enter, *podman, "rm", "-af", "-t", "0"], env=_environment(service.directory), timeout=60,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # fmt: skip
    service.process.terminate()
    try:
        service.process.wait(10)
    except subprocess.TimeoutExpired:
        service.process.kill()
        service.process.wait(10)
    _end_leftovers(service.directory)
    _remove_groups()
    _unmount(service.directory)


def _unmount(directory: Path) -> None:
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        if (target := line.split()[1]).startswith(f"{directory}/"):
            subprocess.run(["umount", "-l", target], check=False)


def _end_leftovers(directory: Path) -> None:
    """Kill conmon processes of this directory that outlived their container."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes()
            if b"conmon" in words[:40] and f"{directory}/".encode() in words:
                os.kill(int(entry.parent.name), 9)


def _remove_groups() -> None:
    """Remove the parent groups, which the engine leaves, as soon as the last process in them is gone."""
    deadline = time.monotonic() + 5
    while groups := [*CGROUPS.glob(f"*/{CGROUP_PARENT}/**/"), *CGROUPS.glob(f"{CGROUP_PARENT}/**/")]:
        for path in sorted(groups, reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def annotated_archive(name: str, annotations: Mapping[str, str]) -> bytes:
    """Return a `podman load` archive in the layout of OCI, whose manifest has annotations."""
    content = layer(("sh", "sleep"), {})
    config = json.dumps({"architecture": ARCHITECTURE, "os": "linux", "config": {"Env": ["PATH=/bin"]}, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + sha256(content).hexdigest()]}}).encode()
    kind = "application/vnd.oci.image"

    def described(blob: bytes, media_type: str) -> dict[str, object]:
        return {"mediaType": media_type, "digest": "sha256:" + sha256(blob).hexdigest(), "size": len(blob)}

    manifest = json.dumps({"schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json", "annotations": {**annotations},
                           "config": described(config, f"{kind}.config.v1+json"),
                           "layers": [described(content, f"{kind}.layer.v1.tar")]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [described(manifest, f"{kind}.manifest.v1+json") | {
        "annotations": {"org.opencontainers.image.ref.name": name}}]}).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index}
        files |= {f"blobs/sha256/{sha256(blob).hexdigest()}": blob for blob in (config, manifest, content)}
        for path, blob in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(blob)
            archive.addfile(entry, io.BytesIO(blob))
    return out.getvalue()


def image_archive(
    name: str,
    *,
    entrypoint: tuple[str, ...] = (),
    command: tuple[str, ...] = ("/bin/sh",),
    env: Mapping[str, str] | None = None,
    programs: tuple[str, ...] = ("sh", "cat", "echo", "sleep", "env", "id", "stty", "ls", "nc", "httpd", "head", "dd",
                                 "yes", "hostname", "printf", "touch", "true", "false", "kill", "wc", "stat"),
    user: str = "",
    stop_signal: str = "",
    architecture: str = "",
    files: Mapping[str, bytes] | None = None,
) -> bytes:  # fmt: skip
    """Return a `docker load` archive of one busybox layer."""
    content = layer(programs, files or {})
    config = json.dumps({
        "architecture": architecture or ARCHITECTURE, "os": "linux",
        "config": {"Entrypoint": list(entrypoint) or None, "Cmd": list(command) or None, "User": user,
                   "StopSignal": stop_signal,
                   "Env": ["PATH=/bin", *(f"{key}={value}" for key, value in (env or {}).items())]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(content).hexdigest()]},
        "history": [{"created": "2024-01-01T00:00:00Z"}], "created": "2024-01-01T00:00:00Z",
    }).encode()  # fmt: skip
    config_name = sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, part in ((config_name, config), ("layer.tar", content), ("manifest.json", manifest)):
            _add(archive, path, part)
    return out.getvalue()


def layer(programs: tuple[str, ...], files: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """Return a file system with busybox under these names, as a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for directory in ("bin", "etc", "tmp", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        _add(archive, "bin/busybox", BUSYBOX.read_bytes(), 0o755)
        _add(archive, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n")
        for path, content in files.items():
            _add(archive, path, content)
        for program in programs:
            entry = tarfile.TarInfo(f"bin/{program}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    return out.getvalue()


def _add(archive: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
