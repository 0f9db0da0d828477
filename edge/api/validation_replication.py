"""What is wrong with ReplicationControllers and PodTemplates."""

from __future__ import annotations

from edge.api import labels, pods, replication, validation_pods
from edge.api import validation_words as words
from edge.api.validation_words import Causes


def replication_controller(obj: replication.ReplicationController) -> Causes:
    """Yield what is wrong with a ReplicationController."""
    spec = obj.spec
    yield from words.at_least("spec.minReadySeconds", spec.min_ready_seconds)
    if not spec.selector:
        yield words.required("spec.selector")
    yield from words.at_least("spec.replicas", spec.replicas)
    if spec.template is None:
        yield words.required("spec.template")
    else:
        if not labels.from_map(spec.selector).matches(spec.template.metadata.labels):
            yield words.invalid("spec.template.metadata.labels", spec.template.metadata.labels,
                                "`selector` does not match template `labels`")
        yield from _template("spec.template", spec.template)
        yield from _stays(spec.template)
    yield from controller_status(obj)


def pod_template(obj: replication.PodTemplate) -> Causes:
    """Yield what is wrong with a PodTemplate."""
    yield from _template("template", obj.template)


def _template(here: str, template: pods.PodTemplateSpec) -> Causes:
    yield from words.label_map(f"{here}.labels", template.metadata.labels)
    for key in template.metadata.annotations:
        yield from words.check(f"{here}.annotations", key, lambda name: labels.key_problem(name.lower()))
    yield from validation_pods.pod_spec(f"{here}.spec", template.spec)


def _stays(template: pods.PodTemplateSpec) -> Causes:
    """Pods that are kept running may not end by themselves."""
    if template.spec.restart_policy != "Always":
        yield words.unsupported("spec.template.spec.restartPolicy", template.spec.restart_policy, ("Always",))
    if template.spec.active_deadline_seconds is not None:
        yield words.forbidden("spec.template.spec.activeDeadlineSeconds",
                              "activeDeadlineSeconds in ReplicationController is not Supported")


def controller_status(obj: replication.ReplicationController) -> Causes:
    """Yield what is wrong with the status of a ReplicationController."""
    status = obj.status
    counts = (("fullyLabeledReplicas", status.fully_labeled_replicas), ("readyReplicas", status.ready_replicas),
              ("availableReplicas", status.available_replicas))
    for field, count in (("replicas", status.replicas), *counts):
        yield from words.at_least(f"status.{field}", count)
    yield from words.at_least("status.observedGeneration", status.observed_generation, most=2**63 - 1)
    for field, count in counts:
        if count > status.replicas:
            yield words.invalid(f"status.{field}", count, "cannot be greater than status.replicas")
    if status.available_replicas > status.ready_replicas:
        yield words.invalid("status.availableReplicas", status.available_replicas,
                            "cannot be greater than readyReplicas")
