"""LimitRanges and ResourceQuotas: what containers get by default, and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import codec, core, defaults, meta, scheme, validation


def read(kind: type[meta.Object], spec: dict[str, Any], status: dict[str, Any] | None = None) -> Any:
    raw: dict[str, Any] = {"metadata": {"name": "x", "namespace": "default"}, "spec": spec}
    return defaults.apply(codec.decode(scheme.of_type(kind), raw | ({"status": status} if status else {})))


def limits(**item: Any) -> Any:
    return read(core.LimitRange, {"limits": [{"type": "Container"} | item]})


def quota(**spec: Any) -> Any:
    return read(core.ResourceQuota, spec)


def problems(obj: meta.Object) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(obj)]


def test_a_container_rule_says_what_a_container_gets() -> None:
    item = limits(max={"cpu": "2", "memory": "1024Mi"}, min={"cpu": "0.1", "ephemeral-storage": "1Gi"},
                  default={"cpu": "0.5"}).spec.limits[0]

    assert item.default == {"cpu": "500m", "memory": "1Gi"}
    assert item.default_request == {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "1Gi"}


def test_other_rules_say_no_defaults() -> None:
    item = limits(type="Pod", max={"cpu": "2"}).spec.limits[0]

    assert (item.default, item.default_request) == ({}, {})
    assert problems(limits(type="PersistentVolumeClaim", max={"storage": "1Gi"})) == []
    assert problems(limits(type="example.com/Thing", max={"example.com/unit": 3})) == []


@pytest.mark.parametrize(("item", "expected"), [
    ({"type": "Node"}, ['spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully '
                        "qualified"]),
    ({"type": "Pod", "default": {"cpu": "1"}}, [
        "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"]),
    ({"type": "PersistentVolumeClaim"}, [
        "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was "
        "provided"]),
    ({"type": "Pod", "max": {"pods": "1"}}, ['spec.limits[0].max[pods]: Invalid value: "pods": must be a standard '
                                             "resource for containers"]),
    ({"type": "Pod", "max": {"cpus": "1"}}, [
        'spec.limits[0].max[cpus]: Invalid value: "cpus": must be a standard resource type or fully qualified',
        'spec.limits[0].max[cpus]: Invalid value: "cpus": must be a standard resource for containers']),
    ({"type": "Pod", "max": {"cpu": "1"}, "min": {"cpu": "2"}}, [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1']),
    ({"type": "Pod", "max": {"cpu": "lots"}}, [
        "spec.limits[0].max[cpu]: Invalid value: \"lots\": quantities must match the regular expression "
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"]),
    ({"max": {"cpu": "1"}, "default": {"cpu": "2"}, "defaultRequest": {"cpu": "3"}}, [
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than max value 1',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than default '
        "limit value 2",
        'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1']),
    ({"default": {"cpu": "1"}, "min": {"cpu": "2"}, "defaultRequest": {"cpu": "1"}}, [
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
        'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1']),
    ({"maxLimitRequestRatio": {"cpu": "500m"}}, [
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1']),
    ({"type": "Pod", "max": {"cpu": "2"}, "min": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "3"}}, [
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000']),
    ({"default": {"example.com/gpu": "2"}, "defaultRequest": {"example.com/gpu": "1"}}, [
        'spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: "1": default value 2 must equal to '
        "defaultRequest value 1 in example.com/gpu"]),
])
def test_what_is_wrong_with_a_limit_is_named(item: dict[str, Any], expected: list[str]) -> None:
    assert problems(limits(**item)) == expected


def test_one_rule_for_each_type() -> None:
    made = read(core.LimitRange, {"limits": [{"type": "Pod"}, {"type": "Pod"}]})

    assert problems(made) == ['spec.limits[1].type: Duplicate value: "Pod"']


def test_a_quota_counts_what_kubernetes_counts() -> None:
    made = quota(hard={"pods": 10, "requests.cpu": "0.5", "limits.memory": "1024Mi", "count/deployments.apps": "3",
                       "gold.storageclass.storage.k8s.io/requests.storage": "5Gi", "requests.example.com/gpu": 4,
                       "services.nodeports": "1", "hugepages-2Mi": "4Mi"})

    assert problems(made) == []
    assert made.spec.hard["requests.cpu"] == "500m"
    assert made.spec.hard["pods"] == "10"


@pytest.mark.parametrize(("spec", "expected"), [
    ({"hard": {"cpus": "1"}}, [
        'spec.hard[cpus]: Invalid value: "cpus": must be a standard resource type or fully qualified',
        'spec.hard[cpus]: Invalid value: "cpus": must be a standard resource for quota']),
    ({"hard": {"storage": "1"}}, [
        'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota']),
    ({"hard": {"pods": "500m"}}, ['spec.hard[pods]: Invalid value: "500m": must be an integer']),
    ({"hard": {"count/jobs.batch": "1.5"}}, [
        'spec.hard[count/jobs.batch]: Invalid value: "1500m": must be an integer']),
    ({"hard": {"cpu": "-1"}}, ['spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0']),
    ({"hard": {"pods": 1}, "scopes": ["Asleep"]}, ['spec.scopes: Invalid value: ["Asleep"]: unsupported scope']),
    ({"hard": {"services": 1}, "scopes": ["Terminating"]}, [
        'spec.scopes: Invalid value: ["Terminating"]: unsupported scope applied to resource']),
    ({"hard": {"cpu": 1, "pods": 1}, "scopes": ["BestEffort"]}, [
        'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource']),
    ({"hard": {"pods": 1}, "scopes": ["BestEffort", "NotBestEffort"]}, [
        'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes']),
])
def test_what_is_wrong_with_a_quota_is_named(spec: dict[str, Any], expected: list[str]) -> None:
    assert problems(quota(**spec)) == expected


@pytest.mark.parametrize(("term", "expected"), [
    ({"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}, []),
    ({"scopeName": "PriorityClass", "operator": "In"}, [
        "values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"]),
    ({"scopeName": "PriorityClass", "operator": "Exists", "values": ["high"]}, [
        "values: Invalid value: [\"high\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope "
        "selector"]),
    ({"scopeName": "PriorityClass", "operator": "Like"}, [
        'operator: Invalid value: "Like": not a valid selector operator']),
    ({"scopeName": "Terminating", "operator": "DoesNotExist"}, [
        'operator: Invalid value: "DoesNotExist": must be \'Exists\' when scope is any of '
        "ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
        "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"]),
    ({"scopeName": "Asleep", "operator": "Exists"}, ['scopeName: Invalid value: "Asleep": unsupported scope']),
])
def test_what_is_wrong_with_a_scope_selector_is_named(term: dict[str, Any], expected: list[str]) -> None:
    made = quota(hard={"pods": 1}, scopeSelector={"matchExpressions": [term]})

    assert problems(made) == [f"spec.scopeSelector.matchExpressions.{line}" for line in expected]


def test_scopes_stay_and_the_hard_amounts_may_change() -> None:
    old = quota(hard={"pods": 1}, scopes=["Terminating", "NotBestEffort"])

    assert validation.update(quota(hard={"pods": 2}, scopes=["NotBestEffort", "Terminating"]), old) == ()
    assert [cause.message for cause in validation.update(quota(hard={"pods": 1}, scopes=["Terminating"]), old)] == [
        'Invalid value: ["Terminating"]: field is immutable']


def test_the_status_of_a_quota_is_judged() -> None:
    made = read(core.ResourceQuota, {"hard": {"pods": 1}}, {"hard": {"pods": "1"}, "used": {"pods": "-1"}})

    assert [cause.field for cause in validation.update(made, made, "status")] == ["status.used[pods]"]
