"""What is wrong with the kinds of the storage.k8s.io group, and what of them may change."""

from __future__ import annotations

from edge.api import labels, meta, storage
from edge.api import persistent_volumes as volumes
from edge.api import validation_amounts as amounts
from edge.api import validation_persistent_volumes as of_volumes
from edge.api import validation_words as words
from edge.api.validation_volume_sources import csi_driver_name
from edge.api.validation_words import Causes

_MOST_PARAMETERS = 512
_SIZE_LIMIT = 256 * 1024
_ERROR_LIMIT = 1024
_NODE_ID_LIMIT = 192
_LIFECYCLES = ("Persistent", "Ephemeral")
_EXACTLY_ONE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def storage_class(obj: storage.StorageClass) -> Causes:
    """Yield what is wrong with a StorageClass."""
    yield from words.name_of("provisioner", obj.provisioner, lambda name: labels.key_problem(name.lower()))
    if len(obj.parameters) > _MOST_PARAMETERS:
        yield words.too_long("parameters", _MOST_PARAMETERS)
    else:
        if "" in obj.parameters:
            yield words.invalid("parameters", "", "field can not be empty.")
        if _size(obj.parameters) > _SIZE_LIMIT:
            yield words.too_long("parameters", _SIZE_LIMIT)
    yield from words.one_of("reclaimPolicy", obj.reclaim_policy, ("Delete", "Retain"), optional=True)
    yield from words.one_of("volumeBindingMode", obj.volume_binding_mode, ("Immediate", "WaitForFirstConsumer"))
    again = words.repeated(map(_place, obj.allowed_topologies))
    for index, term in enumerate(obj.allowed_topologies):
        yield from _topology(f"allowedTopologies[{index}]", term)
        if index in again:
            yield words.duplicate(f"allowedTopologies[{index}].matchLabelExpressions", "")


def update_class(new: storage.StorageClass, old: storage.StorageClass) -> Causes:
    """Yield what of a change to a StorageClass is not allowed: what its volumes were made by stays."""
    for field, now, was in (("parameters", new.parameters, old.parameters),
                            ("provisioner", new.provisioner, old.provisioner),
                            ("reclaimPolicy", new.reclaim_policy, old.reclaim_policy)):
        if now != was:
            yield words.forbidden(field, f"updates to {field} are forbidden.")
    yield from words.same("volumeBindingMode", new.volume_binding_mode, old.volume_binding_mode)


def _topology(here: str, term: volumes.TopologySelectorTerm) -> Causes:
    keys: set[str] = set()
    for index, rule in enumerate(term.match_label_expressions):
        at = f"{here}.matchLabelExpressions[{index}]"
        if not rule.values:
            yield words.required(f"{at}.values")
        for number in sorted(words.repeated(rule.values)):
            yield words.duplicate(f"{at}.values[{number}]", rule.values[number])
        yield from words.check(f"{at}.key", rule.key, labels.key_problem)
        if rule.key in keys:
            yield words.duplicate(f"{at}.key", rule.key)
        keys.add(rule.key)


def _place(term: volumes.TopologySelectorTerm) -> frozenset[tuple[str, frozenset[str]]]:
    return frozenset({rule.key: frozenset(rule.values) for rule in term.match_label_expressions}.items())


def volume_attachment(obj: storage.VolumeAttachment) -> Causes:
    """Yield what is wrong with a VolumeAttachment."""
    spec, source = obj.spec, obj.spec.source
    yield from csi_driver_name("spec.attacher", spec.attacher)
    if source.inline_volume_spec is None and source.persistent_volume_name is None:
        yield words.required("spec.source", _EXACTLY_ONE)
    elif source.inline_volume_spec is not None and source.persistent_volume_name is not None:
        yield words.forbidden("spec.source", _EXACTLY_ONE)
    elif source.inline_volume_spec is not None:
        yield from of_volumes.inline_volume("spec.source.inlineVolumeSpec", source.inline_volume_spec)
    elif not source.persistent_volume_name:
        yield words.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")
    else:
        yield from words.check("spec.source.persistentVolumeName", source.persistent_volume_name, words.dns_subdomain)
    yield from words.check("spec.nodeName", spec.node_name, words.dns_subdomain)
    yield from attachment_status(obj)


def attachment_status(obj: storage.VolumeAttachment) -> Causes:
    """Yield what is wrong with the status of a VolumeAttachment."""
    if _size(obj.status.attachment_metadata) > _SIZE_LIMIT:
        yield words.too_long("status.attachmentMetadata", _SIZE_LIMIT)
    for field, error in (("attachError", obj.status.attach_error), ("detachError", obj.status.detach_error)):
        if error is not None and len(error.message.encode()) > _ERROR_LIMIT:
            yield words.too_long(f"status.{field}.message", _ERROR_LIMIT)


def update_attachment(new: storage.VolumeAttachment, old: storage.VolumeAttachment) -> Causes:
    """Yield what of a change to a VolumeAttachment is not allowed: its spec stays."""
    yield from words.same("spec", new.spec, old.spec)


def csi_node(obj: storage.CSINode) -> Causes:
    """Yield what is wrong with a CSINode."""
    names: set[str] = set()
    for index, driver in enumerate(obj.spec.drivers):
        here = f"spec.drivers[{index}]"
        yield from csi_driver_name(f"{here}.name", driver.name)
        if not driver.node_id:
            yield words.required(f"{here}.nodeID")
        elif len(driver.node_id) > _NODE_ID_LIMIT:
            yield words.invalid(f"{here}.nodeID", driver.node_id, f"must be {_NODE_ID_LIMIT} characters or less")
        if driver.allocatable is not None:
            yield from words.at_least(f"{here}.allocatable.count", driver.allocatable.count)
        if driver.name in names:
            yield words.duplicate(f"{here}.name", driver.name)
        names.add(driver.name)
        again = words.repeated(driver.topology_keys)
        for number, key in enumerate(driver.topology_keys):
            if not key:
                yield words.required(here)
            if number in again:
                yield words.duplicate(here, key)
            yield from words.check(here, key, labels.key_problem)


def update_node(new: storage.CSINode, old: storage.CSINode) -> Causes:
    """Yield what of a change to a CSINode is not allowed: drivers come and go, an entry stays as it is."""
    before = {driver.name: driver for driver in old.spec.drivers}
    for driver in new.spec.drivers:
        if driver.name in before:
            yield from words.same("spec.drivers", driver, before[driver.name])


def csi_driver(obj: storage.CSIDriver) -> Causes:
    """Yield what is wrong with a CSIDriver."""
    spec = obj.spec
    for field, given in (("attachedRequired", spec.attach_required), ("podInfoOnMount", spec.pod_info_on_mount),
                         ("storageCapacity", spec.storage_capacity)):
        if given is None:
            yield words.required(f"spec.{field}")
    yield from words.one_of("spec.fsGroupPolicy", spec.fs_group_policy, ("File", "None", "ReadWriteOnceWithFSType"),
                            optional=True)
    audiences: set[str] = set()
    for index, token in enumerate(spec.token_requests):
        here = f"spec.tokenRequests[{index}]"
        if token.audience in audiences:
            yield words.duplicate(f"{here}.audience", token.audience)
        elif token.expiration_seconds is not None:
            yield from _lifetime(f"{here}.expirationSeconds", token.expiration_seconds)
        audiences.add(token.audience)
    for mode in spec.volume_lifecycle_modes:
        if mode not in _LIFECYCLES:
            yield words.unsupported("spec.volumeLifecycleModes", mode, _LIFECYCLES)


def update_driver(new: storage.CSIDriver, old: storage.CSIDriver) -> Causes:
    """Yield what of a change to a CSIDriver is not allowed: whether it attaches, and for how long volumes live."""
    yield from words.same("spec.attachedRequired", new.spec.attach_required, old.spec.attach_required)
    yield from words.same("spec.volumeLifecycleModes", new.spec.volume_lifecycle_modes,
                          old.spec.volume_lifecycle_modes)


def csi_storage_capacity(obj: storage.CSIStorageCapacity) -> Causes:
    """Yield what is wrong with a CSIStorageCapacity."""
    yield from words.label_selector("nodeTopology", obj.node_topology)
    yield from words.check("storageClassName", obj.storage_class_name, words.dns_subdomain)
    yield from _room("capacity", obj.capacity)
    yield from _room("maximumVolumeSize", obj.maximum_volume_size)


def update_capacity(new: storage.CSIStorageCapacity, old: storage.CSIStorageCapacity) -> Causes:
    """Yield what of a change to a CSIStorageCapacity is not allowed: what it is about stays."""
    yield from words.same("nodeTopology", new.node_topology, old.node_topology)
    yield from words.same("storageClassName", new.storage_class_name, old.storage_class_name)


def _room(field: str, amount: meta.Quantity | None) -> Causes:
    if amount is not None:
        yield from amounts.amount(field, "storage", amount)


def _lifetime(field: str, seconds: int) -> Causes:
    if seconds < 600:
        yield words.invalid(field, seconds, "may not specify a duration less than 10 minutes")
    elif seconds > 1 << 32:
        yield words.invalid(field, seconds, "may not specify a duration larger than 2^32 seconds")


def _size(texts: dict[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in texts.items())
