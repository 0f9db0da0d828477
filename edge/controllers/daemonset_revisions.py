"""The templates a DaemonSet had, kept as ControllerRevisions for `kubectl rollout history` and `undo`."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from edge.api import apps, core, meta
from edge.controllers import indexes, interface, plan, revisions

HASH_LABEL = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class History:
    """The hash of the present template, and what has to be done to the kept ones."""

    hash: str
    actions: tuple[plan.Action, ...]


def plan_history(ds: apps.DaemonSet, ref: meta.OwnerReference, claimed: tuple[core.Pod, ...],
                 view: interface.View) -> History:
    """Return the present revision's hash; a template that is new gets a revision, one that returns a new number."""
    kept = sorted(view.indexed(apps.ControllerRevision, indexes.OWNER, ds.metadata.uid),
                  key=lambda found: (found.revision, found.metadata.name))
    same = [found for found in kept if template_of(found) == ds.spec.template]
    newest = kept[-1].revision if kept else 0
    if not same:
        digest = revisions.template_hash(ds.spec.template, ds.status.collision_count or 0)
        return History(digest, (plan.Create(_revision(ds, ref, digest, newest + 1)),
                                *_surplus(ds, kept, claimed, digest)))
    current = same[-1]
    digest = current.metadata.labels.get(HASH_LABEL, "")
    actions: list[plan.Action] = []
    if current.revision < newest:
        actions.append(plan.Update(msgspec.structs.replace(current, revision=newest + 1)))
    return History(digest, (*actions, *_surplus(ds, kept, claimed, digest)))


def template_of(revision: apps.ControllerRevision) -> core.PodTemplateSpec | None:
    """Return the template a revision keeps, or None when it cannot be read."""
    try:
        return msgspec.convert((revision.data or {})["spec"]["template"], core.PodTemplateSpec)
    except (KeyError, TypeError, msgspec.ValidationError):
        return None


def _revision(ds: apps.DaemonSet, ref: meta.OwnerReference, digest: str, number: int) -> apps.ControllerRevision:
    template = msgspec.to_builtins(ds.spec.template)
    labels = {**ds.spec.template.metadata.labels, HASH_LABEL: digest}
    notes = {key: value for key, value in ds.metadata.annotations.items()
             if key != "kubectl.kubernetes.io/last-applied-configuration"}
    return apps.ControllerRevision(
        api_version="apps/v1", kind="ControllerRevision", revision=number,
        data={"spec": {"template": {**template, "$patch": "replace"}}},
        metadata=meta.ObjectMeta(name=f"{ds.metadata.name}-{digest}", namespace=ds.metadata.namespace, labels=labels,
                                 annotations=notes, owner_references=(ref,)))


def _surplus(ds: apps.DaemonSet, kept: list[apps.ControllerRevision], claimed: tuple[core.Pod, ...],
             digest: str) -> tuple[plan.Action, ...]:
    """Return the deletions of the oldest revisions no pod has, beyond `revisionHistoryLimit`."""
    limit = 10 if ds.spec.revision_history_limit is None else ds.spec.revision_history_limit
    live = {pod.metadata.labels.get(HASH_LABEL) for pod in claimed} | {digest}
    idle = [found for found in kept if found.metadata.labels.get(HASH_LABEL) not in live
            and found.metadata.deletion_timestamp is None]
    return tuple(plan.delete(found) for found in idle[:max(0, len(idle) - limit)])
