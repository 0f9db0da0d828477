"""PersistentVolumes and PersistentVolumeClaims: storage that outlives pods, and how it is asked for."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge.api import meta, pods, volumes
from edge.api import persistent_volume_sources as sources
from edge.api.meta import doc
from edge.api.resource import Resource

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
"""Named the class before there was `storageClassName`; where it is there, it wins."""


class VolumeNodeAffinity(meta.Struct):
    """Which nodes can reach the volume."""

    required: Annotated[pods.NodeSelector | None, doc("Terms of which a node must match one.")] = None


class PersistentVolumeSpec(meta.Struct):
    """What the volume is; exactly one source is set, and it cannot change."""

    capacity: Annotated[dict[str, meta.Quantity], doc('How much it holds, such as storage "5Gi".')] = {}
    gce_persistent_disk: Annotated[sources.GCEPersistentDiskVolumeSource | None, doc(
        "A disk of Google's cloud.")] = None
    aws_elastic_block_store: Annotated[sources.AWSElasticBlockStoreVolumeSource | None, doc(
        "A disk of Amazon's cloud.")] = None
    host_path: Annotated[volumes.HostPathVolumeSource | None, doc(
        "A path of the node the pod is on; for tests on one node.")] = None
    glusterfs: Annotated[sources.GlusterfsPersistentVolumeSource | None, doc("A Gluster volume.")] = None
    nfs: Annotated[volumes.NFSVolumeSource | None, doc("A directory of an NFS server.")] = None
    rbd: Annotated[sources.RBDPersistentVolumeSource | None, doc("A Ceph block device.")] = None
    iscsi: Annotated[sources.ISCSIPersistentVolumeSource | None, doc("A disk of an iSCSI target.")] = None
    cinder: Annotated[sources.CinderPersistentVolumeSource | None, doc("A disk of an OpenStack cloud.")] = None
    cephfs: Annotated[sources.CephFSPersistentVolumeSource | None, doc("A directory of a Ceph file system.")] = None
    fc: Annotated[sources.FCVolumeSource | None, doc("A disk on Fibre Channel.")] = None
    flocker: Annotated[sources.FlockerVolumeSource | None, doc("A data set of Flocker.")] = None
    flex_volume: Annotated[sources.FlexPersistentVolumeSource | None, doc(
        "A volume made by a program on the node.")] = None
    azure_file: Annotated[sources.AzureFilePersistentVolumeSource | None, doc(
        "A file share of Microsoft's cloud.")] = None
    vsphere_volume: Annotated[sources.VsphereVirtualDiskVolumeSource | None, doc("A disk of vSphere.")] = None
    quobyte: Annotated[sources.QuobyteVolumeSource | None, doc("A Quobyte volume.")] = None
    azure_disk: Annotated[sources.AzureDiskVolumeSource | None, doc("A disk of Microsoft's cloud.")] = None
    photon_persistent_disk: Annotated[sources.PhotonPersistentDiskVolumeSource | None, doc(
        "A disk of a Photon controller.")] = None
    portworx_volume: Annotated[sources.PortworxVolumeSource | None, doc("A Portworx volume.")] = None
    scale_io: Annotated[sources.ScaleIOPersistentVolumeSource | None, doc("A ScaleIO volume.")] = msgspec.field(
        default=None, name="scaleIO")
    local: Annotated[sources.LocalVolumeSource | None, doc("A disk or directory of one node.")] = None
    storageos: Annotated[sources.StorageOSPersistentVolumeSource | None, doc("A StorageOS volume.")] = None
    csi: Annotated[sources.CSIPersistentVolumeSource | None, doc("A volume of a CSI driver.")] = None
    access_modes: Annotated[tuple[str, ...], doc(
        "Ways it can be mounted: ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod.",
        list_type="atomic")] = ()
    claim_ref: Annotated[meta.ObjectReference | None, doc(
        "Claim it is bound to, or kept for.")] = None
    persistent_volume_reclaim_policy: Annotated[str, doc(
        "What becomes of it without its claim: Retain (default), Delete or Recycle.")] = ""
    storage_class_name: Annotated[str, doc("Class it belongs to; empty for none.")] = ""
    mount_options: Annotated[tuple[str, ...], doc(
        "Options of the mount, such as ro; not checked.", list_type="atomic")] = ()
    volume_mode: Annotated[str, doc("Filesystem (default) or Block.")] = ""
    node_affinity: Annotated[VolumeNodeAffinity | None, doc(
        "Nodes that can reach it; all when absent.")] = None
    volume_attributes_class_name: Annotated[str | None, doc(
        "Class of attributes the driver set on it.")] = None


class PersistentVolumeStatus(meta.Struct):
    """How the volume is."""

    phase: Annotated[str, doc("Pending, Available, Bound, Released or Failed.")] = ""
    message: Annotated[str, doc("A sentence for people.")] = ""
    reason: Annotated[str, doc("One word that says why.")] = ""
    last_phase_transition_time: Annotated[meta.Time | None, doc("When the phase last changed.")] = None


class PersistentVolume(meta.Object):
    """Storage that outlives pods."""

    spec: Annotated[PersistentVolumeSpec, doc("What the volume is.")] = PersistentVolumeSpec()
    status: Annotated[PersistentVolumeStatus, doc("How the volume is.")] = PersistentVolumeStatus()


class ModifyVolumeStatus(meta.Struct):
    """How a change of the attributes stands."""

    target_volume_attributes_class_name: Annotated[str, doc("Class of attributes that is being set.")] = ""
    status: Annotated[str, doc("Pending, InProgress or Infeasible.", required=True)] = ""


class PersistentVolumeClaimStatus(meta.Struct):
    """What the claim got."""

    phase: Annotated[str, doc("Pending, Bound or Lost.")] = ""
    access_modes: Annotated[tuple[str, ...], doc("Ways the bound volume can be mounted.", list_type="atomic")] = ()
    capacity: Annotated[dict[str, meta.Quantity], doc("How much the bound volume holds.")] = {}
    conditions: Annotated[tuple[meta.Condition, ...], doc(
        "Resizing, FileSystemResizePending and others.", merge_key="type", list_type="map",
        list_map_keys=("type",))] = ()
    allocated_resources: Annotated[dict[str, meta.Quantity], doc("Amount that is being made ready.")] = {}
    allocated_resource_statuses: Annotated[dict[str, str], doc(
        "How far that is, such as NodeResizeInProgress.")] = {}
    current_volume_attributes_class_name: Annotated[str | None, doc("Class of attributes that is set.")] = None
    modify_volume_status: Annotated[ModifyVolumeStatus | None, doc("How a change of the attributes stands.")] = None


class PersistentVolumeClaim(meta.Object):
    """Asks for storage, and names it for pods."""

    spec: Annotated[volumes.PersistentVolumeClaimSpec, doc(
        "What is asked for.")] = volumes.PersistentVolumeClaimSpec()
    status: Annotated[PersistentVolumeClaimStatus, doc("What the claim got.")] = PersistentVolumeClaimStatus()


class TopologySelectorLabelRequirement(meta.Struct):
    """Values one label may have."""

    key: Annotated[str, doc("Name of the label.", required=True)] = ""
    values: Annotated[tuple[str, ...], doc("Values; one must match.", list_type="atomic", required=True)] = ()


class TopologySelectorTerm(meta.Struct):
    """A part of the cluster, by labels of its nodes."""

    match_label_expressions: Annotated[tuple[TopologySelectorLabelRequirement, ...], doc(
        "Conditions that hold together.", list_type="atomic")] = ()


RESOURCES = (
    Resource(group="", version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims",
             type=PersistentVolumeClaim, short_names=("pvc",), subresources=("status",), returns_deleted=True),
    Resource(group="", version="v1", kind="PersistentVolume", plural="persistentvolumes", type=PersistentVolume,
             namespaced=False, short_names=("pv",), subresources=("status",), returns_deleted=True),
)
