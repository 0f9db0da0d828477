"""The admissionregistration.k8s.io group: webhooks that judge or change what is written to the API.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class RuleWithOperations(meta.Struct):
    """Requests a webhook is asked about; all of its parts must match."""

    operations: Annotated[tuple[str, ...], doc("CREATE, UPDATE, DELETE, CONNECT, or * for all.",
                                               list_type="atomic")] = ()
    api_groups: Annotated[tuple[str, ...], doc('Groups; "" is the core group, * all of them.',
                                               list_type="atomic")] = ()
    api_versions: Annotated[tuple[str, ...], doc("Versions; * is all of them.", list_type="atomic")] = ()
    resources: Annotated[tuple[str, ...], doc(
        "Resources: pods, pods/log, * for all without and */* for all with subresources.", list_type="atomic")] = ()
    scope: Annotated[str, doc("Cluster, Namespaced, or * for both (default).")] = ""


class ServiceReference(meta.Struct):
    """A service that answers the webhook."""

    namespace: Annotated[str, doc("Namespace of the service.", required=True)] = ""
    name: Annotated[str, doc("Name of the service.", required=True)] = ""
    path: Annotated[str | None, doc("Path of the request; / when absent.")] = None
    port: Annotated[int | None, doc("Port of the service; 443 by default.")] = None


class WebhookClientConfig(meta.Struct):
    """How the webhook is reached; exactly one of url and service is given."""

    url: Annotated[str | None, doc("Where it is, as https://host:port/path.")] = None
    service: Annotated[ServiceReference | None, doc("The service that answers.")] = None
    ca_bundle: Annotated[str, doc(
        "Certificates in PEM, in base64, that its certificate must be signed by; the machine's when empty.")] = ""


class MatchCondition(meta.Struct):
    """An expression that must hold for the webhook to be asked."""

    name: Annotated[str, doc("Name of the condition, unique in the webhook.", required=True)] = ""
    expression: Annotated[str, doc("The expression, in CEL.", required=True)] = ""


class ValidatingWebhook(meta.Struct):
    """One webhook that judges requests."""

    name: Annotated[str, doc("Name, a domain of three labels or more, such as check.example.com.", required=True)] = ""
    client_config: Annotated[WebhookClientConfig, doc("How it is reached.", required=True)] = (
        meta.written(WebhookClientConfig))
    rules: Annotated[tuple[RuleWithOperations, ...], doc(
        "Requests it is asked about; one rule must match.", list_type="atomic")] = ()
    failure_policy: Annotated[str, doc("What an error of the webhook means: Fail (default) or Ignore.")] = ""
    match_policy: Annotated[str, doc(
        "Equivalent (default) also matches other versions of the same object, Exact does not.")] = ""
    namespace_selector: Annotated[meta.LabelSelector | None, doc(
        "Labels of the object's namespace; {} (default) is every namespace.")] = None
    object_selector: Annotated[meta.LabelSelector | None, doc(
        "Labels of the object, old or new; {} (default) is every object.")] = None
    side_effects: Annotated[str, doc("None, or NoneOnDryRun.", required=True)] = ""
    timeout_seconds: Annotated[int | None, doc("Seconds it may take, 1 to 30; 10 by default.")] = None
    admission_review_versions: Annotated[tuple[str, ...], doc(
        "Versions of AdmissionReview it understands, the best first; v1 is one of them.", list_type="atomic",
        required=True)] = meta.written(tuple)
    match_conditions: Annotated[tuple[MatchCondition, ...], doc(
        "Expressions that must hold; they are not evaluated here, so that none may be given.",
        merge_key="name", list_type="map", list_map_keys=("name",))] = ()


class MutatingWebhook(ValidatingWebhook):
    """One webhook that changes requests."""

    reinvocation_policy: Annotated[str, doc(
        "IfNeeded asks again when others changed the object after it; Never by default.")] = ""


class ValidatingWebhookConfiguration(meta.Object):
    """Webhooks that may refuse what is written, without changing it."""

    webhooks: Annotated[tuple[ValidatingWebhook, ...], doc(
        "The webhooks; all are asked.", merge_key="name", list_type="map", list_map_keys=("name",))] = ()


class MutatingWebhookConfiguration(meta.Object):
    """Webhooks that may change what is written, or refuse it."""

    webhooks: Annotated[tuple[MutatingWebhook, ...], doc(
        "The webhooks, asked one after the other.", merge_key="name", list_type="map", list_map_keys=("name",))] = ()


RESOURCES = (
    Resource(group="admissionregistration.k8s.io", version="v1", kind="MutatingWebhookConfiguration",
             plural="mutatingwebhookconfigurations", type=MutatingWebhookConfiguration, namespaced=False,
             categories=("api-extensions",)),
    Resource(group="admissionregistration.k8s.io", version="v1", kind="ValidatingWebhookConfiguration",
             plural="validatingwebhookconfigurations", type=ValidatingWebhookConfiguration, namespaced=False,
             categories=("api-extensions",)),
)
