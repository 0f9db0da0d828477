"""ComponentStatus: whether the parts of the control plane work. Nothing of it is stored; it is asked each time.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/component-status-v1/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource

STORE = "etcd-0"
"""The name Kubernetes gives its store; clients look for it."""
_NAMES = ("scheduler", "controller-manager", STORE)
_WELL = {STORE: '{"health": "true"}'}


class ComponentCondition(meta.Struct):
    """One aspect of a component."""

    type: Annotated[str, doc("Healthy.", required=True)] = ""
    status: Annotated[str, doc("True, False or Unknown.", required=True)] = ""
    message: Annotated[str, doc("What the component says.")] = ""
    error: Annotated[str, doc("What is wrong.")] = ""


class ComponentStatus(meta.Object):
    """Whether one part of the control plane works."""

    conditions: Annotated[tuple[ComponentCondition, ...], doc(
        "Aspects of the component; only Healthy.", merge_key="type", list_type="map", list_map_keys=("type",))] = ()


def component_statuses(checks: Mapping[str, str]) -> tuple[ComponentStatus, ...]:
    """Return the state of every component: scheduler, controller-manager and etcd-0 first, then what else was checked.

    Args:
        checks: component -> what is wrong with it; empty when nothing is. One of the three without a check is Unknown.
    """
    further = sorted(name for name in checks if name not in _NAMES)
    return tuple(_status(name, checks.get(name)) for name in (*_NAMES, *further))


def _status(name: str, problem: str | None) -> ComponentStatus:
    if problem is None:
        condition = ComponentCondition(type="Healthy", status="Unknown", error="the component was not checked")
    elif problem:
        condition = ComponentCondition(type="Healthy", status="False", error=problem)
    else:
        condition = ComponentCondition(type="Healthy", status="True", message=_WELL.get(name, "ok"))
    return ComponentStatus(api_version="v1", kind="ComponentStatus", metadata=meta.ObjectMeta(name=name),
                           conditions=(condition,))


RESOURCES = (
    Resource(group="", version="v1", kind="ComponentStatus", plural="componentstatuses", type=ComponentStatus,
             namespaced=False, short_names=("cs",), virtual=True, verbs=("get", "list")),
)
