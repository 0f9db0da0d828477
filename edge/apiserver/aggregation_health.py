"""Judges whether the server behind an APIService can be used, and which APIServices this server has of its own.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from edge.api import core, meta, times
from edge.api.apiregistration import APIService, APIServiceSpec
from edge.api.resource import Resource
from edge.apiserver import discovery, endpoints
from edge.apiserver.aggregation import Backend

AVAILABLE = "Available"
AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"
_HIGHEST_PRIORITY = 18_000
_STEP = 100

LOCAL = meta.Condition(type=AVAILABLE, status="True", reason="Local",
                       message="Local APIServices are always available")
LOCAL_ALL_THE_SAME = meta.Condition(
    type=AVAILABLE, status="True", reason="Local",
    message="this group version is served by the API server itself; spec.service is not used")
PASSED = meta.Condition(type=AVAILABLE, status="True", reason="Passed", message="all checks passed")


def unreachable(backend: Backend, service: core.Service | None,
                found: core.Endpoints | None) -> meta.Condition | None:
    """Return what keeps a backend from being asked at all, or None."""
    at = f'service/{backend.service} in "{backend.namespace}"'
    if service is None:
        return _down("ServiceNotFound", f"{at} is not present")
    if service.spec.type == "ExternalName":
        return None
    name = endpoints.name_of_port(service, backend.port)
    if name is None:
        return _down("ServicePortError", f"{at} is not listening on port {backend.port}")
    if found is None:
        return _down("EndpointsNotFound", f"cannot find endpoints for {at}")
    if not endpoints.ready(found, name):
        return _down("MissingEndpoints", f'endpoints for {at} have no addresses with port name "{name}"')
    return None


def failed_check(why: str) -> meta.Condition:
    """Return the condition of a backend whose discovery document could not be had."""
    return _down("FailedDiscoveryCheck", why[:1024])


def _down(reason: str, message: str) -> meta.Condition:
    return meta.Condition(type=AVAILABLE, status="False", reason=reason, message=message)


def with_condition(service: APIService, condition: meta.Condition, now: datetime) -> APIService | None:
    """Return the APIService with that condition, or None when it has it already."""
    old = next((each for each in service.status.conditions if each.type == condition.type), None)
    if old is not None and (old.status, old.reason, old.message) == (condition.status, condition.reason,
                                                                     condition.message):
        return None
    since = old.last_transition_time if old is not None and old.status == condition.status else times.render(now)
    condition = msgspec.structs.replace(condition, last_transition_time=since)
    others = tuple(each for each in service.status.conditions if each.type != condition.type)
    return msgspec.structs.replace(service, status=msgspec.structs.replace(
        service.status, conditions=(*others, condition)))


def local(resources: Sequence[Resource], built_in: Sequence[Resource]) -> tuple[APIService, ...]:
    """Return the APIServices of everything this server serves itself: the built-in group versions, then custom ones."""
    fixed = discovery.served(built_in)
    found = []
    for index, (group, versions) in enumerate(discovery.served(resources).items()):
        for place, version in enumerate(versions):
            label = "onstart" if version in fixed.get(group, {}) else "true"
            found.append(APIService(
                api_version="apiregistration.k8s.io/v1", kind="APIService",
                metadata=meta.ObjectMeta(name=f"{version}.{group}", labels={AUTOMANAGED: label}),
                spec=APIServiceSpec(
                    group=group, version=version, version_priority=max(15 - place, 1),
                    group_priority_minimum=max(_HIGHEST_PRIORITY - _STEP * index, 1000))))
    return tuple(found)


def to_remove(present: Iterable[APIService], wanted: Iterable[APIService]) -> tuple[APIService, ...]:
    """Return the APIServices this server once made for itself that nothing is served behind any more."""
    names = {each.metadata.name for each in wanted}
    return tuple(each for each in present if AUTOMANAGED in each.metadata.labels and each.spec.service is None
                 and each.metadata.name not in names)
