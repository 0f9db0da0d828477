"""The authentication.k8s.io group: who a token stands for, who one is, and requests for tokens. Never stored.

TokenRequest is the body of the `token` subresource of service accounts.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource

GROUP = "authentication.k8s.io"


class BoundObjectReference(meta.Struct):
    """The object a token ends with."""

    kind: Annotated[str, doc("Pod, Secret or Node.")] = ""
    api_version: Annotated[str, doc("API version of the object.")] = ""
    name: Annotated[str, doc("Name of the object.")] = ""
    uid: Annotated[str, doc("Uid of the object.")] = ""


class TokenRequestSpec(meta.Struct):
    """What the token is for."""

    audiences: Annotated[tuple[str, ...], doc(
        "Who it is meant for; the API server when empty.", list_type="atomic", required=True)] = meta.written(tuple)
    expiration_seconds: Annotated[int | None, doc("Seconds it is valid; 3600 by default, at least 600.")] = None
    bound_object_ref: Annotated[BoundObjectReference | None, doc("The token ends when this object is deleted.")] = None


class TokenRequestStatus(meta.Struct):
    """The token."""

    token: Annotated[str, doc("The token itself.", required=True)] = ""
    expiration_timestamp: Annotated[meta.Time | None, doc("When it ends.", required=True)] = None


class TokenRequest(meta.Object):
    """Asks for a token of a service account."""

    spec: Annotated[TokenRequestSpec, doc("What the token is for.", required=True)] = TokenRequestSpec()
    status: Annotated[TokenRequestStatus, doc("The token.")] = TokenRequestStatus()


class UserInfo(meta.Struct):
    """Who somebody is."""

    username: Annotated[str, doc("Name of the user.")] = ""
    uid: Annotated[str, doc("Uid of the user; empty when nothing gives one.")] = ""
    groups: Annotated[tuple[str, ...], doc("Groups of the user.", list_type="atomic")] = ()
    extra: Annotated[dict[str, tuple[str, ...]], doc("Further attributes, such as the pod a token is for.")] = {}


class TokenReviewSpec(meta.Struct):
    """The token that is asked about."""

    token: Annotated[str, doc("The bearer token.")] = ""
    audiences: Annotated[tuple[str, ...], doc(
        "Who the token must be for; any of them will do, the API server when empty.", list_type="atomic")] = ()


class TokenReviewStatus(meta.Struct):
    """Whom the token stands for."""

    authenticated: Annotated[bool, doc("Whether the token is good.")] = False
    user: Annotated[UserInfo, doc("Whose it is.")] = meta.written(UserInfo)
    audiences: Annotated[tuple[str, ...], doc(
        "Those of the audiences asked for that the token is for.", list_type="atomic")] = ()
    error: Annotated[str, doc("Why it is not good.")] = ""


class TokenReview(meta.Object):
    """Asks whom a token stands for."""

    spec: Annotated[TokenReviewSpec, doc("The token.", required=True)] = meta.written(TokenReviewSpec)
    status: Annotated[TokenReviewStatus, doc("The answer.")] = TokenReviewStatus()


class SelfSubjectReviewStatus(meta.Struct):
    """Who one is."""

    user_info: Annotated[UserInfo, doc("Who one is.")] = meta.written(UserInfo)


class SelfSubjectReview(meta.Object):
    """Asks who one is."""

    status: Annotated[SelfSubjectReviewStatus, doc("The answer.")] = SelfSubjectReviewStatus()


RESOURCES = (
    Resource(group=GROUP, version="v1", kind="SelfSubjectReview", plural="selfsubjectreviews", type=SelfSubjectReview,
             namespaced=False, verbs=("create",), virtual=True),
    Resource(group=GROUP, version="v1", kind="TokenReview", plural="tokenreviews", type=TokenReview, namespaced=False,
             verbs=("create",), virtual=True),
)
