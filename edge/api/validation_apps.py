"""What is wrong with Deployments, ReplicaSets, DaemonSets and ControllerRevisions."""

from __future__ import annotations

from edge.api import apps, labels, meta, pods, validation_pods
from edge.api import validation_words as words
from edge.api.validation_words import Causes


def deployment(obj: apps.Deployment) -> Causes:
    """Yield what is wrong with a Deployment."""
    spec = obj.spec
    yield from words.at_least("spec.replicas", spec.replicas)
    yield from _selector(spec.selector, spec.template, "deployment")
    yield from _template(spec.template)
    yield from _strategy(spec.strategy)
    yield from words.at_least("spec.minReadySeconds", spec.min_ready_seconds)
    yield from words.at_least("spec.revisionHistoryLimit", spec.revision_history_limit)
    deadline = spec.progress_deadline_seconds
    yield from words.at_least("spec.progressDeadlineSeconds", deadline)
    if deadline is not None and 0 <= deadline <= spec.min_ready_seconds:
        yield words.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def replica_set(obj: apps.ReplicaSet) -> Causes:
    """Yield what is wrong with a ReplicaSet."""
    yield from words.at_least("spec.replicas", obj.spec.replicas)
    yield from words.at_least("spec.minReadySeconds", obj.spec.min_ready_seconds)
    yield from _selector(obj.spec.selector, obj.spec.template, "deployment")
    yield from _template(obj.spec.template)


def daemon_set(obj: apps.DaemonSet) -> Causes:
    """Yield what is wrong with a DaemonSet."""
    spec = obj.spec
    yield from _selector(spec.selector, spec.template, "daemonset")
    yield from _template(spec.template)
    yield from words.at_least("spec.minReadySeconds", spec.min_ready_seconds)
    yield from words.at_least("spec.revisionHistoryLimit", spec.revision_history_limit)
    strategy = spec.update_strategy
    yield from words.one_of("spec.updateStrategy.type", strategy.type, ("RollingUpdate", "OnDelete"))
    rolling = strategy.rolling_update
    if strategy.type == "RollingUpdate" and rolling is not None:
        here = "spec.updateStrategy.rollingUpdate"
        yield from _pace(here, rolling.max_unavailable, rolling.max_surge)
        if not _is_zero(rolling.max_unavailable) and not _is_zero(rolling.max_surge):
            yield words.invalid(f"{here}.maxSurge", rolling.max_surge, "may not be set when maxUnavailable is non-zero")
        elif _is_zero(rolling.max_unavailable) and _is_zero(rolling.max_surge):
            yield words.required(f"{here}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def controller_revision(obj: apps.ControllerRevision) -> Causes:
    """Yield what is wrong with a ControllerRevision."""
    if obj.data is None:
        yield words.required("data", "data is mandatory")
    yield from words.at_least("revision", obj.revision, most=2**63 - 1)


def update(new: apps.Deployment | apps.ReplicaSet | apps.DaemonSet,
           old: apps.Deployment | apps.ReplicaSet | apps.DaemonSet) -> Causes:
    """Yield what of a change is not allowed: the selector stays."""
    yield from words.same("spec.selector", new.spec.selector, old.spec.selector)


def update_revision(new: apps.ControllerRevision, old: apps.ControllerRevision) -> Causes:
    """Yield what of a change to a ControllerRevision is not allowed: its data stays."""
    yield from words.same("data", new.data, old.data)


def _selector(selector: meta.LabelSelector | None, template: pods.PodTemplateSpec, kind: str) -> Causes:
    if selector is None:
        yield words.required("spec.selector")
        return
    broken = list(words.label_selector("spec.selector", selector))
    yield from broken
    if not selector.match_labels and not selector.match_expressions:
        yield words.invalid("spec.selector", selector, f"empty selector is invalid for {kind}")
    elif not broken and not labels.from_label_selector(selector).matches(template.metadata.labels):
        yield words.invalid("spec.template.metadata.labels", template.metadata.labels,
                            "`selector` does not match template `labels`")


def _template(template: pods.PodTemplateSpec) -> Causes:
    yield from words.label_map("spec.template.labels", template.metadata.labels)
    yield from validation_pods.pod_spec("spec.template.spec", template.spec)
    if template.spec.restart_policy != "Always":
        yield words.unsupported("spec.template.spec.restartPolicy", template.spec.restart_policy, ("Always",))
    if template.spec.active_deadline_seconds is not None:
        yield words.forbidden("spec.template.spec.activeDeadlineSeconds",
                              "activeDeadlineSeconds in ReplicaSet is not Supported")


def _strategy(strategy: apps.DeploymentStrategy) -> Causes:
    yield from words.one_of("spec.strategy.type", strategy.type, ("Recreate", "RollingUpdate"))
    rolling = strategy.rolling_update
    if strategy.type == "Recreate" and rolling is not None:
        yield words.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    elif strategy.type == "RollingUpdate" and rolling is not None:
        here = "spec.strategy.rollingUpdate"
        yield from _pace(here, rolling.max_unavailable, rolling.max_surge)
        if _is_zero(rolling.max_unavailable) and _is_zero(rolling.max_surge):
            yield words.invalid(f"{here}.maxUnavailable", rolling.max_unavailable, "may not be 0 when `maxSurge` is 0")


def _pace(here: str, max_unavailable: meta.IntOrString | None, max_surge: meta.IntOrString | None) -> Causes:
    yield from words.count_or_percent(f"{here}.maxUnavailable", max_unavailable)
    yield from words.count_or_percent(f"{here}.maxSurge", max_surge)
    share = max_unavailable.removesuffix("%") if isinstance(max_unavailable, str) else ""
    if share.isdigit() and int(share) > 100:
        yield words.invalid(f"{here}.maxUnavailable", max_unavailable, "must not be greater than 100%")


def _is_zero(value: meta.IntOrString | None) -> bool:
    return value in (None, 0, "0", "0%")
