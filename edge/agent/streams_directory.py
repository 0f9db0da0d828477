"""The little the streams server must know of the agent's pods."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from edge.api import core


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """The newest attempt of one container of a pod that was started."""

    id: str = ""
    """The engine's id; "" while there is none."""
    attempt: int = 0
    running: bool = False
    tty: bool = False
    backing_off: bool = False
    """The attempt has ended and another one will follow: then it is already the previous one."""
    waiting: str = ""
    """Why it waits, as its status says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """One pod on this node."""

    namespace: str
    name: str
    uid: str
    address: str = ""
    """The pod's IP, the node's for a pod in the host's network; "" before it has one."""
    netns_path: str = ""
    """The pod's network namespace; "" in the host's network."""
    log_dir: str = ""
    """Holds `<container>/<attempt>.log`."""
    log_memory_dir: str = ""
    """Holds `<container>.memory`, where a container that floods its log writes instead."""
    containers: dict[str, ContainerView] = field(default_factory=dict)
    """By the names in the pod spec, init and ephemeral ones included; one that never started has no id."""


class PodDirectory(Protocol):
    """A read-only view of the agent's state, always the newest."""

    def find(self, namespace: str, name: str) -> PodView | None: ...

    def views(self) -> tuple[PodView, ...]: ...

    def manifests(self) -> tuple[core.Pod, ...]:
        """Return all pods with the status they were reported with."""
        ...
