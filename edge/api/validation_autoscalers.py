"""What is wrong with HorizontalPodAutoscalers: limits, metrics and how fast the number may change."""

from __future__ import annotations

from fractions import Fraction

from edge.api import autoscalers, meta, quantity
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_LONGEST_PERIOD_SECONDS = 1800
_LONGEST_WINDOW_SECONDS = 3600
_SOURCES = {"ContainerResource": "container_resource", "External": "external", "Object": "object", "Pods": "pods",
            "Resource": "resource"}


def autoscaler(obj: autoscalers.HorizontalPodAutoscaler) -> Causes:
    """Yield what is wrong with a HorizontalPodAutoscaler."""
    spec = obj.spec
    yield from words.at_least("spec.minReplicas", spec.min_replicas, 1)
    if spec.max_replicas < 1:
        yield words.invalid("spec.maxReplicas", spec.max_replicas, "must be greater than 0")
    if spec.min_replicas is not None and spec.max_replicas < spec.min_replicas:
        yield words.invalid("spec.maxReplicas", spec.max_replicas, "must be greater than or equal to `minReplicas`")
    yield from words.at_least("spec.maxReplicas", max(spec.max_replicas, 1))
    yield from _reference("spec.scaleTargetRef", spec.scale_target_ref)
    for index, metric in enumerate(spec.metrics):
        yield from _metric(f"spec.metrics[{index}]", metric)
    if spec.behavior is not None:
        yield from _rules("spec.behavior.scaleUp", spec.behavior.scale_up)
        yield from _rules("spec.behavior.scaleDown", spec.behavior.scale_down)


def update_status(new: autoscalers.HorizontalPodAutoscaler, _old: autoscalers.HorizontalPodAutoscaler) -> Causes:
    """Yield what is wrong with a new status."""
    yield from words.at_least("status.currentReplicas", new.status.current_replicas)
    yield from words.at_least("status.desiredReplicas", new.status.desired_replicas)


def _reference(here: str, reference: autoscalers.CrossVersionObjectReference) -> Causes:
    yield from words.name_of(f"{here}.kind", reference.kind, words.path_segment)
    yield from words.name_of(f"{here}.name", reference.name, words.path_segment)


def _metric(here: str, metric: autoscalers.MetricSpec) -> Causes:
    if not metric.type:
        yield words.required(f"{here}.type", "must specify a metric source type")
    elif metric.type not in _SOURCES:
        yield words.unsupported(f"{here}.type", metric.type, tuple(_SOURCES))
    present = [name for name in ("object", "external", "pods", "resource", "container_resource")
               if getattr(metric, name) is not None]
    if present:  # of several, the others are refused as such
        yield from _source(f"{here}.{meta.camel(present[0])}", metric, present[0])
    wanted = _SOURCES.get(metric.type, "")
    if wanted and wanted not in present:
        yield words.required(f"{here}.{meta.camel(wanted)}", "must populate information for the given metric source")
    if len(present) != 1:
        for name in present:
            if name != wanted:
                yield words.forbidden(f"{here}.{meta.camel(name)}", "must populate the given metric source only")


def _source(here: str, metric: autoscalers.MetricSpec, name: str) -> Causes:
    if name == "object" and metric.object is not None:
        yield from _reference(f"{here}.describedObject", metric.object.described_object)
        yield from _identifier(f"{here}.metric", metric.object.metric)
        yield from _value(here, metric.object.target, "must set either a target value or averageValue")
    elif name == "external" and metric.external is not None:
        target = metric.external.target
        yield from _identifier(f"{here}.metric", metric.external.metric)
        yield from _value(here, target, "must set either a target value for metric or a per-pod target")
        if target.value is not None and target.average_value is not None:
            yield words.forbidden(f"{here}.target.value",
                                  "may not set both a target value for metric and a per-pod target")
    elif name == "pods" and metric.pods is not None:
        yield from _identifier(f"{here}.metric", metric.pods.metric)
        yield from _target(f"{here}.target", metric.pods.target)
        if metric.pods.target.average_value is None:
            yield words.required(f"{here}.target.averageValue", "must specify a positive target averageValue")
    elif name == "resource" and metric.resource is not None:
        yield from _amount(here, metric.resource.name, metric.resource.target)
    elif metric.container_resource is not None:
        source = metric.container_resource
        if not source.container:
            yield words.required(f"{here}.container", "must specify a container")
        else:
            yield from words.check(f"{here}.container", source.container, words.dns_label)
        yield from _amount(here, source.name, source.target)


def _value(here: str, target: autoscalers.MetricTarget, missing: str) -> Causes:
    yield from _target(f"{here}.target", target)
    if target.value is None and target.average_value is None:
        yield words.required(f"{here}.target.averageValue", missing)


def _amount(here: str, name: str, target: autoscalers.MetricTarget) -> Causes:
    if not name:
        yield words.required(f"{here}.name", "must specify a resource name")
    yield from _target(f"{here}.target", target)
    if target.average_utilization is None and target.average_value is None:
        yield words.required(f"{here}.target.averageUtilization",
                             "must set either a target raw value or a target utilization")
    if target.average_utilization is not None and target.average_value is not None:
        yield words.forbidden(f"{here}.target.averageValue",
                              "may not set both a target raw value and a target utilization")


def _target(here: str, target: autoscalers.MetricTarget) -> Causes:
    if not target.type:
        yield words.required(f"{here}.type", "must specify a metric target type")
    if target.type not in ("Utilization", "Value", "AverageValue"):
        yield words.invalid(f"{here}.type", target.type, "must be either Utilization, Value, or AverageValue")
    for field, amount in (("value", target.value), ("averageValue", target.average_value)):
        if amount is None:
            continue
        try:
            parsed = quantity.parse(amount)
        except ValueError as error:
            yield words.invalid(f"{here}.{field}", amount, str(error))
        else:
            if parsed <= Fraction(0):
                yield words.invalid(f"{here}.{field}", amount, "must be positive")
    if target.average_utilization is not None and target.average_utilization < 1:
        yield words.invalid(f"{here}.averageUtilization", target.average_utilization, "must be greater than 0")


def _identifier(here: str, metric: autoscalers.MetricIdentifier) -> Causes:
    if not metric.name:
        yield words.required(f"{here}.name", "must specify a metric name")
    else:
        yield from words.check(f"{here}.name", metric.name, words.path_segment)


def _rules(here: str, rules: autoscalers.HPAScalingRules | None) -> Causes:
    if rules is None:
        return
    window = rules.stabilization_window_seconds
    if window is not None and window < 0:
        yield words.invalid(f"{here}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW_SECONDS:
        yield words.invalid(f"{here}.stabilizationWindowSeconds", window,
                            f"must be less than or equal to {_LONGEST_WINDOW_SECONDS}")
    if rules.select_policy is not None and rules.select_policy not in ("Disabled", "Max", "Min"):
        yield words.unsupported(f"{here}.selectPolicy", rules.select_policy, ("Disabled", "Max", "Min"))
    if not rules.policies:
        yield words.required(f"{here}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.policies):
        at = f"{here}.policies[{index}]"
        if policy.type not in ("Percent", "Pods"):
            yield words.unsupported(f"{at}.type", policy.type, ("Percent", "Pods"))
        for field, number in (("value", policy.value), ("periodSeconds", policy.period_seconds)):
            if number <= 0:
                yield words.invalid(f"{at}.{field}", number, "must be greater than zero")
        if policy.period_seconds > _LONGEST_PERIOD_SECONDS:
            yield words.invalid(f"{at}.periodSeconds", policy.period_seconds,
                                f"must be less than or equal to {_LONGEST_PERIOD_SECONDS}")
