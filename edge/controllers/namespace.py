"""Empties a namespace that is being deleted, then lets it go.

What is in the namespace is asked of the server, not of a cache: nothing may be left behind.
"""

from __future__ import annotations

from datetime import datetime

from edge.api import core
from edge.controllers import interface, plan
from edge.controllers.settings import Settings

FINALIZER = "kubernetes"


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(name="namespace", reconcile=reconcile, sources=(interface.own(core.Namespace),))


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
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
    return plan.Plan((*actions, plan.Purge(key.name),
                      plan.Patch(core.Namespace, key.name, "", {"spec": {"finalizers": rest}}, "finalize")))
