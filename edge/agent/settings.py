"""What a person writes in the agent's configuration file; unknown keys are errors.

Only reading the file needs pydantic, so nothing else of the agent imports this module.
"""

from __future__ import annotations

import socket
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from edge.agent.taints import parse_taint


class Settings(BaseModel):
    """`/etc/edge/agent.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    node_name: str = Field(default_factory=lambda: socket.gethostname().lower(),
                           pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
                           description="Name of the node; the host name by default.")
    node_address: str = Field(default="", description="Address of the node; that of `interface` by default.")
    interface: str = Field(default="", description="Interface of the rack's network; that of the default route by "
                                                   "default.")
    server: str = Field(default="", description="Address of the master; found in the network by default.")
    api_port: int = Field(default=6443, ge=1, le=65535, description="Port of the API server.")
    bus_port: int = Field(default=8883, ge=1, le=65535, description="Port of the bus.")
    listen_port: int = Field(default=10250, ge=1, le=65535, description="Port for logs, exec and port-forward.")
    bootstrap_token_file: Path | None = Field(default=None, description="Holds the token the node joins with.")
    ca_cert_hash: str = Field(default="", pattern=r"^(sha256:[0-9a-f]{64})?$",
                              description="Hash of the cluster CA's public key, as `sha256:<hex>`.")
    ca_cert_hash_file: Path | None = Field(default=None, description="Holds that hash, where it is not written here.")
    data_dir: Path = Field(default=Path("/var/lib/edge/agent"), description="On the card: pods, identity, checkpoint.")
    run_dir: Path = Field(default=Path("/run/edge"), description="On a tmpfs: secrets of pods.")
    log_dir: Path = Field(default=Path("/var/log/pods"), description="Logs of containers.")
    podman_socket: Path = Field(default=Path("/run/podman/podman.sock"), description="Podman's REST socket.")
    cgroup_parent: str = Field(default="", description="Control group of all containers; Podman's choice by default.")
    heartbeat_seconds: float = Field(default=5.0, ge=1, le=300, description="Seconds between two heartbeats.")
    cpu_milli: int = Field(default=0, ge=0, description="CPU of the node in milli-cores; 0 takes what it has.")
    memory_bytes: int = Field(default=0, ge=0, description="Memory of the node in bytes; 0 takes what it has.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels the node gives itself.")
    taints: tuple[str, ...] = Field(default=(), description="Taints the node registers with: `key=value:Effect`.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @field_validator("taints")
    @classmethod
    def _check_taints(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            parse_taint(text)
        return texts
