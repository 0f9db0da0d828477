"""What is wrong with the source of a PersistentVolume, whatever kind of storage it is."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

from edge.api import meta, volumes
from edge.api import persistent_volume_sources as sources
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_MORE_THAN_ONE = "may not specify more than 1 volume type"
_HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_TARGET = {
    "iqn": re.compile(r"iqn\.[0-9]{4}-[0-9]{2}\.[A-Za-z0-9.-]+:[^,;*&$|\s]+"),
    "eui": re.compile(r"eui.[A-Za-z0-9]{16}"),
    "naa": re.compile(r"naa.[A-Za-z0-9]{32}"),
}
_ADDRESSES = "must be a host:port pair or multiple pairs separated by commas"
_RESERVED = "kubernetes.io and k8s.io namespaces are reserved"
_MANAGED = ("/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",)
_BLOB = ("https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd",)


def volume_source(here: str, spec: meta.Struct, name: str) -> Causes:
    """Yield what is wrong with the sources of a volume, of which there must be one; `name` is the volume's."""
    given = [attribute for attribute in _RULES if getattr(spec, attribute) is not None]
    if not given:
        yield words.required(here, "must specify a volume type")
        return
    wire = dict(zip(spec.__struct_fields__, spec.__struct_encode_fields__, strict=True))
    for attribute in given[1:]:
        yield words.forbidden(f"{here}.{wire[attribute]}", _MORE_THAN_ONE)
    source = getattr(spec, given[0])
    if isinstance(source, sources.ISCSIPersistentVolumeSource):
        yield from _initiator_room(f"{here}.iscsi", source, name)
    yield from _RULES[given[0]](f"{here}.{_PATHS.get(given[0], wire[given[0]])}", source)


def _needs(*fields: str) -> Callable[[str, Any], Causes]:
    """Return the rule of a source that only has fields that must be there."""
    def rule(here: str, source: meta.Struct) -> Causes:
        wire = dict(zip(source.__struct_encode_fields__, source.__struct_fields__, strict=True))
        for field in fields:
            if not getattr(source, wire[field]):
                yield words.required(f"{here}.{field}")
    return rule


def _host_path(here: str, source: volumes.HostPathVolumeSource) -> Causes:
    if not source.path:
        yield words.required(f"{here}.path")
        return
    yield from _no_backsteps(f"{here}.path", source.path)
    if source.type not in _HOST_PATH_TYPES:
        yield words.unsupported(f"{here}.type", source.type, _HOST_PATH_TYPES)


def _local(here: str, source: sources.LocalVolumeSource) -> Causes:
    if not source.path:
        yield words.required(f"{here}.path")
    else:
        yield from _no_backsteps(f"{here}.path", source.path)


def _no_backsteps(field: str, path: str) -> Causes:
    if ".." in path.split("/"):
        yield words.invalid(field, path, "must not contain '..'")


def _nfs(here: str, source: volumes.NFSVolumeSource) -> Causes:
    yield from _needs("server", "path")(here, source)
    if not posixpath.isabs(source.path):
        yield words.invalid(f"{here}.path", source.path, "must be an absolute path")


def _disk(field: str) -> Callable[[str, Any], Causes]:
    """Return the rule of a cloud's disk: its name, and one of its partitions."""
    def rule(here: str, source: Any) -> Causes:
        yield from _needs(field)(here, source)
        if not 0 <= source.partition <= 255:
            yield words.invalid(f"{here}.partition", source.partition, "must be between 0 and 255, inclusive")
    return rule


def _glusterfs(here: str, source: sources.GlusterfsPersistentVolumeSource) -> Causes:
    yield from _needs("endpoints", "path")(here, source)
    namespace = source.endpoints_namespace
    if namespace == "":
        yield words.invalid(f"{here}.endpointsNamespace", namespace,
                            "if the endpointnamespace is set, it must be a valid namespace name")
    elif namespace is not None:
        yield from words.check(f"{here}.endpointsNamespace", namespace, words.dns_label)


def _flocker(here: str, source: sources.FlockerVolumeSource) -> Causes:
    if not source.dataset_name and not source.dataset_uuid:
        yield words.required(here, "one of datasetName and datasetUUID is required")
    if source.dataset_name and source.dataset_uuid:
        yield words.invalid(here, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.dataset_name:
        yield words.invalid(f"{here}.datasetName", source.dataset_name, "must not contain '/'")


def _quobyte(here: str, source: sources.QuobyteVolumeSource) -> Causes:
    if not source.registry:
        yield words.required(f"{here}.registry", _ADDRESSES)
    elif len(source.tenant) > 64:
        yield words.required(f"{here}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source.registry.split(","):
            if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", pair):
                yield words.invalid(f"{here}.registry", source.registry, _ADDRESSES)
    yield from _needs("volume")(here, source)


def _iscsi(here: str, source: sources.ISCSIPersistentVolumeSource) -> Causes:
    yield from _needs("targetPortal", "iqn")(here, source)
    if source.iqn and not _is_target(source.iqn):
        yield words.invalid(f"{here}.iqn", source.iqn, "must be valid format")
    if not 0 <= source.lun <= 255:
        yield words.invalid(f"{here}.lun", source.lun, "must be between 0 and 255, inclusive")
    if (source.chap_auth_discovery or source.chap_auth_session) and source.secret_ref is None:
        yield words.required(f"{here}.secretRef")
    if source.secret_ref is not None and not source.secret_ref.name:
        yield words.required(f"{here}.secretRef.name")
    if source.initiator_name is not None and not _is_target(source.initiator_name):
        yield words.invalid(f"{here}.initiatorname", source.initiator_name, "must be valid format")


def _initiator_room(here: str, source: sources.ISCSIPersistentVolumeSource, name: str) -> Causes:
    if source.initiator_name is not None and len(f"{name}:{source.target_portal}") > 64:
        yield words.invalid(f"{here}.targetportal", source.target_portal,
                            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "
                            "iscsi.initiatorName is specified.")


def _is_target(name: str) -> bool:
    form = _TARGET.get(name[:3])
    return form is not None and form.fullmatch(name) is not None


def _fc(here: str, source: sources.FCVolumeSource) -> Causes:
    if not source.target_wwns and not source.wwids:
        yield words.required(f"{here}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if source.target_wwns and source.wwids:
        yield words.invalid(f"{here}.targetWWNs", source.target_wwns,
                            "targetWWNs and wwids can not be specified simultaneously")
    if source.target_wwns and source.lun is None:
        yield words.required(f"{here}.lun", "lun is required if targetWWNs is specified")
    elif source.target_wwns and source.lun is not None and not 0 <= source.lun <= 255:
        yield words.invalid(f"{here}.lun", source.lun, "must be between 0 and 255, inclusive")


def _cinder(here: str, source: sources.CinderPersistentVolumeSource) -> Causes:
    yield from _needs("volumeID")(here, source)
    if source.secret_ref is not None:
        yield from _needs("name", "namespace")(f"{here}.secretRef", source.secret_ref)


def _flex(here: str, source: sources.FlexPersistentVolumeSource) -> Causes:
    yield from _needs("driver")(here, source)
    for key in source.options:
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            yield words.invalid(f"{here}.options[{key}]", key, _RESERVED)


def _azure_file(here: str, source: sources.AzureFilePersistentVolumeSource) -> Causes:
    yield from _needs("secretName", "shareName")(here, source)
    if source.secret_namespace == "":
        yield words.required(f"{here}.secretNamespace")


def _azure_disk(here: str, source: sources.AzureDiskVolumeSource) -> Causes:
    yield from _needs("diskName", "diskURI")(here, source)
    yield from words.one_of(f"{here}.cachingMode", source.caching_mode or "", ("None", "ReadOnly", "ReadWrite"),
                            optional=True)
    yield from words.one_of(f"{here}.kind", source.kind or "", ("Dedicated", "Managed", "Shared"), optional=True)
    if source.kind == "Managed" and not source.disk_uri.startswith("/subscriptions/"):
        yield words.unsupported(f"{here}.diskURI", source.disk_uri, _MANAGED)
    if source.kind != "Managed" and not source.disk_uri.startswith("https://"):
        yield words.unsupported(f"{here}.diskURI", source.disk_uri, _BLOB)


def _storageos(here: str, source: sources.StorageOSPersistentVolumeSource) -> Causes:
    yield from words.name_of(f"{here}.volumeName", source.volume_name, words.dns_label)
    if source.volume_namespace:
        yield from words.check(f"{here}.volumeNamespace", source.volume_namespace, words.dns_label)
    if source.secret_ref is not None:
        yield from _needs("name", "namespace")(f"{here}.secretRef", source.secret_ref)


def _csi(here: str, source: sources.CSIPersistentVolumeSource) -> Causes:
    yield from csi_driver_name(f"{here}.driver", source.driver)
    yield from _needs("volumeHandle")(here, source)
    for field, secret in (("controllerPublishSecretRef", source.controller_publish_secret_ref),
                          ("controllerExpandSecretRef", source.controller_expand_secret_ref),
                          ("nodePublishSecretRef", source.node_publish_secret_ref),
                          ("nodeExpandSecretRef", source.node_expand_secret_ref)):
        if secret is not None:
            yield from words.name_of(f"{here}.{field}.name", secret.name)
            yield from words.name_of(f"{here}.{field}.namespace", secret.namespace, words.dns_label)


def csi_driver_name(field: str, name: str) -> Causes:
    """Yield what is wrong with the name of a CSI driver; capital letters are fine."""
    if not name:
        yield words.required(field)
    if len(name) > 63:
        yield words.too_long(field, 63)
    yield from words.check(field, name, lambda given: words.dns_subdomain(given.lower()))


_RULES: Mapping[str, Callable[[str, Any], Causes]] = {
    # In Kubernetes' order: of two sources it is the later one that is forbidden.
    "host_path": _host_path, "gce_persistent_disk": _disk("pdName"), "aws_elastic_block_store": _disk("volumeID"),
    "glusterfs": _glusterfs, "flocker": _flocker, "nfs": _nfs, "rbd": _needs("monitors", "image"),
    "quobyte": _quobyte, "cephfs": _needs("monitors"), "iscsi": _iscsi, "cinder": _cinder, "fc": _fc,
    "flex_volume": _flex, "azure_file": _azure_file, "vsphere_volume": _needs("volumePath"),
    "photon_persistent_disk": _needs("pdID"), "portworx_volume": _needs("volumeID"), "azure_disk": _azure_disk,
    "scale_io": _needs("gateway", "system", "volumeName"), "local": _local, "storageos": _storageos, "csi": _csi,
}
SOURCES = tuple(_RULES)
"""The attributes of a PersistentVolumeSpec that are sources."""
_PATHS = {"gce_persistent_disk": "persistentDisk"}  # Kubernetes has another word there
