"""What a pod may learn of the node it runs on: a plain value that the loop gathers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from edge.api import topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The node as its pods see it."""

    node_name: str
    node_address: str = ""
    data_dir: str = "/var/lib/edge/agent"
    """Pod directories are below `pods/<uid>`."""
    run_dir: str = "/run/edge"
    """On a tmpfs: secrets are below `pods/<uid>` and never reach the card."""
    log_dir: str = "/var/log/pods"
    cgroup_parent: str = ""
    cluster: topology.Cluster = field(default_factory=topology.Cluster)
    services: Mapping[str, topology.Service] = field(default_factory=dict)
    host_resolv_conf: str = ""
    ca_pem: str = ""
    cpu_milli: int = 0
    """Allocatable; what resourceFieldRef gives where a container has no limit."""
    memory_bytes: int = 0

    def pod_dir(self, uid: str) -> str:
        return str(PurePosixPath(self.data_dir, "pods", uid))

    def secret_dir(self, uid: str) -> str:
        return str(PurePosixPath(self.run_dir, "pods", uid))

    def pod_log_dir(self, namespace: str, name: str, uid: str) -> str:
        return str(PurePosixPath(self.log_dir, f"{namespace}_{name}_{uid}"))
