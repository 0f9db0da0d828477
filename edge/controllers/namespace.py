"""Empties a namespace that is being deleted, says what keeps it meanwhile, then lets it go.

What is in the namespace is asked of the server, not of a cache: nothing may be left behind.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/namespace-v1/#NamespaceStatus
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from edge.api import core
from edge.controllers import conditions, interface, plan
from edge.controllers.settings import Settings

FINALIZER = "kubernetes"
_MOST_REFUSALS = 10
"""More than these are counted, and not repeated."""


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(name="namespace", reconcile=reconcile, sources=(interface.own(core.Namespace),))


def reconcile(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
    """Return the purge of a terminating namespace and, once that found nothing left, the end of its finalizer."""
    namespace = view.get(core.Namespace, key.name)
    if namespace is None or namespace.metadata.deletion_timestamp is None:
        return plan.Plan()
    if FINALIZER not in namespace.spec.finalizers:
        return plan.Plan()
    rest = [name for name in namespace.spec.finalizers if name != FINALIZER]
    actions: list[plan.Action] = []
    if namespace.status.phase != "Terminating":
        actions.append(plan.Patch(core.Namespace, key.name, "", {"status": {"phase": "Terminating"}}, "status"))
    actions.append(plan.Purge(key.name, left=lambda remains: _told(namespace, remains, now)))
    if rest or namespace.metadata.finalizers or namespace.status.conditions:  # somebody may still look at it
        actions += _told(namespace, plan.Remains(), now)
    return plan.Plan((*actions, plan.Patch(core.Namespace, key.name, "", {"spec": {"finalizers": rest}}, "finalize")))


def _told(namespace: core.Namespace, remains: plan.Remains, now: datetime) -> tuple[plan.Action, ...]:
    """Return the patch that makes the conditions say what keeps the namespace; nothing when they say it already."""
    old = namespace.status.conditions
    new = old
    for name, status, reason, message in _conditions(remains):
        before = conditions.find(old, name)
        new = conditions.put(new, conditions.make(before, name, status, reason, message, now))
    if new == old:
        return ()
    return (plan.Patch(core.Namespace, namespace.metadata.name, "",
                       {"status": {"conditions": msgspec.to_builtins(new)}}, "status"),)


def _conditions(remains: plan.Remains) -> Iterable[tuple[str, str, str, str]]:
    """Yield type, status, reason and message of each condition. What is served is always known here."""
    yield ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", "All resources successfully discovered")
    yield ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
           "All legacy kube types successfully parsed")
    if remains.refusals:
        shown = ", ".join(sorted(remains.refusals)[:_MOST_REFUSALS])
        yield ("NamespaceDeletionContentFailure", "True", "ContentDeletionFailed",
               f"Failed to delete all resource types, {len(remains.refusals)} remaining: {shown}")
    else:
        yield ("NamespaceDeletionContentFailure", "False", "ContentDeleted",
               "All content successfully deleted, may be waiting on finalization")
    if remains.objects:
        counts = sorted(f"{name if '.' in name else name + '.'} has {count} resource instances"
                        for name, count in remains.objects.items())
        yield ("NamespaceContentRemaining", "True", "SomeResourcesRemain",
               f"Some resources are remaining: {', '.join(counts)}")
    else:
        yield ("NamespaceContentRemaining", "False", "ContentRemoved", "All content successfully removed")
    if remains.finalizers:
        waited = sorted(f"{name} in {count} resource instances" for name, count in remains.finalizers.items())
        yield ("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain",
               f"Some content in the namespace has finalizers remaining: {', '.join(waited)}")
    else:
        yield ("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers",
               "All content-preserving finalizers finished")
