"""What is wrong with APIServices, priority classes and runtime classes."""

from __future__ import annotations

from edge.api import (
    apiregistration,
    containers,
    runtime_classes,
    scheduling,
    validation_containers,
    validation_pods,
    validation_webhooks,
)
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_STATUSES = ("True", "False", "Unknown")


def api_service(obj: apiregistration.APIService) -> Causes:
    """Yield what is wrong with an APIService."""
    spec = obj.spec
    needed = f"{spec.version}.{spec.group}"
    if obj.metadata.name and obj.metadata.name != needed:
        yield words.invalid("metadata.name", obj.metadata.name, f'must be `spec.version+"."+spec.group`: "{needed}"')
    if not spec.group and spec.version != "v1":
        yield words.required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    if spec.group:
        yield from words.check("spec.group", spec.group, words.dns_subdomain)
    yield from words.check("spec.version", spec.version, words.dns_label_1035)
    if not 0 < spec.group_priority_minimum <= 20000:
        yield words.invalid("spec.groupPriorityMinimum", spec.group_priority_minimum,
                            "must be positive and less than 20000")
    if not 0 < spec.version_priority <= 1000:
        yield words.invalid("spec.versionPriority", spec.version_priority, "must be positive and less than 1000")
    yield from _answerer(spec)


def _answerer(spec: apiregistration.APIServiceSpec) -> Causes:
    skip, skip_field = spec.insecure_skip_tls_verify, "spec.insecureSkipTLSVerify"
    yield from validation_webhooks.ca_bundle("spec.caBundle", spec.ca_bundle)
    if spec.service is None:
        if spec.ca_bundle:
            yield words.invalid("spec.caBundle", f"{len(spec.ca_bundle)} bytes",
                                "local APIServices may not have a caBundle")
        if skip:
            yield words.invalid(skip_field, skip, "local APIServices may not have insecureSkipTLSVerify")
        return
    if not spec.service.namespace:
        yield words.required("spec.service.namespace")
    if not spec.service.name:
        yield words.required("spec.service.name")
    if spec.service.port is not None:
        yield from words.check("spec.service.port", spec.service.port, words.port_number)
    if skip and spec.ca_bundle:
        yield words.invalid(skip_field, skip, "may not be true if caBundle is present")


def api_service_status(obj: apiregistration.APIService) -> Causes:
    """Yield what is wrong with the status of an APIService."""
    for index, condition in enumerate(obj.status.conditions):
        if condition.status not in _STATUSES:
            yield words.unsupported(f"status.conditions[{index}].status", condition.status, _STATUSES)


def priority_class(obj: scheduling.PriorityClass) -> Causes:
    """Yield what is wrong with a PriorityClass."""
    name = obj.metadata.name
    if name.startswith(scheduling.SYSTEM_PREFIX):
        if problem := _system_problem(obj):
            yield words.forbidden("metadata.name", f"priority class names with '{scheduling.SYSTEM_PREFIX}' prefix are "
                                                   f"reserved for system use only. error: {problem}")
    elif obj.value > scheduling.HIGHEST_USER_PRIORITY:
        yield words.forbidden("value", "maximum allowed value of a user defined priority is "
                                       f"{scheduling.HIGHEST_USER_PRIORITY}")
    if obj.value < -words.MAX_INT32 - 1:
        yield words.invalid("value", obj.value, f"must be greater than or equal to {-words.MAX_INT32 - 1}")
    yield from words.one_of("preemptionPolicy", obj.preemption_policy, ("PreemptLowerPriority", "Never"))


def _system_problem(obj: scheduling.PriorityClass) -> str:
    for known in scheduling.system_priority_classes():
        if known.metadata.name != obj.metadata.name:
            continue
        if known.value != obj.value:
            return f"value of {known.metadata.name} PriorityClass must be {known.value}"
        if obj.global_default:
            return f"globalDefault of {known.metadata.name} PriorityClass must be false"
        return ""
    return f"{obj.metadata.name} is not a known system priority class"


def update_priority_class(new: scheduling.PriorityClass, old: scheduling.PriorityClass) -> Causes:
    """Yield what of a change to a PriorityClass is not allowed."""
    if new.value != old.value:
        yield words.forbidden("value", "may not be changed in an update.")
    yield from words.same("preemptionPolicy", new.preemption_policy, old.preemption_policy)


def runtime_class(obj: runtime_classes.RuntimeClass) -> Causes:
    """Yield what is wrong with a RuntimeClass."""
    yield from words.check("handler", obj.handler, words.dns_label)
    if obj.overhead is not None:
        yield from validation_containers.resources(
            "overhead", containers.ResourceRequirements(limits=obj.overhead.pod_fixed))
    if obj.scheduling is not None:
        yield from words.label_map("scheduling.nodeSelector", obj.scheduling.node_selector)
        yield from validation_pods.tolerations("scheduling.tolerations", obj.scheduling.tolerations)


def update_runtime_class(new: runtime_classes.RuntimeClass, old: runtime_classes.RuntimeClass) -> Causes:
    """Yield what of a change to a RuntimeClass is not allowed."""
    yield from words.same("handler", new.handler, old.handler)
