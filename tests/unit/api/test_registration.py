"""Webhooks, APIServices, priority and runtime classes: defaults, and what is wrong with them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from edge.api import (
    admissionregistration,
    apiregistration,
    codec,
    defaults,
    meta,
    runtime_classes,
    scheduling,
    scheme,
    validation,
)

Json = dict[str, Any]
HOOK: Json = {"name": "check.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
              "clientConfig": {"service": {"namespace": "tools", "name": "check"}},
              "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]}
HOOKS: Json = {"metadata": {"name": "check"}, "webhooks": [HOOK]}
SERVICE: Json = {"metadata": {"name": "v1.metrics.example.com"}, "spec": {
    "group": "metrics.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10,
    "service": {"namespace": "tools", "name": "metrics"}}}


def read(kind: type[meta.Object], raw: Json) -> Any:
    return defaults.apply(codec.decode(scheme.of_type(kind), raw))


def problems(kind: type[meta.Object], raw: Json) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(read(kind, raw))]


def changed(raw: Json, path: str, value: Any) -> Json:
    result = copy.deepcopy(raw)
    *parents, last = path.split(".")
    place: Any = result
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    place[last] = value
    return result


@pytest.mark.parametrize(("kind", "again"), [
    (admissionregistration.ValidatingWebhookConfiguration, {}),
    (admissionregistration.MutatingWebhookConfiguration, {"reinvocationPolicy": "Never"}),
])
def test_a_webhook_gets_its_defaults(kind: type[meta.Object], again: Json) -> None:
    stored = codec.to_dict(read(kind, HOOKS))

    assert stored["webhooks"] == [HOOK | {
        "failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 10, "namespaceSelector": {},
        "objectSelector": {}, "rules": [HOOK["rules"][0] | {"scope": "*"}],
        "clientConfig": {"service": {"namespace": "tools", "name": "check", "port": 443}}} | again]
    assert problems(kind, HOOKS) == []
    assert codec.to_dict(read(kind, stored)) == stored


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("name", "check",
     'name: Invalid value: "check": should be a domain with at least three segments separated by dots'),
    ("name", "", "name: Required value"),
    ("sideEffects", "", "sideEffects: Required value: must specify one of None, NoneOnDryRun"),
    ("sideEffects", "Some", 'sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
    ("admissionReviewVersions", [], "admissionReviewVersions: Required value: must specify one of v1, v1beta1"),
    ("admissionReviewVersions", ["v2"],
     'admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1'),
    ("admissionReviewVersions", ["v1", "v1"], 'admissionReviewVersions[1]: Invalid value: "v1": duplicate version'),
    ("failurePolicy", "Retry", 'failurePolicy: Unsupported value: "Retry": supported values: "Fail", "Ignore"'),
    ("matchPolicy", "Loose", 'matchPolicy: Unsupported value: "Loose": supported values: "Equivalent", "Exact"'),
    ("timeoutSeconds", 31, "timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"),
    ("timeoutSeconds", 0, "timeoutSeconds: Invalid value: 0: the timeout value must be between 1 and 30 seconds"),
    ("clientConfig", {}, "clientConfig: Required value: exactly one of url or service is required"),
    ("clientConfig.url", "https://a", "clientConfig: Required value: exactly one of url or service is required"),
    ("clientConfig", {"url": "http://a"}, "clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL "
                                          "scheme; desired format: https://host[/path]"),
    ("clientConfig", {"url": "https://u:p@a/x"}, 'clientConfig.url: Invalid value: "u": user information is not'),
    ("clientConfig", {"url": "https://a/?q=1"}, 'clientConfig.url: Invalid value: "q=1": query parameters are not'),
    ("clientConfig", {"url": "https://a/#f"}, 'clientConfig.url: Invalid value: "f": fragments are not permitted'),
    ("clientConfig", {"url": "https:///x"}, 'clientConfig.url: Invalid value: "": host must be provided'),
    ("clientConfig", {"url": "https://[x/"}, "clientConfig.url: Required value: url must be a valid URL: "),
    ("clientConfig.service.name", "", "clientConfig.service.name: Required value: service name is required"),
    ("clientConfig.service.port", 0, "clientConfig.service.port: Invalid value: 0: port is not valid: must be between"),
    ("clientConfig.service.path", "x", "clientConfig.service.path: Invalid value: \"x\": must start with a '/'"),
    ("clientConfig.service.path", "/a//b",
     'clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty'),
    ("clientConfig.caBundle", "no!", 'clientConfig.caBundle: Invalid value: "no!": illegal base64 data'),
    ("matchConditions", [{"name": "a", "expression": "true"}],
     "matchConditions: Forbidden: not supported: expressions are not evaluated by this server"),
    ("rules", [{}], "rules[0].operations: Required value"),
    ("rules.0.operations", ["*", "CREATE"],
     "rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify other operations"),
    ("rules.0.operations", ["READ"],
     'rules[0].operations[0]: Unsupported value: "READ": supported values: "*", "CONNECT"'),
    ("rules.0.apiVersions", [""], "rules[0].apiVersions[0]: Required value"),
    ("rules.0.resources", ["*", "pods"],
     "rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must not specify other resources"),
    ("rules.0.resources", ["pods/*", "pods/log"],
     "rules[0].resources[1]: Invalid value: \"pods/log\": if 'pods/*' is present, must not specify pods/log"),
    ("rules.0.resources", ["*/*", "pods"],
     "rules[0].resources: Invalid value: [\"*/*\",\"pods\"]: if '*/*' is present, must not specify other"),
    ("rules.0.scope", "All",
     'rules[0].scope: Unsupported value: "All": supported values: "*", "Cluster", "Namespaced"'),
    ("objectSelector", {"matchExpressions": [{"key": "a", "operator": "Is"}]},
     'objectSelector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator'),
])
def test_what_is_wrong_with_a_webhook(path: str, value: Any, expected: str) -> None:
    found = problems(admissionregistration.ValidatingWebhookConfiguration, {
        "metadata": {"name": "check"}, "webhooks": [changed(HOOK, path, value)]})

    assert found, path
    assert found[0].startswith(f"webhooks[0].{expected}"), found


def test_webhooks_have_names_of_their_own_and_may_be_asked_again() -> None:
    kind = admissionregistration.MutatingWebhookConfiguration

    assert problems(kind, {"metadata": {"name": "a"}, "webhooks": [HOOK, HOOK]}) == [
        'webhooks[1].name: Duplicate value: "check.example.com"']
    assert problems(kind, changed(HOOKS, "webhooks.0.reinvocationPolicy", "Often")) == [
        'webhooks[0].reinvocationPolicy: Unsupported value: "Often": supported values: "IfNeeded", "Never"']


def test_an_api_service_is_named_after_its_version_and_group() -> None:
    kind = apiregistration.APIService

    assert problems(kind, SERVICE) == []
    assert read(kind, SERVICE).spec.service.port == 443
    assert problems(kind, changed(SERVICE, "metadata.name", "metrics")) == [
        'metadata.name: Invalid value: "metrics": must be `spec.version+"."+spec.group`: "v1.metrics.example.com"']
    local = changed(SERVICE, "spec.service", None)
    assert problems(kind, local) == []


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("spec.groupPriorityMinimum", 0,
     "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000"),
    ("spec.versionPriority", 1001, "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000"),
    ("spec.service", {"name": "a"}, "spec.service.namespace: Required value"),
    ("spec.service", {"namespace": "a"}, "spec.service.name: Required value"),
    ("spec.caBundle", "???", 'spec.caBundle: Invalid value: "???": illegal base64 data'),
])
def test_what_is_wrong_with_an_api_service(path: str, value: Any, expected: str) -> None:
    assert problems(apiregistration.APIService, changed(SERVICE, path, value)) == [expected]


def test_certificates_are_checked_or_not_looked_at_but_not_both() -> None:
    kind = apiregistration.APIService
    both = changed(changed(SERVICE, "spec.caBundle", "YQ=="), "spec.insecureSkipTLSVerify", True)

    assert problems(kind, both) == [
        "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present"]
    assert problems(kind, changed(both, "spec.service", None)) == [
        'spec.caBundle: Invalid value: "4 bytes": local APIServices may not have a caBundle',
        "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify"]


def test_a_condition_of_an_api_service_is_true_false_or_unknown() -> None:
    stored = read(apiregistration.APIService, SERVICE)
    status = {"conditions": [{"type": "Available", "status": "Yes"}]}
    new = read(apiregistration.APIService, SERVICE | {"status": status})

    assert [cause.field for cause in validation.update(new, stored, "status")] == ["status.conditions[0].status"]


def test_the_system_has_two_priority_classes() -> None:
    classes = {one.metadata.name: one for one in scheduling.system_priority_classes()}

    assert {name: one.value for name, one in classes.items()} == {
        "system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
    for one in classes.values():
        assert validation.create(one) == ()
        assert defaults.apply(one) == one


@pytest.mark.parametrize(("raw", "expected"), [
    ({"value": 1000000001}, "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"),
    ({"value": -3000000000}, "value: Invalid value: -3000000000: must be greater than or equal to -2147483648"),
    ({"preemptionPolicy": "Always"}, 'preemptionPolicy: Unsupported value: "Always": supported values: '
                                     '"PreemptLowerPriority", "Never"'),
    ({"metadata": {"name": "system-mine"}}, "metadata.name: Forbidden: priority class names with 'system-' prefix are "
                                            "reserved for system use only. error: system-mine is not a known system "
                                            "priority class"),
    ({"metadata": {"name": "system-node-critical"}, "value": 5},
     "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
     "value of system-node-critical PriorityClass must be 2000001000"),
])
def test_what_is_wrong_with_a_priority_class(raw: Json, expected: str) -> None:
    assert problems(scheduling.PriorityClass, {"metadata": {"name": "high"}, "value": 5} | raw) == [expected]


def test_a_priority_class_keeps_its_value() -> None:
    old = read(scheduling.PriorityClass, {"metadata": {"name": "high"}, "value": 5})
    new = read(scheduling.PriorityClass, {"metadata": {"name": "high"}, "value": 6, "preemptionPolicy": "Never",
                                          "globalDefault": True})

    assert old.preemption_policy == "PreemptLowerPriority"
    assert [cause.message for cause in validation.update(new, old)] == [
        "Forbidden: may not be changed in an update.", 'Invalid value: "Never": field is immutable']


def test_a_runtime_class_names_a_handler_for_good() -> None:
    raw = {"metadata": {"name": "fast"}, "handler": "crun", "overhead": {"podFixed": {"memory": "0.5Gi"}},
           "scheduling": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "k", "operator": "Exists"}]}}
    old = read(runtime_classes.RuntimeClass, raw)

    assert validation.create(old) == ()
    assert old.overhead.pod_fixed == {"memory": "512Mi"}
    assert [cause.field for cause in validation.update(read(runtime_classes.RuntimeClass, raw | {"handler": "runc"}),
                                                       old)] == ["handler"]


@pytest.mark.parametrize(("raw", "expected"), [
    ({"handler": "A"}, 'handler: Invalid value: "A": a lowercase RFC 1123 label'),
    ({"overhead": {"podFixed": {"memory": "-1"}}}, "overhead.limits[memory]: Invalid value: "),
    ({"scheduling": {"tolerations": [{"operator": "Equal"}]}}, "scheduling.tolerations[0].operator: Invalid value: "),
])
def test_what_is_wrong_with_a_runtime_class(raw: Json, expected: str) -> None:
    found = problems(runtime_classes.RuntimeClass, {"metadata": {"name": "fast"}, "handler": "crun"} | raw)

    assert found
    assert found[0].startswith(expected)
