"""The reviews: who am I, and may I do this. They are answered and not stored.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from typing import Any

from edge.apiserver import authorize
from edge.apiserver.authenticate import MASTERS_GROUP, User
from edge.apiserver.paths import Options, ResourceRequest

RESOURCES = {("authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
             ("authorization.k8s.io", "v1", "subjectaccessreviews"),
             ("authorization.k8s.io", "v1", "selfsubjectrulesreviews"),
             ("authentication.k8s.io", "v1", "selfsubjectreviews")}


def is_review(request: ResourceRequest) -> bool:
    """Return whether the request creates a review."""
    return request.verb == "create" and (request.group, request.version, request.resource) in RESOURCES


def answer(request: ResourceRequest, raw: dict[str, Any], user: User, pod_node: authorize.PodNode) -> dict[str, Any]:
    """Return the review with its status filled in."""
    if request.resource == "selfsubjectreviews":
        status: dict[str, Any] = {"userInfo": {"username": user.name, "groups": list(user.groups)}}
        if user.uid:
            status["userInfo"]["uid"] = user.uid
        return _with_status("authentication.k8s.io/v1", "SelfSubjectReview", raw, status)
    if request.resource == "selfsubjectrulesreviews":
        return _with_status("authorization.k8s.io/v1", "SelfSubjectRulesReview", raw, _rules(user))
    spec = raw.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    subject, kind = user, "SelfSubjectAccessReview"
    if request.resource == "subjectaccessreviews":
        kind = "SubjectAccessReview"
        groups = spec.get("groups")
        subject = User(str(spec.get("user", "")), tuple(map(str, groups)) if isinstance(groups, list) else ())
    decision = _decide(subject, spec, pod_node)
    status = {"allowed": decision.allowed} | ({"reason": decision.reason} if decision.reason else {})
    return _with_status("authorization.k8s.io/v1", kind, raw, status)


def _decide(user: User, spec: dict[str, Any], pod_node: authorize.PodNode) -> authorize.Decision:
    path = spec.get("nonResourceAttributes")
    if isinstance(path, dict):
        return authorize.allowed_path(user, str(path.get("path", "")))
    asked = spec.get("resourceAttributes")
    asked = asked if isinstance(asked, dict) else {}
    return authorize.allowed(user, ResourceRequest(
        verb=str(asked.get("verb", "")), group=str(asked.get("group", "")), version=str(asked.get("version", "")),
        resource=str(asked.get("resource", "")), subresource=str(asked.get("subresource", "")),
        namespace=str(asked.get("namespace", "")), name=str(asked.get("name", "")), options=Options()), pod_node)


def _rules(user: User) -> dict[str, Any]:
    everything = MASTERS_GROUP in user.groups
    resource = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}] if everything else [
        {"verbs": ["create"], "apiGroups": [group], "resources": [name]} for group, name in sorted(authorize.REVIEWS)]
    paths = ["*"] if everything else [f"{path}{tail}" for path in authorize.AUTHENTICATED_PATHS
                                      for tail in ("", "/*")]
    return {"resourceRules": resource, "nonResourceRules": [{"verbs": ["*" if everything else "get"],
                                                             "nonResourceURLs": paths}], "incomplete": False}


def _with_status(api_version: str, kind: str, raw: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": api_version, "metadata": {"creationTimestamp": None},
            "spec": raw.get("spec", {}), "status": status}
