"""What is wrong with webhook configurations.

Match conditions are refused: their expressions are not evaluated here, and a webhook that is asked although its
condition says no would be worse than an error.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

from edge.api import admissionregistration as types
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_REVIEWS = ("v1", "v1beta1")
_FORM = "; desired format: https://host[/path]"
NO_CONDITIONS = "not supported: expressions are not evaluated by this server"


def configuration(obj: types.ValidatingWebhookConfiguration | types.MutatingWebhookConfiguration) -> Causes:
    """Yield what is wrong with a configuration of webhooks."""
    names: set[str] = set()
    for index, hook in enumerate(obj.webhooks):
        here = f"webhooks[{index}]"
        yield from _webhook(here, hook)
        if isinstance(hook, types.MutatingWebhook):
            yield from words.one_of(f"{here}.reinvocationPolicy", hook.reinvocation_policy, ("IfNeeded", "Never"))
        yield from _client(f"{here}.clientConfig", hook.client_config)
        if hook.match_conditions:
            yield words.forbidden(f"{here}.matchConditions", NO_CONDITIONS)
        yield from _review_versions(f"{here}.admissionReviewVersions", hook.admission_review_versions)
        if hook.name in names:
            yield words.duplicate(f"{here}.name", hook.name)
        if hook.name:
            names.add(hook.name)


def _webhook(here: str, hook: types.ValidatingWebhook) -> Causes:
    yield from words.name_of(f"{here}.name", hook.name, _qualified)
    for index, rule in enumerate(hook.rules):
        yield from _rule(f"{here}.rules[{index}]", rule)
    yield from words.one_of(f"{here}.failurePolicy", hook.failure_policy, ("Fail", "Ignore"))
    yield from words.one_of(f"{here}.matchPolicy", hook.match_policy, ("Equivalent", "Exact"))
    if not hook.side_effects:
        yield words.required(f"{here}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}")
    else:
        yield from words.one_of(f"{here}.sideEffects", hook.side_effects, _SIDE_EFFECTS)
    if hook.timeout_seconds is not None and not 1 <= hook.timeout_seconds <= 30:
        yield words.invalid(f"{here}.timeoutSeconds", hook.timeout_seconds,
                            "the timeout value must be between 1 and 30 seconds")
    yield from words.label_selector(f"{here}.namespaceSelector", hook.namespace_selector)
    yield from words.label_selector(f"{here}.objectSelector", hook.object_selector)


def _qualified(name: str) -> str:
    if problem := words.dns_subdomain(name):
        return problem
    return "" if name.count(".") >= 2 else "should be a domain with at least three segments separated by dots"


def _rule(here: str, rule: types.RuleWithOperations) -> Causes:
    for field, values, noun in (("operations", rule.operations, "operations"),
                                ("apiGroups", rule.api_groups, "API groups"),
                                ("apiVersions", rule.api_versions, "API versions")):
        if not values:
            yield words.required(f"{here}.{field}")
        elif len(values) > 1 and "*" in values:
            yield words.invalid(f"{here}.{field}", list(values),
                                f"if '*' is present, must not specify other {noun}")
    for index, operation in enumerate(rule.operations):
        if operation not in _OPERATIONS:
            yield words.unsupported(f"{here}.operations[{index}]", operation, _OPERATIONS)
    for index, version in enumerate(rule.api_versions):
        if not version:
            yield words.required(f"{here}.apiVersions[{index}]")
    yield from _resources(f"{here}.resources", rule.resources)
    yield from words.one_of(f"{here}.scope", rule.scope, _SCOPES)


def _resources(here: str, resources: tuple[str, ...]) -> Causes:
    if not resources:
        yield words.required(here)
    every_sub: set[str] = set()
    every_resource: set[str] = set()
    for index, text in enumerate(resources):
        field = f"{here}[{index}]"
        if not text:
            yield words.required(field)
        resource, slash, sub = text.partition("/")
        if not slash:
            continue
        if resource in every_sub:
            yield words.invalid(field, text, f"if '{resource}/*' is present, must not specify {text}")
        if sub in every_resource:
            yield words.invalid(field, text, f"if '*/{sub}' is present, must not specify {text}")
        if sub == "*":
            every_sub.add(resource)
        if resource == "*":
            every_resource.add(sub)
    if len(resources) > 1 and "*/*" in resources:
        yield words.invalid(here, list(resources), "if '*/*' is present, must not specify other resources")
    if "*" in resources and any("/" not in text and text != "*" for text in resources):
        yield words.invalid(here, list(resources),
                            "if '*' is present, must not specify other resources without subresources")


def _review_versions(here: str, versions: tuple[str, ...]) -> Causes:
    if not versions:
        yield words.required(here, f"must specify one of {', '.join(_REVIEWS)}")
        return
    again = words.repeated(versions)
    for index, version in enumerate(versions):
        if index in again:
            yield words.invalid(f"{here}[{index}]", version, "duplicate version")
        else:
            yield from words.check(f"{here}[{index}]", version, words.dns_label_1035)
    if not set(versions) & set(_REVIEWS):
        yield words.invalid(here, list(versions), f"must include at least one of {', '.join(_REVIEWS)}")


def _client(here: str, client: types.WebhookClientConfig) -> Causes:
    if (client.url is None) == (client.service is None):
        yield words.required(here, "exactly one of url or service is required")
    elif client.url is not None:
        yield from _url(f"{here}.url", client.url)
    elif client.service is not None:
        yield from _service(f"{here}.service", client.service)
    yield from ca_bundle(f"{here}.caBundle", client.ca_bundle)


def ca_bundle(field: str, encoded: str) -> Causes:
    """Yield what is wrong with certificates in base64."""
    try:
        base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        yield words.invalid(field, encoded[:32], "illegal base64 data")


def _url(field: str, url: str) -> Causes:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        _ = parts.port
    except ValueError as error:
        yield words.required(field, f"url must be a valid URL: {error}{_FORM}")
        return
    if parts.scheme != "https":
        yield words.invalid(field, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    if not host:
        yield words.invalid(field, host, f"host must be provided{_FORM}")
    if "@" in parts.netloc:
        yield words.invalid(field, parts.username or "", "user information is not permitted in the URL")
    if parts.fragment:
        yield words.invalid(field, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield words.invalid(field, parts.query, "query parameters are not permitted in the URL")


def _service(here: str, service: types.ServiceReference) -> Causes:
    if not service.name:
        yield words.required(f"{here}.name", "service name is required")
    if not service.namespace:
        yield words.required(f"{here}.namespace", "service namespace is required")
    if service.port is not None and (problem := words.port_number(service.port)):
        yield words.invalid(f"{here}.port", service.port, f"port is not valid: {problem}")
    path = service.path
    if path in (None, "", "/"):
        return
    assert path is not None
    if not path.startswith("/"):
        yield words.invalid(f"{here}.path", path, "must start with a '/'")
    for index, step in enumerate(path[1:].removesuffix("/").split("/")):
        problem = words.dns_subdomain(step) if step else "empty"
        if problem:
            text = f"segment[{index}]: {problem}" if step else f"segment[{index}] may not be empty"
            yield words.invalid(f"{here}.path", path, text)
