"""Defaults of StatefulSets, Jobs, CronJobs and HorizontalPodAutoscalers.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from edge.api import autoscalers, batch, defaults_storage, meta, persistent_volumes, pods, quantity, statefulsets
from edge.api import defaults_pods as of_pods

_V = TypeVar("_V")
_UNLIMITED = 2**31 - 1
CPU_PERCENT = 80
"""What an autoscaler aims at when it is not told: this share of the requested CPU."""


def stateful_set(obj: statefulsets.StatefulSet) -> statefulsets.StatefulSet:
    """Return the StatefulSet with its defaults."""
    spec = obj.spec
    strategy = spec.update_strategy
    if strategy.type in ("", "RollingUpdate"):
        rolling = strategy.rolling_update or statefulsets.RollingUpdateStatefulSetStrategy()
        strategy = statefulsets.StatefulSetUpdateStrategy(
            type="RollingUpdate", rolling_update=replace(rolling, partition=_or(rolling.partition, 0)))
    kept = spec.persistent_volume_claim_retention_policy \
        or statefulsets.StatefulSetPersistentVolumeClaimRetentionPolicy()
    return replace(obj, spec=replace(
        spec, replicas=_or(spec.replicas, 1), template=_template(spec.template), update_strategy=strategy,
        pod_management_policy=spec.pod_management_policy or "OrderedReady",
        revision_history_limit=_or(spec.revision_history_limit, 10),
        volume_claim_templates=tuple(_claim(claim) for claim in spec.volume_claim_templates),
        persistent_volume_claim_retention_policy=replace(
            kept, when_deleted=kept.when_deleted or "Retain", when_scaled=kept.when_scaled or "Retain")))


def job(obj: batch.Job) -> batch.Job:
    """Return the Job with its defaults; labels it has none of are its template's."""
    spec, metadata = obj.spec, obj.metadata
    alone = spec.completions is None and spec.parallelism is None
    if not metadata.labels and spec.template.metadata.labels:
        metadata = replace(metadata, labels=dict(spec.template.metadata.labels))
    backoff = 6 if spec.backoff_limit_per_index is None else _UNLIMITED
    return replace(obj, metadata=metadata, spec=replace(
        _nested(spec), completions=1 if alone else spec.completions, parallelism=_or(spec.parallelism, 1),
        backoff_limit=_or(spec.backoff_limit, backoff), completion_mode=_or(spec.completion_mode, "NonIndexed"),
        suspend=_or(spec.suspend, False), manual_selector=_or(spec.manual_selector, False),
        pod_replacement_policy=_or(spec.pod_replacement_policy,
                                   "Failed" if spec.pod_failure_policy else "TerminatingOrFailed")))


def cron_job(obj: batch.CronJob) -> batch.CronJob:
    """Return the CronJob with its defaults; those of its Jobs are filled in when one is made."""
    spec = obj.spec
    return replace(obj, spec=replace(
        spec, concurrency_policy=spec.concurrency_policy or "Allow", suspend=_or(spec.suspend, False),
        successful_jobs_history_limit=_or(spec.successful_jobs_history_limit, 3),
        failed_jobs_history_limit=_or(spec.failed_jobs_history_limit, 1),
        job_template=replace(spec.job_template, spec=_nested(spec.job_template.spec))))


def autoscaler(obj: autoscalers.HorizontalPodAutoscaler) -> autoscalers.HorizontalPodAutoscaler:
    """Return the autoscaler with its defaults."""
    spec = obj.spec
    metrics = spec.metrics or (autoscalers.MetricSpec(type="Resource", resource=autoscalers.ResourceMetricSource(
        name="cpu", target=autoscalers.MetricTarget(type="Utilization", average_utilization=CPU_PERCENT))),)
    behavior = spec.behavior
    if behavior is not None:
        behavior = autoscalers.HorizontalPodAutoscalerBehavior(
            scale_up=_rules(behavior.scale_up, _UP), scale_down=_rules(behavior.scale_down, _DOWN))
    return replace(obj, spec=replace(spec, min_replicas=_or(spec.min_replicas, 1), behavior=behavior,
                                     metrics=tuple(_metric(metric) for metric in metrics)))


_UP = autoscalers.HPAScalingRules(
    stabilization_window_seconds=0, select_policy="Max", policies=(
        autoscalers.HPAScalingPolicy(type="Pods", value=4, period_seconds=15),
        autoscalers.HPAScalingPolicy(type="Percent", value=100, period_seconds=15)))
# How long advice to shrink is respected is the controller's own setting, and so it stays open here.
_DOWN = autoscalers.HPAScalingRules(select_policy="Max", policies=(
    autoscalers.HPAScalingPolicy(type="Percent", value=100, period_seconds=15),))


def _rules(given: autoscalers.HPAScalingRules | None,
           usual: autoscalers.HPAScalingRules) -> autoscalers.HPAScalingRules:
    if given is None:
        return usual
    return autoscalers.HPAScalingRules(
        stabilization_window_seconds=_or(given.stabilization_window_seconds, usual.stabilization_window_seconds),
        select_policy=_or(given.select_policy, usual.select_policy), policies=given.policies or usual.policies)


def _metric(metric: autoscalers.MetricSpec) -> autoscalers.MetricSpec:
    return replace(
        metric,
        object=None if metric.object is None else replace(metric.object, target=_target(metric.object.target)),
        pods=None if metric.pods is None else replace(metric.pods, target=_target(metric.pods.target)),
        resource=None if metric.resource is None else replace(
            metric.resource, target=_target(metric.resource.target)),
        container_resource=None if metric.container_resource is None else replace(
            metric.container_resource, target=_target(metric.container_resource.target)),
        external=None if metric.external is None else replace(
            metric.external, target=_target(metric.external.target)))


def _target(target: autoscalers.MetricTarget) -> autoscalers.MetricTarget:
    return replace(target, value=_amount(target.value), average_value=_amount(target.average_value))


def _amount(amount: meta.Quantity | None) -> meta.Quantity | None:
    try:
        return None if amount is None else quantity.canonical(amount)
    except ValueError:
        return amount  # for validation to name


def _nested(spec: batch.JobSpec) -> batch.JobSpec:
    """Return a Job's spec with the defaults of what it contains."""
    policy = spec.pod_failure_policy
    if policy is not None:
        policy = replace(policy, rules=tuple(
            replace(rule, on_pod_conditions=tuple(
                replace(pattern, status=pattern.status or "True") for pattern in rule.on_pod_conditions))
            for rule in policy.rules))
    return replace(spec, template=_template(spec.template), pod_failure_policy=policy)


def _claim(claim: persistent_volumes.PersistentVolumeClaim) -> persistent_volumes.PersistentVolumeClaim:
    return replace(defaults_storage.persistent_volume_claim(claim), api_version="v1", kind="PersistentVolumeClaim")


def _template(template: pods.PodTemplateSpec) -> pods.PodTemplateSpec:
    return replace(template, spec=of_pods.pod_spec(template.spec))


def _or(value: _V | None, default: _V) -> _V:
    return default if value is None else value


BY_KIND: Mapping[type[meta.Object], Callable[[Any], meta.Object]] = {
    statefulsets.StatefulSet: stateful_set, batch.Job: job, batch.CronJob: cron_job,
    autoscalers.HorizontalPodAutoscaler: autoscaler,
}
