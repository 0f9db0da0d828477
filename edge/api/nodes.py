"""Namespaces and nodes: the rooms that names live in, and the machines of the rack."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class NamespaceSpec(meta.Struct):
    """What guards a namespace's deletion."""

    finalizers: Annotated[tuple[str, ...], doc(
        "The namespace is not removed while one is left; kubernetes by default.", list_type="atomic")] = ()


class NamespaceStatus(meta.Struct):
    """How the namespace is."""

    phase: Annotated[str, doc("Active, or Terminating while its content is deleted.")] = ""
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "Why a deletion does not end.", merge_key="type", list_type="map", list_map_keys=("type",))] = ()


class Namespace(meta.Object):
    """A room in which names are unique."""

    spec: Annotated[NamespaceSpec, doc("What guards the deletion.")] = NamespaceSpec()
    status: Annotated[NamespaceStatus, doc("How the namespace is.")] = NamespaceStatus()


class Taint(meta.Struct):
    """Keeps pods that do not tolerate it off a node."""

    key: Annotated[str, doc("Name of the taint, as a label's name.", required=True)] = ""
    value: Annotated[str, doc("Value of the taint.")] = ""
    effect: Annotated[str, doc(
        "NoSchedule, PreferNoSchedule, or NoExecute which also evicts running pods.", required=True)] = ""
    time_added: Annotated[meta.Time | None, doc("When a NoExecute taint was set.")] = None


class ConfigMapNodeConfigSource(meta.Struct):
    """Names the entry of a ConfigMap an agent's settings came from; kept from old objects."""

    namespace: Annotated[str, doc("Namespace of the ConfigMap.", required=True)] = ""
    name: Annotated[str, doc("Name of the ConfigMap.", required=True)] = ""
    uid: Annotated[str, doc("Uid of the ConfigMap.")] = ""
    resource_version: Annotated[str, doc("Revision of the ConfigMap.")] = ""
    kubelet_config_key: Annotated[str, doc("Key of the entry.", required=True)] = ""


class NodeConfigSource(meta.Struct):
    """Where an agent's settings come from; no longer used, kept from old objects."""

    config_map: Annotated[ConfigMapNodeConfigSource | None, doc("The ConfigMap.")] = None


class NodeConfigStatus(meta.Struct):
    """Which settings an agent has; no longer used, kept from old objects."""

    assigned: Annotated[NodeConfigSource | None, doc("Settings it was given.")] = None
    active: Annotated[NodeConfigSource | None, doc("Settings it uses.")] = None
    last_known_good: Annotated[NodeConfigSource | None, doc("Settings it falls back to.")] = None
    error: Annotated[str, doc("Why the given settings are not used.")] = ""


class NodeSpec(meta.Struct):
    """How the node is to be used."""

    pod_cidr: Annotated[str, doc("Range the node's pods get their addresses from, such as 10.244.1.0/24.")] = ""
    pod_cidrs: Annotated[tuple[str, ...], doc(
        "The ranges of each address family.", patch_strategy="merge", list_type="set")] = ()
    provider_id: Annotated[str, doc("Identity of the machine; the board's serial number here.")] = ""
    unschedulable: Annotated[bool, doc("True places no new pods on the node (cordon).")] = False
    taints: Annotated[tuple[Taint, ...], doc("Taints of the node.", list_type="atomic")] = ()
    config_source: Annotated[NodeConfigSource | None, doc("No longer used; kept from old objects.")] = None
    external_id: Annotated[str, doc("No longer used; kept from old objects.")] = ""


class NodeAddress(meta.Struct):
    """An address of a node."""

    type: Annotated[str, doc("InternalIP, ExternalIP, Hostname, InternalDNS or ExternalDNS.", required=True)] = ""
    address: Annotated[str, doc("The address or name.", required=True)] = ""


class DaemonEndpoint(meta.Struct):
    """Port of a program on the node."""

    port: Annotated[int, doc("Port number.", required=True)] = msgspec.field(default_factory=int, name="Port")


class NodeDaemonEndpoints(meta.Struct):
    """Ports of the programs on the node."""

    kubelet_endpoint: Annotated[DaemonEndpoint | None, doc("Port of the agent, for logs and exec.")] = None


class NodeSystemInfo(meta.Struct):
    """What the machine is and runs."""

    machine_id: Annotated[str, doc("Identity from /etc/machine-id.", required=True)] = meta.written(str)
    system_uuid: Annotated[str, doc(
        "Identity of the hardware; the board's serial number on a Raspberry Pi.", required=True)] = meta.written(str)
    boot_id: Annotated[str, doc("Identity of the current boot.", required=True)] = meta.written(str)
    kernel_version: Annotated[str, doc("Release of the kernel, as uname -r.", required=True)] = meta.written(str)
    os_image: Annotated[str, doc("Name and version of the operating system.", required=True)] = meta.written(str)
    container_runtime_version: Annotated[str, doc(
        "Runtime and version, such as podman://4.3.1.", required=True)] = meta.written(str)
    kubelet_version: Annotated[str, doc("Kubernetes version the agent behaves as.", required=True)] = meta.written(str)
    kube_proxy_version: Annotated[str, doc(
        "Version of the service proxy; the agent's.", required=True)] = meta.written(str)
    operating_system: Annotated[str, doc("linux.", required=True)] = meta.written(str)
    architecture: Annotated[str, doc("Processor architecture: arm64, arm or amd64.", required=True)] = meta.written(str)


class ContainerImage(meta.Struct):
    """An image on the node."""

    names: Annotated[tuple[str, ...], doc("Names of the image, with tag and with digest.", list_type="atomic")] = ()
    size_bytes: Annotated[int, doc("Size in bytes.")] = 0


class AttachedVolume(meta.Struct):
    """A volume attached to the node."""

    name: Annotated[str, doc("Name of the volume.", required=True)] = ""
    device_path: Annotated[str, doc("Device it appears as.", required=True)] = meta.written(str)


class NodeRuntimeHandlerFeatures(meta.Struct):
    """What a runtime can do."""

    recursive_read_only_mounts: Annotated[bool | None, doc("True when mounts below can be made read-only.")] = None
    user_namespaces: Annotated[bool | None, doc("True when pods can have user namespaces.")] = None


class NodeRuntimeHandler(meta.Struct):
    """A runtime of the node."""

    name: Annotated[str, doc("Name of the runtime; empty for the default one.")] = ""
    features: Annotated[NodeRuntimeHandlerFeatures | None, doc("What it can do.")] = None


class NodeFeatures(meta.Struct):
    """What the node can do."""

    supplemental_groups_policy: Annotated[bool | None, doc("True when supplementalGroupsPolicy is honored.")] = None


class NodeStatus(meta.Struct):
    """How the node is; reported by its agent."""

    capacity: Annotated[dict[str, meta.Quantity], doc("All the node has: cpu, memory, pods, ephemeral-storage.")] = {}
    allocatable: Annotated[dict[str, meta.Quantity], doc("What of it pods may use.")] = {}
    phase: Annotated[str, doc("No longer used.")] = ""
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "Ready, MemoryPressure, DiskPressure, PIDPressure, NetworkUnavailable and others.",
        merge_key="type", list_type="map", list_map_keys=("type",))] = ()
    addresses: Annotated[tuple[NodeAddress, ...], doc(
        "Addresses and names of the node.", merge_key="type", list_type="map", list_map_keys=("type",))] = ()
    daemon_endpoints: Annotated[NodeDaemonEndpoints | None, doc("Ports of the agent.")] = None
    node_info: Annotated[NodeSystemInfo, doc("What the machine is and runs.")] = NodeSystemInfo()
    images: Annotated[tuple[ContainerImage, ...], doc("Images on the node.", list_type="atomic")] = ()
    volumes_in_use: Annotated[tuple[str, ...], doc("Volumes that are mounted.", list_type="atomic")] = ()
    volumes_attached: Annotated[tuple[AttachedVolume, ...], doc("Volumes that are attached.", list_type="atomic")] = ()
    config: Annotated[NodeConfigStatus | None, doc("No longer used; kept from old objects.")] = None
    runtime_handlers: Annotated[tuple[NodeRuntimeHandler, ...], doc("Runtimes of the node.", list_type="atomic")] = ()
    features: Annotated[NodeFeatures | None, doc("What the node can do.")] = None


class Node(meta.Object):
    """A machine that runs pods."""

    spec: Annotated[NodeSpec, doc("How the node is to be used.")] = NodeSpec()
    status: Annotated[NodeStatus, doc("How the node is.")] = NodeStatus()


RESOURCES = (
    Resource(group="", version="v1", kind="Namespace", plural="namespaces", type=Namespace, namespaced=False,
             short_names=("ns",), subresources=("finalize", "status"),
             verbs=("create", "delete", "get", "list", "patch", "update", "watch")),
    Resource(group="", version="v1", kind="Node", plural="nodes", type=Node, namespaced=False, short_names=("no",),
             subresources=("proxy", "status")),
)
