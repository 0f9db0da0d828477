"""The machine the lab runs on: what it has, what is missing, and which cgroup tree it uses."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = {"ip": "iproute2", "nft": "nftables", "podman": "podman", "crun": "crun", "mosquitto": "mosquitto",
            "dnsmasq": "dnsmasq-base", "busybox": "busybox-static", "nsenter": "util-linux", "mount": "mount"}
OLDEST_KUBECTL_MINOR = 30
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LabError(Exception):
    """Something the person at the keyboard can mend; the text says what and how."""


@dataclass(frozen=True, slots=True)
class Cgroups:
    """`v2`: one unified tree. `hybrid`: controllers on v1, with an empty unified tree that Podman must not see.
    `v1`: no unified tree at all."""

    mode: str

    @property
    def hide_unified(self) -> bool:
        return self.mode == "hybrid"


def cgroups(mounts: str) -> Cgroups:
    """Return how cgroups are mounted, from the text of /proc/mounts."""
    fields = [line.split() for line in mounts.splitlines()]
    kinds = {parts[1]: parts[2] for parts in fields if len(parts) > 2}
    if kinds.get("/sys/fs/cgroup") == "cgroup2":
        return Cgroups("v2")
    if kinds.get("/sys/fs/cgroup/unified") == "cgroup2":
        return Cgroups("hybrid")
    return Cgroups("v1")


def storage_driver(directory: Path) -> str:
    """Return Podman's storage driver for a directory: overlay, or vfs where the directory is an overlay itself."""
    existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
    kind = run("stat", "--file-system", "--format=%T", str(existing)).strip()
    return "vfs" if kind == "overlayfs" else "overlay"


def missing_programs() -> tuple[str, ...]:
    """Return the Debian packages that have to be installed."""
    return tuple(sorted({package for program, package in PROGRAMS.items()
                         if shutil.which(program, path=SEARCH_PATH) is None}))


def require_ready() -> None:
    """Check what the lab needs before anything is made.

    Raises:
        LabError: not root, or a package missing.
    """
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces, so it needs root: run it again with sudo")
    if packages := missing_programs():
        raise LabError(f"missing programs: run `apt-get install {' '.join(packages)}` (./scripts/rack does it for you)")


def require_free_port(port: int) -> None:
    """Raises LabError when the loopback port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LabError(f"port {port} on 127.0.0.1 is taken by another program: "
                           f"stop it (`ss -ltnp sport = :{port}` names it) or choose another with --port") from error


def run(*argv: str, check: bool = True, failed: str | None = None) -> str:
    """Run a program to its end and return what it printed, or `failed` where that is given and it failed.

    Raises:
        LabError: it failed, and neither `check` is off nor `failed` given; with its own words.
    """
    result = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                            env=os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{SEARCH_PATH}"})
    if result.returncode == 0:
        return result.stdout
    if failed is not None:
        return failed
    if check:
        raise LabError(f"`{' '.join(argv)}` failed: {(result.stderr or result.stdout).strip()}")
    return result.stdout


def find_kubectl() -> str:
    """Return a kubectl that speaks today's protocols: the machine's own if it is new enough, else the one installed
    beside this program."""
    own = shutil.which("kubectl", path=f"{os.environ.get('PATH', '')}:{SEARCH_PATH}")
    if own and _kubectl_minor(own) >= OLDEST_KUBECTL_MINOR:
        return own
    return str(program_directory() / "kubectl")


def _kubectl_minor(program: str) -> int:
    version = json.loads(run(program, "version", "--client", "-o", "json", failed="{}"))
    return int(str(version.get("clientVersion", {}).get("minor", "0")).rstrip("+") or 0)


def program_directory() -> Path:
    """Return where edge-server, edge-agent and edgectl of this installation are."""
    return Path(sys.executable).parent
