"""How volumes, claims and storage classes are shown."""

from __future__ import annotations

from datetime import datetime

from edge.apiserver.tables.columns import (
    AGE,
    NAME,
    Cell,
    Obj,
    Printer,
    age,
    columns,
    name,
    section,
    text,
    values,
)

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULTS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def _modes(holder: Obj) -> str:
    given = values(holder, "accessModes")
    return ",".join(short for mode, short in _MODES.items() if mode in given)


def _phase(obj: Obj) -> str:
    if section(obj, "metadata").get("deletionTimestamp"):
        return "Terminating"
    return text(section(obj, "status"), "phase", "Pending")


def _class(obj: Obj) -> str:
    return text(section(obj, "metadata", "annotations"), _CLASS) or text(section(obj, "spec"), "storageClassName")


def _claim(obj: Obj, now: datetime) -> list[Cell]:
    spec, status = section(obj, "spec"), section(obj, "status")
    bound = text(spec, "volumeName")
    capacity = text(section(status, "capacity"), "storage") if bound else ""
    return [name(obj), _phase(obj), bound, capacity, _modes(status) if bound else "", _class(obj),
            text(spec, "volumeAttributesClassName", "<unset>"), age(obj, now), text(spec, "volumeMode", "Filesystem")]


def _volume(obj: Obj, now: datetime) -> list[Cell]:
    spec = section(obj, "spec")
    claim = section(spec, "claimRef")
    named = f"{text(claim, 'namespace')}/{text(claim, 'name')}" if claim else ""
    return [name(obj), text(section(spec, "capacity"), "storage"), _modes(spec),
            text(spec, "persistentVolumeReclaimPolicy", "Retain"), _phase(obj), named, _class(obj),
            text(spec, "volumeAttributesClassName", "<unset>"), text(section(obj, "status"), "reason"), age(obj, now),
            text(spec, "volumeMode", "Filesystem")]


def _storage_class(obj: Obj, now: datetime) -> list[Cell]:
    notes = section(obj, "metadata", "annotations")
    default = any(text(notes, key) == "true" for key in _DEFAULTS)
    return [name(obj) + (" (default)" if default else ""), text(obj, "provisioner"),
            text(obj, "reclaimPolicy", "Delete"), text(obj, "volumeBindingMode", "Immediate"),
            str(bool(obj.get("allowVolumeExpansion"))).lower(), age(obj, now)]


CLAIM = Printer(columns(NAME, "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass",
                        AGE, "+VolumeMode"), _claim)
VOLUME = Printer(columns(NAME, "Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass",
                         "VolumeAttributesClass", "Reason", AGE, "+VolumeMode"), _volume)
STORAGE_CLASS = Printer(columns(NAME, "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion",
                                AGE), _storage_class)
