"""Deletes what has lost all its owners, and carries out foreground and orphaning deletions.

https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from edge.api import core, custom, meta, scheme
from edge.api.resource import Resource
from edge.controllers import indexes, interface, plan
from edge.controllers.settings import Settings

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_MOST_OWNERS = 1000
"""Direct and indirect ones that are looked at for a circle."""


def kinds(resources: Iterable[Resource]) -> tuple[type[meta.Object], ...]:
    """Return every kind that may own or be owned."""
    return tuple(custom.named_by(resource) for resource in resources
                 if "watch" in resource.verbs and resource.type is not core.Event)


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(
        name="garbage_collector", reconcile=reconcile,
        sources=tuple(interface.Source(kind, _changed, on_delete=_gone) for kind in kinds(scheme.resources())),
        custom_source=lambda resource: interface.Source(resource.stub, _changed, on_delete=_gone))


def _changed(obj: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    m = obj.metadata
    if m.deletion_timestamp is not None:
        owners = tuple(interface.Key(owner.kind, owner.namespace, owner.name) for ref in m.owner_references
                       if ref.block_owner_deletion and (owner := _owner(ref, m.namespace, view)).kind is not None)
        return (interface.key_of(obj), *owners)
    named = tuple(_owner(ref, m.namespace, view) for ref in m.owner_references)
    if any(not _exists(owner, view) for owner in named) or any(
            _inside(ref, view) for ref in m.owner_references if not m.namespace):
        return (interface.key_of(obj),)
    blocks = any(ref.block_owner_deletion and _is_waiting(owner, view)
                 for ref, owner in zip(m.owner_references, named, strict=True))
    return tuple(interface.Key(owner.kind, owner.namespace, owner.name)
                 for owner in named if owner.kind is not None) if blocks else ()


def _gone(obj: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    dependents = tuple(interface.key_of(dependent) for dependent in _dependents(obj, view))
    waiting = tuple(interface.Key(owner.kind, owner.namespace, owner.name) for ref in obj.metadata.owner_references
                    if (owner := _owner(ref, obj.metadata.namespace, view)).kind is not None)
    return dependents + waiting


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
    """Return what has to be deleted, orphaned or let go because of this object."""
    obj = view.get(key.kind, key.name, key.namespace)
    if obj is None:
        return plan.Plan()
    m = obj.metadata
    if m.deletion_timestamp is None:
        return _collect(obj, view)
    if ORPHAN in m.finalizers:
        return _orphan(obj, view)
    if FOREGROUND in m.finalizers:
        return _foreground(obj, view)
    return plan.Plan()


def _collect(obj: meta.Object, view: interface.View) -> plan.Plan:
    m = obj.metadata
    owners = tuple(_owner(ref, m.namespace, view) for ref in m.owner_references)
    told = tuple(_misplaced(obj, ref) for ref, owner in zip(m.owner_references, owners, strict=True)
                 if _is_elsewhere(ref, owner, m.namespace, view))
    if not owners or any(_exists(owner, view) for owner in owners):
        return plan.Plan(told)
    return plan.Plan((*told, plan.Collect(type(obj), m.name, m.namespace, m.uid, owners)))


def _inside(ref: meta.OwnerReference, view: interface.View) -> bool:
    """Tell whether an owner lives in a namespace, where no object outside of one can have it."""
    resource = view.of_kind(ref.api_version, ref.kind)
    return resource is not None and resource.namespaced


def _is_elsewhere(ref: meta.OwnerReference, owner: plan.Owner, namespace: str, view: interface.View) -> bool:
    """Tell whether an owner is in another namespace than the object, which makes it none."""
    if owner.kind is None:
        return not namespace and _inside(ref, view)
    return bool(owner.namespace) and not _exists(owner, view) and any(
        found.metadata.uid == owner.uid and found.metadata.namespace != namespace for found in view.all(owner.kind))


def _misplaced(obj: meta.Object, ref: meta.OwnerReference) -> plan.Emit:
    """Return the event that tells why an object is not kept by its owner, or never goes with it."""
    namespace = obj.metadata.namespace
    named = f"[{ref.api_version}/{ref.kind}, namespace: {namespace}, name: {ref.name}, uid: {ref.uid}]"
    return plan.Emit(plan.reference(obj.kind, obj.api_version, obj), "Warning", "OwnerRefInvalidNamespace",
                     f'ownerRef {named} does not exist in namespace "{namespace}"')


def _orphan(obj: meta.Object, view: interface.View) -> plan.Plan:
    actions: list[plan.Action] = []
    for dependent in _dependents(obj, view):
        rest = tuple(ref for ref in dependent.metadata.owner_references if ref.uid != obj.metadata.uid)
        d = dependent.metadata
        actions.append(plan.Patch(type(dependent), d.name, d.namespace,
                                  {"metadata": {"ownerReferences": msgspec.to_builtins(rest) or None,
                                                "resourceVersion": d.resource_version}}))
    return plan.Plan((*actions, _without_finalizer(obj, ORPHAN)))


def _foreground(obj: meta.Object, view: interface.View) -> plan.Plan:
    dependents = tuple(_dependents(obj, view))
    actions: list[plan.Action] = []
    for dependent in dependents:
        others = [ref for ref in dependent.metadata.owner_references if ref.uid != obj.metadata.uid]
        if dependent.metadata.deletion_timestamp is None \
                and not any(_exists(_owner(ref, dependent.metadata.namespace, view), view) for ref in others):
            actions.append(plan.delete(dependent, propagation_policy="Foreground"))
    blocking = [dependent for dependent in dependents if any(
        ref.uid == obj.metadata.uid and ref.block_owner_deletion for ref in dependent.metadata.owner_references)]
    if not blocking or _in_circles(obj, blocking, view):
        actions.append(_without_finalizer(obj, FOREGROUND))
    return plan.Plan(tuple(actions))


def _in_circles(obj: meta.Object, blocking: Iterable[meta.Object], view: interface.View) -> bool:
    """Return whether all that is waited for is on its way out and belongs to the object's own owners.

    Two that own each other would wait for each other for ever.
    """
    if any(dependent.metadata.deletion_timestamp is None for dependent in blocking):
        return False
    above: set[str] = set()
    waiting = [obj]
    while waiting and len(above) < _MOST_OWNERS:
        current = waiting.pop()
        for ref in current.metadata.owner_references:
            owner = _owner(ref, current.metadata.namespace, view)
            if ref.uid not in above and owner.kind is not None and _exists(owner, view):
                above.add(ref.uid)
                found = view.get(owner.kind, owner.name, owner.namespace)
                waiting += [found] if found is not None else []
    return all(dependent.metadata.uid in above for dependent in blocking)


def _without_finalizer(obj: meta.Object, name: str) -> plan.Patch:
    m = obj.metadata
    rest = [finalizer for finalizer in m.finalizers if finalizer != name]
    return plan.Patch(type(obj), m.name, m.namespace,
                      {"metadata": {"finalizers": rest or None, "resourceVersion": m.resource_version}})


def _dependents(obj: meta.Object, view: interface.View) -> Iterable[meta.Object]:
    for kind in kinds(view.resources()):
        yield from view.indexed(kind, indexes.OWNERS, obj.metadata.uid)


def _owner(ref: meta.OwnerReference, namespace: str, view: interface.View) -> plan.Owner:
    resource = view.of_kind(ref.api_version, ref.kind)
    if resource is None or (resource.namespaced and not namespace):
        # Of a kind that is not served, or inside a namespace, which nothing outside of one can name.
        return plan.Owner(None, ref.name, "", ref.uid)
    return plan.Owner(custom.named_by(resource), ref.name, namespace if resource.namespaced else "", ref.uid)


def _exists(owner: plan.Owner, view: interface.View) -> bool:
    """Tell whether the owner is there; of a kind that is not served it cannot be known, so it is."""
    if owner.kind is None:
        return True
    found = view.get(owner.kind, owner.name, owner.namespace)
    return found is not None and found.metadata.uid == owner.uid


def _is_waiting(owner: plan.Owner, view: interface.View) -> bool:
    found = view.get(owner.kind, owner.name, owner.namespace) if owner.kind else None
    return found is not None and FOREGROUND in found.metadata.finalizers \
        and found.metadata.deletion_timestamp is not None
