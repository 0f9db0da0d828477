"""The authentication.k8s.io group: TokenRequest, the body of the `token` subresource of service accounts."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc


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
