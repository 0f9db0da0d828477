"""Keeps claims that pods use and volumes that claims have: their finalizers go when nobody uses them any more.

https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from edge.api import core, meta, volume_binding
from edge.controllers import interface, plan
from edge.controllers.settings import Settings


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(name="volume_protection", reconcile=reconcile, sources=(
        interface.own(core.PersistentVolumeClaim), interface.own(core.PersistentVolume),
        interface.Source(core.Pod, lambda _obj, _view: (), on_delete=_claims_of)))


def _claims_of(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    assert isinstance(obj, core.Pod)
    return [interface.Key(core.PersistentVolumeClaim, obj.metadata.namespace, use.claim)
            for use in volume_binding.uses(obj)]


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
    """Return the finalizer that is missing, or the end of one that is no longer needed."""
    found: core.PersistentVolumeClaim | core.PersistentVolume | None
    if key.kind is core.PersistentVolumeClaim:
        found, finalizer = view.get(core.PersistentVolumeClaim, key.name, key.namespace), volume_binding.PVC_PROTECTION
    else:
        found, finalizer = view.get(core.PersistentVolume, key.name), volume_binding.PV_PROTECTION
    if found is None:
        return plan.Plan()
    present = found.metadata.finalizers
    if found.metadata.deletion_timestamp is None:
        return plan.Plan(() if finalizer in present else (_finalizers(found, (*present, finalizer)),))
    if finalizer not in present or _is_used(found, view):
        return plan.Plan()
    return plan.Plan((_finalizers(found, tuple(name for name in present if name != finalizer)),))


def _is_used(obj: core.PersistentVolumeClaim | core.PersistentVolume, view: interface.View) -> bool:
    """Return whether a claim's pods are still there, finished ones included, or whether a volume is bound.

    A pod without a node does not count: it will get none that would start it with a claim that is being deleted.
    """
    if isinstance(obj, core.PersistentVolume):
        return obj.status.phase == "Bound"
    return any(pod.spec.node_name and any(
        use.claim == obj.metadata.name and (not use.made_for_pod or volume_binding.belongs_to(obj, pod))
        for use in volume_binding.uses(pod)) for pod in view.all(core.Pod, obj.metadata.namespace))


def _finalizers(obj: meta.Object, names: tuple[str, ...]) -> plan.Patch:
    m = obj.metadata
    return plan.Patch(type(obj), m.name, m.namespace, {
        "metadata": {"resourceVersion": m.resource_version, "finalizers": list(names) or None}})
