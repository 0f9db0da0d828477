"""Ends the objects of a CustomResourceDefinition that is being deleted, then lets it go.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#delete-a-customresourcedefinition
"""

from __future__ import annotations

from datetime import datetime

from edge.api import custom
from edge.api.apiextensions import CustomResourceDefinition
from edge.controllers import interface, plan
from edge.controllers.settings import Settings

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(name="definition_cleanup", reconcile=reconcile,
                                sources=(interface.own(CustomResourceDefinition),))


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
    """Return the purge of all objects and, once nothing is left, the end of the finalizer."""
    definition = view.get(CustomResourceDefinition, key.name)
    if definition is None or definition.metadata.deletion_timestamp is None \
            or FINALIZER not in definition.metadata.finalizers:
        return plan.Plan()
    m, names = definition.metadata, definition.spec.names
    rest = [name for name in m.finalizers if name != FINALIZER]
    served = next((resource for resource in custom.among(view.resources())
                   if (resource.group, resource.plural) == (definition.spec.group, names.plural)), None)
    purge = () if served is None else (plan.Purge(kind=served.stub),)
    return plan.Plan((*purge, plan.Patch(CustomResourceDefinition, m.name, "",
                                         {"metadata": {"finalizers": rest or None}})))
