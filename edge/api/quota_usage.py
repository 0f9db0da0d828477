"""What an object takes of a ResourceQuota, and which quotas it counts for.

Admission asks before an object is stored, the controller adds up what is there; both must count in the same way.
https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.api import amounts, configuration, meta, persistent_volumes, pod_amounts, pods, quotas, replication, services
from edge.api.amounts import Amount, Amounts
from edge.api.times import parse

COUNT_PREFIX = "count/"
OF_CLASS = ".storageclass.storage.k8s.io/"
_REQUESTS, _LIMITS, _HUGE = "requests.", "limits.", "hugepages-"
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_CLAIMS, _STORAGE = "persistentvolumeclaims", "requests.storage"
_DEMANDED = frozenset(("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))
"""A quota of these asks every container to say how much it needs; of later ones it does not."""
COUNTED: Mapping[type[meta.Object], str] = {
    configuration.ConfigMap: "configmaps", configuration.Secret: "secrets", quotas.ResourceQuota: "resourcequotas",
    replication.ReplicationController: "replicationcontrollers"}
"""Kinds that had a name of their own in quotas before there was `count/`."""
_POD_NAMES = frozenset((*_COMPUTE, "pods", *(_REQUESTS + name for name in _COMPUTE),
                        *(_LIMITS + name for name in _COMPUTE)))
_SERVICE_NAMES = frozenset(("services", "services.loadbalancers", "services.nodeports"))
ALSO_ON_UPDATE: tuple[type[meta.Object], ...] = (services.Service, persistent_volumes.PersistentVolumeClaim)
"""Kinds whose changes may take more; of all others only new objects count."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one object takes, and what the scopes of a quota ask about it."""

    amounts: Amounts
    is_pod: bool = False
    terminating: bool = False
    best_effort: bool = False
    priority_class: str = ""
    crosses_namespaces: bool = False


def counted_as(group_resource: str) -> str:
    """Return the name under which quotas count all objects of a resource."""
    return COUNT_PREFIX + group_resource


def of(obj: meta.Object, group_resource: str, now: datetime) -> Usage:
    """Return what an object takes."""
    name = counted_as(group_resource)
    if isinstance(obj, pods.Pod):
        return _of_pod(obj, name, now)
    if isinstance(obj, services.Service):
        return Usage({name: amounts.ONE, **_of_service(obj.spec)})
    if isinstance(obj, persistent_volumes.PersistentVolumeClaim):
        return Usage({name: amounts.ONE, **_of_claim(obj)})
    old_name = COUNTED.get(type(obj))
    return Usage({name: amounts.ONE, old_name: amounts.ONE} if old_name else {name: amounts.ONE})


def names_of(kind: type[meta.Object], group_resource: str, hard: Iterable[str]) -> frozenset[str]:
    """Return those resources of a quota that objects of a kind can take."""
    count = counted_as(group_resource)
    if kind is pods.Pod:
        return frozenset(name for name in hard if name == count or is_of_pods(name))
    if kind is services.Service:
        return frozenset(name for name in hard if name == count or name in _SERVICE_NAMES)
    if kind is persistent_volumes.PersistentVolumeClaim:
        return frozenset(name for name in hard if name in (count, _CLAIMS, _STORAGE)
                         or name.endswith((OF_CLASS + _CLAIMS, OF_CLASS + _STORAGE)))
    return frozenset(name for name in hard if name in (count, COUNTED.get(kind)))


def is_of_pods(name: str) -> bool:
    """Return whether a resource is something pods ask for."""
    if name in _POD_NAMES or name.startswith((_HUGE, _REQUESTS + _HUGE)):
        return True
    return name.startswith(_REQUESTS) and "/" in name and "kubernetes.io/" not in name


def _of_pod(pod: pods.Pod, count: str, now: datetime) -> Usage:
    spec = pod.spec
    taken: dict[str, Amount] = {count: amounts.ONE}
    if not _over(pod, now):
        taken |= _compute(pod_amounts.requests(spec), pod_amounts.limits(spec))
    named = any(amounts.of(chosen[name]).nano > 0 for container in (*spec.init_containers, *spec.containers)
                for chosen in (container.resources.requests, container.resources.limits)
                for name in ("cpu", "memory") if name in chosen)
    return Usage(taken, is_pod=True, terminating=spec.active_deadline_seconds is not None, best_effort=not named,
                 priority_class=spec.priority_class_name, crosses_namespaces=_crosses(spec.affinity))


def _over(pod: pods.Pod, now: datetime) -> bool:
    """Return whether a pod has ended, or should have: such a one takes nothing but its place in the store."""
    if pod.status.phase in ("Failed", "Succeeded"):
        return True
    deleted, grace = pod.metadata.deletion_timestamp, pod.metadata.deletion_grace_period_seconds
    return bool(deleted) and grace is not None and now > parse(str(deleted)) + timedelta(seconds=grace)


def _compute(requests: Amounts, limits: Amounts) -> dict[str, Amount]:
    taken: dict[str, Amount] = {"pods": amounts.ONE}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith(_HUGE):
            taken[name] = taken[_REQUESTS + name] = amount
        elif "/" in name:
            taken[_REQUESTS + name] = amount
    for name in _COMPUTE:
        if name in limits:
            taken[_LIMITS + name] = limits[name]
    return taken


def _of_service(spec: services.ServiceSpec) -> dict[str, Amount]:
    ports = 0
    if spec.type in ("NodePort", "LoadBalancer"):
        # Without node ports of its own a load balancer takes those only that somebody has chosen.
        chosen = spec.type == "LoadBalancer" and spec.allocate_load_balancer_node_ports is False
        ports = sum(1 for port in spec.ports if port.node_port) if chosen else len(spec.ports)
    return {"services": amounts.ONE, "services.nodeports": amounts.count(ports),
            "services.loadbalancers": amounts.count(int(spec.type == "LoadBalancer"))}


def _of_claim(claim: persistent_volumes.PersistentVolumeClaim) -> dict[str, Amount]:
    taken = {_CLAIMS: amounts.ONE}
    asked = claim.spec.resources.requests.get("storage")
    if asked is not None:
        size = amounts.of(asked)
        allocated = amounts.of(claim.status.allocated_resources.get("storage", 0))
        taken[_STORAGE] = max(size, allocated, key=lambda amount: amount.nano).rounded_up()
    storage_class = claim.metadata.annotations.get(persistent_volumes.CLASS_ANNOTATION, claim.spec.storage_class_name)
    return taken | {f"{storage_class}{OF_CLASS}{name}": amount for name, amount in taken.items()} \
        if storage_class else taken


def _crosses(affinity: pods.Affinity | None) -> bool:
    if affinity is None:
        return False
    return any(term.namespaces or term.namespace_selector is not None
               for side in (affinity.pod_affinity, affinity.pod_anti_affinity) if side is not None
               for term in (*side.required_during_scheduling_ignored_during_execution,
                            *(wish.pod_affinity_term for wish in
                              side.preferred_during_scheduling_ignored_during_execution)))


# --- quotas

def concerns(quota: quotas.ResourceQuota, usage: Usage) -> bool:
    """Return whether an object is in every scope of a quota."""
    selector = quota.spec.scope_selector
    conditions = selector.match_expressions if selector else ()
    if not usage.is_pod:
        return not quota.spec.scopes and not conditions
    return all(_in_scope(scope, usage) for scope in quota.spec.scopes) \
        and all(_fulfils(condition, usage) for condition in conditions)


def _in_scope(scope: str, usage: Usage) -> bool:
    return {"Terminating": usage.terminating, "NotTerminating": not usage.terminating,
            "BestEffort": usage.best_effort, "NotBestEffort": not usage.best_effort,
            "PriorityClass": bool(usage.priority_class),
            "CrossNamespacePodAffinity": usage.crosses_namespaces}.get(scope, False)


def _fulfils(condition: quotas.ScopedResourceSelectorRequirement, usage: Usage) -> bool:
    if condition.scope_name != "PriorityClass":
        return _in_scope(condition.scope_name, usage)
    match condition.operator:
        case "In":
            return usage.priority_class in condition.values and bool(usage.priority_class)
        case "NotIn":
            return usage.priority_class not in condition.values
        case "Exists":
            return bool(usage.priority_class)
        case "DoesNotExist":
            return not usage.priority_class
    return False


def undemanded(pod: pods.Pod, names: Iterable[str]) -> str:
    """Return what the containers of a pod must still say for a quota of these resources; empty when nothing."""
    missing: dict[str, set[str]] = {}
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        said = _compute(amounts.read(container.resources.requests), amounts.read(container.resources.limits))
        for name in _DEMANDED.intersection(names).difference(said):
            missing.setdefault(name, set()).add(container.name)
    return "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))


def total(quota: quotas.ResourceQuota, usages: Iterable[Usage]) -> dict[str, Amount]:
    """Return what all these objects take of a quota, of each resource it limits."""
    used = dict.fromkeys(quota.spec.hard, amounts.NONE)
    for usage in usages:
        if concerns(quota, usage):
            for name, amount in usage.amounts.items():
                if name in used:
                    used[name] = used[name] + amount
    return used
