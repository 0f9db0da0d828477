"""Which volume is for which claim: classes, sizes, access modes, selectors, and the nodes that reach a volume.

The controller that binds and the scheduler that waits for it must agree on this, so it stands below both.
https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from edge.api import amounts, core, labels, meta, persistent_volumes, placement, storage

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
OLD_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
PV_PROTECTION = "kubernetes.io/pv-protection"
PVC_PROTECTION = "kubernetes.io/pvc-protection"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
WAIT = "WaitForFirstConsumer"
DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
ONCE_POD = "ReadWriteOncePod"


@dataclass(frozen=True, slots=True)
class Use:
    """A claim as a pod names it."""

    volume: str
    claim: str
    made_for_pod: bool
    """The claim of a generic ephemeral volume: it is made for this pod and belongs to it."""


def uses(pod: core.Pod) -> tuple[Use, ...]:
    """Return the claims a pod's volumes name."""
    found: list[Use] = []
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            found.append(Use(volume.name, volume.persistent_volume_claim.claim_name, False))
        elif volume.ephemeral is not None:
            found.append(Use(volume.name, f"{pod.metadata.name}-{volume.name}", True))
    return tuple(found)


def belongs_to(claim: core.PersistentVolumeClaim, pod: core.Pod) -> bool:
    """Return whether the claim was made for this very pod."""
    return any(ref.controller and ref.uid == pod.metadata.uid for ref in claim.metadata.owner_references)


def class_of(obj: core.PersistentVolumeClaim | core.PersistentVolume) -> str:
    """Return the name of the storage class of a claim or volume, or ""."""
    named = obj.metadata.annotations.get(persistent_volumes.CLASS_ANNOTATION)
    return (obj.spec.storage_class_name or "") if named is None else named


def names_class(claim: core.PersistentVolumeClaim) -> bool:
    """Return whether somebody has chosen the class of a claim, be it none."""
    return claim.spec.storage_class_name is not None \
        or persistent_volumes.CLASS_ANNOTATION in claim.metadata.annotations


def takes_default_class(claim: core.PersistentVolumeClaim) -> bool:
    """Return whether a claim that names no class gets the default one.

    One with a selector wants one of the volumes there are, and no provisioner makes a volume for it: a class would only
    hide from it the volumes that have none.
    """
    return not names_class(claim) and claim.spec.selector is None


def newest_default(classes: Iterable[meta.Object], annotations: Collection[str]) -> str:
    """Return the name of the default class; of several the newest, and of equally old ones the first by name."""
    marked = [found.metadata for found in classes
              if any(found.metadata.annotations.get(key) == "true" for key in annotations)]
    marked.sort(key=lambda metadata: metadata.name)
    marked.sort(key=lambda metadata: metadata.creation_timestamp or "", reverse=True)
    return marked[0].name if marked else ""


def waits(storage_class: storage.StorageClass | None) -> bool:
    """Return whether claims of the class are bound only when a pod has got its node."""
    return storage_class is not None and storage_class.volume_binding_mode == WAIT


def size_of(amount: dict[str, meta.Quantity]) -> int:
    """Return the storage of a map of quantities as a number that can be compared."""
    return amounts.of(amount.get("storage", 0)).nano


def refers_to(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> bool:
    """Return whether the volume is kept for, or bound to, this claim; one that names no uid is kept for the name."""
    ref = volume.spec.claim_ref
    return ref is not None and (ref.namespace, ref.name) == (claim.metadata.namespace, claim.metadata.name) \
        and ref.uid in ("", claim.metadata.uid)


def is_bound(claim: core.PersistentVolumeClaim, volume: core.PersistentVolume | None) -> bool:
    """Return whether both say that they belong together, to the end."""
    ref = volume.spec.claim_ref if volume is not None else None
    return volume is not None and ref is not None and ref.uid == claim.metadata.uid \
        and claim.spec.volume_name == volume.metadata.name and BIND_COMPLETED in claim.metadata.annotations


def reaches(volume: core.PersistentVolume, node: core.Node) -> bool:
    """Return whether the node can reach the volume."""
    required = volume.spec.node_affinity.required if volume.spec.node_affinity else None
    return required is None or any(placement.term_matches(term, node) for term in required.node_selector_terms)


def in_topology(storage_class: storage.StorageClass, node: core.Node) -> bool:
    """Return whether volumes of the class may be made for this node."""
    terms = storage_class.allowed_topologies
    return not terms or any(all(node.metadata.labels.get(rule.key) in rule.values
                                for rule in term.match_label_expressions) for term in terms)


def complaint(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> str:
    """Return why a volume that a claim asks for by name is not what the claim asks for, or ""."""
    if volume.metadata.deletion_timestamp is not None:
        return f'the volume is marked for deletion "{volume.metadata.name}"'
    if size_of(volume.spec.capacity) < size_of(claim.spec.resources.requests):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if _mode(volume.spec.volume_mode) != _mode(claim.spec.volume_mode):
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return ""


def best(claim: core.PersistentVolumeClaim, volumes: Iterable[core.PersistentVolume], *, node: core.Node | None = None,
         waiting: bool = False, taken: Collection[str] = ()) -> core.PersistentVolume | None:
    """Return the volume for a claim: the one kept for it, else the smallest that fits, with the fewest access modes.

    Args:
        claim: the claim, which names no volume.
        volumes: those there are.
        node: where the claim's pod is to be; None when that does not matter or is not known.
        waiting: whether the claim waits for its pod's node; then, without a node, only a volume kept for it will do.
        taken: names of volumes that somebody else is about to get.
    """
    chosen: list[tuple[tuple[int, int, str], core.PersistentVolume]] = []
    wanted = labels.from_label_selector(claim.spec.selector) if claim.spec.selector is not None else None
    for volume in volumes:
        kept = refers_to(volume, claim)
        if volume.metadata.name in taken or not _could_be(volume, claim, kept):
            continue
        reached = node is None or reaches(volume, node)
        if kept:
            return volume if reached else None
        if reached and not (node is None and waiting) and _fits(volume, claim, wanted):
            order = (len(volume.spec.access_modes), size_of(volume.spec.capacity), volume.metadata.name)
            chosen.append((order, volume))
    return min(chosen, key=lambda each: each[0])[1] if chosen else None


def mode_differs(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim) -> bool:
    """Return whether one is a file system and the other a block device."""
    return _mode(volume.spec.volume_mode) != _mode(claim.spec.volume_mode)


def _could_be(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim, kept: bool) -> bool:
    return (kept or volume.spec.claim_ref is None) and volume.metadata.deletion_timestamp is None \
        and size_of(volume.spec.capacity) >= size_of(claim.spec.resources.requests) and not mode_differs(volume, claim)


def _fits(volume: core.PersistentVolume, claim: core.PersistentVolumeClaim, wanted: labels.Selector | None) -> bool:
    return volume.status.phase == "Available" and class_of(volume) == class_of(claim) \
        and (wanted is None or wanted.matches(volume.metadata.labels)) \
        and set(claim.spec.access_modes) <= set(volume.spec.access_modes)


def _mode(text: str | None) -> str:
    return text or "Filesystem"
