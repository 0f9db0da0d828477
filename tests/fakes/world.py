"""A cluster in memory for controllers without a loop: a View, and plans applied to it at once.

Deletions of bound pods are graceful, as in the API: the pod stays, terminating, until `finish`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar, assert_never

import msgspec

from edge.api import codec, core, meta, scheme, times
from edge.api.resource import Resource
from edge.controllers import indexes, interface, plan
from tests import builders

O = TypeVar("O", bound=meta.Object)  # noqa: E741
_Name = tuple[type[meta.Object], str, str]


class World:
    """See the module. `events` collects the reasons of all Emits."""

    def __init__(self, *objects: meta.Object) -> None:
        self.now = builders.NOW
        self.events: list[str] = []
        self._objects: dict[_Name, meta.Object] = {}
        self._count = 0
        for obj in objects:
            self.put(obj)

    # The View.

    def resources(self) -> tuple[Resource, ...]:
        return scheme.resources()

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        return scheme.of_kind(api_version, kind)

    def get(self, kind: type[O], name: str, namespace: str = "") -> O | None:
        found = self._objects.get((kind, namespace, name))
        return found if isinstance(found, kind) else None

    def all(self, kind: type[O], namespace: str = "") -> tuple[O, ...]:
        return tuple(obj for obj in self._objects.values()
                     if isinstance(obj, kind) and namespace in ("", obj.metadata.namespace))

    def indexed(self, kind: type[O], index: str, value: str) -> Iterable[O]:
        found = {indexes.OWNER: indexes.claim, indexes.NODE: _node, indexes.OWNERS: _owners}[index]
        return tuple(obj for obj in self.all(kind) if value in found(obj))

    # What happens in it.

    def put(self, obj: meta.Object) -> meta.Object:
        """Store an object as the server would: uid, revision, generation."""
        self._count += 1
        m = obj.metadata
        key = (type(obj), m.namespace, m.name or f"{m.generate_name}{self._count:05d}")
        old = self._objects.get(key)
        changed = old is not None and getattr(old, "spec", None) != getattr(obj, "spec", None)
        metadata = msgspec.structs.replace(
            m, name=key[2], uid=m.uid or f"uid-{self._count}", resource_version=str(self._count),
            generation=(old.metadata.generation + changed) if old else 1,
            creation_timestamp=m.creation_timestamp or times.render(self.now))
        made = msgspec.structs.replace(obj, metadata=metadata)
        # As it comes back from the server: what a controller wrote with a type of its own has the kind's types. Unless
        # a test wants to see what becomes of a broken object.
        with contextlib.suppress(msgspec.ValidationError):
            made = msgspec.json.decode(codec.encode(made), type=type(obj))
        self._objects[key] = made
        return made

    def remove(self, obj: meta.Object) -> None:
        """Take an object away."""
        self._objects.pop((type(obj), obj.metadata.namespace, obj.metadata.name), None)

    def tick(self, seconds: float = 1.0) -> datetime:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self.now

    def run(self, controller: interface.Controller, key: interface.Key, *, cut: int | None = None) -> plan.Plan:
        """Reconcile once and apply the first `cut` actions of the plan (None: all). Returns the plan."""
        made = controller.reconcile(key, self, self.now)
        for action in made.actions[:cut]:
            self.apply(action)
        return made

    def settle(self, *runs: tuple[interface.Controller, interface.Key], rounds: int = 50) -> None:
        """Reconcile the keys in turn until no plan has an action."""
        for _ in range(rounds):
            if not [True for controller, key in runs if self.run(controller, key).actions]:
                return
        raise AssertionError(f"no rest after {rounds} rounds: {[self.run(c, k).actions for c, k in runs]}")

    def apply(self, action: plan.Action) -> None:
        """Carry out one action."""
        match action:
            case plan.Create():
                self.put(action.obj)
                self._note(action.done)
            case plan.Update() | plan.UpdateStatus():
                self.put(action.obj)
            case plan.Patch():
                old = self._objects[(action.kind, action.namespace, action.name)]
                self.put(msgspec.convert(merge(msgspec.to_builtins(old), action.patch), action.kind))
                self._note(action.done)
            case plan.Delete() | plan.Collect():
                self._delete(action)
            case plan.Purge():
                for obj in [obj for obj in self._objects.values() if obj.metadata.namespace == action.namespace]:
                    self.remove(obj)
            case plan.Emit():
                self._note(action)
            case _:
                assert_never(action)

    def _delete(self, action: plan.Delete | plan.Collect) -> None:
        old = self._objects.get((action.kind, action.namespace, action.name))
        if old is None or old.metadata.uid != action.uid:
            return
        self._note(action.done if isinstance(action, plan.Delete) else None)
        if isinstance(old, core.Pod) and old.spec.node_name and action.grace_period_seconds != 0:
            metadata = msgspec.structs.replace(old.metadata, deletion_timestamp=times.render(self.now))
            self.put(msgspec.structs.replace(old, metadata=metadata))
        else:
            self.remove(old)

    def _note(self, event: plan.Emit | None) -> None:
        if event is not None:
            self.events.append(event.reason)


def start(world: World, pod: core.Pod, *, node: str = "node-1", ready: bool = True) -> None:
    """Bind a pod, and let it run."""
    stamp = times.render(world.now)
    conditions = (meta.Condition(type="Ready", status="True" if ready else "False", last_transition_time=stamp),)
    world.put(msgspec.structs.replace(
        pod, spec=msgspec.structs.replace(pod.spec, node_name=pod.spec.node_name or node),
        status=core.PodStatus(phase="Running", conditions=conditions, pod_ip="10.244.0.2")))


def finish(world: World) -> int:
    """Let every terminating pod end. Returns how many there were."""
    ended = [pod for pod in world.all(core.Pod) if pod.metadata.deletion_timestamp is not None]
    for pod in ended:
        world.remove(pod)
    return len(ended)


def _owners(obj: meta.Object) -> tuple[str, ...]:
    return tuple(ref.uid for ref in obj.metadata.owner_references)


def _node(obj: meta.Object) -> tuple[str, ...]:
    return (obj.spec.node_name,) if isinstance(obj, core.Pod) else ()


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
