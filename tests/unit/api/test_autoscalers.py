"""HorizontalPodAutoscalers: defaults, what is refused, and the way through older versions and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from edge.api import autoscalers, codec, defaults, errors, scheme, validation
from edge.api.autoscalers import HorizontalPodAutoscaler

ANNOTATION = "autoscaling.alpha.kubernetes.io/"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue",
                                                                       "averageValue": "64Mi"}}}
BEHAVIOR = {"scaleDown": {"selectPolicy": "Min", "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
EVERY = [
    CPU, MEMORY,
    {"type": "Pods", "pods": {"metric": {"name": "packets"}, "target": {"type": "AverageValue",
                                                                       "averageValue": "1k"}}},
    {"type": "Object", "object": {"metric": {"name": "hits", "selector": {"matchLabels": {"verb": "GET"}}},
                                  "describedObject": {"kind": "Service", "name": "front", "apiVersion": "v1"},
                                  "target": {"type": "Value", "value": "10k"}}},
    {"type": "External", "external": {"metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}},
                                      "target": {"type": "AverageValue", "averageValue": "30"}}},
    {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "app", "target": {
        "type": "Utilization", "averageUtilization": 60}}},
]
STATUS = {
    "desiredReplicas": 3, "currentReplicas": 2, "lastScaleTime": "2030-01-01T00:00:00Z",
    "conditions": [{"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"}],
    "currentMetrics": [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 10,
                                                                     "averageValue": "25m"}}},
        {"type": "Pods", "pods": {"metric": {"name": "packets"}, "current": {"averageValue": "900"}}}]}


def raw(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
            "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec}}
    return {**body, "status": status} if status else body


def decoded(stored: dict[str, Any]) -> HorizontalPodAutoscaler:
    obj = codec.decode(scheme.of_type(HorizontalPodAutoscaler), stored)
    assert isinstance(obj, HorizontalPodAutoscaler)
    return obj


def made(**spec: Any) -> HorizontalPodAutoscaler:
    return defaults.apply(decoded(raw(**spec)))


def wrong(**spec: Any) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(made(**spec))]


def there_and_back(api_version: str, obj: dict[str, Any]) -> dict[str, Any]:
    stored = codec.to_dict(decoded(obj))
    shown = scheme.convert_out(api_version, stored)
    assert shown["apiVersion"] == api_version
    back = scheme.convert_in(api_version, shown)
    assert codec.unknown_fields(HorizontalPodAutoscaler, back) == ()
    return codec.to_dict(decoded(back))


def test_defaults() -> None:
    spec = made().spec

    assert spec.min_replicas == 1
    (metric,) = spec.metrics
    assert metric == autoscalers.MetricSpec(type="Resource", resource=autoscalers.ResourceMetricSource(
        name="cpu", target=autoscalers.MetricTarget(type="Utilization", average_utilization=80)))
    assert spec.behavior is None
    assert made() == defaults.apply(made())


def test_what_a_behavior_leaves_out() -> None:
    behavior = made(behavior=BEHAVIOR).spec.behavior

    assert behavior is not None
    assert behavior.scale_up is not None
    assert behavior.scale_up.stabilization_window_seconds == 0
    assert [(p.type, p.value) for p in behavior.scale_up.policies] == [("Pods", 4), ("Percent", 100)]
    assert behavior.scale_down is not None
    assert (behavior.scale_down.select_policy, behavior.scale_down.stabilization_window_seconds) == ("Min", None)
    assert [(p.type, p.value) for p in behavior.scale_down.policies] == [("Pods", 1)]


def test_every_source_is_fine() -> None:
    assert wrong(metrics=EVERY, behavior=BEHAVIOR) == []


@pytest.mark.parametrize(("spec", "expected"), [
    ({"minReplicas": 0}, "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"),
    ({"maxReplicas": 0, "minReplicas": None}, "spec.maxReplicas: Invalid value: 0: must be greater than 0"),
    ({"minReplicas": 9}, "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`"),
    ({"scaleTargetRef": {"name": "web"}}, "spec.scaleTargetRef.kind: Required value"),
    ({"scaleTargetRef": {**TARGET, "name": "a/b"}},
     "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"),
    ({"metrics": [{"type": "Magic"}]},
     'spec.metrics[0].type: Unsupported value: "Magic": supported values: "ContainerResource", "External", "Object", '
     '"Pods", "Resource"'),
    ({"metrics": [{"type": "Resource"}]},
     "spec.metrics[0].resource: Required value: must populate information for the given metric source"),
    ({"metrics": [{**CPU, "pods": EVERY[2]["pods"]}]},
     "spec.metrics[0].pods: Forbidden: must populate the given metric source only"),
    ({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]},
     "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a "
     "target utilization"),
    ({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {
        "type": "Utilization", "averageUtilization": 0}}}]},
     "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"),
    ({"metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {
        "type": "AverageValue", "averageValue": "-1"}}}]},
     'spec.metrics[0].resource.target.averageValue: Invalid value: "-1": must be positive'),
    ({"metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {
        "type": "AverageValue", "averageValue": "a lot"}}}]},
     'spec.metrics[0].resource.target.averageValue: Invalid value: "a lot": quantities must match the regular '
     "expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    ({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {
        "type": "Most", "averageUtilization": 1}}}]},
     'spec.metrics[0].resource.target.type: Invalid value: "Most": must be either Utilization, Value, or '
     "AverageValue"),
    ({"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}},
     "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600"),
    ({"behavior": {"scaleUp": {"selectPolicy": "Mean"}}},
     'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Mean": supported values: "Disabled", "Max", "Min"'),
    ({"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 5}]}}},
     "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero"),
    ({"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}]}}},
     "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800"),
])
def test_what_is_wrong_is_named(spec: dict[str, Any], expected: str) -> None:
    assert expected in wrong(**spec)


def test_counts_of_a_status_are_not_negative() -> None:
    new = replace(made(), status=autoscalers.HorizontalPodAutoscalerStatus(desired_replicas=-1))
    assert [cause.field for cause in validation.update(new, made(), "status")] == ["status.desiredReplicas"]


def test_v1_is_a_percentage_of_cpu() -> None:
    sent = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {
        "scaleTargetRef": TARGET, "minReplicas": 2, "maxReplicas": 5, "targetCPUUtilizationPercentage": 50}}
    stored = scheme.convert_in("autoscaling/v1", sent)

    assert stored["spec"] == {"scaleTargetRef": TARGET, "minReplicas": 2, "maxReplicas": 5, "metrics": [CPU]}
    assert scheme.convert_out("autoscaling/v1", stored)["spec"] == sent["spec"]


def test_v1_shows_what_it_cannot_say_in_annotations() -> None:
    shown = scheme.convert_out("autoscaling/v1", raw(STATUS, metrics=[MEMORY, CPU], behavior=BEHAVIOR))
    notes = {key.removeprefix(ANNOTATION): json.loads(value)
             for key, value in shown["metadata"]["annotations"].items()}

    assert shown["spec"] == {"scaleTargetRef": TARGET, "maxReplicas": 5, "targetCPUUtilizationPercentage": 50}
    assert shown["status"] == {"desiredReplicas": 3, "currentReplicas": 2, "lastScaleTime": "2030-01-01T00:00:00Z",
                               "currentCPUUtilizationPercentage": 10}
    assert notes == {
        "metrics": [{"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "64Mi"}}],
        "current-metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "currentAverageUtilization": 10,
                                              "currentAverageValue": "25m"}},
            {"type": "Pods", "pods": {"metricName": "packets", "currentAverageValue": "900"}}],
        "conditions": STATUS["conditions"],
        "behavior": {"ScaleDown": {"SelectPolicy": "Min", "Policies": [
            {"Type": "Pods", "Value": 1, "PeriodSeconds": 60}]}}}


@pytest.mark.parametrize("api_version", ["autoscaling/v1", "autoscaling/v2beta1", "autoscaling/v2beta2"])
def test_nothing_is_lost_on_the_way_through_an_old_version(api_version: str) -> None:
    obj = raw(STATUS, metrics=[*EVERY[1:], CPU], behavior=BEHAVIOR)  # v1 puts its percentage last

    assert there_and_back(api_version, obj) == {**codec.to_dict(decoded(obj))}


def test_v2beta1_spells_metrics_flat() -> None:
    shown = scheme.convert_out("autoscaling/v2beta1", raw(STATUS, metrics=EVERY))

    assert [metric.get(kind) for metric, kind in zip(shown["spec"]["metrics"], (
        "resource", "resource", "pods", "object", "external", "containerResource"), strict=True)] == [
        {"name": "cpu", "targetAverageUtilization": 50},
        {"name": "memory", "targetAverageValue": "64Mi"},
        {"metricName": "packets", "targetAverageValue": "1k"},
        {"metricName": "hits", "selector": {"matchLabels": {"verb": "GET"}},
         "target": {"kind": "Service", "name": "front", "apiVersion": "v1"}, "targetValue": "10k"},
        {"metricName": "queue", "metricSelector": {"matchLabels": {"q": "a"}}, "targetAverageValue": "30"},
        {"name": "cpu", "container": "app", "targetAverageUtilization": 60}]
    assert shown["status"]["conditions"] == STATUS["conditions"]
    assert "annotations" not in shown["metadata"]


@pytest.mark.parametrize("api_version", ["autoscaling/v1", "autoscaling/v2beta1", "autoscaling/v2beta2"])
def test_annotations_of_others_stay(api_version: str) -> None:
    obj = raw(metrics=[CPU])
    obj["metadata"]["annotations"] = {"note": "mine"}

    assert there_and_back(api_version, obj)["metadata"]["annotations"] == {"note": "mine"}


@pytest.mark.parametrize("broken", ["", "{", "[1]", '{"a": 1}', "null", "[" * 5000])
def test_annotations_broken_by_hand_are_ignored(broken: str) -> None:
    sent = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "annotations": {
        f"{ANNOTATION}{key}": broken for key in ("metrics", "current-metrics", "conditions", "behavior")}},
        "spec": {"scaleTargetRef": TARGET, "maxReplicas": 3}}
    obj = defaults.apply(decoded(scheme.convert_in("autoscaling/v1", sent)))

    assert obj.metadata.annotations == {}
    assert validation.create(obj) == ()
    assert [metric.resource.name for metric in obj.spec.metrics if metric.resource] == ["cpu"]


@pytest.mark.parametrize("spec", ["text", [1], {"metrics": "many"}, {"metrics": [1, {"object": 2}]},
                                  {"targetCPUUtilizationPercentage": "half"}])
@pytest.mark.parametrize("api_version", ["autoscaling/v1", "autoscaling/v2beta1", "autoscaling/v2beta2"])
def test_a_wrong_type_is_told_by_the_decoder(api_version: str, spec: Any) -> None:
    stored = scheme.convert_in(api_version, {"kind": "HorizontalPodAutoscaler", "metadata": {}, "spec": spec,
                                             "status": "fine"})
    with pytest.raises(errors.BadRequest):
        decoded(stored)
