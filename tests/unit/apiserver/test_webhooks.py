from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from edge.api import admissionregistration as types
from edge.api import apps, coordination, core, errors, meta, scheme
from edge.apiserver import webhook_reviews, webhooks
from edge.apiserver.admit import Attributes, Operation
from edge.apiserver.authenticate import User
from edge.apiserver.webhook_reviews import Unusable
from edge.apiserver.write import BY_SERVER, Write

ANNA = User("anna", ("makers",))


def labels_of(name: str) -> dict[str, str]:
    return {"name": name}


def request(obj: meta.Object | None, *, operation: Operation = "CREATE", old: meta.Object | None = None,
            write: Write | None = None) -> Attributes:
    shown = obj or old
    assert shown is not None
    return Attributes(operation=operation, resource=scheme.of_type(type(shown)), namespace=shown.metadata.namespace,
                      name=shown.metadata.name, write=write or Write(user=ANNA), obj=obj, old=old)


def pod(**labels: str) -> core.Pod:
    return core.Pod(api_version="v1", kind="Pod",
                    metadata=meta.ObjectMeta(name="web", namespace="default", labels=labels))


def deployment() -> apps.Deployment:
    return apps.Deployment(api_version="apps/v1", kind="Deployment",
                           metadata=meta.ObjectMeta(name="web", namespace="default"))


def hook(*resources: str, **changes: Any) -> webhooks.Hook:
    rule = types.RuleWithOperations(operations=("CREATE", "UPDATE"), api_groups=("*",), api_versions=("*",),
                                    resources=resources or ("pods",))
    webhook = types.MutatingWebhook(**{"name": "a.example.com", "rules": (rule,), "side_effects": "None",
                                       "admission_review_versions": ("v1",), **changes})
    return webhooks.hooks([types.MutatingWebhookConfiguration(webhooks=(webhook,))])[0]


def matches(found: webhooks.Hook, asked: Attributes) -> bool:
    return webhooks.version_for(found, asked, labels_of) is not None


@pytest.mark.parametrize(("resources", "subresource", "matched"), [
    (("pods",), "", True), (("*",), "", True), (("*/*",), "", True), (("pods/*",), "", True),
    (("services",), "", False), (("pods",), "status", False), (("*",), "status", False),
    (("pods/status",), "status", True),
    (("*/status",), "status", True), (("*/*",), "status", True), (("pods/log",), "status", False),
])
def test_resources_and_subresources(resources: tuple[str, ...], subresource: str, matched: bool) -> None:
    write = Write(user=ANNA, subresource=subresource)
    assert matches(hook(*resources), request(pod(), write=write)) is matched


@pytest.mark.parametrize(("rule", "matched"), [
    ({"operations": ("DELETE",)}, False), ({"operations": ("*",)}, True), ({"api_groups": ("apps",)}, False),
    ({"api_groups": ("",)}, True), ({"api_versions": ("v2",)}, False), ({"scope": "Cluster"}, False),
    ({"scope": "Namespaced"}, True), ({"scope": "*"}, True),
])
def test_every_part_of_a_rule_counts(rule: dict[str, Any], matched: bool) -> None:
    whole = types.RuleWithOperations(**{"operations": ("CREATE",), "api_groups": ("*",), "api_versions": ("*",),
                                        "resources": ("pods",), **rule})
    assert matches(hook(rules=(whole,)), request(pod())) is matched


def test_an_old_version_is_the_same_object_unless_the_match_is_exact() -> None:
    rule = types.RuleWithOperations(operations=("*",), api_groups=("extensions",), api_versions=("v1beta1",),
                                    resources=("deployments",))
    asked = request(deployment())
    assert webhooks.version_for(hook(rules=(rule,)), asked, labels_of) == "extensions/v1beta1"
    assert webhooks.version_for(hook(rules=(rule,), match_policy="Exact"), asked, labels_of) is None
    old = request(deployment(), write=Write(user=ANNA, api_version="extensions/v1beta1"))
    assert webhooks.version_for(hook(rules=(rule,), match_policy="Exact"), old, labels_of) == "extensions/v1beta1"


def test_selectors_look_at_the_namespace_and_at_the_object_before_and_after() -> None:
    away = hook(namespace_selector=meta.LabelSelector(match_labels={"name": "other"}))
    here = hook(namespace_selector=meta.LabelSelector(match_labels={"name": "default"}))
    assert not matches(away, request(pod()))
    assert matches(here, request(pod()))
    chosen = hook(object_selector=meta.LabelSelector(match_labels={"app": "web"}))
    assert not matches(chosen, request(pod()))
    assert matches(chosen, request(pod(app="web")))
    assert matches(chosen, request(pod(), operation="UPDATE", old=pod(app="web")))


def test_a_namespace_is_selected_by_its_own_labels_and_other_cluster_wide_kinds_always_are() -> None:
    chosen = hook("*", namespace_selector=meta.LabelSelector(match_labels={"team": "a"}))
    made = core.Namespace(metadata=meta.ObjectMeta(name="one", labels={"team": "a"}))
    assert matches(chosen, request(made))
    assert not matches(chosen, request(msgspec.structs.replace(made, metadata=meta.ObjectMeta(name="one"))))
    assert matches(chosen, request(core.Node(metadata=meta.ObjectMeta(name="n"))))
    assert webhooks.namespace_of(request(made)) == "one"


def test_the_servers_own_noise_is_shown_only_to_those_that_name_it() -> None:
    lease = coordination.Lease(metadata=meta.ObjectMeta(name="n", namespace="kube-node-lease"))
    assert not matches(hook("*"), request(lease, write=BY_SERVER))
    assert not matches(hook("*/*"), request(lease, write=BY_SERVER))
    assert matches(hook("leases"), request(lease, write=BY_SERVER))
    assert matches(hook("*"), request(lease))
    assert matches(hook("*"), request(pod(), write=BY_SERVER))


def test_configurations_themselves_are_never_shown() -> None:
    for kind in (types.MutatingWebhookConfiguration, types.ValidatingWebhookConfiguration):
        assert webhooks.exempt(scheme.of_type(kind))
    assert not webhooks.exempt(scheme.of_type(core.Pod))


def test_webhooks_come_by_the_name_of_their_configuration_and_keep_their_order_in_it() -> None:
    def named(name: str, *hooks: str) -> types.MutatingWebhookConfiguration:
        return types.MutatingWebhookConfiguration(metadata=meta.ObjectMeta(name=name), webhooks=tuple(
            types.MutatingWebhook(name=each) for each in hooks))
    found = webhooks.hooks([named("b", "1", "2"), named("a", "2")])
    assert [each.key for each in found] == ["a/2", "b/1", "b/2"]


def test_a_review_says_what_is_asked_in_the_version_the_webhook_wants() -> None:
    asked = request(deployment(), write=Write(user=User("anna", ("makers",), "7", {"k": ("v",)}), manager="kubectl"))
    body = msgspec.json.decode(webhook_reviews.review(asked, hook("deployments"), "extensions/v1beta1", "u1"))
    assert (body["kind"], body["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
    told = body["request"]
    assert told["kind"] == {"group": "extensions", "version": "v1beta1", "kind": "Deployment"}
    assert told["requestKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert told["requestResource"] == {"group": "apps", "version": "v1", "resource": "deployments"}
    assert told["object"]["apiVersion"] == "extensions/v1beta1"
    assert told["userInfo"] == {"username": "anna", "uid": "7", "groups": ["makers"], "extra": {"k": ["v"]}}
    assert told["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl"}
    assert (told["uid"], told["name"], told["namespace"], told["operation"]) == ("u1", "web", "default", "CREATE")
    assert (told["oldObject"], told["dryRun"]) == (None, False)


def answer(response: Any, *, mutating: bool = True, versions: tuple[str, ...] = ("v1",)) -> webhook_reviews.Answer:
    body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}
    return webhook_reviews.read(msgspec.json.encode(body), hook(admission_review_versions=versions), "u1",
                                mutating=mutating)


def test_an_answer_is_read() -> None:
    patch = base64.b64encode(b'[{"op":"remove","path":"/x"}]').decode()
    found = answer({"uid": "u1", "allowed": True, "patch": patch, "patchType": "JSONPatch", "warnings": ["w", ""],
                    "auditAnnotations": {"k": "v"}})
    assert found.allowed
    assert found.operations == [{"op": "remove", "path": "/x"}]
    assert found.warnings == ("w",)
    assert found.annotations == {"a.example.com/k": "v"}


@pytest.mark.parametrize(("response", "mutating", "words"), [
    (None, True, "webhook response was absent"), ({"uid": "u2"}, True, 'expected response.uid="u1", got "u2"'),
    ({"uid": "u1", "patch": "W10="}, True, "webhook returned response.patch but not response.patchType"),
    ({"uid": "u1", "patchType": "JSONPatch"}, True, "webhook returned response.patchType but not response.patch"),
    ({"uid": "u1", "patch": "W10="}, False, "validating webhook may not return response.patch"),
    ({"uid": "u1", "patchType": "JSONPatch"}, False, "validating webhook may not return response.patchType"),
    ({"uid": "u1", "patch": "W3sib3AiOiJhIn1d", "patchType": "Other"}, True, 'unsupported patch type "Other"'),
    ({"uid": 1}, True, "json parse error"), ([], True, "json parse error"),
    ({"uid": "u1", "warnings": [1]}, True, "json parse error"),
])
def test_an_answer_that_is_none_says_why(response: Any, mutating: bool, words: str) -> None:
    with pytest.raises(Unusable, match=words.replace("(", r"\(")):
        answer(response, mutating=mutating)


def test_the_older_review_is_less_strict() -> None:
    assert answer({"allowed": True}, versions=("v1beta1", "v1")).allowed


@pytest.mark.parametrize("patch", ["%%%", "bm90IGpzb24=", "eyJhIjoxfQ=="])
def test_a_patch_that_is_none_is_an_internal_error(patch: str) -> None:
    with pytest.raises(errors.ApiError, match="Internal error occurred"):
        answer({"uid": "u1", "allowed": True, "patch": patch, "patchType": "JSONPatch"})


@pytest.mark.parametrize(("status", "code", "reason", "message"), [
    (None, 400, "", 'admission webhook "a.example.com" denied the request without explanation'),
    ({"message": "no"}, 400, "", 'admission webhook "a.example.com" denied the request: no'),
    ({"reason": "Because"}, 400, "Because", 'admission webhook "a.example.com" denied the request: Because'),
    ({"message": "no", "code": 403, "reason": "Forbidden"}, 403, "Forbidden",
     'admission webhook "a.example.com" denied the request: no'),
    ({"message": "no", "code": 200}, 400, "", 'admission webhook "a.example.com" denied the request: no'),
    ({"message": "no", "code": 99999, "details": []}, 400, "",
     'admission webhook "a.example.com" denied the request: no'),
])
def test_a_denial_is_worded(status: dict[str, Any] | None, code: int, reason: str, message: str) -> None:
    error = webhook_reviews.denied(hook(), webhook_reviews.Answer(False, status))
    assert (error.code, error.reason, error.message) == (code, reason, message)


def test_a_patch_is_applied_in_its_version_and_completed() -> None:
    asked = request(deployment())
    operations = [{"op": "add", "path": "/spec", "value": {"replicas": 3}}]
    found = webhook_reviews.patched(asked, hook(), "extensions/v1beta1", operations)
    assert isinstance(found, apps.Deployment)
    assert (found.api_version, found.spec.replicas, found.spec.strategy.type) == ("apps/v1", 3, "RollingUpdate")
    with pytest.raises(errors.BadRequest, match="namespace"):
        webhook_reviews.patched(asked, hook(), "apps/v1",
                                [{"op": "replace", "path": "/metadata/namespace", "value": "other"}])
    with pytest.raises(errors.ApiError, match="attempted to modify the object, which is not supported"):
        webhook_reviews.patched(request(None, operation="DELETE", old=pod()), hook(), "v1", operations)


def test_a_patch_through_a_subresource_changes_nothing_else() -> None:
    asked = request(deployment(), operation="UPDATE", old=deployment(), write=Write(user=ANNA, subresource="status"))
    found = webhook_reviews.patched(asked, hook(), "apps/v1", [
        {"op": "add", "path": "/spec", "value": {"replicas": 3}},
        {"op": "add", "path": "/status", "value": {"replicas": 7}}])
    assert isinstance(found, apps.Deployment)
    assert (found.spec.replicas, found.status.replicas) == (None, 7)
