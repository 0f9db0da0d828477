"""The storage.k8s.io group: classes of storage, the drivers behind them, and what is attached where."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.persistent_volumes import PersistentVolumeSpec, TopologySelectorTerm
from edge.api.resource import Resource


class StorageClass(meta.Object):
    """A kind of storage, and who makes volumes of it."""

    provisioner: Annotated[str, doc("Who makes the volumes; cannot change.", required=True)] = ""
    parameters: Annotated[dict[str, str], doc("Settings for the provisioner; cannot change.")] = {}
    reclaim_policy: Annotated[str, doc(
        "What becomes of a volume without its claim: Delete (default) or Retain. Cannot change.")] = ""
    mount_options: Annotated[tuple[str, ...], doc(
        "Options of the volumes' mounts, such as ro; not checked.", list_type="atomic")] = ()
    allow_volume_expansion: Annotated[bool | None, doc("True lets claims ask for more later.")] = None
    volume_binding_mode: Annotated[str, doc(
        "Immediate (default), or WaitForFirstConsumer which waits for a pod. Cannot change.")] = ""
    allowed_topologies: Annotated[tuple[TopologySelectorTerm, ...], doc(
        "Where volumes may be made; anywhere when empty.", list_type="atomic")] = ()


class VolumeAttachmentSource(meta.Struct):
    """The volume to attach; exactly one field is set."""

    persistent_volume_name: Annotated[str | None, doc("Name of the PersistentVolume.")] = None
    inline_volume_spec: Annotated[PersistentVolumeSpec | None, doc(
        "A volume that a pod names itself, as a PersistentVolume would say it.")] = None


class VolumeAttachmentSpec(meta.Struct):
    """What is to be attached where; cannot change."""

    attacher: Annotated[str, doc("Driver that attaches it.", required=True)] = ""
    source: Annotated[VolumeAttachmentSource, doc(
        "The volume to attach.", required=True)] = VolumeAttachmentSource()
    node_name: Annotated[str, doc("Node to attach it to.", required=True)] = ""


class VolumeError(meta.Struct):
    """What went wrong with a volume."""

    time: Annotated[meta.Time | None, doc("When it happened.")] = None
    message: Annotated[str, doc("What happened, without secrets.")] = ""
    error_code: Annotated[int | None, doc("The driver's gRPC status code.")] = None


class VolumeAttachmentStatus(meta.Struct):
    """Whether it is attached."""

    attached: Annotated[bool, doc("True when it is attached.", required=True)] = meta.written(bool)
    attachment_metadata: Annotated[dict[str, str], doc("What mounting needs to know of it.")] = {}
    attach_error: Annotated[VolumeError | None, doc("Why it could not be attached.")] = None
    detach_error: Annotated[VolumeError | None, doc("Why it could not be detached.")] = None


class VolumeAttachment(meta.Object):
    """Asks for a volume to be attached to a node."""

    spec: Annotated[VolumeAttachmentSpec, doc(
        "What is to be attached where.", required=True)] = VolumeAttachmentSpec()
    status: Annotated[VolumeAttachmentStatus, doc(
        "Whether it is attached.")] = meta.written(VolumeAttachmentStatus)


class VolumeNodeResources(meta.Struct):
    """How many volumes a node can take."""

    count: Annotated[int | None, doc("Number of volumes; no limit when absent.")] = None


class CSINodeDriver(meta.Struct):
    """A driver on a node."""

    name: Annotated[str, doc("Name of the driver.", required=True)] = ""
    node_id: Annotated[str, doc("Name the driver knows the node by.", required=True)] = ""
    topology_keys: Annotated[tuple[str, ...], doc(
        "Labels of the node that say where its volumes are.", list_type="atomic")] = ()
    allocatable: Annotated[VolumeNodeResources | None, doc("How many of its volumes the node can take.")] = None


class CSINodeSpec(meta.Struct):
    """What runs on the node."""

    drivers: Annotated[tuple[CSINodeDriver, ...], doc(
        "The drivers; an entry cannot change.", merge_key="name", list_type="map", list_map_keys=("name",),
        required=True)] = meta.written(tuple)


class CSINode(meta.Object):
    """The drivers of a node; it has the node's name."""

    spec: Annotated[CSINodeSpec, doc("What runs on the node.", required=True)] = CSINodeSpec()


class TokenRequest(meta.Struct):
    """A token a driver gets of the pod's service account."""

    audience: Annotated[str, doc("Who the token is meant for; the API server when empty.", required=True)] = ""
    expiration_seconds: Annotated[int | None, doc("Seconds the token is valid, at least 600.")] = None


class CSIDriverSpec(meta.Struct):
    """How a driver wants to be treated."""

    attach_required: Annotated[bool | None, doc(
        "True (default) waits for a VolumeAttachment before mounting. Cannot change.")] = None
    pod_info_on_mount: Annotated[bool | None, doc("True tells the driver about the pod; false by default.")] = None
    volume_lifecycle_modes: Annotated[tuple[str, ...], doc(
        "Persistent (default), Ephemeral or both. Cannot change.", list_type="set")] = ()
    storage_capacity: Annotated[bool | None, doc(
        "True heeds the driver's CSIStorageCapacity objects; false by default.")] = None
    fs_group_policy: Annotated[str, doc(
        "Whether a pod's fsGroup is applied: ReadWriteOnceWithFSType (default), File or None.")] = ""
    token_requests: Annotated[tuple[TokenRequest, ...], doc(
        "Tokens of the pod's service account the driver gets.", list_type="atomic")] = ()
    requires_republish: Annotated[bool | None, doc(
        "True calls the driver again from time to time; false by default.")] = None
    se_linux_mount: Annotated[bool | None, doc(
        "True lets volumes be mounted with a security label; false by default.")] = None


class CSIDriver(meta.Object):
    """A driver of the cluster; it has the driver's name."""

    spec: Annotated[CSIDriverSpec, doc("How the driver wants to be treated.", required=True)] = CSIDriverSpec()


class CSIStorageCapacity(meta.Object):
    """How much room there is for volumes of a class in one part of the cluster."""

    node_topology: Annotated[meta.LabelSelector | None, doc(
        "Nodes that reach the storage; none when absent, all when empty. Cannot change.")] = None
    storage_class_name: Annotated[str, doc("Class of the storage; cannot change.", required=True)] = ""
    capacity: Annotated[meta.Quantity | None, doc("Room that is left; unknown when absent.")] = None
    maximum_volume_size: Annotated[meta.Quantity | None, doc("Largest volume that can be made.")] = None


_GROUP, _OLD = "storage.k8s.io", ("storage.k8s.io/v1beta1",)

RESOURCES = (
    Resource(group=_GROUP, version="v1", kind="CSIDriver", plural="csidrivers", type=CSIDriver, namespaced=False,
             old_versions=_OLD, returns_deleted=True),
    Resource(group=_GROUP, version="v1", kind="CSINode", plural="csinodes", type=CSINode, namespaced=False,
             old_versions=_OLD, returns_deleted=True),
    Resource(group=_GROUP, version="v1", kind="CSIStorageCapacity", plural="csistoragecapacities",
             type=CSIStorageCapacity, old_versions=_OLD),
    Resource(group=_GROUP, version="v1", kind="StorageClass", plural="storageclasses", type=StorageClass,
             namespaced=False, short_names=("sc",), old_versions=_OLD, returns_deleted=True),
    Resource(group=_GROUP, version="v1", kind="VolumeAttachment", plural="volumeattachments", type=VolumeAttachment,
             namespaced=False, subresources=("status",), old_versions=_OLD, returns_deleted=True),
)
