"""Volumes: where the files that a pod mounts come from."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge.api import containers, meta, volume_vendors
from edge.api import persistent_volume_sources as sources
from edge.api.meta import doc


class KeyToPath(meta.Struct):
    """Puts one entry of a ConfigMap or Secret into a file."""

    key: Annotated[str, doc("Key of the entry.", required=True)] = ""
    path: Annotated[str, doc("Relative path of the file; no .. in it.", required=True)] = ""
    mode: Annotated[int | None, doc("Permission bits, 0 to 0777; the volume's defaultMode when absent.")] = None


class ConfigMapVolumeSource(meta.Struct):
    """Entries of a ConfigMap as files, kept up to date."""

    name: Annotated[str, doc("Name of the ConfigMap in the pod's namespace.")] = ""
    items: Annotated[tuple[KeyToPath, ...], doc(
        "Entries to show and where; every entry under its key when empty.", list_type="atomic")] = ()
    default_mode: Annotated[int | None, doc("Permission bits of the files; 0644 (420) by default.")] = None
    optional: Annotated[bool | None, doc(
        "True lets the pod start although the ConfigMap or a listed key is missing.")] = None


class SecretVolumeSource(meta.Struct):
    """Entries of a Secret as files in memory, kept up to date."""

    secret_name: Annotated[str, doc("Name of the Secret in the pod's namespace.")] = ""
    items: Annotated[tuple[KeyToPath, ...], doc(
        "Entries to show and where; every entry under its key when empty.", list_type="atomic")] = ()
    default_mode: Annotated[int | None, doc("Permission bits of the files; 0644 (420) by default.")] = None
    optional: Annotated[bool | None, doc(
        "True lets the pod start although the Secret or a listed key is missing.")] = None


class DownwardAPIVolumeFile(meta.Struct):
    """A file that holds a field of the pod."""

    path: Annotated[str, doc("Relative path of the file; no .. in it.", required=True)] = ""
    field_ref: Annotated[containers.ObjectFieldSelector | None, doc(
        "The field: labels, annotations, name, namespace or uid.")] = None
    resource_field_ref: Annotated[containers.ResourceFieldSelector | None, doc(
        "A resource request or limit of a container.")] = None
    mode: Annotated[int | None, doc("Permission bits, 0 to 0777; the volume's defaultMode when absent.")] = None


class DownwardAPIVolumeSource(meta.Struct):
    """Fields of the pod as files."""

    items: Annotated[tuple[DownwardAPIVolumeFile, ...], doc("The files.", list_type="atomic")] = ()
    default_mode: Annotated[int | None, doc("Permission bits of the files; 0644 (420) by default.")] = None


class EmptyDirVolumeSource(meta.Struct):
    """An empty directory that lives as long as the pod on its node."""

    medium: Annotated[str, doc("Empty for the node's disk, Memory for RAM.")] = ""
    size_limit: Annotated[meta.Quantity | None, doc("Most the directory may hold; no limit when absent.")] = None


class HostPathVolumeSource(meta.Struct):
    """A path of the node."""

    path: Annotated[str, doc("Path on the node.", required=True)] = ""
    type: Annotated[str, doc(
        "What is checked first: empty for nothing, DirectoryOrCreate, Directory, FileOrCreate, File, Socket, "
        "CharDevice or BlockDevice.")] = ""


class NFSVolumeSource(meta.Struct):
    """A directory of an NFS server."""

    server: Annotated[str, doc("Host name or address of the server.", required=True)] = ""
    path: Annotated[str, doc("Directory the server exports.", required=True)] = ""
    read_only: Annotated[bool, doc("True mounts it read-only.")] = False


class PersistentVolumeClaimVolumeSource(meta.Struct):
    """The volume bound to a claim."""

    claim_name: Annotated[str, doc("Name of the claim in the pod's namespace.", required=True)] = ""
    read_only: Annotated[bool, doc("True makes every mount of it read-only.")] = False


class ImageVolumeSource(meta.Struct):
    """The content of an image, read-only."""

    reference: Annotated[str, doc("Image to mount.")] = ""
    pull_policy: Annotated[str, doc("Always, IfNotPresent or Never, as for containers.")] = ""


class ISCSIVolumeSource(meta.Struct):
    """A disk of an iSCSI target."""

    target_portal: Annotated[str, doc(
        "Address of the portal, with its port unless that is 3260 (or 860).", required=True)] = ""
    iqn: Annotated[str, doc("Qualified name of the target.", required=True)] = ""
    lun: Annotated[int, doc("Number of the logical unit.", required=True)] = meta.written(int)
    iscsi_interface: Annotated[str, doc("Interface to use; default (TCP) by default.")] = ""
    fs_type: Annotated[str, doc("File system on the disk; ext4 when empty.")] = ""
    read_only: Annotated[bool, doc("True mounts it read-only.")] = False
    portals: Annotated[tuple[str, ...], doc("Further portals of the same target.", list_type="atomic")] = ()
    chap_auth_discovery: Annotated[bool, doc("True authenticates the discovery by CHAP.")] = False
    chap_auth_session: Annotated[bool, doc("True authenticates the session by CHAP.")] = False
    secret_ref: Annotated[meta.LocalObjectReference | None, doc("Secret with the CHAP credentials.")] = None
    initiator_name: Annotated[str, doc("Initiator to appear as; the node's own when empty.")] = ""


class GitRepoVolumeSource(meta.Struct):
    """A clone of a Git repository; kept from old manifests, use an init container instead."""

    repository: Annotated[str, doc("URL of the repository.", required=True)] = ""
    revision: Annotated[str, doc("Commit to check out.")] = ""
    directory: Annotated[str, doc("Directory to clone into; . for the volume itself.")] = ""


class CSIVolumeSource(meta.Struct):
    """A volume that a CSI driver makes for this pod."""

    driver: Annotated[str, doc("Name of the driver.", required=True)] = ""
    read_only: Annotated[bool | None, doc("True asks for a read-only volume.")] = None
    fs_type: Annotated[str, doc("File system to mount; the driver's default when empty.")] = ""
    volume_attributes: Annotated[dict[str, str], doc("Settings for the driver.")] = {}
    node_publish_secret_ref: Annotated[meta.LocalObjectReference | None, doc("Secret handed to the driver.")] = None


class FlexVolumeSource(meta.Struct):
    """A volume made by a program on the node."""

    driver: Annotated[str, doc("Name of the program.", required=True)] = ""
    fs_type: Annotated[str, doc("File system to mount; the driver's default when empty.")] = ""
    secret_ref: Annotated[meta.LocalObjectReference | None, doc("Secret handed to the driver.")] = None
    read_only: Annotated[bool, doc("True mounts it read-only.")] = False
    options: Annotated[dict[str, str], doc("Settings for the driver.")] = {}


class TypedLocalObjectReference(meta.Struct):
    """Names an object of some kind in the same namespace."""

    api_group: Annotated[str, doc("API group of the kind; empty for the core group.")] = ""
    kind: Annotated[str, doc("Kind of the object.", required=True)] = ""
    name: Annotated[str, doc("Name of the object.", required=True)] = ""


class TypedObjectReference(meta.Struct):
    """Names an object of some kind, also in another namespace."""

    api_group: Annotated[str, doc("API group of the kind; empty for the core group.")] = ""
    kind: Annotated[str, doc("Kind of the object.", required=True)] = ""
    name: Annotated[str, doc("Name of the object.", required=True)] = ""
    namespace: Annotated[str, doc("Namespace of the object; the same one when empty.")] = ""


class VolumeResourceRequirements(meta.Struct):
    """How much storage a claim needs."""

    limits: Annotated[dict[str, meta.Quantity], doc("Most it may get.")] = {}
    requests: Annotated[dict[str, meta.Quantity], doc('Least it must get, such as storage "5Gi".')] = {}


class PersistentVolumeClaimSpec(meta.Struct):
    """What a claim asks for."""

    access_modes: Annotated[tuple[str, ...], doc(
        "ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod.", list_type="atomic")] = ()
    selector: Annotated[meta.LabelSelector | None, doc("Labels a volume must have to be bound.")] = None
    resources: Annotated[VolumeResourceRequirements, doc("Amount of storage.")] = VolumeResourceRequirements()
    volume_name: Annotated[str, doc("Volume the claim is bound to.")] = ""
    storage_class_name: Annotated[str | None, doc(
        'Class the volume must be of; absent for the default class, "" for none.')] = None
    volume_mode: Annotated[str, doc("Filesystem (default) or Block.")] = ""
    data_source: Annotated[TypedLocalObjectReference | None, doc(
        "Claim or snapshot whose content the volume starts with.")] = None
    data_source_ref: Annotated[TypedObjectReference | None, doc("As dataSource, for any kind and namespace.")] = None
    volume_attributes_class_name: Annotated[str | None, doc(
        "Class of attributes the driver sets on the volume.")] = None


class PersistentVolumeClaimTemplate(meta.Struct):
    """A claim that is made for the pod."""

    metadata: Annotated[meta.ObjectMeta, doc("Labels and annotations copied to the claim.")] = meta.ObjectMeta()
    spec: Annotated[PersistentVolumeClaimSpec, doc("The claim's spec.", required=True)] = PersistentVolumeClaimSpec()


class EphemeralVolumeSource(meta.Struct):
    """A claim that is made with the pod and deleted with it."""

    volume_claim_template: Annotated[PersistentVolumeClaimTemplate | None, doc(
        "The claim to make; it is named after the pod and the volume.")] = None


class ConfigMapProjection(meta.Struct):
    """Entries of a ConfigMap in a projected volume."""

    name: Annotated[str, doc("Name of the ConfigMap in the pod's namespace.")] = ""
    items: Annotated[tuple[KeyToPath, ...], doc(
        "Entries to show and where; every entry under its key when empty.", list_type="atomic")] = ()
    optional: Annotated[bool | None, doc(
        "True lets the pod start although the ConfigMap or a listed key is missing.")] = None


class SecretProjection(meta.Struct):
    """Entries of a Secret in a projected volume."""

    name: Annotated[str, doc("Name of the Secret in the pod's namespace.")] = ""
    items: Annotated[tuple[KeyToPath, ...], doc(
        "Entries to show and where; every entry under its key when empty.", list_type="atomic")] = ()
    optional: Annotated[bool | None, doc(
        "True lets the pod start although the Secret or a listed key is missing.")] = None


class DownwardAPIProjection(meta.Struct):
    """Fields of the pod in a projected volume."""

    items: Annotated[tuple[DownwardAPIVolumeFile, ...], doc("The files.", list_type="atomic")] = ()


class ServiceAccountTokenProjection(meta.Struct):
    """A token of the pod's service account, renewed before it ends."""

    audience: Annotated[str, doc("Who the token is meant for; the API server when empty.")] = ""
    expiration_seconds: Annotated[int | None, doc("Seconds the token is valid; 3600 by default, at least 600.")] = None
    path: Annotated[str, doc("Relative path of the token's file.", required=True)] = ""


class ClusterTrustBundleProjection(meta.Struct):
    """Certificates of trust bundles in one file."""

    name: Annotated[str, doc("Name of one bundle.")] = ""
    signer_name: Annotated[str, doc("Signer whose bundles are taken, instead of a name.")] = ""
    label_selector: Annotated[meta.LabelSelector | None, doc(
        "Which of the signer's bundles are taken; none when absent, all when empty.")] = None
    optional: Annotated[bool | None, doc("True lets the pod start although the bundle is missing.")] = None
    path: Annotated[str, doc("Relative path of the file.", required=True)] = ""


class VolumeProjection(meta.Struct):
    """One source of a projected volume; exactly one field is set."""

    secret: Annotated[SecretProjection | None, doc("Entries of a Secret.")] = None
    downward_api: Annotated[DownwardAPIProjection | None, doc("Fields of the pod.")] = None
    config_map: Annotated[ConfigMapProjection | None, doc("Entries of a ConfigMap.")] = None
    service_account_token: Annotated[ServiceAccountTokenProjection | None, doc(
        "A token of the service account.")] = None
    cluster_trust_bundle: Annotated[ClusterTrustBundleProjection | None, doc("Certificates to trust.")] = None


class ProjectedVolumeSource(meta.Struct):
    """Several sources in one directory."""

    sources: Annotated[tuple[VolumeProjection, ...], doc("What to put there.", list_type="atomic")] = ()
    default_mode: Annotated[int | None, doc("Permission bits of the files; 0644 (420) by default.")] = None


class Volume(meta.Struct):
    """A named volume of a pod; exactly one source is set."""

    name: Annotated[str, doc("Name the containers mount it by; a DNS label.", required=True)] = ""
    host_path: Annotated[HostPathVolumeSource | None, doc("A path of the node.")] = None
    empty_dir: Annotated[EmptyDirVolumeSource | None, doc("An empty directory that lives as long as the pod.")] = None
    git_repo: Annotated[GitRepoVolumeSource | None, doc("A clone of a Git repository.")] = None
    secret: Annotated[SecretVolumeSource | None, doc("Entries of a Secret as files.")] = None
    nfs: Annotated[NFSVolumeSource | None, doc("A directory of an NFS server.")] = None
    iscsi: Annotated[ISCSIVolumeSource | None, doc("A disk of an iSCSI target.")] = None
    persistent_volume_claim: Annotated[PersistentVolumeClaimVolumeSource | None, doc(
        "The volume bound to a claim.")] = None
    downward_api: Annotated[DownwardAPIVolumeSource | None, doc("Fields of the pod as files.")] = None
    config_map: Annotated[ConfigMapVolumeSource | None, doc("Entries of a ConfigMap as files.")] = None
    projected: Annotated[ProjectedVolumeSource | None, doc("Several sources in one directory.")] = None
    csi: Annotated[CSIVolumeSource | None, doc("A volume of a CSI driver.")] = None
    ephemeral: Annotated[EphemeralVolumeSource | None, doc("A claim made for this pod.")] = None
    image: Annotated[ImageVolumeSource | None, doc("The content of an image.")] = None
    flex_volume: Annotated[FlexVolumeSource | None, doc("A volume made by a program on the node.")] = None
    aws_elastic_block_store: Annotated[sources.AWSElasticBlockStoreVolumeSource | None, doc(
        "A disk of Amazon's cloud.")] = None
    azure_disk: Annotated[sources.AzureDiskVolumeSource | None, doc("A disk of Microsoft's cloud.")] = None
    azure_file: Annotated[volume_vendors.AzureFileVolumeSource | None, doc("A file share of Microsoft's cloud.")] = None
    cephfs: Annotated[volume_vendors.CephFSVolumeSource | None, doc("A directory of a Ceph file system.")] = None
    cinder: Annotated[volume_vendors.CinderVolumeSource | None, doc("A disk of an OpenStack cloud.")] = None
    fc: Annotated[sources.FCVolumeSource | None, doc("A disk on Fibre Channel.")] = None
    flocker: Annotated[sources.FlockerVolumeSource | None, doc("A data set of Flocker.")] = None
    gce_persistent_disk: Annotated[sources.GCEPersistentDiskVolumeSource | None, doc(
        "A disk of Google's cloud.")] = None
    glusterfs: Annotated[volume_vendors.GlusterfsVolumeSource | None, doc("A Gluster volume.")] = None
    photon_persistent_disk: Annotated[sources.PhotonPersistentDiskVolumeSource | None, doc(
        "A disk of a Photon controller.")] = None
    portworx_volume: Annotated[sources.PortworxVolumeSource | None, doc("A Portworx volume.")] = None
    quobyte: Annotated[sources.QuobyteVolumeSource | None, doc("A Quobyte volume.")] = None
    rbd: Annotated[volume_vendors.RBDVolumeSource | None, doc("A Ceph block device.")] = None
    scale_io: Annotated[volume_vendors.ScaleIOVolumeSource | None, doc(
        "A ScaleIO volume.")] = msgspec.field(default=None, name="scaleIO")
    storageos: Annotated[volume_vendors.StorageOSVolumeSource | None, doc("A StorageOS volume.")] = None
    vsphere_volume: Annotated[sources.VsphereVirtualDiskVolumeSource | None, doc("A disk of vSphere.")] = None
