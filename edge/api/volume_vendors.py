"""Volumes of storage systems and clouds as a pod names them itself: their secrets are in the pod's namespace.

What is the same in a PersistentVolume stands in `persistent_volume_sources`. The types are here so that a manifest
loses nothing and its mistakes are named; whether a node can mount them is another matter.
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc

_FS_TYPE = "File system on the disk; ext4 when empty."
_READ_ONLY = "True mounts it read-only."
_CREDENTIALS = "Secret with the credentials."


class AzureFileVolumeSource(meta.Struct):
    """A file share of Microsoft's cloud."""

    secret_name: Annotated[str, doc("Secret with the account's name and key.", required=True)] = ""
    share_name: Annotated[str, doc("Name of the share.", required=True)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class CephFSVolumeSource(meta.Struct):
    """A directory of a Ceph file system."""

    monitors: Annotated[tuple[str, ...], doc(
        "Addresses of the monitors.", list_type="atomic", required=True)] = meta.written(tuple)
    path: Annotated[str, doc("Directory to mount; / by default.")] = ""
    user: Annotated[str, doc("User name; admin by default.")] = ""
    secret_file: Annotated[str, doc("File on the node with the user's key; /etc/ceph/user.secret by default.")] = ""
    secret_ref: Annotated[meta.LocalObjectReference | None, doc(_CREDENTIALS)] = None
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class CinderVolumeSource(meta.Struct):
    """A disk of an OpenStack cloud."""

    volume_id: Annotated[str, doc("Identity of the disk.", required=True)] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    secret_ref: Annotated[meta.LocalObjectReference | None, doc(_CREDENTIALS)] = None


class GlusterfsVolumeSource(meta.Struct):
    """A Gluster volume."""

    endpoints: Annotated[str, doc("Name of the Endpoints with the servers.", required=True)] = ""
    path: Annotated[str, doc("Name of the volume.", required=True)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class RBDVolumeSource(meta.Struct):
    """A Ceph block device."""

    monitors: Annotated[tuple[str, ...], doc(
        "Addresses of the monitors.", list_type="atomic", required=True)] = meta.written(tuple)
    image: Annotated[str, doc("Name of the image.", required=True)] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    pool: Annotated[str, doc("Name of the pool; rbd by default.")] = ""
    user: Annotated[str, doc("User name; admin by default.")] = ""
    keyring: Annotated[str, doc("File on the node with the user's key; /etc/ceph/keyring by default.")] = ""
    secret_ref: Annotated[meta.LocalObjectReference | None, doc("Secret with the credentials; wins over keyring.")
                          ] = None
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class ScaleIOVolumeSource(meta.Struct):
    """A ScaleIO volume."""

    gateway: Annotated[str, doc("Address of the gateway.", required=True)] = ""
    system: Annotated[str, doc("Name of the storage system.", required=True)] = ""
    secret_ref: Annotated[meta.LocalObjectReference | None, doc(_CREDENTIALS, required=True)] = None
    ssl_enabled: Annotated[bool, doc("True speaks TLS with the gateway.")] = False
    protection_domain: Annotated[str, doc("Name of the protection domain.")] = ""
    storage_pool: Annotated[str, doc("Name of the storage pool.")] = ""
    storage_mode: Annotated[str, doc("ThickProvisioned, or ThinProvisioned (default).")] = ""
    volume_name: Annotated[str, doc("Name of the volume.")] = ""
    fs_type: Annotated[str, doc("File system on the disk; xfs by default.")] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False


class StorageOSVolumeSource(meta.Struct):
    """A StorageOS volume."""

    volume_name: Annotated[str, doc("Name of the volume.")] = ""
    volume_namespace: Annotated[str, doc("Namespace of the volume; the pod's when empty.")] = ""
    fs_type: Annotated[str, doc(_FS_TYPE)] = ""
    read_only: Annotated[bool, doc(_READ_ONLY)] = False
    secret_ref: Annotated[meta.LocalObjectReference | None, doc(_CREDENTIALS)] = None
