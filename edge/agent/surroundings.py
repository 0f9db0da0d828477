"""What a pod may learn of the node it runs on: a plain value that the loop gathers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from edge.agent.cgroups import Tree
from edge.agent.policy import Policy
from edge.api import topology

IN_MEMORY = ".memory"
"""Ends the name of a directory for logs in memory; no container's name has a dot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The node as its pods see it."""

    node_name: str
    node_address: str = ""
    architecture: str = ""
    """As images call it, such as arm64; empty while it is not known."""
    data_dir: str = "/var/lib/edge/agent"
    """Pod directories are below `pods/<uid>`."""
    run_dir: str = "/run/edge"
    """On a tmpfs: secrets are below `pods/<uid>` and never reach the card."""
    log_dir: str = "/var/log/pods"
    cgroup_parent: str = ""
    pods_have_groups: bool = False
    """Whether each pod gets a control group of its own."""
    cgroup_tree: Tree | None = None
    """Where these are; None while the engine has not said how it keeps groups."""
    pod_pids_limit: int = 0
    least_oom_score: int = -1000
    """Lower ones this program may not give."""
    cluster: topology.Cluster = field(default_factory=topology.Cluster)
    services: Mapping[str, topology.Service] = field(default_factory=dict)
    host_resolv_conf: str = ""
    host_hosts: str = ""
    ca_pem: str = ""
    cpu_milli: int = 0
    """Allocatable; what resourceFieldRef gives where a container has no limit."""
    memory_bytes: int = 0
    memory_capacity_bytes: int = 0
    policy: Policy = field(default_factory=Policy)
    storage_bytes: int = 0

    def pod_dir(self, uid: str) -> str:
        return str(PurePosixPath(self.data_dir, "pods", uid))

    def secret_dir(self, uid: str) -> str:
        return str(PurePosixPath(self.run_dir, "pods", uid))

    def pod_log_dir(self, namespace: str, name: str, uid: str) -> str:
        return str(PurePosixPath(self.log_dir, f"{namespace}_{name}_{uid}"))

    @property
    def log_links(self) -> str:
        """Holds `<uid>/<container>`, links to where each log is written: `edge/agent/log_files.py`."""
        return str(PurePosixPath(self.run_dir, "logs"))

    def log_directories(self, namespace: str, name: str, uid: str, container: str) -> tuple[str, str]:
        """Return where the logs of a container may be: on the card, and in memory."""
        return (f"{self.pod_log_dir(namespace, name, uid)}/{container}",
                f"{self.log_links}/{uid}/{container}{IN_MEMORY}")
