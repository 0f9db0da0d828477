"""What is wrong with PersistentVolumes and PersistentVolumeClaims, and what of them may change."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from edge.api import codec, labels, meta, quantity, validation_pods, volumes
from edge.api import persistent_volumes as kinds
from edge.api import validation_amounts as amounts
from edge.api import validation_volume_sources as sources
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_ACCESS = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_MODES = ("Block", "Filesystem")
_RECLAIM = ("Delete", "Recycle", "Retain")
_INLINE = "may not be specified in the context of inline volumes"
_RESIZING = ("ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress",
             "NodeResizeInfeasible", "NodeResizePending")
_CLAIM_STAYS = ("spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
                "claims")
_SOURCE_STAYS = "spec.persistentvolumesource is immutable after creation"


def persistent_volume(obj: kinds.PersistentVolume) -> Causes:
    """Yield what is wrong with a PersistentVolume."""
    spec = obj.spec
    yield from _access_modes("spec", spec.access_modes, "")
    yield from _capacity("spec.capacity", spec.capacity)
    yield from words.one_of("spec.persistentVolumeReclaimPolicy", spec.persistent_volume_reclaim_policy, _RECLAIM,
                            optional=True)
    yield from _node_affinity("spec.nodeAffinity", spec)
    yield from sources.volume_source("spec", spec, obj.metadata.name)
    if spec.host_path is not None and posixpath.normpath(spec.host_path.path) in ("/", "//") \
            and spec.persistent_volume_reclaim_policy == "Recycle":
        yield words.forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'")
    if spec.storage_class_name:
        yield from words.check("spec.storageClassName", spec.storage_class_name, words.dns_subdomain)
    yield from words.one_of("spec.volumeMode", spec.volume_mode, _MODES, optional=True)
    if spec.volume_attributes_class_name is not None:
        if not spec.volume_attributes_class_name:
            yield words.required("spec.volumeAttributesClassName", "an empty string is disallowed")
        else:
            yield from words.check("spec.volumeAttributesClassName", spec.volume_attributes_class_name,
                                   words.dns_subdomain)
        if spec.csi is None:
            yield words.required("spec.csi", "has to be specified when using volumeAttributesClassName")


def inline_volume(here: str, spec: kinds.PersistentVolumeSpec) -> Causes:
    """Yield what is wrong with a volume that a pod names itself, as a VolumeAttachment carries it."""
    if spec.claim_ref is not None:
        yield words.forbidden(f"{here}.claimRef", _INLINE)
    if spec.capacity:
        yield words.forbidden(f"{here}.capacity", _INLINE)
    if spec.csi is None:
        yield words.required(f"{here}.csi", "has to be specified in the context of inline volumes")
    yield from _access_modes(here, spec.access_modes, "")
    if spec.persistent_volume_reclaim_policy not in ("", "Retain"):
        yield words.forbidden(f"{here}.persistentVolumeReclaimPolicy",
                              "may only be Retain in the context of inline volumes")
    if spec.node_affinity is not None:
        yield words.forbidden(f"{here}.nodeAffinity", _INLINE)
    yield from sources.volume_source(here, spec, "")
    if spec.storage_class_name:
        yield words.forbidden(f"{here}.storageClassName", _INLINE)
    if spec.volume_mode not in ("", "Filesystem"):
        yield words.forbidden(f"{here}.volumeMode",
                              "may not specify volumeMode other than Filesystem in the context of inline volumes")


def update_volume(new: kinds.PersistentVolume, old: kinds.PersistentVolume) -> Causes:
    """Yield what of a change to a PersistentVolume is not allowed: its source, its mode, where it is."""
    now, was = _only_source(new.spec), _only_source(old.spec)
    if now.csi is not None and was.csi is not None and was.csi.controller_expand_secret_ref is None:
        now = replace(now, csi=replace(now.csi, controller_expand_secret_ref=None))  # may be added later
    if now != was:
        yield words.forbidden("spec.persistentvolumesource", f"{_SOURCE_STAYS}\n{_difference(now, was)}")
    yield from words.same("volumeMode", new.spec.volume_mode, old.spec.volume_mode)
    if old.spec.node_affinity is not None:
        yield from words.same("nodeAffinity", new.spec.node_affinity, old.spec.node_affinity)
    if old.spec.volume_attributes_class_name is not None and new.spec.volume_attributes_class_name is None:
        yield words.forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")


def persistent_volume_claim(obj: kinds.PersistentVolumeClaim) -> Causes:
    """Yield what is wrong with a PersistentVolumeClaim."""
    yield from claim_spec("spec", obj.spec)
    yield from claim_status(obj)


def claim_status(obj: kinds.PersistentVolumeClaim) -> Causes:
    """Yield what is wrong with the status of a PersistentVolumeClaim."""
    for name, amount in obj.status.capacity.items():
        yield from amounts.basic(f"status.capacity[{name}]", amount)
    for name, state in obj.status.allocated_resource_statuses.items():
        yield from _claimed_resource("status.allocatedResourceStatus", name)
        if state not in _RESIZING:
            yield words.unsupported("status.allocatedResourceStatus", name, _RESIZING)
    for name, amount in obj.status.allocated_resources.items():
        problems = list(_claimed_resource("status.allocatedResources", name))
        yield from problems or amounts.amount(f"status.allocatedResources[{name}]", "storage", amount)


def claim_spec(here: str, spec: volumes.PersistentVolumeClaimSpec) -> Causes:
    """Yield what is wrong with what a claim asks for."""
    yield from words.label_selector(f"{here}.selector", spec.selector)
    yield from _access_modes(here, spec.access_modes, "at least 1 access mode is required")
    if "storage" not in spec.resources.requests:
        yield words.required(f"{here}.resources[storage]")
    else:
        yield from amounts.positive(f"{here}.resources[storage]", spec.resources.requests["storage"])
    if spec.storage_class_name:
        yield from words.check(f"{here}.storageClassName", spec.storage_class_name, words.dns_subdomain)
    yield from words.one_of(f"{here}.volumeMode", spec.volume_mode, _MODES, optional=True)
    yield from _data_sources(here, spec)
    if spec.volume_attributes_class_name:
        yield from words.check(f"{here}.volumeAttributesClassName", spec.volume_attributes_class_name,
                               words.dns_subdomain)


def update_claim(new: kinds.PersistentVolumeClaim, old: kinds.PersistentVolumeClaim) -> Causes:
    """Yield what of a change to a PersistentVolumeClaim is not allowed: all but what a bound one may ask for."""
    now, was = new.spec, old.spec
    if not was.volume_name:
        was = replace(was, volume_name=now.volume_name)  # it is bound once
    name, note = kinds.CLASS_ANNOTATION, new.metadata.annotations.get(kinds.CLASS_ANNOTATION)
    note_before = old.metadata.annotations.get(name)
    named = was.storage_class_name is None and now.storage_class_name is not None
    moved = named and note_before == now.storage_class_name and note in (None, note_before)
    if not moved and (note or "") != (note_before or ""):
        yield words.invalid(f"metadata.annotations.{name}", note or "", words.IMMUTABLE)
    if named and note_before in (None, now.storage_class_name):
        now = replace(now, storage_class_name=None)  # the class may be named once
    if new.status.phase == "Bound":
        now = _as_before(now, was)
    if now != was:
        yield words.forbidden("spec", f"{_CLAIM_STAYS}\n{_difference(now, was)}")
    yield from _not_less(new, old)
    yield from words.same("volumeMode", new.spec.volume_mode, old.spec.volume_mode)
    attributes, before = new.spec.volume_attributes_class_name, old.spec.volume_attributes_class_name
    if before is not None and not attributes:
        less = "nil" if attributes is None else "an empty string"
        yield words.forbidden("spec.volumeAttributesClassName", f"update from non-nil value to {less} is forbidden")


def _as_before(now: volumes.PersistentVolumeClaimSpec,
               was: volumes.PersistentVolumeClaimSpec) -> volumes.PersistentVolumeClaimSpec:
    """Return the new spec without what a bound claim may change: the amount, and the class of attributes."""
    if now.resources.requests and "storage" in was.resources.requests:
        requests = {**now.resources.requests, "storage": was.resources.requests["storage"]}
        now = replace(now, resources=replace(now.resources, requests=requests))
    if now.volume_attributes_class_name is not None:
        now = replace(now, volume_attributes_class_name=was.volume_attributes_class_name)
    return now


def _not_less(new: kinds.PersistentVolumeClaim, old: kinds.PersistentVolumeClaim) -> Causes:
    wanted = amounts.read(new.spec.resources.requests.get("storage", 0))
    before = quantity.parse(old.spec.resources.requests.get("storage", 0))
    has = quantity.parse(old.status.capacity.get("storage", 0))
    if wanted is not None and wanted < before and wanted <= has:
        yield words.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


def _access_modes(here: str, modes: tuple[str, ...], why: str) -> Causes:
    if not modes:
        yield words.required(f"{here}.accessModes", why)
    for mode in modes:
        if mode not in _ACCESS:
            yield words.unsupported(f"{here}.accessModes", mode, _ACCESS)
    if "ReadWriteOncePod" in modes and any(mode in _ACCESS and mode != "ReadWriteOncePod" for mode in modes):
        yield words.forbidden(f"{here}.accessModes", "may not use ReadWriteOncePod with other access modes")


def _capacity(here: str, capacity: dict[str, meta.Quantity]) -> Causes:
    if not capacity:
        yield words.required(here)
    if "storage" not in capacity or len(capacity) > 1:
        yield words.unsupported(here, capacity, ("storage",))
    for name, amount in capacity.items():
        if amounts.read(amount) is not None:
            yield from amounts.basic(f"{here}[{name}]", amount)
        yield from amounts.positive(f"{here}[{name}]", amount)


def _node_affinity(here: str, spec: kinds.PersistentVolumeSpec) -> Causes:
    affinity = spec.node_affinity
    if affinity is None:
        if spec.local is not None:
            yield words.required(here, "Local volume requires node affinity")
    elif affinity.required is None:
        yield words.required(f"{here}.required", "must specify required node constraints")
    else:
        yield from validation_pods.node_selector(f"{here}.required", affinity.required)


def _data_sources(here: str, spec: volumes.PersistentVolumeClaimSpec) -> Causes:
    source, reference = spec.data_source, spec.data_source_ref
    if source is not None:
        yield from _data_source(f"{here}.dataSource", source)
    if reference is not None:
        yield from _data_source(f"{here}.dataSourceRef", reference)
        if reference.namespace:
            yield from words.check(f"{here}.dataSourceRef.namespace", reference.namespace, words.dns_label)
    if source is None or reference is None:
        return
    if reference.namespace:
        yield words.invalid(here, f"{here}.dataSource",
                            "may not be specified when dataSourceRef.namespace is specified")
    elif (source.api_group, source.kind, source.name) != (reference.api_group, reference.kind, reference.name):
        yield words.invalid(here, f"{here}.dataSource", "must match dataSourceRef")


def _data_source(here: str, source: volumes.TypedLocalObjectReference | volumes.TypedObjectReference) -> Causes:
    for field, value in (("name", source.name), ("kind", source.kind)):
        if not value:
            yield words.required(f"{here}.{field}")
    if source.api_group:
        yield from words.check(f"{here}.apiGroup", source.api_group, words.dns_subdomain)
    elif source.kind != "PersistentVolumeClaim":
        yield words.invalid(here, source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")


def _claimed_resource(field: str, name: str) -> Causes:
    if problem := labels.key_problem(name):
        yield words.invalid(field, name, problem)
    elif amounts.is_native(name) and name != "storage":
        yield words.unsupported(field, name, ("storage",))


def _only_source(spec: kinds.PersistentVolumeSpec) -> kinds.PersistentVolumeSpec:
    return kinds.PersistentVolumeSpec(**{name: getattr(spec, name) for name in sources.SOURCES})


def _difference(new: meta.Struct, old: meta.Struct) -> str:
    """Return which fields differ and how, one line for each value."""
    now, was = codec.to_dict(new), codec.to_dict(old)
    return "\n".join(_lines(now, was, sorted({*now, *was})))


def _lines(now: dict[str, object], was: dict[str, object], names: Iterable[str]) -> Iterable[str]:
    for name in names:
        if now.get(name) != was.get(name):
            yield from (f"{sign} {name}: {msgspec.json.encode(side[name]).decode()}"
                        for sign, side in (("-", was), ("+", now)) if name in side)
