"""The reviews: who am I, whose is this token, may somebody do this. They are answered and not stored.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec.structs import replace

from edge.api import authentication, authorization, errors, meta
from edge.api import validation_words as words
from edge.apiserver import authenticate
from edge.apiserver.authenticate import User
from edge.apiserver.authorize import Authorizer
from edge.apiserver.decision import Decision
from edge.apiserver.paths import Options, ResourceRequest
from edge.apiserver.virtual import Answer


class Reviews:
    """Answers reviews with what the server itself goes by."""

    def __init__(self, authorizer: Authorizer, lookups: authenticate.Lookups, now: Callable[[], datetime]) -> None:
        self._authorizer = authorizer
        self._lookups = lookups
        self._now = now

    @property
    def answers(self) -> Mapping[type[meta.Object], Answer]:
        """Return what answers each kind."""
        return {authentication.SelfSubjectReview: self._self, authentication.TokenReview: self._token,
                authorization.SelfSubjectAccessReview: self._self_access,
                authorization.SubjectAccessReview: self._access,
                authorization.LocalSubjectAccessReview: self._local_access,
                authorization.SelfSubjectRulesReview: self._rules}

    def _self(self, asked: authentication.SelfSubjectReview, _namespace: str, user: User) -> meta.Object:
        return replace(asked, status=authentication.SelfSubjectReviewStatus(user_info=info(user)))

    def _token(self, asked: authentication.TokenReview, _namespace: str, _user: User) -> meta.Object:
        if not asked.spec.token:
            raise errors.BadRequest("token is required for TokenReview in authentication")
        holder = authenticate.of_token(asked.spec.token, self._lookups, self._now(),
                                       asked.spec.audiences or authenticate.API_AUDIENCES)
        status = authentication.TokenReviewStatus(error="invalid bearer token")
        if holder is not None:
            status = authentication.TokenReviewStatus(authenticated=True, user=info(holder.user),
                                                      audiences=holder.audiences)
        return replace(asked, status=status)

    def _self_access(self, asked: authorization.SelfSubjectAccessReview, _namespace: str, user: User) -> meta.Object:
        spec = authorization.SubjectAccessReviewSpec(
            resource_attributes=asked.spec.resource_attributes,
            non_resource_attributes=asked.spec.non_resource_attributes, user=user.name, groups=user.groups)
        _check(asked, spec)
        return replace(asked, status=self._decided(spec, user))

    def _access(self, asked: authorization.SubjectAccessReview, _namespace: str, _user: User) -> meta.Object:
        _check(asked, asked.spec)
        return replace(asked, status=self._decided(asked.spec, _subject(asked.spec)))

    def _local_access(self, asked: authorization.LocalSubjectAccessReview, namespace: str, _user: User) -> meta.Object:
        if asked.metadata.namespace not in ("", namespace):
            raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the "
                                    "request")
        _check(asked, asked.spec, namespace)
        return replace(asked, metadata=replace(asked.metadata, namespace=namespace),
                       status=self._decided(asked.spec, _subject(asked.spec)))

    def _decided(self, spec: authorization.SubjectAccessReviewSpec,
                 subject: User) -> authorization.SubjectAccessReviewStatus:
        path, resource = spec.non_resource_attributes, spec.resource_attributes
        decision = Decision(False)
        if path is not None:
            decision = self._authorizer.allowed_path(subject, path.verb, path.path)
        elif resource is not None:
            decision = self._authorizer.allowed(subject, _request(resource))
        return authorization.SubjectAccessReviewStatus(allowed=decision.allowed, reason=decision.reason)

    def _rules(self, asked: authorization.SelfSubjectRulesReview, _namespace: str, user: User) -> meta.Object:
        if not asked.spec.namespace:
            raise errors.BadRequest("no namespace on request")
        found, problem = self._authorizer.rules_of(user, asked.spec.namespace)
        return replace(asked, status=authorization.SubjectRulesReviewStatus(
            resource_rules=tuple(authorization.ResourceRule(
                verbs=rule.verbs, api_groups=rule.api_groups, resources=rule.resources,
                resource_names=rule.resource_names) for rule in found if rule.resources),
            non_resource_rules=tuple(authorization.NonResourceRule(
                verbs=rule.verbs, non_resource_urls=rule.non_resource_urls) for rule in found if
                rule.non_resource_urls),
            incomplete=bool(problem), evaluation_error=problem))


def info(user: User) -> authentication.UserInfo:
    """Return a user as reviews show him."""
    return authentication.UserInfo(username=user.name, uid=user.uid, groups=user.groups, extra=dict(user.extra))


def _subject(spec: authorization.SubjectAccessReviewSpec) -> User:
    return User(spec.user, spec.groups, spec.uid, spec.extra)


def _request(asked: authorization.ResourceAttributes) -> ResourceRequest:
    fields = ""
    if asked.field_selector is not None:
        fields = asked.field_selector.raw_selector or ",".join(
            f"{each.key}={each.values[0]}" for each in asked.field_selector.requirements
            if each.operator == "In" and len(each.values) == 1)
    return ResourceRequest(verb=asked.verb, group=asked.group, version=asked.version, resource=asked.resource,
                           subresource=asked.subresource, namespace=asked.namespace, name=asked.name,
                           options=Options(field_selector=fields))


def _check(asked: meta.Object, spec: authorization.SubjectAccessReviewSpec, namespace: str = "") -> None:
    """Raise errors.Invalid for a question that cannot be meant; `namespace` is that of a local one."""
    causes: list[errors.Cause] = []
    resource, path = spec.resource_attributes, spec.non_resource_attributes
    if resource is not None and path is not None:
        causes.append(words.invalid("spec.nonResourceAttributes", path,
                                    "cannot be specified in combination with resourceAttributes"))
    if resource is None and path is None:
        causes.append(words.invalid("spec.resourceAttributes", None,
                                    "exactly one of nonResourceAttributes or resourceAttributes must be specified"))
    if not spec.user and not spec.groups:
        causes.append(words.invalid("spec.user", spec.user, "at least one of user or group must be specified"))
    if replace(asked.metadata, namespace="", managed_fields=(), creation_timestamp=None) != meta.ObjectMeta():
        causes.append(words.invalid("metadata", asked.metadata, "must be empty except for namespace" if namespace
                                    else "must be empty"))
    if namespace and resource is not None and resource.namespace != namespace:
        causes.append(words.invalid("spec.resourceAttributes.namespace", resource.namespace,
                                    "must match metadata.namespace"))
    if namespace and path is not None:
        causes.append(words.invalid("spec.nonResourceAttributes", path, "disallowed on this kind of request"))
    if causes:
        raise errors.invalid(authorization.GROUP, asked.kind, "", tuple(causes))
