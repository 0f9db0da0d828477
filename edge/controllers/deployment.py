"""Rolls a Deployment out: one ReplicaSet for each pod template, scaled step by step.

Each round makes at most one kind of step (create, scale, clean up) and the status; the next change of a ReplicaSet
brings the next round. https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from edge.api import apps, core, labels, meta
from edge.controllers import (
    deployment_status,
    indexes,
    interface,
    ownership,
    plan,
    pods,
    revisions,
    rollout,
)
from edge.controllers.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What one round looks at."""

    deployment: apps.Deployment
    spec: apps.DeploymentSpec
    template: core.PodTemplateSpec
    replicas: int
    surge: int
    unavailable: int
    sets: tuple[apps.ReplicaSet, ...]
    new: apps.ReplicaSet | None
    old: tuple[apps.ReplicaSet, ...]

    @property
    def about(self) -> meta.ObjectReference:
        """Return what events are about."""
        return plan.reference("Deployment", "apps/v1", self.deployment)

    @property
    def most(self) -> int:
        """Return the highest number of pods allowed at any time."""
        return self.replicas + self.surge


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(
        name="deployment", reconcile=reconcile,
        sources=(interface.own(apps.Deployment),
                 interface.controlled_by(apps.Deployment, apps.ReplicaSet, also=_selecting),
                 interface.Source(core.Pod, lambda _pod, _view: (), on_delete=_of_pod)))


def _selecting(rs: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    return tuple(interface.key_of(d) for d in view.all(apps.Deployment, rs.metadata.namespace)
                 if labels.from_label_selector(d.spec.selector).matches(rs.metadata.labels))


def _of_pod(pod: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """Name the Deployment of a pod that is gone: one that recreates waits for the last old pod."""
    ref = pods.controller_of(pod)
    rs = view.get(apps.ReplicaSet, ref.name, pod.metadata.namespace) if ref and ref.kind == "ReplicaSet" else None
    owner = pods.controller_of(rs) if rs else None
    return (interface.Key(apps.Deployment, pod.metadata.namespace, owner.name),) if owner else ()


def reconcile(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
    """Return the next step of the rollout, and the status."""
    deployment = view.get(apps.Deployment, key.name, key.namespace)
    if deployment is None:
        return plan.Plan()
    ref = ownership.controller_ref("Deployment", "apps/v1", deployment)
    selector = labels.from_label_selector(deployment.spec.selector)
    sets, claims = ownership.claim(ref, deployment, selector, apps.ReplicaSet, view)
    now_at = _situation(deployment, sets)
    if claims:
        return plan.Plan(claims)
    steps: tuple[plan.Action, ...] = ()
    collisions = deployment.status.collision_count or 0
    if deployment.metadata.deletion_timestamp is None:
        collisions += _collides(now_at, view)
        steps = _annotate(now_at) or _steps(now_at, ref, view, collisions)
    status, again = deployment_status.status(deployment_status.Facts(
        deployment=deployment, replicas=now_at.replicas, unavailable=now_at.unavailable, sets=sets, new=now_at.new,
        collisions=collisions), now)
    actions: list[plan.Action] = []
    if status != deployment.status:
        actions.append(plan.UpdateStatus(msgspec.structs.replace(deployment, status=status)))
    return plan.Plan((*actions, *steps), again)


def _situation(deployment: apps.Deployment, sets: tuple[apps.ReplicaSet, ...]) -> Situation:
    spec = deployment.spec
    template = spec.template
    replicas = 1 if spec.replicas is None else spec.replicas
    rolling = spec.strategy.rolling_update
    surge, unavailable = rollout.limits(replicas, rolling.max_surge if rolling else None,
                                        rolling.max_unavailable if rolling else None)
    if spec.strategy.type == "Recreate":
        surge, unavailable = 0, 0
    bare = revisions.without_label(template)
    matching = [rs for rs in sets if revisions.without_label(rs.spec.template) == bare]
    # Two ReplicaSets with the same template can only come from outside; the oldest one stays the new one for good.
    new = min(matching, key=lambda rs: (rs.metadata.creation_timestamp or "", rs.metadata.name), default=None)
    return Situation(deployment=deployment, spec=spec, template=template, replicas=replicas, surge=surge,
                     unavailable=unavailable, sets=sets, new=new, old=tuple(rs for rs in sets if rs is not new))


def _steps(at: Situation, ref: meta.OwnerReference, view: interface.View, collisions: int) -> tuple[plan.Action, ...]:
    if at.spec.paused:
        return _rescale(at) or _clean_up(at)
    if any(_wanted(rs) > 0 and revisions.desired_noted(rs) not in (None, at.replicas) for rs in at.sets):
        return _rescale(at)
    if at.spec.strategy.type == "Recreate":
        return _recreate(at, ref, view, collisions) or _clean_up(at)
    return _roll(at, ref, collisions) or _clean_up(at)


def _roll(at: Situation, ref: meta.OwnerReference, collisions: int) -> tuple[plan.Action, ...]:
    others = sum(_wanted(rs) for rs in at.old)
    if at.new is None:
        return (_create(at, ref, rollout.grow_new(at.replicas, at.surge, 0, others), collisions),)
    grown = rollout.grow_new(at.replicas, at.surge, _wanted(at.new), others)
    if grown != _wanted(at.new):
        return _scale(at, at.new, grown)
    active = [rs for rs in at.old if _wanted(rs) > 0]
    shrunk = rollout.shrink_old(at.replicas, at.unavailable, _numbers(at.new), [_numbers(rs) for rs in active])
    return _scale_all(at, shrunk)


def _recreate(at: Situation, ref: meta.OwnerReference, view: interface.View,
              collisions: int) -> tuple[plan.Action, ...]:
    down = _scale_all(at, {rs.metadata.name: 0 for rs in at.old})
    if down:
        return down
    # Pods of the old templates must be gone, terminating ones too, before the first new one starts.
    if any(not pods.is_finished(pod) for rs in at.old
           for pod in view.indexed(core.Pod, indexes.OWNER, rs.metadata.uid)):
        return ()
    if at.new is None:
        return (_create(at, ref, at.replicas, collisions),)
    return _scale(at, at.new, at.replicas)


def _rescale(at: Situation) -> tuple[plan.Action, ...]:
    """Bring the ReplicaSets to a changed `spec.replicas` without moving the rollout on."""
    active = [rs for rs in at.sets if _wanted(rs) > 0]
    if len(active) <= 1:
        newest = max(at.sets, key=lambda rs: (revisions.number(rs), rs.metadata.creation_timestamp or ""),
                     default=None)
        only = active[0] if active else at.new or newest
        return _scale(at, only, at.replicas) if only else ()
    if at.new and _wanted(at.new) == at.replicas == at.new.status.available_replicas:
        return _scale_all(at, {rs.metadata.name: 0 for rs in at.old}) or _scale(at, at.new, at.replicas)
    wanted = rollout.proportional(at.replicas, at.surge, [_numbers(rs) for rs in active])
    return tuple(action for rs in active for action in _scale(at, rs, wanted[rs.metadata.name]))


def _clean_up(at: Situation) -> tuple[plan.Action, ...]:
    """Delete the oldest ReplicaSets without pods beyond `revisionHistoryLimit`."""
    limit = at.spec.revision_history_limit
    status = at.deployment.status
    if limit is None or not deployment_status.is_complete(at.deployment, status, at.replicas):
        return ()
    empty = [rs for rs in at.old if _wanted(rs) == 0 and rs.status.replicas == 0
             and rs.status.observed_generation >= rs.metadata.generation
             and rs.metadata.deletion_timestamp is None]
    empty.sort(key=lambda rs: (revisions.number(rs), rs.metadata.creation_timestamp or "", rs.metadata.name))
    return tuple(plan.delete(rs, propagation_policy="Background") for rs in empty[:max(0, len(empty) - limit)])


def _create(at: Situation, ref: meta.OwnerReference, replicas: int, collisions: int) -> plan.Create:
    digest = revisions.template_hash(revisions.without_label(at.template), collisions)
    template = revisions.with_label(at.template, revisions.HASH_LABEL, digest)
    selector = at.spec.selector or meta.LabelSelector()
    selector = msgspec.structs.replace(selector, match_labels={**selector.match_labels, revisions.HASH_LABEL: digest})
    notes = revisions.replica_set_annotations(at.deployment, {}, revisions.highest(at.sets) + 1)
    m = at.deployment.metadata
    rs = apps.ReplicaSet(
        api_version="apps/v1", kind="ReplicaSet",
        metadata=meta.ObjectMeta(name=f"{m.name}-{digest}", namespace=m.namespace, labels=template.metadata.labels,
                                 annotations=revisions.scale_annotations(notes, at.replicas, at.most),
                                 owner_references=(ref,)),
        spec=apps.ReplicaSetSpec(replicas=replicas, selector=selector, template=template,
                                 min_ready_seconds=at.spec.min_ready_seconds))
    event = plan.Emit(at.about, "Normal", "ScalingReplicaSet",
                      f"Scaled up replica set {rs.metadata.name} from 0 to {replicas}")
    return plan.Create(rs, event if replicas else None)


def _collides(at: Situation, view: interface.View) -> int:
    """Return 1 when the name the new ReplicaSet would get is taken by one with another template."""
    if at.new is not None:
        return 0
    collisions = at.deployment.status.collision_count or 0
    digest = revisions.template_hash(revisions.without_label(at.template), collisions)
    return int(view.get(apps.ReplicaSet, f"{at.deployment.metadata.name}-{digest}",
                        at.deployment.metadata.namespace) is not None)


def _annotate(at: Situation) -> tuple[plan.Action, ...]:
    """Note the revision on the new ReplicaSet and on the Deployment; a template that returns gets a new revision."""
    if at.new is None:
        return ()
    before = revisions.highest(at.old)
    number = max(before + 1, revisions.number(at.new))
    notes = revisions.replica_set_annotations(at.deployment, at.new.metadata.annotations, number)
    actions: list[plan.Action] = []
    spec: dict[str, object] = {}
    if at.new.spec.min_ready_seconds != at.spec.min_ready_seconds:
        spec = {"spec": {"minReadySeconds": at.spec.min_ready_seconds}}
    if notes != at.new.metadata.annotations or spec:
        m = at.new.metadata
        actions.append(plan.Patch(apps.ReplicaSet, m.name, m.namespace,
                                  {"metadata": {"annotations": notes, "resourceVersion": m.resource_version}, **spec}))
    if revisions.number(at.deployment) != number:
        m = at.deployment.metadata
        actions.append(plan.Patch(apps.Deployment, m.name, m.namespace,
                                  {"metadata": {"annotations": {revisions.REVISION: str(number)}}}))
    return tuple(actions)


def _scale_all(at: Situation, wanted: dict[str, int]) -> tuple[plan.Action, ...]:
    return tuple(action for rs in at.sets if rs.metadata.name in wanted
                 for action in _scale(at, rs, wanted[rs.metadata.name]))


def _scale(at: Situation, rs: apps.ReplicaSet, replicas: int) -> tuple[plan.Action, ...]:
    m = rs.metadata
    before = _wanted(rs)
    notes = revisions.scale_annotations(m.annotations, at.replicas, at.most)
    if before == replicas and notes == m.annotations:
        return ()
    if before == replicas == 0:
        return ()
    event = plan.Emit(at.about, "Normal", "ScalingReplicaSet", f"Scaled {'up' if replicas > before else 'down'} "
                      f"replica set {m.name} from {before} to {replicas}")
    patch = {"metadata": {"annotations": {revisions.DESIRED: str(at.replicas), revisions.MAX: str(at.most)},
                          "resourceVersion": m.resource_version},
             "spec": {"replicas": replicas}}
    return (plan.Patch(apps.ReplicaSet, m.name, m.namespace, patch, done=event if before != replicas else None),)


def _wanted(rs: apps.ReplicaSet) -> int:
    return 1 if rs.spec.replicas is None else rs.spec.replicas


def _numbers(rs: apps.ReplicaSet) -> rollout.Replicas:
    status = rs.status
    return rollout.Replicas(rs.metadata.name, _wanted(rs), status.replicas, status.available_replicas,
                            rs.metadata.creation_timestamp or "", revisions.most_allowed(rs))
