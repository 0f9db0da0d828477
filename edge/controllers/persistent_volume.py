"""Binds claims to volumes, keeps the phases of both true, and says what becomes of a volume whose claim is gone.

A binding has two steps, and each is only taken from a state that is still true: the volume names the claim by its uid,
then the claim names the volume. Cut off between them, the next look goes on where it stopped, and no volume is given
twice. https://kubernetes.io/docs/concepts/storage/persistent-volumes/
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from edge.api import core, meta, storage, times, volume_binding
from edge.controllers import interface, persistent_volume_claims, plan
from edge.controllers.settings import Settings


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it. One key at a time: the next choice should know of the last."""
    return interface.Controller(name="persistentvolume", reconcile=reconcile, workers=1, sources=(
        interface.own(core.PersistentVolumeClaim), interface.own(core.PersistentVolume),
        interface.Source(core.PersistentVolumeClaim, _volumes_of), interface.Source(core.PersistentVolume, _claims_of),
        interface.Source(storage.StorageClass, _claims_of_class), interface.Source(core.Pod, _claims_of_pod)))


def _volumes_of(obj: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """Return the volumes a claim names, or that name it."""
    assert isinstance(obj, core.PersistentVolumeClaim)
    return [interface.key_of(volume) for volume in view.all(core.PersistentVolume)
            if volume.metadata.name == obj.spec.volume_name or volume_binding.refers_to(volume, obj)]


def _claims_of(obj: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """Return the claims a volume is for, that name it, or that it could be for."""
    assert isinstance(obj, core.PersistentVolume)
    name, ref, its_class = obj.metadata.name, obj.spec.claim_ref, volume_binding.class_of(obj)
    found = [interface.key_of(claim) for claim in view.all(core.PersistentVolumeClaim)
             if claim.spec.volume_name == name
             or (ref is None and not claim.spec.volume_name and volume_binding.class_of(claim) == its_class)]
    return [*found, interface.Key(core.PersistentVolumeClaim, ref.namespace, ref.name)] if ref is not None else found


def _claims_of_class(obj: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """Return the claims without a volume that are of a class, or of none."""
    return [interface.key_of(claim) for claim in view.all(core.PersistentVolumeClaim)
            if not claim.spec.volume_name and volume_binding.class_of(claim) in ("", obj.metadata.name)]


def _claims_of_pod(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    """Return the claims of a pod that has no node yet: some wait for one."""
    if not isinstance(obj, core.Pod) or obj.spec.node_name:
        return ()
    return [interface.Key(core.PersistentVolumeClaim, obj.metadata.namespace, use.claim)
            for use in volume_binding.uses(obj)]


def reconcile(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
    """Return what a claim or a volume still needs."""
    if key.kind is core.PersistentVolumeClaim:
        claim = view.get(core.PersistentVolumeClaim, key.name, key.namespace)
        return plan.Plan() if claim is None else persistent_volume_claims.plan_for(claim, view)
    volume = view.get(core.PersistentVolume, key.name)
    return plan.Plan() if volume is None else plan.Plan(_volume(volume, view, now))


def _volume(volume: core.PersistentVolume, view: interface.View, now: datetime) -> tuple[plan.Action, ...]:
    ref = volume.spec.claim_ref
    if ref is None or not ref.uid:
        return _phase(volume, "Available", now)
    claim = view.get(core.PersistentVolumeClaim, ref.name, ref.namespace)
    if claim is None or claim.metadata.uid != ref.uid:
        return _released(volume, now)
    if not claim.spec.volume_name:
        return _mismatch(volume, claim)
    if claim.spec.volume_name == volume.metadata.name:
        return _phase(volume, "Bound", now)
    # The claim has got another volume meanwhile.
    if volume_binding.PROVISIONED_BY in volume.metadata.annotations \
            and volume.spec.persistent_volume_reclaim_policy == "Delete":
        return _released(volume, now)
    return (_unbound(volume),)


def _released(volume: core.PersistentVolume, now: datetime) -> tuple[plan.Action, ...]:
    """Return what becomes of a volume whose claim is gone. Whoever made it for the claim ends it."""
    if volume.status.phase == "Failed":
        return ()
    policy = volume.spec.persistent_volume_reclaim_policy or "Retain"
    name, problem, reason = volume.metadata.name, "", ""
    if policy == "Recycle":
        reason, problem = "VolumeFailedRecycle", "No recycler plugin found for the volume!"
    elif policy == "Delete" and volume_binding.PROVISIONED_BY not in volume.metadata.annotations:
        reason = "VolumeFailedDelete"
        problem = f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
    elif policy not in ("Retain", "Delete"):
        reason, problem = "VolumeUnknownReclaimPolicy", "Volume has an unrecognized reclaim policy"
    if not problem:
        return _phase(volume, "Released", now)
    return (*_phase(volume, "Failed", now, problem), _warn(volume, reason, problem))


def _mismatch(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> tuple[plan.Action, ...]:
    """Tell that a volume is kept for a claim that wants another mode; else the claim's own turn binds them."""
    if not volume_binding.mode_differs(volume, claim):
        return ()
    name, asked = volume.metadata.name, claim.metadata.name
    about = plan.reference("PersistentVolumeClaim", "v1", claim)
    return (_warn(volume, "VolumeMismatch", "Cannot bind PersistentVolume to requested PersistentVolumeClaim "
                                            f'"{asked}" due to incompatible volumeMode.'),
            plan.Emit(about, "Warning", "VolumeMismatch", f'Cannot bind PersistentVolume "{name}" to requested '
                                                          f'PersistentVolumeClaim "{asked}" due to incompatible '
                                                          "volumeMode."))


def _unbound(volume: core.PersistentVolume) -> plan.Patch:
    """Return the patch that lets a claim go that has another volume. Who kept the volume for the name keeps it so."""
    mine = volume_binding.BOUND_BY_CONTROLLER in volume.metadata.annotations
    metadata: dict[str, object] = {"resourceVersion": volume.metadata.resource_version}
    if mine:
        metadata["annotations"] = {volume_binding.BOUND_BY_CONTROLLER: None}
    return plan.Patch(core.PersistentVolume, volume.metadata.name, "",
                      {"metadata": metadata, "spec": {"claimRef": None if mine else {"uid": None}}})


def _phase(volume: core.PersistentVolume, phase: str, now: datetime, message: str = "") -> tuple[plan.Action, ...]:
    if volume.status.phase == phase and volume.status.message == message:
        return ()
    status = {"phase": phase, "message": message or None, "reason": None}
    if volume.status.phase != phase:
        status["lastPhaseTransitionTime"] = times.render(now)
    return (plan.Patch(core.PersistentVolume, volume.metadata.name, "",
                       {"metadata": {"uid": volume.metadata.uid}, "status": status}, "status"),)


def _warn(volume: core.PersistentVolume, reason: str, message: str) -> plan.Emit:
    return plan.Emit(plan.reference("PersistentVolume", "v1", volume), "Warning", reason, message)
