"""Gives each namespace its `default` service account and the ConfigMap with the cluster's certificate authority."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from edge.api import core, meta
from edge.controllers import interface, plan
from edge.controllers.settings import Settings

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"


def controller(settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    def run(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
        return reconcile(key, view, now, root_ca_pem=settings.root_ca_pem)
    return interface.Controller(
        name="service_account", reconcile=run,
        sources=(interface.own(core.Namespace), interface.Source(core.ServiceAccount, _account),
                 interface.Source(core.ConfigMap, _root_ca)))


def _account(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    return (interface.Key(core.Namespace, "", obj.metadata.namespace),) if obj.metadata.name == ACCOUNT else ()


def _root_ca(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    return (interface.Key(core.Namespace, "", obj.metadata.namespace),) if obj.metadata.name == ROOT_CA else ()


def reconcile(key: interface.Key, view: interface.View, _now: datetime, *, root_ca_pem: str = "") -> plan.Plan:
    """Return what the namespace still misses."""
    namespace = view.get(core.Namespace, key.name)
    if namespace is None or namespace.metadata.deletion_timestamp is not None:
        return plan.Plan()
    actions: list[plan.Action] = []
    if view.get(core.ServiceAccount, ACCOUNT, key.name) is None:
        actions.append(plan.Create(core.ServiceAccount(
            api_version="v1", kind="ServiceAccount",
            metadata=meta.ObjectMeta(name=ACCOUNT, namespace=key.name)), may_exist=True))
    wanted = {"ca.crt": root_ca_pem}
    current = view.get(core.ConfigMap, ROOT_CA, key.name)
    if root_ca_pem and current is None:
        about = {"kubernetes.io/description": "Contains a CA bundle that verifies the API server; do not edit it."}
        actions.append(plan.Create(core.ConfigMap(
            api_version="v1", kind="ConfigMap", data=wanted,
            metadata=meta.ObjectMeta(name=ROOT_CA, namespace=key.name, annotations=about)), may_exist=True))
    elif root_ca_pem and current is not None and current.data != wanted:
        actions.append(plan.Update(msgspec.structs.replace(current, data=wanted)))
    return plan.Plan(tuple(actions))
