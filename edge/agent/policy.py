"""What this node lets its pods do, as its settings and its kernel say."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMESPACES = (("kernel.shm", "IPC"), ("kernel.msg", "IPC"), ("kernel.sem", "IPC"), ("fs.mqueue.", "IPC"),
               ("net.", "Net"))
RUNTIME_HANDLERS = ("crun", "runc")
SECCOMP_DIR = "/var/lib/edge/agent/seccomp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The node's word on security; what a pod asks for is judged by it."""

    seccomp_dir: str = SECCOMP_DIR
    """Profiles of type Localhost are below it."""
    seccomp_default: bool = True
    """Whether a container that asks for no profile gets the engine's default one instead of none."""
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    """Names, and beginnings of names followed by `*`."""
    runtime_handlers: tuple[str, ...] = RUNTIME_HANDLERS
    """Handlers of RuntimeClasses that stand for the engine's own runtime; it has no other."""
    app_armor: bool = False
    """Whether the kernel enforces AppArmor."""
    user_namespaces: bool = True
    """Whether the kernel can give a pod user ids of its own and show it its volumes."""


def maps_volumes(kernel: str) -> bool:
    """Return whether a kernel, such as `6.12.1-rpi`, maps the owners of files also in memory: since Linux 6.3."""
    found = re.match(r"(\d+)\.(\d+)", kernel)
    return found is None or (int(found[1]), int(found[2])) >= (6, 3)


def dotted(name: str) -> str:
    """Return a sysctl's name with dots between its parts; with slashes, dots are parts of names."""
    first = next((letter for letter in name if letter in "./"), ".")
    return name if first == "." else name.translate(str.maketrans("./", "/."))


def is_namespaced(sysctl: str) -> bool:
    """Return whether a sysctl (or the beginning of a name) is known to belong to one pod alone."""
    return namespace_of(sysctl) != ""


def namespace_of(sysctl: str) -> str:
    """Return the namespace a sysctl belongs to, IPC or Net; empty when it is the whole node's."""
    return next((namespace for prefix, namespace in _NAMESPACES if sysctl.startswith(prefix)), "")
