"""What a pod's claims mean for its place, and what has to be written before the pod can be bound.

A claim that is bound already ties the pod to the nodes that reach its volume. One that waits for its first consumer is
bound for the node that all the rest of the pod decides: a volume that is there is kept for the claim, or whoever makes
volumes is told the node. https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from edge.api import core, meta, storage, volume_binding
from edge.scheduler import snapshot

IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"
NODE_CONFLICT = "node(s) had volume node affinity conflict"
BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind"
NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
ONCE_POD = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"

O = TypeVar("O", bound=meta.Object)  # noqa: E741 - the letter edge.client.interface uses


class View(Protocol):
    """Claims, volumes and classes, as last seen."""

    def get(self, kind: type[O], name: str, namespace: str = "") -> O | None:
        """Return the object, or None."""
        ...

    def all(self, kind: type[O]) -> Iterable[O]:
        """Return every object of the kind."""
        ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is on its way for a claim: the node it was chosen for, and the volume kept for it (none: one is made)."""

    node: str
    volume: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What has to be written for one claim: the volume that is kept for it, or without one the node it is to be on."""

    claim: core.PersistentVolumeClaim
    volume: core.PersistentVolume | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What one pod's claims ask of a node."""

    problem: str = ""
    """Why the pod can go nowhere now, whatever the node."""
    everywhere: str = ""
    """Why each node refuses it."""
    bound: tuple[core.PersistentVolume, ...] = ()
    waiting: tuple[core.PersistentVolumeClaim, ...] = ()
    chosen: Mapping[str, Chosen] = field(default_factory=dict)
    """By uid of the claim: what is on its way, written by the scheduler itself or seen."""
    classes: Mapping[str, storage.StorageClass] = field(default_factory=dict)
    volumes: tuple[core.PersistentVolume, ...] = ()
    """Those that could be for the waiting claims."""
    taken: frozenset[str] = frozenset()

    def reasons_against(self, node: snapshot.Node) -> tuple[str, ...]:
        """Return why the node cannot take the pod; empty when it can."""
        if self.everywhere:
            return (self.everywhere,)
        if not all(volume_binding.reaches(volume, node.node) for volume in self.bound):
            return (NODE_CONFLICT,)
        return () if self.steps(node.node) is not None else (BIND_CONFLICT,)

    def steps(self, node: core.Node) -> tuple[Step, ...] | None:
        """Return what has to be written for this node; None when the waiting claims cannot be had there."""
        found: list[Step] = []
        taken = set(self.taken)
        # The largest first, as in Kubernetes: the small ones have more to choose from.
        for claim in sorted(self.waiting, key=lambda each: -volume_binding.size_of(each.spec.resources.requests)):
            step = self._step(claim, node, taken)
            if step is None:
                return None
            if step.volume is not None:
                taken.add(step.volume.metadata.name)
            if claim.metadata.uid not in self.chosen:
                found.append(step)
        return tuple(found)

    def _step(self, claim: core.PersistentVolumeClaim, node: core.Node, taken: set[str]) -> Step | None:
        chosen = self.chosen.get(claim.metadata.uid)
        if chosen is not None:
            kept = next((each for each in self.volumes if each.metadata.name == chosen.volume), None)
            fits = volume_binding.reaches(kept, node) if kept is not None else chosen.node == node.metadata.name
            return Step(claim) if fits else None
        volume = volume_binding.best(claim, self.volumes, node=node, waiting=True, taken=taken)
        if volume is not None:
            return Step(claim, volume)
        its_class = self.classes.get(volume_binding.class_of(claim))
        if its_class is None or its_class.provisioner == volume_binding.NO_PROVISIONER \
                or not volume_binding.in_topology(its_class, node):
            return None
        return Step(claim)


def rules(pod: core.Pod, view: View, placed: Mapping[str, snapshot.Placed], chosen: Mapping[str, Chosen],
          ) -> Rules | None:
    """Return the rules of a pod's claims, or None for a pod without claims.

    Args:
        pod: the pod.
        view: claims, volumes and classes.
        placed: the pods on nodes, by key.
        chosen: by uid of the claim, what this scheduler has chosen and the view does not show yet.
    """
    uses = volume_binding.uses(pod)
    if not uses:
        return None
    namespace = pod.metadata.namespace
    claims: list[core.PersistentVolumeClaim] = []
    for use in uses:
        claim = view.get(core.PersistentVolumeClaim, use.claim, namespace)
        if claim is None:
            return Rules(f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{use.claim}"'
                         if use.made_for_pod else f'persistentvolumeclaim "{use.claim}" not found')
        if problem := _problem(claim, pod, use):
            return Rules(problem)
        claims.append(claim)
    once = {claim.metadata.name for claim in claims if volume_binding.ONCE_POD in claim.spec.access_modes}
    if once and _is_taken(once, pod, placed):
        return Rules(everywhere=ONCE_POD)
    return _of_claims(claims, view, chosen)


def _problem(claim: core.PersistentVolumeClaim, pod: core.Pod, use: volume_binding.Use) -> str:
    m = claim.metadata
    if m.deletion_timestamp is not None:
        return f'persistentvolumeclaim "{m.name}" is being deleted'
    if claim.status.phase == "Lost":
        return (f'persistentvolumeclaim "{m.name}" bound to non-existent persistentvolume '
                f'"{claim.spec.volume_name}"')
    if use.made_for_pod and not volume_binding.belongs_to(claim, pod):
        return (f'PVC "{m.namespace}/{m.name}" was not created for pod "{m.namespace}/{pod.metadata.name}" (pod is not '
                "owner)")
    return ""


def _is_taken(claims: set[str], pod: core.Pod, placed: Mapping[str, snapshot.Placed]) -> bool:
    return any(other.pod.metadata.namespace == pod.metadata.namespace
               and other.pod.metadata.uid != pod.metadata.uid
               and any(use.claim in claims for use in volume_binding.uses(other.pod)) for other in placed.values())


def _of_claims(claims: Iterable[core.PersistentVolumeClaim], view: View, chosen: Mapping[str, Chosen]) -> Rules:
    bound: list[core.PersistentVolume] = []
    waiting: list[core.PersistentVolumeClaim] = []
    classes: dict[str, storage.StorageClass] = {}
    known = dict(chosen)
    for claim in claims:
        name = volume_binding.class_of(claim)
        if claim.spec.volume_name and volume_binding.BIND_COMPLETED in claim.metadata.annotations:
            volume = view.get(core.PersistentVolume, claim.spec.volume_name)
            if volume is None:
                return Rules(everywhere=NO_VOLUME)
            bound.append(volume)
            continue
        its_class = view.get(storage.StorageClass, name) if name else None
        if its_class is None or not volume_binding.waits(its_class) or claim.spec.volume_name:
            return Rules(IMMEDIATE)
        classes[name] = its_class
        waiting.append(claim)
        if (node := claim.metadata.annotations.get(volume_binding.SELECTED_NODE)) is not None:
            known.setdefault(claim.metadata.uid, Chosen(node))
    if not waiting:
        return Rules(bound=tuple(bound))
    volumes = tuple(volume for volume in view.all(core.PersistentVolume)
                    if volume_binding.class_of(volume) in classes)
    for claim in waiting:
        kept = next((each for each in volumes if volume_binding.refers_to(each, claim) and each.spec.claim_ref
                     and each.spec.claim_ref.uid), None)
        if kept is not None:
            known[claim.metadata.uid] = Chosen("", kept.metadata.name)
    taken = frozenset(each.volume for uid, each in known.items() if each.volume)
    return Rules(bound=tuple(bound), waiting=tuple(waiting), chosen=known, classes=classes, volumes=volumes,
                 taken=taken)


def all_bound(pod: core.Pod, view: View) -> bool:
    """Return whether every claim of the pod has its volume."""
    for use in volume_binding.uses(pod):
        claim = view.get(core.PersistentVolumeClaim, use.claim, pod.metadata.namespace)
        if claim is None or not volume_binding.is_bound(claim, view.get(core.PersistentVolume,
                                                                        claim.spec.volume_name)):
            return False
    return True


def reachable(pod: core.Pod, view: View, node: snapshot.Node | None) -> bool:
    """Return whether a node is there and reaches the volumes of a pod whose claims are all bound."""
    found = rules(pod, view, {}, {}) if node is not None else None
    return node is not None and found is not None and not found.problem and not found.reasons_against(node)


def patch_of(step: Step, node: str) -> tuple[type[meta.Object], str, str, dict[str, object]]:
    """Return kind, name, namespace and patch of what is written for a step; it fails when the object has changed."""
    m = step.claim.metadata
    if step.volume is None:
        return (core.PersistentVolumeClaim, m.name, m.namespace, {"metadata": {
            "resourceVersion": m.resource_version, "annotations": {volume_binding.SELECTED_NODE: node}}})
    ref = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": m.namespace, "name": m.name,
           "uid": m.uid, "resourceVersion": m.resource_version}
    metadata: dict[str, object] = {"resourceVersion": step.volume.metadata.resource_version}
    if step.volume.spec.claim_ref is None:
        metadata["annotations"] = {volume_binding.BOUND_BY_CONTROLLER: "yes"}
    return core.PersistentVolume, step.volume.metadata.name, "", {"metadata": metadata, "spec": {"claimRef": ref}}
