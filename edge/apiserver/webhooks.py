"""Decides which admission webhooks a write has to be shown to, and in which version of its object.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edge.api import admissionregistration as types
from edge.api import core, custom, labels, meta, scheme
from edge.apiserver import discovery
from edge.apiserver.admit import Attributes
from edge.apiserver.write import SERVER

GROUP = "admissionregistration.k8s.io"
DEFAULT_SECONDS = 10
NamespaceLabels = Callable[[str], Mapping[str, str]]
"""Returns the labels of a namespace. Raises errors.NotFound when there is no such one."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook, its selectors worked out."""

    key: str
    """Identity among all webhooks: a name may come again in another configuration."""
    webhook: types.ValidatingWebhook
    namespaces: labels.Selector
    objects: labels.Selector

    @property
    def name(self) -> str:
        """The name it is known by in messages."""
        return self.webhook.name

    @property
    def ignores_failures(self) -> bool:
        """Whether a write goes on when the webhook cannot be asked."""
        return self.webhook.failure_policy == "Ignore"

    @property
    def timeout_seconds(self) -> int:
        """How long it may take."""
        return self.webhook.timeout_seconds or DEFAULT_SECONDS

    @property
    def dry_runs(self) -> bool:
        """Whether it may be asked about a write that is not carried out."""
        return self.webhook.side_effects in ("None", "NoneOnDryRun")

    @property
    def again(self) -> bool:
        """Whether it is asked again when others changed the object after it."""
        return isinstance(self.webhook, types.MutatingWebhook) and self.webhook.reinvocation_policy == "IfNeeded"


def hooks(configurations: Iterable[types.ValidatingWebhookConfiguration | types.MutatingWebhookConfiguration]
          ) -> tuple[Hook, ...]:
    """Return all webhooks in the order they are asked: by the name of their configuration, then as listed there."""
    return tuple(
        Hook(f"{configuration.metadata.name}/{webhook.name}", webhook, _selector(webhook.namespace_selector),
             _selector(webhook.object_selector))
        for configuration in sorted(configurations, key=lambda found: found.metadata.name)
        for webhook in configuration.webhooks)


def exempt(resource: scheme.Resource) -> bool:
    """Return whether no webhook is ever asked: for the configurations, so that a broken one can be mended."""
    return resource.virtual or resource.group == GROUP


def version_for(hook: Hook, request: Attributes, namespace_labels: NamespaceLabels) -> str | None:
    """Return the version in which the webhook wants to see the request, or None when it does not concern it."""
    version = _by_rules(hook.webhook, request)
    if version is None or not _object_selected(hook.objects, request):
        return None
    return version if _namespace_selected(hook.namespaces, request, namespace_labels) else None


def namespace_of(request: Attributes) -> str:
    """Return the namespace of a request; that of a namespace is itself."""
    return request.name if request.resource.type is core.Namespace else request.namespace


def versions(resource: scheme.Resource) -> tuple[str, ...]:
    """Return every group and version the same object can be had in."""
    if isinstance(resource, custom.CustomResource):
        return tuple(f"{resource.group}/{name}" for name in resource.versions)
    return (resource.api_version, *resource.old_versions)


def _by_rules(webhook: types.ValidatingWebhook, request: Attributes) -> str | None:
    asked = request.write.api_version or request.resource.api_version
    wanted = [asked]
    if webhook.match_policy != "Exact":
        wanted += [version for version in versions(request.resource) if version != asked]
    for version in wanted:
        if any(_rule_matches(rule, version, request) for rule in webhook.rules):
            return version
    return None


def _rule_matches(rule: types.RuleWithOperations, api_version: str, request: Attributes) -> bool:
    group, version = discovery.split(api_version)
    return (_has(rule.operations, request.operation) and _has(rule.api_groups, group)
            and _has(rule.api_versions, version) and _scope_matches(rule.scope, request)
            and any(_resource_matches(text, request) for text in rule.resources))


def _has(values: tuple[str, ...], value: str) -> bool:
    return value in values or "*" in values


def _scope_matches(scope: str, request: Attributes) -> bool:
    if scope in ("", "*"):
        return True
    return (scope == "Namespaced") == request.resource.namespaced


def _resource_matches(text: str, request: Attributes) -> bool:
    plural, _, subresource = text.partition("/")
    if subresource not in ("*", request.write.subresource):
        return False
    if plural == request.resource.plural:
        return True
    # The server's own events and leases come all the time and mean nothing to a rule about everything.
    own_noise = request.resource.volatile and request.write.user.name == SERVER.name
    return plural == "*" and not own_noise


def _object_selected(selector: labels.Selector, request: Attributes) -> bool:
    if selector.empty:
        return True
    return any(obj is not None and selector.matches(obj.metadata.labels) for obj in (request.obj, request.old))


def _namespace_selected(selector: labels.Selector, request: Attributes, namespace_labels: NamespaceLabels) -> bool:
    if selector.empty:
        return True
    if request.resource.type is core.Namespace:
        # What is stored does not have the labels of this very write yet.
        return selector.matches(_labels(request.obj or request.old))
    return not request.resource.namespaced or selector.matches(namespace_labels(request.namespace))


def _labels(obj: meta.Object | None) -> Mapping[str, str]:
    return {} if obj is None else obj.metadata.labels


def _selector(selector: meta.LabelSelector | None) -> labels.Selector:
    return labels.Selector() if selector is None else labels.from_label_selector(selector)
