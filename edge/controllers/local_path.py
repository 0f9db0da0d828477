"""Makes volumes of the provisioner `edge.pi/local-path`: directories on the node a claim's pod is to run on.

It acts as a provisioner outside of the control plane does, on what the binding controller has marked for it. A volume
whose claim is gone is deleted only when the server itself, not a cache, says that the claim is gone; the volume then
stays, with a finalizer, until its node has put the directory away.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from edge.api import core, local_volumes, meta, placement, storage, volume_binding
from edge.api import persistent_volume_sources as sources
from edge.controllers import interface, plan
from edge.controllers.settings import Settings

RETRY_SECONDS = 60.0


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(name="local_path", reconcile=reconcile, sources=(
        interface.own(core.PersistentVolumeClaim), interface.own(core.PersistentVolume),
        interface.Source(core.PersistentVolumeClaim, _volume_of), interface.Source(core.PersistentVolume, _claim_of),
        interface.Source(storage.StorageClass, lambda _obj, _view: ()),
        interface.Source(core.Node, lambda _obj, _view: (), on_delete=_waiting_for)))


def _volume_of(obj: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    assert isinstance(obj, core.PersistentVolumeClaim)
    name = local_volumes.name_of(obj)
    return (interface.Key(core.PersistentVolume, "", name),) if view.get(core.PersistentVolume, name) else ()


def _claim_of(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    assert isinstance(obj, core.PersistentVolume)
    ref = obj.spec.claim_ref
    return (interface.Key(core.PersistentVolumeClaim, ref.namespace, ref.name),) if ref is not None else ()


def _waiting_for(_node: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """Return what waits for a node that is gone: claims it was chosen for, and volumes it had."""
    claims = [interface.key_of(claim) for claim in view.all(core.PersistentVolumeClaim)
              if not claim.spec.volume_name and volume_binding.SELECTED_NODE in claim.metadata.annotations]
    return [*claims, *(interface.key_of(volume) for volume in view.all(core.PersistentVolume)
                       if volume.metadata.deletion_timestamp is not None)]


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
    """Return what a claim or a volume of ours needs."""
    if key.kind is core.PersistentVolumeClaim:
        claim = view.get(core.PersistentVolumeClaim, key.name, key.namespace)
        return plan.Plan() if claim is None else _claim(claim, view)
    volume = view.get(core.PersistentVolume, key.name)
    return plan.Plan(_volume(volume, view)) if volume is not None and local_volumes.is_local(volume) else plan.Plan()


def _claim(claim: core.PersistentVolumeClaim, view: interface.View) -> plan.Plan:
    if claim.spec.volume_name:
        return plan.Plan(_grown(claim, view))
    annotations = claim.metadata.annotations
    storage_class = view.get(storage.StorageClass, volume_binding.class_of(claim))
    if storage_class is None or storage_class.provisioner != local_volumes.PROVISIONER \
            or claim.metadata.deletion_timestamp is not None \
            or view.get(core.PersistentVolume, local_volumes.name_of(claim)) is not None:
        return plan.Plan()
    if problem := _refusal(claim, storage_class):
        return plan.Plan((_failed(claim, problem),), RETRY_SECONDS)
    if annotations.get(volume_binding.STORAGE_PROVISIONER) != local_volumes.PROVISIONER:
        return plan.Plan()
    if not volume_binding.waits(storage_class):
        node = _any_node(storage_class, view)
        if node is None:
            return plan.Plan((_failed(claim, "no ready node takes volumes of this class"),), RETRY_SECONDS)
        return plan.Plan(_provision(claim, storage_class, node))
    chosen = annotations.get(volume_binding.SELECTED_NODE, "")
    if not chosen:
        return plan.Plan()
    node = view.get(core.Node, chosen)
    if node is None:
        # Without the mark the scheduler chooses anew.
        return plan.Plan((_failed(claim, f'node "{chosen}" not found'), plan.Patch(
            core.PersistentVolumeClaim, claim.metadata.name, claim.metadata.namespace,
            {"metadata": {"resourceVersion": claim.metadata.resource_version,
                          "annotations": {volume_binding.SELECTED_NODE: None}}})))
    return plan.Plan(_provision(claim, storage_class, node))


def _refusal(claim: core.PersistentVolumeClaim, storage_class: storage.StorageClass) -> str:
    """Return why no volume can be made for the claim, or ""."""
    for mode in claim.spec.access_modes:
        if mode not in ("ReadWriteOnce", volume_binding.ONCE_POD):
            return (f"{mode} is not supported: a volume of class {storage_class.metadata.name} is a directory of one "
                    "node; only ReadWriteOnce and ReadWriteOncePod are")
    if claim.spec.volume_mode == "Block":
        return "volumeMode Block is not supported: a local-path volume is a directory"
    if claim.spec.selector is not None:
        return "claim.Spec.Selector is not supported"
    if claim.spec.data_source_ref is not None or claim.spec.data_source is not None:
        return "claim.Spec.DataSource is not supported"
    return ""


def _any_node(storage_class: storage.StorageClass, view: interface.View) -> core.Node | None:
    """Return the ready node with the fewest local volumes that every pod may go to."""
    used: dict[str, int] = {}
    for volume in view.all(core.PersistentVolume):
        host = local_volumes.host_of(volume)
        used[host] = used.get(host, 0) + 1
    fitting = [node for node in view.all(core.Node) if _takes_any(node) and
               volume_binding.in_topology(storage_class, node)]
    return min(fitting, key=lambda node: (used.get(_host(node), 0), node.metadata.name), default=None)


def _takes_any(node: core.Node) -> bool:
    ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    return ready and not node.spec.unschedulable and node.metadata.deletion_timestamp is None \
        and placement.untolerated(node.spec.taints, ()) is None


def _host(node: core.Node) -> str:
    return node.metadata.labels.get(local_volumes.HOST_NAME) or node.metadata.name


def _provision(claim: core.PersistentVolumeClaim, storage_class: storage.StorageClass,
               node: core.Node) -> tuple[plan.Action, ...]:
    name, asked = local_volumes.name_of(claim), claim.metadata
    ref = meta.ObjectReference(kind="PersistentVolumeClaim", api_version="v1", namespace=asked.namespace,
                               name=asked.name, uid=asked.uid, resource_version=asked.resource_version)
    spec = core.PersistentVolumeSpec(
        capacity={"storage": claim.spec.resources.requests.get("storage", "0")}, access_modes=claim.spec.access_modes,
        claim_ref=ref, persistent_volume_reclaim_policy=storage_class.reclaim_policy or "Delete",
        storage_class_name=storage_class.metadata.name, volume_mode="Filesystem",
        mount_options=storage_class.mount_options, node_affinity=local_volumes.affinity(_host(node)),
        local=sources.LocalVolumeSource(path=f"{local_volumes.DIRECTORY}/{name}"))
    metadata = meta.ObjectMeta(name=name, finalizers=(local_volumes.FINALIZER,), annotations={
        volume_binding.PROVISIONED_BY: local_volumes.PROVISIONER, local_volumes.PROVISIONED_BY: local_volumes.CLASS})
    made = core.PersistentVolume(api_version="v1", kind="PersistentVolume", metadata=metadata, spec=spec)
    place = f"{asked.namespace}/{asked.name}"
    return (_tell(claim, "Normal", "Provisioning",
                  f'External provisioner is provisioning volume for claim "{place}"'),
            plan.Create(made, may_exist=True, done=_tell(
                claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {name}")))


def _grown(claim: core.PersistentVolumeClaim, view: interface.View) -> tuple[plan.Action, ...]:
    """Return what gives a claim that asks for more than it had what it asks for: a directory has no size of its own."""
    wanted = claim.spec.resources.requests
    volume = view.get(core.PersistentVolume, claim.spec.volume_name)
    if volume is None or not local_volumes.is_local(volume) or not volume_binding.is_bound(claim, volume) \
            or claim.status.phase != "Bound" or claim.metadata.deletion_timestamp is not None:
        return ()
    actions: list[plan.Action] = []
    capacity = volume.spec.capacity
    if volume_binding.size_of(capacity) < volume_binding.size_of(wanted):
        capacity = {"storage": wanted["storage"]}
        actions.append(plan.Patch(core.PersistentVolume, volume.metadata.name, "", {
            "metadata": {"resourceVersion": volume.metadata.resource_version}, "spec": {"capacity": capacity}}))
    if volume_binding.size_of(claim.status.capacity) < volume_binding.size_of(capacity):
        actions.append(plan.Patch(
            core.PersistentVolumeClaim, claim.metadata.name, claim.metadata.namespace,
            {"metadata": {"uid": claim.metadata.uid}, "status": {"capacity": capacity}}, "status",
            done=_tell(claim, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded")))
    return tuple(actions)


def _volume(volume: core.PersistentVolume, view: interface.View) -> tuple[plan.Action, ...]:
    """Return the end of a volume that nobody claims any more, as far as it can be reached from here."""
    m, ref = volume.metadata, volume.spec.claim_ref
    if volume.status.phase in ("", "Pending", "Bound") or (ref is None and m.deletion_timestamp is None):
        return ()
    if m.deletion_timestamp is not None:
        return _last_step(volume, view)
    if volume.spec.persistent_volume_reclaim_policy != "Delete" or ref is None or not ref.uid:
        return ()
    claim = view.get(core.PersistentVolumeClaim, ref.name, ref.namespace)
    if claim is not None and claim.metadata.uid == ref.uid:
        # A claim never changes its volume.
        return (plan.delete(volume),) if claim.spec.volume_name not in ("", m.name) else ()
    return (plan.Collect(core.PersistentVolume, m.name, "", m.uid, (
        plan.Owner(core.PersistentVolumeClaim, ref.name, ref.namespace, ref.uid),)),)


def _last_step(volume: core.PersistentVolume, view: interface.View) -> tuple[plan.Action, ...]:
    """Let a volume go without its node when its directory is to stay, or when there is no such node any more."""
    m, host = volume.metadata, local_volumes.host_of(volume)
    keeps = volume.spec.persistent_volume_reclaim_policy != "Delete"
    if local_volumes.FINALIZER not in m.finalizers or not (
            keeps or not any(_host(node) == host for node in view.all(core.Node))):
        return ()
    rest: list[Any] = [name for name in m.finalizers if name != local_volumes.FINALIZER]
    return (plan.Patch(core.PersistentVolume, m.name, "", {
        "metadata": {"resourceVersion": m.resource_version, "finalizers": rest or None}}),)


def _failed(claim: core.PersistentVolumeClaim, problem: str) -> plan.Emit:
    return _tell(claim, "Warning", "ProvisioningFailed",
                 f'failed to provision volume with StorageClass "{volume_binding.class_of(claim)}": {problem}')


def _tell(claim: core.PersistentVolumeClaim, kind: str, reason: str, message: str) -> plan.Emit:
    return plan.Emit(plan.reference("PersistentVolumeClaim", "v1", claim), kind, reason, message)
