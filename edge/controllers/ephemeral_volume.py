"""Makes the claims of generic ephemeral volumes; they belong to their pod and go with it.

https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from edge.api import core, meta, volume_binding
from edge.controllers import interface, ownership, plan, pods
from edge.controllers.settings import Settings


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(name="ephemeral_volume", reconcile=reconcile, sources=(
        interface.Source(core.Pod, _with_volumes),
        interface.Source(core.PersistentVolumeClaim, lambda _obj, _view: (), on_delete=_pod_of)))


def _with_volumes(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    has = isinstance(obj, core.Pod) and any(volume.ephemeral is not None for volume in obj.spec.volumes)
    return (interface.key_of(obj),) if has else ()


def _pod_of(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    return [interface.Key(core.Pod, obj.metadata.namespace, ref.name) for ref in obj.metadata.owner_references
            if ref.controller and ref.kind == "Pod"]


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
    """Return the claims that are missing, and what stands in the way of others."""
    pod = view.get(core.Pod, key.name, key.namespace)
    if pod is None or pod.metadata.deletion_timestamp is not None or pods.is_finished(pod):
        return plan.Plan()
    actions: list[plan.Action] = []
    for volume in pod.spec.volumes:
        template = volume.ephemeral.volume_claim_template if volume.ephemeral is not None else None
        if template is None:
            continue
        name = f"{key.name}-{volume.name}"
        claim = view.get(core.PersistentVolumeClaim, name, key.namespace)
        if claim is None:
            metadata = meta.ObjectMeta(
                name=name, namespace=key.namespace, labels=template.metadata.labels,
                annotations=template.metadata.annotations,
                owner_references=(ownership.controller_ref("Pod", "v1", pod),))
            actions.append(plan.Create(core.PersistentVolumeClaim(
                api_version="v1", kind="PersistentVolumeClaim", metadata=metadata, spec=template.spec)))
        elif not volume_binding.belongs_to(claim, pod):
            actions.append(plan.Emit(
                plan.reference("Pod", "v1", pod), "Warning", "FailedBinding",
                f'ephemeral volume {volume.name}: PVC "{key.namespace}/{name}" was not created for pod '
                f'"{key.namespace}/{key.name}" (pod is not owner)'))
    return plan.Plan(tuple(actions))
