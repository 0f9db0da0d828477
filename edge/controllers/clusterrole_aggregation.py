"""Fills ClusterRoles that have an aggregationRule with the rules of the ClusterRoles it selects.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from edge.api import meta, rbac, rbac_rules
from edge.controllers import interface, plan
from edge.controllers.settings import Settings


def controller(_settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    return interface.Controller(name="clusterrole_aggregation", reconcile=reconcile,
                                sources=(interface.Source(rbac.ClusterRole, _collecting, on_delete=_collecting),))


def _collecting(_changed: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    """Any ClusterRole may be one of those that are collected, or just have stopped to be: all that collect look."""
    return [interface.key_of(role) for role in view.all(rbac.ClusterRole) if role.aggregation_rule is not None]


def reconcile(key: interface.Key, view: interface.View, _now: datetime) -> plan.Plan:
    """Return the update that gives the role the rules it collects."""
    role = view.get(rbac.ClusterRole, key.name)
    if role is None or role.aggregation_rule is None or role.metadata.deletion_timestamp is not None:
        return plan.Plan()
    rules = rbac_rules.aggregated(role, view.all(rbac.ClusterRole))
    if rules == role.rules:
        return plan.Plan()
    return plan.Plan((plan.Update(msgspec.structs.replace(role, rules=rules)),))
