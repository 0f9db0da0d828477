"""Defaults of what extends the API or the scheduling: webhooks, APIServices, priority and runtime classes."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from edge.api import admissionregistration, apiregistration, meta, runtime_classes, scheduling
from edge.api import defaults_pods as of_pods

_W = TypeVar("_W", bound=admissionregistration.ValidatingWebhook)
_HTTPS = 443
WEBHOOK_SECONDS = 10
"""How long a webhook may take when its configuration does not say."""


def validating(obj: admissionregistration.ValidatingWebhookConfiguration
               ) -> admissionregistration.ValidatingWebhookConfiguration:
    """Return the configuration with its defaults."""
    return replace(obj, webhooks=tuple(_webhook(hook) for hook in obj.webhooks))


def mutating(obj: admissionregistration.MutatingWebhookConfiguration
             ) -> admissionregistration.MutatingWebhookConfiguration:
    """Return the configuration with its defaults."""
    return replace(obj, webhooks=tuple(
        replace(_webhook(hook), reinvocation_policy=hook.reinvocation_policy or "Never") for hook in obj.webhooks))


def _webhook(hook: _W) -> _W:
    client = hook.client_config
    if client.service is not None and client.service.port is None:
        client = replace(client, service=replace(client.service, port=_HTTPS))
    return replace(
        hook, client_config=client,
        failure_policy=hook.failure_policy or "Fail",
        match_policy=hook.match_policy or "Equivalent",
        namespace_selector=meta.LabelSelector() if hook.namespace_selector is None else hook.namespace_selector,
        object_selector=meta.LabelSelector() if hook.object_selector is None else hook.object_selector,
        timeout_seconds=WEBHOOK_SECONDS if hook.timeout_seconds is None else hook.timeout_seconds,
        rules=tuple(replace(rule, scope=rule.scope or "*") for rule in hook.rules))


def api_service(obj: apiregistration.APIService) -> apiregistration.APIService:
    """Return the APIService with its defaults."""
    service = obj.spec.service
    if service is None or service.port is not None:
        return obj
    return replace(obj, spec=replace(obj.spec, service=replace(service, port=_HTTPS)))


def priority_class(obj: scheduling.PriorityClass) -> scheduling.PriorityClass:
    """Return the class with its defaults."""
    return replace(obj, preemption_policy=obj.preemption_policy or "PreemptLowerPriority")


def runtime_class(obj: runtime_classes.RuntimeClass) -> runtime_classes.RuntimeClass:
    """Return the class with its amounts in Kubernetes' form."""
    if obj.overhead is None:
        return obj
    return replace(obj, overhead=replace(obj.overhead, pod_fixed=of_pods.amounts(obj.overhead.pod_fixed)))
