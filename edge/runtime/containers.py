"""What the agent observes of containers and images: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from edge.runtime.confinement import Confinement

STOP_SIGNAL = "STOPSIGNAL"
"""Stands for the signal the image asks for; SIGTERM where it does not."""


class State(Enum):
    """The life of a container as the agent needs it. Every engine state maps to one of these in one function."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a pod, as the engine shows it. Times are RFC 3339 UTC; "" where it has not happened."""

    id: str
    pod_uid: str
    name: str
    """Name of the container in the pod spec."""
    attempt: int
    """Counts restarts: 0 for the first container of that name."""
    spec_hash: str
    state: State
    image: str
    image_id: str
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    created_at: str = ""
    started_at: str = ""
    finished_at: str = ""
    pid: int = 0
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image in the node's storage."""

    id: str
    names: tuple[str, ...]
    size_bytes: int = 0
    architecture: str = ""
    digests: tuple[str, ...] = ()
    containers: int = 0
    """How many containers of the engine were made from it, those that have ended included."""
    user: str | None = None
    """What its configuration says; None while nobody has asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A bind mount into a container."""

    source: str
    destination: str
    read_only: bool = False
    propagation: str = "rprivate"


@dataclass(frozen=True, slots=True)
class Device:
    """A device node of the host, and where the container has it: to read, to write and to make anew."""

    source: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """Everything needed to create one container. CPU in milli-cores, memory in bytes; 0 means no limit."""

    pod_uid: str
    pod_name: str
    namespace: str
    name: str
    attempt: int
    spec_hash: str
    image: str
    image_id: str
    command: tuple[str, ...] = ()
    """Replaces the image's entrypoint when not empty."""
    args: tuple[str, ...] = ()
    """Replaces the image's command when not empty (or when `command` is given)."""
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    working_dir: str = ""
    hostname: str = ""
    netns_path: str = ""
    """Empty: the host's network."""
    mounts: tuple[Mount, ...] = ()
    log_path: str = ""
    cgroup_parent: str = ""
    cpu_request_milli: int = 0
    cpu_limit_milli: int = 0
    memory_limit_bytes: int = 0
    pids_limit: int = 0
    """0: the engine's own."""
    oom_score: int = 0
    """How ready the kernel is to kill its processes, -1000 to 1000."""
    oom_group: bool = False
    """Kill all its processes with one; of cgroup version 2 only."""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    user: str = ""
    """`uid`, `uid:gid`, or empty for the image's user."""
    supplemental_groups: tuple[int, ...] = ()
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    host_pid: bool = False
    host_ipc: bool = False
    pid_namespace: str = ""
    """Path of the process namespace to join; empty: one of its own."""
    ipc_namespace: str = ""
    """Likewise."""
    rootfs: str = ""
    """A directory of the host to run in, in place of an image."""
    sysctls: tuple[tuple[str, str], ...] = ()
    devices: tuple[Device, ...] = ()
    confinement: Confinement = Confinement()
    labels: dict[str, str] = field(default_factory=dict)
    """Further labels, which the engine keeps and lists."""
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command in a container printed (both streams, cut at 10 KiB) and how it ended."""

    exit_code: int
    output: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """For a registry."""

    username: str
    password: str = field(repr=False)


class RuntimeFailure(Exception):
    """The engine refused or broke. The text is for an Event; try again later."""


class EngineAway(RuntimeFailure):
    """The engine does not answer at all."""


class NoSuchContainer(RuntimeFailure):
    """The container is gone."""


class ImageNotFound(RuntimeFailure):
    """The registry has no such image, or does not show it."""


class RegistryDenied(ImageNotFound):
    """The registry wants other credentials."""


class RegistryUnavailable(RuntimeFailure):
    """The registry cannot be reached, or cannot answer now."""


class WrongArchitecture(RuntimeFailure):
    """The registry has the image, but not for this machine."""


class DiskFull(RuntimeFailure):
    """There is no room for an image."""


class ImageInUse(RuntimeFailure):
    """A container was made from the image."""


class InvalidImageName(RuntimeFailure):
    """The reference cannot be parsed."""


class ImagesUnreadable(RuntimeFailure):
    """The engine's list of images is broken, and no single image can be named as the reason."""
