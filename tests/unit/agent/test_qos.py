"""How a pod stands among others when the node runs short."""

from __future__ import annotations

import pytest

from edge.agent import qos
from edge.api import core, meta

GIB = 1024**3


def container(requests: dict[str, meta.Quantity] | None = None, limits: dict[str, meta.Quantity] | None = None,
              **more: object) -> core.Container:
    resources = core.ResourceRequirements(requests=requests or {}, limits=limits or {})
    return core.Container(name="web", resources=resources, **more)  # type: ignore[arg-type]


def pod(*containers: core.Container, **spec: object) -> core.Pod:
    return core.Pod(spec=core.PodSpec(containers=containers, **spec), metadata=meta.ObjectMeta(name="p"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("requests", "limits", "expected"), [
    ({}, {}, "BestEffort"), ({"cpu": "1"}, {}, "Burstable"), ({}, {"cpu": "1", "memory": "1Gi"}, "Guaranteed"),
    ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, "Guaranteed"),
    ({"cpu": "1000m", "memory": "1024Mi"}, {"cpu": "1", "memory": "1Gi"}, "Guaranteed"),
    ({"cpu": "500m"}, {"cpu": "1", "memory": "1Gi"}, "Burstable"), ({}, {"memory": "1Gi"}, "Burstable"),
    ({"cpu": "0"}, {}, "BestEffort"), ({"ephemeral-storage": "1Gi"}, {}, "BestEffort")])
def test_quality_of_service(requests: dict[str, meta.Quantity], limits: dict[str, meta.Quantity],
                            expected: str) -> None:
    assert qos.qos_class(core.PodSpec(containers=(container(requests, limits),))) == expected


def test_one_container_without_limits_makes_the_pod_burstable() -> None:
    limits: dict[str, meta.Quantity] = {"cpu": "1", "memory": "1Gi"}
    assert qos.qos_class(core.PodSpec(containers=(container({}, limits), container()))) == "Burstable"
    assert qos.qos_class(core.PodSpec(containers=(container({}, limits),), init_containers=(container(),))) == \
        "Burstable"


@pytest.mark.parametrize(("requests", "limits", "score"), [
    ({}, {}, 1000), ({}, {"cpu": "1", "memory": "1Gi"}, -997), ({"memory": "1Gi"}, {}, 750),
    ({"memory": "4Gi"}, {}, 3), ({"memory": "8Gi"}, {}, 3), ({"memory": "1Ki"}, {}, 999), ({"cpu": "1"}, {}, 999),
    ({}, {"memory": "2Gi"}, 500)])
def test_the_kernels_order_follows_from_the_request_for_memory(
        requests: dict[str, meta.Quantity], limits: dict[str, meta.Quantity], score: int) -> None:
    one = container(requests, limits)
    assert qos.oom_score(pod(one), one, 4 * GIB) == score


def test_what_the_node_itself_needs_is_killed_last() -> None:
    one = container()
    node_critical = pod(one, priority=2_000_001_000, priority_class_name="system-node-critical")
    assert qos.oom_score(node_critical, one, GIB) == -997
    assert qos.oom_score(pod(one, priority=10, priority_class_name="system-node-critical"), one, GIB) == 1000


def test_a_sidecar_goes_no_earlier_than_what_it_is_beside() -> None:
    side, app = container({"memory": "1Mi"}, restart_policy="Always"), container({"memory": "2Gi"})
    both = pod(app, init_containers=(side,))
    assert qos.oom_score(both, side, 4 * GIB) == qos.oom_score(both, app, 4 * GIB) == 500


def test_an_unknown_size_of_the_node_is_no_fault() -> None:
    one = container({"memory": "1Gi"})
    assert 3 <= qos.oom_score(pod(one), one, 0) <= 999


@pytest.mark.parametrize(("annotations", "priority", "critical"), [
    ({}, None, False), ({}, 1_999_999_999, False), ({}, 2_000_000_000, True),
    ({"kubernetes.io/config.source": "file"}, 0, True), ({"kubernetes.io/config.source": "api"}, 0, False),
    ({"kubernetes.io/config.mirror": "x"}, 0, True)])
def test_critical_pods(annotations: dict[str, str], priority: int | None, critical: bool) -> None:
    found = core.Pod(metadata=meta.ObjectMeta(name="p", annotations=annotations), spec=core.PodSpec(priority=priority))
    assert qos.is_critical(found) is critical


def test_an_amount_that_is_none_counts_as_nothing() -> None:
    assert qos.amount({"cpu": "lots"}, "cpu") == 0
    assert qos.amount({}, "memory") == 0
