"""Names and revisions of a Deployment's ReplicaSets and a DaemonSet's templates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from edge.api import core, meta

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"
_NOT_COPIED = frozenset({"kubectl.kubernetes.io/last-applied-configuration", REVISION, REVISION_HISTORY, DESIRED, MAX,
                         "deprecated.deployment.rollback.to", "deprecated.daemonset.template.generation"})
# No vowels and no digits that look like letters, so that no hash spells a word.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: core.PodTemplateSpec, collisions: int = 0) -> str:
    """Return ten or fewer safe letters that stand for a pod template."""
    body = msgspec.json.encode(template, order="deterministic") + str(collisions or "").encode()
    number = int.from_bytes(hashlib.sha256(body).digest()[:4], "big")
    return "".join(_ALPHABET[int(digit) * 2 + 1] for digit in str(number))


def with_label(template: core.PodTemplateSpec, label: str, value: str) -> core.PodTemplateSpec:
    """Return the template with one more label on its pods."""
    metadata = msgspec.structs.replace(template.metadata, labels={**template.metadata.labels, label: value})
    return msgspec.structs.replace(template, metadata=metadata)


def without_label(template: core.PodTemplateSpec, label: str = HASH_LABEL) -> core.PodTemplateSpec:
    """Return the template without a label, to compare it."""
    if label not in template.metadata.labels:
        return template
    labels = {key: value for key, value in template.metadata.labels.items() if key != label}
    return msgspec.structs.replace(template, metadata=msgspec.structs.replace(template.metadata, labels=labels))


def number(obj: meta.Object) -> int:
    """Return the revision in an object's annotations; 0 when there is none."""
    return _integer(obj.metadata.annotations.get(REVISION)) or 0


def highest(objects: Iterable[meta.Object]) -> int:
    """Return the highest revision of the objects."""
    return max((number(obj) for obj in objects), default=0)


def most_allowed(obj: meta.Object) -> int | None:
    """Return the highest number of pods noted on a ReplicaSet when it was last scaled."""
    return _integer(obj.metadata.annotations.get(MAX))


def desired_noted(obj: meta.Object) -> int | None:
    """Return the Deployment's replicas noted on a ReplicaSet when it was last scaled."""
    return _integer(obj.metadata.annotations.get(DESIRED))


def replica_set_annotations(deployment: meta.Object, current: dict[str, str], revision: int) -> dict[str, str]:
    """Return a ReplicaSet's annotations: those of the Deployment, its revision, and the revisions it had before."""
    notes = dict(current) | {key: value for key, value in deployment.metadata.annotations.items()
                             if key not in _NOT_COPIED}
    before = _integer(current.get(REVISION))
    if before is not None and before < revision:
        history = [part for part in current.get(REVISION_HISTORY, "").split(",") if part]
        notes[REVISION_HISTORY] = ",".join([*history, str(before)])
    if before is None or before < revision:
        notes[REVISION] = str(revision)
    return notes


def scale_annotations(notes: dict[str, str], replicas: int, most: int) -> dict[str, str]:
    """Return annotations that note what the Deployment wanted when it scaled."""
    return notes | {DESIRED: str(replicas), MAX: str(most)}


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
