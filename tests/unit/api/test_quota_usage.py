"""What objects take of quotas, and the amounts they are counted in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from edge.api import amounts, codec, core, persistent_volumes, pod_amounts, quota_usage, quotas
from edge.api.amounts import Amount
from tests import builders

NOW = builders.NOW


def taken(obj: Any, resource: str = "pods") -> dict[str, Any]:
    return amounts.texts(quota_usage.of(obj, resource, NOW).amounts)


def spec(**fields: Any) -> core.PodSpec:
    return codec.decode_struct(core.PodSpec, fields)


def container(name: str = "c", **resources: Any) -> dict[str, Any]:
    return {"name": name, "image": "x", "resources": resources}


def scoped(*scopes: str, expressions: tuple[dict[str, Any], ...] = ()) -> quotas.ResourceQuota:
    return codec.decode_struct(quotas.ResourceQuota, {"spec": {
        "hard": {"pods": 1}, "scopes": list(scopes), "scopeSelector": {"matchExpressions": list(expressions)}}})


def test_amounts_keep_the_form_they_were_written_in() -> None:
    assert str(amounts.of("64Mi") + amounts.of("64Mi")) == "128Mi"
    assert str(amounts.NONE + amounts.of("1Gi")) == "1Gi"
    assert str(amounts.of("500m") + amounts.of("1")) == "1500m"
    assert str(amounts.of("100M") + amounts.of("100M")) == "200M"
    assert str(amounts.of("1Gi") - amounts.of("1Gi")) == "0"
    assert str(amounts.of("100m") - amounts.of("1")) == "-900m"
    assert amounts.of("junk") == amounts.NONE
    assert str(Amount(1)) == "1n"
    assert amounts.of("1500m").rounded_up() == amounts.count(2)
    assert amounts.joined(amounts.read({"b": "1", "a": "2Ki"})) == "a=2Ki,b=1"


def test_a_pod_takes_what_its_containers_request_together() -> None:
    pod = builders.pod("web", spec=spec(containers=[
        container(requests={"cpu": "100m", "memory": "64Mi"}, limits={"memory": "128Mi"}),
        container("d", requests={"cpu": "1", "example.com/gpu": "2", "hugepages-2Mi": "4Mi"})]))
    assert taken(pod) == {
        "count/pods": "1", "pods": "1", "cpu": "1100m", "requests.cpu": "1100m", "memory": "64Mi",
        "requests.memory": "64Mi", "limits.memory": "128Mi", "requests.example.com/gpu": "2", "hugepages-2Mi": "4Mi",
        "requests.hugepages-2Mi": "4Mi"}


def test_init_containers_count_by_the_largest_and_those_that_stay_with_all() -> None:
    made = spec(containers=[container(requests={"cpu": "1"})], overhead={"cpu": "250m"}, initContainers=[
        container("i", requests={"cpu": "3"}), container("s", requests={"cpu": "1"}) | {"restartPolicy": "Always"},
        container("j", requests={"cpu": "2500m"})])
    assert str(pod_amounts.requests(made, overhead=False)["cpu"]) == "3500m"
    assert str(pod_amounts.requests(made)["cpu"]) == "3750m"
    assert pod_amounts.limits(made) == {}


def test_a_pod_that_has_ended_takes_only_its_place() -> None:
    assert taken(builders.pod("web", phase="Succeeded", cpu="1")) == {"count/pods": "1"}
    pod = builders.pod("web", cpu="1", deleted=True)
    late = msgspec.structs.replace(pod, metadata=msgspec.structs.replace(
        pod.metadata, deletion_grace_period_seconds=30))
    assert "pods" in taken(late)
    after = quota_usage.of(late, "pods", NOW + timedelta(seconds=31))
    assert set(after.amounts) == {"count/pods"}


@pytest.mark.parametrize(("fields", "ports", "balancers"), [
    ({"type": "ClusterIP"}, "0", "0"), ({"type": "NodePort"}, "2", "0"), ({"type": "LoadBalancer"}, "2", "1"),
    ({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, "1", "1")])
def test_services_take_node_ports_and_load_balancers(fields: dict[str, Any], ports: str, balancers: str) -> None:
    listed = [{"port": 1, "nodePort": 30001}, {"port": 2}]
    made = codec.decode_struct(core.Service, {"spec": {"ports": listed, **fields}})
    assert taken(made, "services") == {"count/services": "1", "services": "1", "services.nodeports": ports,
                                       "services.loadbalancers": balancers}


def test_claims_take_storage_of_their_class() -> None:
    claim = codec.decode_struct(persistent_volumes.PersistentVolumeClaim, {
        "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "5Gi"}}},
        "status": {"allocatedResources": {"storage": "6Gi"}}})
    assert taken(claim, "persistentvolumeclaims") == {
        "count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "6Gi",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "6Gi"}


def test_everything_else_takes_its_number_under_one_name_or_two() -> None:
    assert taken(core.Secret(), "secrets") == {"count/secrets": "1", "secrets": "1"}
    assert taken(builders.deployment(), "deployments.apps") == {"count/deployments.apps": "1"}
    hard = ("pods", "secrets", "count/secrets", "requests.example.com/gpu", "requests.storage", "requests.cpu",
            "gold.storageclass.storage.k8s.io/requests.storage")
    assert quota_usage.names_of(core.Secret, "secrets", hard) == {"secrets", "count/secrets"}
    assert quota_usage.names_of(core.Pod, "pods", hard) == {"pods", "requests.example.com/gpu", "requests.cpu"}
    assert quota_usage.names_of(persistent_volumes.PersistentVolumeClaim, "persistentvolumeclaims", hard) == {
        "requests.storage", "gold.storageclass.storage.k8s.io/requests.storage"}


@pytest.mark.parametrize(("fields", "inside"), [
    ({}, {"NotTerminating", "BestEffort"}),
    ({"activeDeadlineSeconds": 5}, {"Terminating", "BestEffort"}),
    ({"containers": [container(limits={"cpu": "1"})]}, {"NotTerminating", "NotBestEffort"}),
    ({"priorityClassName": "high"}, {"NotTerminating", "BestEffort", "PriorityClass"}),
    ({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": {"topologyKey": "a", "namespaces": ["other"]}}]}}},
     {"NotTerminating", "BestEffort", "CrossNamespacePodAffinity"}),
])
def test_scopes(fields: dict[str, Any], inside: set[str]) -> None:
    usage = quota_usage.of(builders.pod("web", spec=spec(**fields)), "pods", NOW)
    every = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass",
             "CrossNamespacePodAffinity", "Unknown")
    assert {scope for scope in every if quota_usage.concerns(scoped(scope), usage)} == inside
    assert quota_usage.concerns(scoped(*inside), usage)


@pytest.mark.parametrize(("operator", "values", "high", "none"), [
    ("In", ["high", "low"], True, False), ("In", ["low"], False, False), ("NotIn", ["high"], False, True),
    ("Exists", [], True, False), ("DoesNotExist", [], False, True), ("Other", [], False, False)])
def test_a_scope_selector_names_priority_classes(operator: str, values: list[str], high: bool, none: bool) -> None:
    quota = scoped(expressions=({"scopeName": "PriorityClass", "operator": operator, "values": values},))
    for name, wanted in (("high", high), ("", none)):
        usage = quota_usage.of(builders.pod("web", spec=spec(priorityClassName=name)), "pods", NOW)
        assert quota_usage.concerns(quota, usage) is wanted
    terminating = scoped(expressions=({"scopeName": "Terminating", "operator": "Exists"},))
    assert not quota_usage.concerns(terminating, usage)


def test_a_total_has_every_limited_resource_and_nothing_else() -> None:
    quota = codec.decode_struct(quotas.ResourceQuota, {"spec": {"hard": {
        "pods": 5, "requests.memory": "1Gi", "secrets": 3, "count/widgets.example.com": 1}}})
    usages = [quota_usage.of(builders.pod(name, memory="64Mi"), "pods", NOW) for name in ("a", "b")]
    assert amounts.texts(quota_usage.total(quota, usages)) == {
        "pods": "2", "requests.memory": "128Mi", "secrets": "0", "count/widgets.example.com": "0"}
