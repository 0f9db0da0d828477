"""What a claim needs next: its volume, somebody who makes one, or a word on what it waits for.

A claim that waits is looked at again from time to time, so that its event stays as long as its reason does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge.api import core, storage, volume_binding
from edge.controllers import interface, plan

WAIT_SECONDS = 60.0
_MIGRATED = {"aws-ebs": "ebs.csi.aws.com", "azure-disk": "disk.csi.azure.com", "azure-file": "file.csi.azure.com",
             "cinder": "cinder.csi.openstack.org", "gce-pd": "pd.csi.storage.gke.io",
             "portworx-volume": "pxd.portworx.com", "vsphere-volume": "csi.vsphere.vmware.com"}
"""Provisioners that were once part of Kubernetes, and the drivers that took their place."""


def plan_for(claim: core.PersistentVolumeClaim, view: interface.View) -> plan.Plan:
    """Return what the claim still needs."""
    if volume_binding.BIND_COMPLETED in claim.metadata.annotations:
        return plan.Plan(_bound(claim, view))
    if claim.metadata.deletion_timestamp is not None:
        return plan.Plan()
    actions = _named(claim, view) if claim.spec.volume_name else _unbound(claim, view)
    waiting = any(isinstance(action, plan.Emit) for action in actions)
    return plan.Plan(actions, requeue_after_seconds=WAIT_SECONDS if waiting else None)


def _bound(claim: core.PersistentVolumeClaim, view: interface.View) -> tuple[plan.Action, ...]:
    """Return what a claim that was bound once still needs: nothing, or the news that its volume is lost."""
    if not claim.spec.volume_name:
        return _lost(claim, "ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is "
                                         "lost!")
    volume = view.get(core.PersistentVolume, claim.spec.volume_name)
    if volume is None:
        return _lost(claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
    ref = volume.spec.claim_ref
    if ref is None or ref.uid == claim.metadata.uid or (not ref.uid and volume_binding.refers_to(volume, claim)):
        return _bind(volume, claim)
    return _lost(claim, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")


def _named(claim: core.PersistentVolumeClaim, view: interface.View) -> tuple[plan.Action, ...]:
    """Return what a claim needs that asks for one volume by name."""
    volume = view.get(core.PersistentVolume, claim.spec.volume_name)
    if volume is None:
        return ()  # It stays Pending until there is one.
    if volume.spec.claim_ref is None and (problem := volume_binding.complaint(volume, claim)):
        return (_tell(claim, "Warning", "VolumeMismatch",
                      f'Cannot bind to requested volume "{volume.metadata.name}": {problem}'),)
    if volume.spec.claim_ref is None or volume_binding.refers_to(volume, claim):
        return _bind(volume, claim)
    return (_tell(claim, "Warning", "FailedBinding",
                  f'volume "{volume.metadata.name}" already bound to a different claim.'),)


def _unbound(claim: core.PersistentVolumeClaim, view: interface.View) -> tuple[plan.Action, ...]:
    name = volume_binding.class_of(claim)
    storage_class = view.get(storage.StorageClass, name) if name else None
    waits = volume_binding.waits(storage_class)
    volume = volume_binding.best(claim, view.all(core.PersistentVolume), waiting=waits)
    if volume is not None:
        return _bind(volume, claim)
    if volume_binding.takes_default_class(claim):
        default = volume_binding.newest_default(view.all(storage.StorageClass), volume_binding.DEFAULT_CLASS)
        if default:
            return (_patch(claim, {}, {"storageClassName": default}),)
    if waits and volume_binding.SELECTED_NODE not in claim.metadata.annotations:
        return (_waiting(claim, view),)
    if not name:
        return (_tell(claim, "Normal", "FailedBinding",
                      "no persistent volumes available for this claim and no storage class is set"),)
    if storage_class is None:
        return (_tell(claim, "Warning", "ProvisioningFailed", f'storageclass.storage.k8s.io "{name}" not found'),)
    return _provision(claim, storage_class)


def _waiting(claim: core.PersistentVolumeClaim, view: interface.View) -> plan.Emit:
    pods = sorted(pod.metadata.name for pod in view.all(core.Pod, claim.metadata.namespace)
                  if not pod.spec.node_name and any(use.claim == claim.metadata.name
                                                    for use in volume_binding.uses(pod)))
    if not pods:
        return _tell(claim, "Normal", "WaitForFirstConsumer",
                     "waiting for first consumer to be created before binding")
    message = f"waiting for pod{'s' if len(pods) > 1 else ''} {','.join(pods)} to be scheduled"
    return _tell(claim, "Normal", "WaitForPodScheduled", message)


def _provision(claim: core.PersistentVolumeClaim, storage_class: storage.StorageClass) -> tuple[plan.Action, ...]:
    """Return the annotation by which whoever makes volumes of the class finds the claim, and a word to its owner."""
    provisioner = storage_class.provisioner
    if provisioner.startswith("kubernetes.io/"):
        moved = _MIGRATED.get(provisioner.removeprefix("kubernetes.io/"))
        if moved is None:
            return (_tell(claim, "Warning", "ProvisioningFailed", f"no volume plugin matched name: {provisioner}"),)
        provisioner = moved
    marks = dict.fromkeys((volume_binding.OLD_STORAGE_PROVISIONER, volume_binding.STORAGE_PROVISIONER), provisioner)
    told = _tell(claim, "Normal", "ExternalProvisioning",
                 "Waiting for a volume to be created either by the external provisioner "
                 f"'{provisioner}' or manually by the system administrator. If volume creation is delayed, please "
                 "verify that the provisioner is running and correctly registered.")
    if marks.items() <= claim.metadata.annotations.items():
        return (told,)
    return _patch(claim, dict(marks), {}), told


def _bind(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> tuple[plan.Action, ...]:
    """Return the steps that are still missing to bind the two; none when all is well."""
    actions: list[plan.Action] = []
    ref, name = volume.spec.claim_ref, volume.metadata.name
    if ref is None or ref.uid != claim.metadata.uid:
        metadata: dict[str, Any] = {"resourceVersion": volume.metadata.resource_version}
        if ref is None:
            metadata["annotations"] = {volume_binding.BOUND_BY_CONTROLLER: "yes"}
        wanted = plan.reference("PersistentVolumeClaim", "v1", claim)
        actions.append(plan.Patch(core.PersistentVolume, name, "", {
            "metadata": metadata, "spec": {"claimRef": msgspec.to_builtins(wanted)}}))
    marks: dict[str, str | None] = {}
    if claim.spec.volume_name != name:
        marks[volume_binding.BOUND_BY_CONTROLLER] = "yes"
    if volume_binding.BIND_COMPLETED not in claim.metadata.annotations:
        marks[volume_binding.BIND_COMPLETED] = "yes"
    if marks:
        actions.append(_patch(claim, marks, {"volumeName": name}))
    modes = volume.spec.access_modes
    if claim.status.phase != "Bound" or claim.status.access_modes != modes:
        status: dict[str, Any] = {"phase": "Bound", "accessModes": list(modes)}
        if claim.status.phase != "Bound":
            status["capacity"] = dict(volume.spec.capacity)
        actions.append(_status(claim, status))
    return tuple(actions)


def _lost(claim: core.PersistentVolumeClaim, reason: str, message: str) -> tuple[plan.Action, ...]:
    if claim.status.phase == "Lost":
        return ()
    return (_status(claim, {"phase": "Lost", "accessModes": None, "capacity": None}),
            _tell(claim, "Warning", reason, message))


def _patch(claim: core.PersistentVolumeClaim, annotations: dict[str, str | None], spec: dict[str, Any]) -> plan.Patch:
    """Return a patch that fails when the claim is no longer as it was seen."""
    metadata: dict[str, Any] = {"resourceVersion": claim.metadata.resource_version}
    if annotations:
        metadata["annotations"] = annotations
    return plan.Patch(core.PersistentVolumeClaim, claim.metadata.name, claim.metadata.namespace,
                      {"metadata": metadata, **({"spec": spec} if spec else {})})


def _status(claim: core.PersistentVolumeClaim, status: dict[str, Any]) -> plan.Patch:
    return plan.Patch(core.PersistentVolumeClaim, claim.metadata.name, claim.metadata.namespace,
                      {"metadata": {"uid": claim.metadata.uid}, "status": status}, "status")


def _tell(claim: core.PersistentVolumeClaim, kind: str, reason: str, message: str) -> plan.Emit:
    return plan.Emit(plan.reference("PersistentVolumeClaim", "v1", claim), kind, reason, message)
