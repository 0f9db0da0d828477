"""The authorization.k8s.io group: questions about who may do what. They are answered and never stored.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource

GROUP = "authorization.k8s.io"


class FieldSelectorRequirement(meta.Struct):
    """One condition on a field."""

    key: Annotated[str, doc("Path of the field, such as spec.nodeName.", required=True)] = ""
    operator: Annotated[str, doc("In, NotIn, Exists or DoesNotExist.", required=True)] = ""
    values: Annotated[tuple[str, ...], doc("Values for In and NotIn.", list_type="atomic")] = ()


class FieldSelectorAttributes(meta.Struct):
    """The field selector of the request that is asked about."""

    raw_selector: Annotated[str, doc("The selector as a query has it, such as spec.nodeName=node-1.")] = ""
    requirements: Annotated[tuple[FieldSelectorRequirement, ...], doc(
        "Its conditions; all hold together.", list_type="atomic")] = ()


class LabelSelectorAttributes(meta.Struct):
    """The label selector of the request that is asked about."""

    raw_selector: Annotated[str, doc("The selector as a query has it, such as app=web.")] = ""
    requirements: Annotated[tuple[meta.LabelSelectorRequirement, ...], doc(
        "Its conditions; all hold together.", list_type="atomic")] = ()


class ResourceAttributes(meta.Struct):
    """A request for a resource."""

    namespace: Annotated[str, doc("Namespace of the request; empty means all, or a cluster-wide resource.")] = ""
    verb: Annotated[str, doc("get, list, watch, create, update, patch, delete, another verb, or *.")] = ""
    group: Annotated[str, doc("API group; empty is the core group, * is all.")] = ""
    version: Annotated[str, doc("API version; * is all.")] = ""
    resource: Annotated[str, doc("Plural name of the resource; * is all.")] = ""
    subresource: Annotated[str, doc("Subresource, such as log; empty means none.")] = ""
    name: Annotated[str, doc("Name of the object; empty means all.")] = ""
    field_selector: Annotated[FieldSelectorAttributes | None, doc("Restricts the question by field.")] = None
    label_selector: Annotated[LabelSelectorAttributes | None, doc("Restricts the question by label.")] = None


class NonResourceAttributes(meta.Struct):
    """A request for a path that is no resource."""

    path: Annotated[str, doc("The path, such as /healthz.")] = ""
    verb: Annotated[str, doc("The HTTP method in lower case, such as get.")] = ""


class SubjectAccessReviewStatus(meta.Struct):
    """The answer."""

    allowed: Annotated[bool, doc("Whether the request would be let through.", required=True)] = meta.written(bool)
    denied: Annotated[bool, doc("True when it would be refused whatever else might allow it.")] = False
    reason: Annotated[str, doc("What allows it, or why not.")] = ""
    evaluation_error: Annotated[str, doc("What went wrong while this was worked out.")] = ""


class SubjectAccessReviewSpec(meta.Struct):
    """What is asked, and about whom. Exactly one kind of attributes is set."""

    resource_attributes: Annotated[ResourceAttributes | None, doc("A request for a resource.")] = None
    non_resource_attributes: Annotated[NonResourceAttributes | None, doc("A request for another path.")] = None
    user: Annotated[str, doc("Name of the user; with groups alone any user is meant.")] = ""
    groups: Annotated[tuple[str, ...], doc("Groups of the user.", list_type="atomic")] = ()
    extra: Annotated[dict[str, tuple[str, ...]], doc("Further attributes of the user.")] = {}
    uid: Annotated[str, doc("Uid of the user.")] = ""


class SelfSubjectAccessReviewSpec(meta.Struct):
    """What is asked about oneself. Exactly one of the two is set."""

    resource_attributes: Annotated[ResourceAttributes | None, doc("A request for a resource.")] = None
    non_resource_attributes: Annotated[NonResourceAttributes | None, doc("A request for another path.")] = None


class SubjectAccessReview(meta.Object):
    """Asks whether a user may do something."""

    spec: Annotated[SubjectAccessReviewSpec, doc(
        "What is asked, and about whom.", required=True)] = meta.written(SubjectAccessReviewSpec)
    status: Annotated[SubjectAccessReviewStatus, doc("The answer.")] = SubjectAccessReviewStatus()


class LocalSubjectAccessReview(meta.Object):
    """Asks whether a user may do something in this namespace."""

    spec: Annotated[SubjectAccessReviewSpec, doc(
        "What is asked, and about whom; its namespace must be this one.",
        required=True)] = meta.written(SubjectAccessReviewSpec)
    status: Annotated[SubjectAccessReviewStatus, doc("The answer.")] = SubjectAccessReviewStatus()


class SelfSubjectAccessReview(meta.Object):
    """Asks whether one may do something oneself."""

    spec: Annotated[SelfSubjectAccessReviewSpec, doc(
        "What is asked.", required=True)] = meta.written(SelfSubjectAccessReviewSpec)
    status: Annotated[SubjectAccessReviewStatus, doc("The answer.")] = SubjectAccessReviewStatus()


class ResourceRule(meta.Struct):
    """Verbs one may use on resources."""

    verbs: Annotated[tuple[str, ...], doc("What is allowed; * is everything.", list_type="atomic", required=True)] = ()
    api_groups: Annotated[tuple[str, ...], doc("Groups of the resources.", list_type="atomic")] = ()
    resources: Annotated[tuple[str, ...], doc("Plural names.", list_type="atomic")] = ()
    resource_names: Annotated[tuple[str, ...], doc("The only objects; empty means all.", list_type="atomic")] = ()


class NonResourceRule(meta.Struct):
    """Verbs one may use on paths that are no resource."""

    verbs: Annotated[tuple[str, ...], doc("What is allowed; * is everything.", list_type="atomic", required=True)] = ()
    non_resource_urls: Annotated[tuple[str, ...], doc(
        "The paths; a * at the end stands for any rest.", list_type="atomic")] = ()


class SelfSubjectRulesReviewSpec(meta.Struct):
    """Where the question is about."""

    namespace: Annotated[str, doc("Namespace to list the rules of; required.")] = ""


class SubjectRulesReviewStatus(meta.Struct):
    """Everything one may do there, as far as rules can say it."""

    resource_rules: Annotated[tuple[ResourceRule, ...], doc(
        "What one may do with resources.", list_type="atomic", required=True)] = meta.written(tuple)
    non_resource_rules: Annotated[tuple[NonResourceRule, ...], doc(
        "What one may do with other paths.", list_type="atomic", required=True)] = meta.written(tuple)
    incomplete: Annotated[bool, doc("True when there may be more than is listed.", required=True)] = meta.written(bool)
    evaluation_error: Annotated[str, doc("Why the list may be incomplete.")] = ""


class SelfSubjectRulesReview(meta.Object):
    """Asks for everything one may do in a namespace."""

    spec: Annotated[SelfSubjectRulesReviewSpec, doc(
        "Where the question is about.", required=True)] = meta.written(SelfSubjectRulesReviewSpec)
    status: Annotated[SubjectRulesReviewStatus, doc("The answer.")] = SubjectRulesReviewStatus()


def _review(kind: str, of: type[meta.Object], *, namespaced: bool = False) -> Resource:
    return Resource(group=GROUP, version="v1", kind=kind, plural=f"{kind.lower()}s", type=of, namespaced=namespaced,
                    verbs=("create",), virtual=True)


RESOURCES = (
    _review("LocalSubjectAccessReview", LocalSubjectAccessReview, namespaced=True),
    _review("SelfSubjectAccessReview", SelfSubjectAccessReview),
    _review("SelfSubjectRulesReview", SelfSubjectRulesReview),
    _review("SubjectAccessReview", SubjectAccessReview),
)
