"""Where the bytes of a PersistentVolume are: one type for each kind of storage.

They differ from the sources a pod names itself: a PersistentVolume belongs to no namespace, so its secrets are named
with theirs. Types that are the same for both stand in `volumes`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge.api import meta
from edge.api.meta import doc

_FS_TYPE = "File system on the disk; ext4 when empty."
_READ_ONLY = "True mounts it read-only."
_PARTITION = "Number of the partition to mount; 0 for the whole disk."
_CREDENTIALS = "Secret with the credentials."


class SecretReference(meta.Struct):
    """Names a Secret in any namespace."""

    name: Annotated[str, doc("Name of the Secret.")] = ""
    namespace: Annotated[str, doc("Namespace of the Secret.")] = ""


class LocalVolumeSource(meta.Struct):
    """A disk or directory of one node."""

    path: Annotated[str, doc("Path of the directory or block device on the node.", required=True)] = ""
    fs_type: Annotated[str | None, doc("File system to make on a block device; guessed when absent.")] = None


class CSIPersistentVolumeSource(meta.Struct):
    """A volume of a CSI driver."""

    driver: Annotated[str, doc("Name of the driver.", required=True)] = ""
    volume_handle: Annotated[str, doc("Name the driver knows the volume by; cannot change.", required=True)] = ""
    read_only: Annotated[bool, doc("True publishes it read-only.")] = False
    fs_type: Annotated[str, doc("File system to mount, such as ext4.")] = ""
    volume_attributes: Annotated[dict[str, str], doc("What the driver needs to know of the volume.")] = {}
    controller_publish_secret_ref: Annotated[SecretReference | None, doc(
        "Secret for attaching and detaching.")] = None
    node_stage_secret_ref: Annotated[SecretReference | None, doc("Secret for staging on a node.")] = None
    node_publish_secret_ref: Annotated[SecretReference | None, doc("Secret for mounting into a pod.")] = None
    controller_expand_secret_ref: Annotated[SecretReference | None, doc("Secret for enlarging the volume.")] = None
    node_expand_secret_ref: Annotated[SecretReference | None, doc("Secret for enlarging it on a node.")] = None


class ISCSIPersistentVolumeSource(meta.Struct):
    """A disk of an iSCSI target."""

    target_portal: Annotated[str, doc(
        "Address of the portal, with its port unless that is 3260 (or 860).", required=True)] = ""
    iqn: Annotated[str, doc("Qualified name of the target.", required=True)] = ""
    lun: Annotated[int, doc("Number of the logical unit.", required=True)] = meta.written(int)
    iscsi_interface: Annotated[str, doc("Interface to use; default (TCP) by default.")] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    portals: Annotated[tuple[str, ...], doc("Further portals of the same target.", list_type="atomic")] = ()
    chap_auth_discovery: Annotated[bool, doc("True authenticates the discovery by CHAP.")] = False
    chap_auth_session: Annotated[bool, doc("True authenticates the session by CHAP.")] = False
    secret_ref: Annotated[SecretReference | None, doc("Secret with the CHAP credentials.")] = None
    initiator_name: Annotated[str | None, doc("Initiator to appear as; the node's own when absent.")] = None


class FCVolumeSource(meta.Struct):
    """A disk on Fibre Channel."""

    target_wwns: Annotated[tuple[str, ...], doc("World wide names of the target.", list_type="atomic")] = msgspec.field(
        default=(), name="targetWWNs")
    lun: Annotated[int | None, doc("Number of the logical unit.")] = None
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    wwids: Annotated[tuple[str, ...], doc(
        "World wide identifiers, instead of targetWWNs and lun.", list_type="atomic")] = ()


class RBDPersistentVolumeSource(meta.Struct):
    """A Ceph block device."""

    monitors: Annotated[tuple[str, ...], doc("Ceph monitors.", list_type="atomic", required=True)] = ()
    image: Annotated[str, doc("Name of the image.", required=True)] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    pool: Annotated[str, doc("Name of the pool; rbd by default.")] = ""
    user: Annotated[str, doc("Ceph user; admin by default.")] = ""
    keyring: Annotated[str, doc("Path of the user's key ring; /etc/ceph/keyring by default.")] = ""
    secret_ref: Annotated[SecretReference | None, doc("Secret with the user's key, instead of the key ring.")] = None
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class CephFSPersistentVolumeSource(meta.Struct):
    """A directory of a Ceph file system."""

    monitors: Annotated[tuple[str, ...], doc("Ceph monitors.", list_type="atomic", required=True)] = ()
    path: Annotated[str, doc("Directory to mount; / when empty.")] = ""
    user: Annotated[str, doc("Ceph user; admin when empty.")] = ""
    secret_file: Annotated[str, doc("Path of the user's key ring; /etc/ceph/user.secret when empty.")] = ""
    secret_ref: Annotated[SecretReference | None, doc("Secret with the user's key, instead of secretFile.")] = None
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class GlusterfsPersistentVolumeSource(meta.Struct):
    """A Gluster volume."""

    endpoints: Annotated[str, doc("Name of the Endpoints with the Gluster servers.", required=True)] = ""
    path: Annotated[str, doc("Name of the Gluster volume.", required=True)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    endpoints_namespace: Annotated[str | None, doc(
        "Namespace of the Endpoints; the claim's when absent.")] = None


class CinderPersistentVolumeSource(meta.Struct):
    """A disk of an OpenStack cloud."""

    volume_id: Annotated[str, doc("Identity of the disk.", required=True)] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    secret_ref: Annotated[SecretReference | None, doc(_CREDENTIALS)] = None


class FlexPersistentVolumeSource(meta.Struct):
    """A volume made by a program on the node."""

    driver: Annotated[str, doc("Name of the program.", required=True)] = ""
    fs_type: Annotated[str, doc("File system to mount; the driver's default when empty.")] = ""
    secret_ref: Annotated[SecretReference | None, doc("Secret handed to the driver.")] = None
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    options: Annotated[dict[str, str], doc("Settings for the driver.")] = {}


class FlockerVolumeSource(meta.Struct):
    """A data set of Flocker."""

    dataset_name: Annotated[str, doc("Name of the data set.")] = ""
    dataset_uuid: Annotated[str, doc("Identity of the data set, instead of its name.")] = ""


class QuobyteVolumeSource(meta.Struct):
    """A Quobyte volume."""

    registry: Annotated[str, doc("Registries as host:port, separated by commas.", required=True)] = ""
    volume: Annotated[str, doc("Name of the volume.", required=True)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    user: Annotated[str, doc("User to act as; the service's own when empty.")] = ""
    group: Annotated[str, doc("Group to act as; none when empty.")] = ""
    tenant: Annotated[str, doc("Tenant that owns the volume.")] = ""


class PortworxVolumeSource(meta.Struct):
    """A Portworx volume."""

    volume_id: Annotated[str, doc("Identity of the volume.", required=True)] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class ScaleIOPersistentVolumeSource(meta.Struct):
    """A ScaleIO volume."""

    gateway: Annotated[str, doc("Address of the gateway.", required=True)] = ""
    system: Annotated[str, doc("Name of the storage system.", required=True)] = ""
    secret_ref: Annotated[SecretReference | None, doc(_CREDENTIALS, required=True)] = None
    ssl_enabled: Annotated[bool, doc("True talks to the gateway over TLS.")] = False
    protection_domain: Annotated[str, doc("Protection domain of the storage.")] = ""
    storage_pool: Annotated[str, doc("Storage pool in that domain.")] = ""
    storage_mode: Annotated[str, doc("ThinProvisioned (default) or ThickProvisioned.")] = ""
    volume_name: Annotated[str, doc("Name of the volume.")] = ""
    fs_type: Annotated[str, doc("File system on the disk; xfs by default.")] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class StorageOSPersistentVolumeSource(meta.Struct):
    """A StorageOS volume."""

    volume_name: Annotated[str, doc("Name of the volume.")] = ""
    volume_namespace: Annotated[str, doc("Namespace of the volume in StorageOS; the claim's when empty.")] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    secret_ref: Annotated[meta.ObjectReference | None, doc(_CREDENTIALS)] = None


class AWSElasticBlockStoreVolumeSource(meta.Struct):
    """A disk of Amazon's cloud."""

    volume_id: Annotated[str, doc("Identity of the disk.", required=True)] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    partition: Annotated[int, doc(_PARTITION)] = 0
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class GCEPersistentDiskVolumeSource(meta.Struct):
    """A disk of Google's cloud."""

    pd_name: Annotated[str, doc("Name of the disk.", required=True)] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    partition: Annotated[int, doc(_PARTITION)] = 0
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class AzureDiskVolumeSource(meta.Struct):
    """A disk of Microsoft's cloud."""

    disk_name: Annotated[str, doc("Name of the disk.", required=True)] = ""
    disk_uri: Annotated[str, doc("Address of the disk.", required=True)] = ""
    caching_mode: Annotated[str | None, doc("None, ReadOnly or ReadWrite (default).")] = None
    fs_type: Annotated[str | None, doc("File system on the disk; ext4 by default.")] = None
    read_only: Annotated[bool | None, doc("True mounts it read-only; false by default.")] = None
    kind: Annotated[str | None, doc("Shared (default), Dedicated or Managed.")] = None


class AzureFilePersistentVolumeSource(meta.Struct):
    """A file share of Microsoft's cloud."""

    secret_name: Annotated[str, doc("Name of the Secret with account and key.", required=True)] = ""
    share_name: Annotated[str, doc("Name of the share.", required=True)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    secret_namespace: Annotated[str | None, doc("Namespace of the Secret; the claim's when absent.")] = None


class VsphereVirtualDiskVolumeSource(meta.Struct):
    """A disk of vSphere."""

    volume_path: Annotated[str, doc("Path of the disk.", required=True)] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    storage_policy_name: Annotated[str, doc("Name of the storage policy.")] = ""
    storage_policy_id: Annotated[str, doc("Identity of the storage policy.")] = ""


class PhotonPersistentDiskVolumeSource(meta.Struct):
    """A disk of a Photon controller."""

    pd_id: Annotated[str, doc("Identity of the disk.", required=True)] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
