"""A cluster in memory whose view may lag behind: conditional writes conflict, finalizers hold, as in the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from edge.api import core, errors, meta, storage, times, volume_binding
from edge.controllers import interface, plan
from tests import builders
from tests.fakes.world import World, merge

O = TypeVar("O", bound=meta.Object)  # noqa: E741
Name = tuple[type[meta.Object], str, str]


class StorageWorld(World):
    """See the module. With `lags`, the view of a kind shows a change only after `catch_up`."""

    def __init__(self, *objects: meta.Object, lags: bool = False) -> None:
        self.lags = lags
        self.shown: dict[Name, meta.Object] = {}
        self.told: list[tuple[str, str, str]] = []
        """Type, reason and message of each event."""
        super().__init__(*objects)
        self.catch_up()

    # The view.

    def catch_up(self, *kinds: type[meta.Object]) -> None:
        """Show the kinds (all of them when none is named) as they are."""
        wanted = [name for name in (*self.shown, *self._objects) if not kinds or name[0] in kinds]
        for name in wanted:
            if name in self._objects:
                self.shown[name] = self._objects[name]
            else:
                self.shown.pop(name, None)

    def get(self, kind: type[O], name: str, namespace: str = "") -> O | None:
        found = (self.shown if self.lags else self._objects).get((kind, namespace, name))
        return found if isinstance(found, kind) else None

    def all(self, kind: type[O], namespace: str = "") -> tuple[O, ...]:
        return tuple(obj for obj in (self.shown if self.lags else self._objects).values()
                     if isinstance(obj, kind) and namespace in ("", obj.metadata.namespace))

    def true(self, kind: type[O]) -> tuple[O, ...]:
        """Return the objects as they are."""
        return tuple(obj for obj in self._objects.values() if isinstance(obj, kind))

    # What happens in it.

    def one(self, kind: type[O], name: str, namespace: str = "") -> O:
        """Return an object that has to be there, as it is."""
        found = self._objects[(kind, namespace, name)]
        assert isinstance(found, kind)
        return found

    def delete(self, obj: meta.Object) -> None:
        """Delete an object as a person does: finalizers hold it."""
        name = (type(obj), obj.metadata.namespace, obj.metadata.name)
        if (now := self._objects.get(name)) is None:
            return
        if not now.metadata.finalizers:
            self.remove(now)
        elif now.metadata.deletion_timestamp is None:
            self.put(msgspec.structs.replace(now, metadata=msgspec.structs.replace(
                now.metadata, deletion_timestamp=times.render(self.now))))

    def act(self, actions: Iterable[plan.Action]) -> None:
        """Carry out actions up to the first that fails."""
        for action in actions:
            try:
                self.apply(action)
            except (errors.Conflict, errors.NotFound, errors.AlreadyExists):
                return

    def run(self, controller: interface.Controller, key: interface.Key, *, cut: int | None = None) -> plan.Plan:
        made = controller.reconcile(key, self, self.now)
        self.act(made.actions[:cut])
        return made

    def apply(self, action: plan.Action) -> None:
        match action:
            case plan.Patch():
                self._patch(action)
            case plan.Create() if (type(action.obj), action.obj.metadata.namespace,
                                   action.obj.metadata.name) in self._objects:
                if not action.may_exist:
                    raise errors.Conflict("it exists")
            case plan.Create():
                super().apply(plan.Create(protected(action.obj)))
                self._note(action.done)
            case plan.Delete():
                self._end(action)
            case plan.Collect():
                if not any(self._is_there(owner) for owner in action.owners):
                    self._end(action)
            case _:
                super().apply(action)

    def _patch(self, action: plan.Patch) -> None:
        old = self._objects.get((action.kind, action.namespace, action.name))
        if old is None:
            raise errors.NotFound("it is gone")
        wanted = action.patch.get("metadata", {})
        for key, has in (("resourceVersion", old.metadata.resource_version), ("uid", old.metadata.uid)):
            if wanted.get(key, has) != has:
                raise errors.Conflict("it has changed")
        made = msgspec.convert(merge(msgspec.to_builtins(old), action.patch), action.kind)
        if made.metadata.deletion_timestamp is not None and not made.metadata.finalizers:
            self.remove(old)
        else:
            self.put(made)
        self._note(action.done)

    def _end(self, action: plan.Delete | plan.Collect) -> None:
        old = self._objects.get((action.kind, action.namespace, action.name))
        if old is not None and old.metadata.uid == action.uid:
            self.delete(old)

    def _is_there(self, owner: plan.Owner) -> bool:
        found = self._objects.get((owner.kind, owner.namespace, owner.name)) if owner.kind is not None else None
        return found is not None and found.metadata.uid == owner.uid

    def _note(self, event: plan.Emit | None) -> None:
        super()._note(event)
        if event is not None:
            self.told.append((event.type, event.reason, event.message))


def protected(obj: meta.Object) -> meta.Object:
    """Return a new object as admission leaves it."""
    finalizer = {core.PersistentVolume: volume_binding.PV_PROTECTION,
                 core.PersistentVolumeClaim: volume_binding.PVC_PROTECTION}.get(type(obj))
    if finalizer is None or finalizer in obj.metadata.finalizers:
        return obj
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(
        obj.metadata, finalizers=(*obj.metadata.finalizers, finalizer)))


def claim(name: str = "data", size: str = "1Gi", *, modes: tuple[str, ...] = ("ReadWriteOnce",),
          class_name: str | None = "", volume: str = "", selector: dict[str, str] | None = None, uid: str = "",
          annotations: dict[str, str] | None = None, block: bool = False) -> core.PersistentVolumeClaim:
    """Return a claim as the server completes it; without a word it wants no class."""
    spec = core.PersistentVolumeClaimSpec(
        access_modes=modes, storage_class_name=class_name, volume_name=volume,
        volume_mode="Block" if block else "Filesystem",
        selector=meta.LabelSelector(match_labels=selector) if selector is not None else None,
        resources=core.VolumeResourceRequirements(requests={"storage": size}))
    metadata = msgspec.structs.replace(builders.object_meta(name, uid=uid), annotations=annotations or {},
                                       finalizers=(volume_binding.PVC_PROTECTION,))
    return core.PersistentVolumeClaim(api_version="v1", kind="PersistentVolumeClaim", metadata=metadata, spec=spec,
                                      status=core.PersistentVolumeClaimStatus(phase="Pending"))


def volume(name: str = "disk", size: str = "1Gi", *, modes: tuple[str, ...] = ("ReadWriteOnce",), class_name: str = "",
           labels: dict[str, str] | None = None, phase: str = "Available", kept_for: tuple[str, str] | None = None,
           policy: str = "Retain", host: str = "", annotations: dict[str, str] | None = None,
           block: bool = False) -> core.PersistentVolume:
    """Return a volume of the node's own path; `kept_for` is name and uid of a claim."""
    rule = core.NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=(host,))
    nodes = core.NodeSelector(node_selector_terms=(core.NodeSelectorTerm(match_expressions=(rule,)),))
    ref = meta.ObjectReference(kind="PersistentVolumeClaim", api_version="v1", namespace="default", name=kept_for[0],
                               uid=kept_for[1]) if kept_for else None
    spec = core.PersistentVolumeSpec(
        capacity={"storage": size}, access_modes=modes, storage_class_name=class_name, claim_ref=ref,
        persistent_volume_reclaim_policy=policy, volume_mode="Block" if block else "Filesystem",
        host_path=core.HostPathVolumeSource(path=f"/data/{name}"),
        node_affinity=core.VolumeNodeAffinity(required=nodes) if host else None)
    metadata = msgspec.structs.replace(builders.object_meta(name, "", labels=labels), annotations=annotations or {},
                                       finalizers=(volume_binding.PV_PROTECTION,))
    return core.PersistentVolume(api_version="v1", kind="PersistentVolume", metadata=metadata, spec=spec,
                                 status=core.PersistentVolumeStatus(phase=phase))


def storage_class(name: str, provisioner: str = "edge.pi/local-path", *, waits: bool = True, default: bool = False,
                  policy: str = "Delete", grows: bool = True) -> storage.StorageClass:
    """Return a storage class."""
    marks = {volume_binding.DEFAULT_CLASS[0]: "true"} if default else {}
    metadata = msgspec.structs.replace(builders.object_meta(name, ""), annotations=marks)
    return storage.StorageClass(
        api_version="storage.k8s.io/v1", kind="StorageClass", metadata=metadata, provisioner=provisioner,
        reclaim_policy=policy, volume_binding_mode=volume_binding.WAIT if waits else "Immediate",
        allow_volume_expansion=grows)


def pod_with(*claims: str, name: str = "web", node: str = "", template: bool = False) -> core.Pod:
    """Return a pod with a volume for each claim, or, with `template`, one generic ephemeral volume of each name."""
    asked = claim()
    volumes = tuple(core.Volume(name=each, ephemeral=core.EphemeralVolumeSource(
        volume_claim_template=core.PersistentVolumeClaimTemplate(
            metadata=meta.ObjectMeta(labels={"made": "for-pod"}), spec=asked.spec))) if template else
        core.Volume(name=f"v-{each}", persistent_volume_claim=core.PersistentVolumeClaimVolumeSource(claim_name=each))
        for each in claims)
    return builders.pod(name, node=node, spec=core.PodSpec(containers=(builders.container(),), volumes=volumes))
