"""How volumes, claims, storage classes and their drivers are shown."""

from __future__ import annotations

from datetime import datetime

from edge.apiserver.tables.columns import (
    AGE,
    NAME,
    Cell,
    Column,
    Obj,
    Printer,
    age,
    columns,
    items,
    joined,
    name,
    section,
    text,
    values,
)

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULTS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_UNSET = "<unset>"


def _modes(holder: Obj) -> str:
    given = values(holder, "accessModes")
    return ",".join(short for mode, short in _MODES.items() if mode in given)


def _phase(obj: Obj) -> str:
    if section(obj, "metadata").get("deletionTimestamp"):
        return "Terminating"
    return text(section(obj, "status"), "phase", "Pending")


def _class(obj: Obj) -> str:
    notes = section(obj, "metadata", "annotations")
    return text(notes, _CLASS) if _CLASS in notes else text(section(obj, "spec"), "storageClassName")


def _claim(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    bound = text(spec, "volumeName")
    capacity = text(section(status, "capacity"), "storage", "0") if bound else ""
    return [name(obj), _phase(obj), bound, capacity, _modes(status) if bound else "", _class(obj),
            text(spec, "volumeAttributesClassName", _UNSET), age(obj, now), text(spec, "volumeMode", _UNSET)]


def _volume(obj: Obj, now: datetime) -> list[Cell]:
    spec = section(obj, "spec")
    claim = section(spec, "claimRef")
    named = f"{text(claim, 'namespace')}/{text(claim, 'name')}" if claim else ""
    return [name(obj), text(section(spec, "capacity"), "storage", "0"), _modes(spec),
            text(spec, "persistentVolumeReclaimPolicy", "Retain"), _phase(obj), named, _class(obj),
            text(spec, "volumeAttributesClassName", _UNSET), text(section(obj, "status"), "reason"), age(obj, now),
            text(spec, "volumeMode", _UNSET)]


def _storage_class(obj: Obj, now: datetime) -> list[Cell]:
    notes = section(obj, "metadata", "annotations")
    default = any(text(notes, key) == "true" for key in _DEFAULTS)
    return [name(obj) + (" (default)" if default else ""), text(obj, "provisioner"),
            text(obj, "reclaimPolicy", "Delete"), text(obj, "volumeBindingMode", "Immediate"),
            str(bool(obj.get("allowVolumeExpansion"))).lower(), age(obj, now)]


def _attachment(obj: Obj, now: datetime) -> list[Cell]:
    spec = section(obj, "spec")
    return [name(obj), text(spec, "attacher"), text(section(spec, "source"), "persistentVolumeName"),
            text(spec, "nodeName"), bool(section(obj, "status").get("attached")), age(obj, now)]


def _node(obj: Obj, now: datetime) -> list[Cell]:
    return [name(obj), len(items(section(obj, "spec"), "drivers")), age(obj, now)]


def _driver(obj: Obj, now: datetime) -> list[Cell]:
    spec = section(obj, "spec")
    tokens = ",".join(text(token, "audience") for token in items(spec, "tokenRequests"))
    return [name(obj), bool(spec.get("attachRequired", True)), bool(spec.get("podInfoOnMount")),
            bool(spec.get("storageCapacity")), tokens if "tokenRequests" in spec else _UNSET,
            bool(spec.get("requiresRepublish")), joined(values(spec, "volumeLifecycleModes")), age(obj, now)]


def _capacity(obj: Obj, _now: datetime) -> list[Cell]:
    return [name(obj), text(obj, "storageClassName"), text(obj, "capacity", _UNSET)]


_VOLUME_MODE = Column("VolumeMode", priority=1, description="Filesystem or Block.")
_ATTRIBUTES = Column("VolumeAttributesClass", description="Class of attributes of the volume.")

CLAIM = Printer(columns(
    NAME, Column("Status", description="Pending, Bound or Lost."),
    Column("Volume", description="Volume the claim is bound to."),
    Column("Capacity", description="How much that volume holds."),
    Column("Access Modes", description="Ways that volume can be mounted."),
    Column("StorageClass", description="Class the claim asks for."), _ATTRIBUTES, AGE, _VOLUME_MODE), _claim)
VOLUME = Printer(columns(
    NAME, Column("Capacity", description="How much the volume holds."),
    Column("Access Modes", description="Ways the volume can be mounted."),
    Column("Reclaim Policy", description="What becomes of the volume without its claim."),
    Column("Status", description="Pending, Available, Bound, Released or Failed."),
    Column("Claim", description="Claim the volume is bound to."),
    Column("StorageClass", description="Class the volume belongs to."), _ATTRIBUTES,
    Column("Reason", description="Why the volume is in this status."), AGE, _VOLUME_MODE), _volume)
STORAGE_CLASS = Printer(columns(
    NAME, Column("Provisioner", description="Who makes volumes of this class."),
    Column("ReclaimPolicy", description="What becomes of a volume without its claim."),
    Column("VolumeBindingMode", description="When a claim gets its volume."),
    Column("AllowVolumeExpansion", description="Whether claims may ask for more later."), AGE), _storage_class)
ATTACHMENT = Printer(columns(
    NAME, Column("Attacher", format="name", description="Driver that attaches the volume."),
    Column("PV", description="Volume to attach."), Column("Node", description="Node to attach it to."),
    Column("Attached", type="boolean", description="Whether it is attached."), AGE), _attachment)
NODE = Printer(columns(
    NAME, Column("Drivers", type="integer", description="Number of drivers on the node."), AGE), _node)
DRIVER = Printer(columns(
    NAME, Column("AttachRequired", type="boolean", description="Whether volumes are attached before they are mounted."),
    Column("PodInfoOnMount", type="boolean", description="Whether the driver is told about the pod."),
    Column("StorageCapacity", type="boolean", description="Whether the driver says how much room is left."),
    Column("TokenRequests", description="Audiences of the tokens the driver gets."),
    Column("RequiresRepublish", type="boolean", description="Whether the driver is called again from time to time."),
    Column("Modes", description="Lifecycles of its volumes."), AGE), _driver)
CAPACITY = Printer(columns(
    NAME, Column("StorageClassName", description="Class of the storage."),
    Column("Capacity", description="Room that is left.")), _capacity)
