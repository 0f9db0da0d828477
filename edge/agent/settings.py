"""What a person writes in the agent's configuration file; unknown keys are errors.

Only reading the file needs pydantic, so nothing else of the agent imports this module.
"""

from __future__ import annotations

import socket
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from edge.agent import eviction, machine, node_status
from edge.agent.devices import check_resource
from edge.agent.policy import RUNTIME_HANDLERS, dotted, is_namespaced
from edge.agent.taints import parse_taint
from edge.api import quantity
from edge.pki import serials


class DeviceSettings(BaseModel):
    """One resource of devices: `[devices."edge.pi/zigbee"]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    paths: tuple[str, ...] = Field(default=(), description="Patterns of the device nodes; those the agent knows for "
                                                           "its own resources by default.")
    share: int = Field(default=0, ge=0, le=110, description="Pods that may have one device side by side; 0 for one, "
                                                            "or what the agent's own resources have.")
    together: bool = Field(default=False, description="All nodes are one device.")
    enabled: bool = Field(default=True, description="Whether it is offered.")

    @field_validator("paths")
    @classmethod
    def _check_paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not path.startswith("/dev/") or ".." in path.split("/") or "**" in path:
                raise ValueError(f"{path!r} is not below /dev")
        return paths


class Settings(BaseModel):
    """`/etc/edge/agent.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    board_serial: str = Field(default_factory=machine.board_serial, pattern=r"^([a-z0-9][a-z0-9.:-]{0,63})?$",
                              description="Serial number of the board; as the firmware says by default, else made of "
                                          "the hardware address of its network port.")
    node_name: str = Field(default_factory=lambda data: serials.own_name(socket.gethostname(),
                                                                         data.get("board_serial", "")),
                           pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
                           description="Name of the node; the host name by default, with the end of the serial number "
                                       "where that is its image's.")
    node_address: str = Field(default="", description="Address of the node; that of `interface` by default.")
    interface: str = Field(default="", description="Interface of the rack's network; that of the default route by "
                                                   "default.")
    server: str = Field(default="", description="Address of the master; found in the network by default.")
    api_port: int = Field(default=6443, ge=1, le=65535, description="Port of the API server.")
    bus_port: int = Field(default=8883, ge=1, le=65535, description="Port of the bus.")
    listen_port: int = Field(default=10250, ge=1, le=65535, description="Port for logs, exec and port-forward.")
    bootstrap_token_file: Path | None = Field(default=Path("/etc/edge/bootstrap-token"),
                                              description="Holds the token the node joins with.")
    ca_cert_hash: str = Field(default="", pattern=r"^(sha256:[0-9a-f]{64})?$",
                              description="Hash of the cluster CA's public key, as `sha256:<hex>`.")
    ca_cert_hash_file: Path | None = Field(default=Path("/etc/edge/ca-cert-hash"),
                                           description="Holds that hash, where it is not written here.")
    announce: bool = Field(default=True, description="Announce the machine in its network while it cannot join.")
    data_dir: Path = Field(default=Path("/var/lib/edge/agent"), description="On the card: pods, identity, checkpoint.")
    run_dir: Path = Field(default=Path("/run/edge"), description="On a tmpfs: secrets of pods.")
    secrets_on_card: bool = Field(default=False, description="Keep the values of Secrets on the card, so that after a "
                                                              "power cut pods that need them start without the master.")
    log_dir: Path = Field(default=Path("/var/log/pods"),
                          description="Logs of containers; on a tmpfs the card never sees them.")
    log_max_bytes: int = Field(default=10 * 1024**2, ge=64 * 1024, description="Size at which a log gets a new file.")
    log_max_files: int = Field(default=3, ge=1, le=100, description="Files kept of each container's log.")
    logs_max_bytes: int = Field(default=200 * 1024**2, ge=1024**2,
                                description="Size of all logs of the node; over it the oldest files go first.")
    logs_memory_bytes: int = Field(default=40 * 1024**2, ge=0,
                                   description="Memory for the logs of containers that flood them; 0 for none.")
    volumes_dir: Path = Field(default=Path("/var/lib/edge/volumes"), description="Local volumes that the server "
                                                                                 "makes for claims.")
    removed_volumes_seconds: int = Field(default=86400, ge=0, description="Seconds a removed local volume is kept in "
                                                                          "`volumes_dir`/.removed.")
    podman_socket: Path = Field(default=Path("/run/podman/podman.sock"), description="Podman's REST socket.")
    storage_dir: Path = Field(default=Path("/var/lib/containers/storage"),
                              description="Podman's store; parts that a power cut has broken are moved aside there.")
    cgroup_parent: str = Field(default="", description="Control group above those of the pods; the topmost by default. "
                                                       "With systemd the name of a slice.")
    cgroups_per_qos: bool = Field(default=True, description="Give each pod a control group of its own.")
    pod_pids_limit: int = Field(default=0, ge=0, description="Processes a pod may have; 0: as many as the node.")
    max_pods: int = Field(default=110, ge=1, le=110, description="Pods the node takes.")
    reserved: dict[str, str] = Field(
        default_factory=dict, description="`cpu`, `memory` and `ephemeral-storage` kept for the system; by default by "
                                          "the size of the machine.")
    eviction_hard: dict[str, str] = Field(
        default_factory=lambda: dict(eviction.DEFAULT_HARD),
        description="What must be left, such as `memory.available = \"100Mi\"`, or pods are ended.")
    eviction_soft: dict[str, str] = Field(default_factory=dict, description="The same, with a grace period.")
    eviction_soft_grace_seconds: dict[str, float] = Field(
        default_factory=dict, description="How long a soft threshold may be met before pods are ended.")
    eviction_minimum_reclaim: dict[str, str] = Field(
        default_factory=dict, description="What must be free beyond a threshold that was met.")
    eviction_transition_seconds: float = Field(
        default=eviction.TRANSITION_SECONDS, ge=0, description="How long the node counts as short of something "
                                                               "after it was.")
    eviction_max_pod_grace_seconds: float = Field(
        default=0.0, ge=0, description="The most a pod gets to end for a soft threshold.")
    heartbeat_seconds: float = Field(default=5.0, ge=1, le=300, description="Seconds between two heartbeats.")
    cpu_milli: int = Field(default=0, ge=0, description="CPU of the node in milli-cores; 0 takes what it has.")
    memory_bytes: int = Field(default=0, ge=0, description="Memory of the node in bytes; 0 takes what it has.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels the node gives itself.")
    parallel_pulls: int = Field(default=3, ge=1, le=100, description="Images fetched at once; 1: one after the other.")
    image_gc_high_percent: int = Field(default=85, ge=1, le=100, description="How full the disk of the images may "
                                       "get before unused ones are removed; 100 never removes any.")
    image_gc_low_percent: int = Field(default=80, ge=0, le=99, description="How full it may be afterwards.")
    image_gc_min_age_seconds: float = Field(default=120.0, ge=0, description="How long an image is kept in any case.")
    pinned_images: tuple[str, ...] = Field(default=(), description="Names of images that are never removed to make "
                                           "room, as patterns such as `localhost/*`.")
    taints: tuple[str, ...] = Field(default=(), description="Taints the node registers with: `key=value:Effect`.")
    devices: dict[str, DeviceSettings] = Field(
        default_factory=dict, description="Devices that pods may ask for, by the name of the resource, beside those "
                                          "of the board; or how those of the board are offered.")
    static_pod_dir: Path | None = Field(default=Path("/etc/edge/manifests"),
                                        description="Manifests of pods that this node runs by itself.")
    seccomp_dir: Path | None = Field(default=None, description="Seccomp profiles of type Localhost are below it; "
                                                               "`seccomp` in `data_dir` by default.")
    seccomp_default: bool = Field(default=True, description="Whether containers that ask for no seccomp profile get "
                                                            "the default one; false gives them none, as Kubernetes "
                                                            "does.")
    runtime_handlers: tuple[str, ...] = Field(
        default=RUNTIME_HANDLERS, description="Handlers of RuntimeClasses that stand for Podman's runtime.")
    allowed_unsafe_sysctls: tuple[str, ...] = Field(
        default=(), description="Kernel settings pods may ask for beside the safe ones; `net.core.*` for all of them.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @model_validator(mode="after")
    def _check_image_gc(self) -> Settings:
        if self.image_gc_low_percent >= self.image_gc_high_percent:
            raise ValueError(f"image_gc_low_percent ({self.image_gc_low_percent}) must be below image_gc_high_percent "
                             f"({self.image_gc_high_percent})")
        return self

    @field_validator("taints")
    @classmethod
    def _check_taints(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            parse_taint(text)
        return texts

    @field_validator("allowed_unsafe_sysctls")
    @classmethod
    def _check_sysctls(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not is_namespaced(dotted(pattern.removesuffix("*"))):
                raise ValueError(f"the sysctl {pattern!r} is not known to be namespaced")
        return patterns

    @field_validator("devices")
    @classmethod
    def _check_devices(cls, given: dict[str, DeviceSettings]) -> dict[str, DeviceSettings]:
        for name, one in given.items():
            check_resource(name, has_paths=bool(one.paths) or not one.enabled)
        return given

    @field_validator("reserved")
    @classmethod
    def _check_reserved(cls, amounts: dict[str, str]) -> dict[str, str]:
        for name, amount in amounts.items():
            if name not in node_status.RESERVABLE:
                raise ValueError(f"{name} cannot be reserved: want one of {', '.join(node_status.RESERVABLE)}")
            if quantity.parse(amount) < 0:
                raise ValueError(f"{name}: {amount} is less than nothing")
        return amounts

    @model_validator(mode="after")
    def _check_eviction(self) -> Settings:
        eviction.rules(self.eviction_hard, self.eviction_soft, self.eviction_soft_grace_seconds,
                       self.eviction_minimum_reclaim)
        return self
