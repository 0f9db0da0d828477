"""What is wrong with the volumes of a pod."""

from __future__ import annotations

import msgspec

from edge.api import meta, quantity, validation_containers
from edge.api import validation_words as words
from edge.api import volumes as types
from edge.api.validation_words import Causes

_HOST_PATH_TYPES = ("BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_NEEDED: dict[str, tuple[str, ...]] = {
    "aws_elastic_block_store": ("volumeID",), "azure_disk": ("diskName", "diskURI"),
    "azure_file": ("secretName", "shareName"), "cephfs": ("monitors",), "cinder": ("volumeID",),
    "csi": ("driver",), "flex_volume": ("driver",), "gce_persistent_disk": ("pdName",),
    "git_repo": ("repository",), "glusterfs": ("endpoints", "path"), "iscsi": ("targetPortal", "iqn"),
    "persistent_volume_claim": ("claimName",), "photon_persistent_disk": ("pdID",), "portworx_volume": ("volumeID",),
    "quobyte": ("registry", "volume"), "rbd": ("monitors", "image"), "scale_io": ("gateway", "system", "volumeName"),
    "storageos": ("volumeName",), "vsphere_volume": ("volumePath",),
}
"""Fields that must be there in sources without further rules."""
_MODE_WORDS = "must be a number between 0 and 0777 (octal), both inclusive"


def volumes(here: str, given: tuple[types.Volume, ...]) -> Causes:
    """Yield what is wrong with the volumes of a pod."""
    names: set[str] = set()
    for index, volume in enumerate(given):
        at = f"{here}[{index}]"
        yield from words.name_of(f"{at}.name", volume.name, words.dns_label)
        if volume.name in names:
            yield words.duplicate(f"{at}.name", volume.name)
        names.add(volume.name)
        sources = [name for name in _SOURCES if getattr(volume, name) is not None]
        if not sources:
            yield words.required(at, "must specify a volume type")
        for name in sources[1:]:
            yield words.forbidden(f"{at}.{_SOURCES[name]}", "may not specify more than 1 volume type")
        yield from _source(at, volume)


def _source(here: str, volume: types.Volume) -> Causes:
    if volume.empty_dir is not None:
        yield from _empty_dir(f"{here}.emptyDir", volume.empty_dir)
    if volume.host_path is not None:
        yield from _host_path(f"{here}.hostPath", volume.host_path)
    if volume.secret is not None:
        yield from words.name_of(f"{here}.secret.secretName", volume.secret.secret_name, _any_name)
        yield from _mode(f"{here}.secret.defaultMode", volume.secret.default_mode)
        yield from _items(f"{here}.secret.items", volume.secret.items)
    if volume.config_map is not None:
        yield from words.name_of(f"{here}.configMap.name", volume.config_map.name, _any_name)
        yield from _mode(f"{here}.configMap.defaultMode", volume.config_map.default_mode)
        yield from _items(f"{here}.configMap.items", volume.config_map.items)
    if volume.downward_api is not None:
        yield from _mode(f"{here}.downwardAPI.defaultMode", volume.downward_api.default_mode)
        yield from _files(f"{here}.downwardAPI", volume.downward_api.items)
    if volume.projected is not None:
        yield from _projected(f"{here}.projected", volume.projected)
    if volume.nfs is not None:
        yield from _nfs(f"{here}.nfs", volume.nfs)
    yield from _less_common(here, volume)


def _less_common(here: str, volume: types.Volume) -> Causes:
    if volume.image is not None:
        if not volume.image.reference:
            yield words.required(f"{here}.image.reference")
        yield from words.one_of(f"{here}.image.pullPolicy", volume.image.pull_policy,
                                validation_containers.PULL_POLICIES, optional=True)
    if volume.ephemeral is not None and volume.ephemeral.volume_claim_template is None:
        yield words.required(f"{here}.ephemeral.volumeClaimTemplate")
    for name, fields in _NEEDED.items():
        source = getattr(volume, name)
        if source is not None:
            for field in _missing(source, fields):
                yield words.required(f"{here}.{_SOURCES[name]}.{field}")


def _missing(source: meta.Struct, fields: tuple[str, ...]) -> list[str]:
    named = {field.encode_name: field.name for field in msgspec.structs.fields(source)}
    return [field for field in fields if not getattr(source, named[field])]


def _empty_dir(here: str, source: types.EmptyDirVolumeSource) -> Causes:
    if source.size_limit is None:
        return
    try:
        if quantity.parse(source.size_limit) < 0:
            yield words.forbidden(f"{here}.sizeLimit", "SizeLimit field must be a valid resource quantity")
    except ValueError as error:
        yield words.invalid(f"{here}.sizeLimit", source.size_limit, str(error))


def _host_path(here: str, source: types.HostPathVolumeSource) -> Causes:
    if not source.path:
        yield words.required(f"{here}.path")
    elif ".." in source.path.split("/"):
        yield words.invalid(f"{here}.path", source.path, "must not contain '..'")
    yield from words.one_of(f"{here}.type", source.type, _HOST_PATH_TYPES, optional=True)


def _nfs(here: str, source: types.NFSVolumeSource) -> Causes:
    if not source.server:
        yield words.required(f"{here}.server")
    if not source.path:
        yield words.required(f"{here}.path")
    elif not source.path.startswith("/"):
        yield words.invalid(f"{here}.path", source.path, "must be an absolute path")


def _projected(here: str, source: types.ProjectedVolumeSource) -> Causes:
    yield from _mode(f"{here}.defaultMode", source.default_mode)
    for index, one in enumerate(source.sources):
        at = f"{here}.sources[{index}]"
        given = [field for field in one.__struct_fields__ if getattr(one, field) is not None]
        if len(given) > 1:
            yield words.forbidden(at, "may not specify more than 1 volume type per source")
        elif not given:
            yield words.required(at, "must specify a source type")
        if one.secret is not None:
            yield from words.name_of(f"{at}.secret.name", one.secret.name, _any_name)
            yield from _items(f"{at}.secret.items", one.secret.items)
        if one.config_map is not None:
            yield from words.name_of(f"{at}.configMap.name", one.config_map.name, _any_name)
            yield from _items(f"{at}.configMap.items", one.config_map.items)
        if one.downward_api is not None:
            yield from _files(f"{at}.downwardAPI", one.downward_api.items)
        if one.service_account_token is not None:
            yield from _token(f"{at}.serviceAccountToken", one.service_account_token)
        if one.cluster_trust_bundle is not None:
            yield from _bundle(f"{at}.clusterTrustBundle", one.cluster_trust_bundle)


def _bundle(here: str, bundle: types.ClusterTrustBundleProjection) -> Causes:
    if bundle.name and bundle.signer_name:
        yield words.invalid(here, bundle, "only one of name and signerName may be used")
    elif not bundle.name and not bundle.signer_name:
        yield words.required(here, "either name or signerName must be specified")
    if bundle.name and bundle.label_selector is not None:
        yield words.invalid(f"{here}.labelSelector", bundle.label_selector,
                            "labelSelector must not be set when name is specified")
    yield from words.label_selector(f"{here}.labelSelector", bundle.label_selector)
    if not bundle.path:
        yield words.required(f"{here}.path")
    else:
        yield from words.check(f"{here}.path", bundle.path, validation_containers.relative_path)


def _token(here: str, token: types.ServiceAccountTokenProjection) -> Causes:
    if token.expiration_seconds is not None and token.expiration_seconds < 600:
        yield words.invalid(f"{here}.expirationSeconds", token.expiration_seconds,
                            "may not specify a duration less than 10 minutes")
    if not token.path:
        yield words.required(f"{here}.path")
    else:
        yield from words.check(f"{here}.path", token.path, validation_containers.relative_path)


def _items(here: str, items: tuple[types.KeyToPath, ...]) -> Causes:
    for index, item in enumerate(items):
        at = f"{here}[{index}]"
        if not item.key:
            yield words.required(f"{at}.key")
        if not item.path:
            yield words.required(f"{at}.path")
        else:
            yield from words.check(f"{at}.path", item.path, validation_containers.relative_path)
        yield from _mode(f"{at}.mode", item.mode)


def _files(here: str, files: tuple[types.DownwardAPIVolumeFile, ...]) -> Causes:
    for index, item in enumerate(files):
        at = f"{here}.items[{index}]" if not here.endswith("]") else f"{here}[{index}]"
        if not item.path:
            yield words.required(f"{at}.path")
        else:
            yield from words.check(f"{at}.path", item.path, validation_containers.relative_path)
        if item.field_ref is not None:
            yield from validation_containers.field_ref(f"{at}.fieldRef", item.field_ref)
            if item.resource_field_ref is not None:
                yield words.invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
        elif item.resource_field_ref is not None:
            yield from validation_containers.resource_field(f"{at}.resourceFieldRef", item.resource_field_ref)
        else:
            yield words.required(at, "one of fieldRef and resourceFieldRef is required")
        yield from _mode(f"{at}.mode", item.mode)


def _mode(field: str, mode: int | None) -> Causes:
    if mode is not None and not 0 <= mode <= 0o777:
        yield words.invalid(field, mode, _MODE_WORDS)


def _any_name(name: str) -> str:
    """Names of ConfigMaps and Secrets in volumes are only looked up, so that nothing but their presence matters."""
    return ""


def _wire_names() -> dict[str, str]:
    return dict(zip(types.Volume.__struct_fields__, types.Volume.__struct_encode_fields__, strict=True))


_SOURCES = {attribute: wire for attribute, wire in _wire_names().items() if attribute != "name"}
