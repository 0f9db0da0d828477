"""One family of errors for both ends: the server raises it, HTTP carries it as a Status, the client raises it again.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One thing that is wrong with a request: `FieldValueRequired`, `spec.containers`, `Required value`."""

    reason: str
    field: str = ""
    message: str = ""


class ApiError(Exception):
    """A Status other than Success.

    Attributes: `code` (HTTP), `reason` (Kubernetes' word), `message`, `details` (name, group, kind, causes ...).
    """

    code = 500
    reason = "InternalError"
    continue_token = ""
    """Where a listing can go on all the same, when its snapshot is gone."""

    def __init__(self, message: str, *, details: dict[str, Any] | None = None, code: int | None = None,
                 reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.code = code or type(self).code
        self.reason = reason or type(self).reason

    def status(self) -> dict[str, Any]:
        """Return the Status object a client reads."""
        metadata = {"continue": self.continue_token} if self.continue_token else {}
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure",
                                "message": self.message, "reason": self.reason}
        if self.details is not None:  # Go clients take an empty one for granted where Kubernetes has it
            body["details"] = self.details
        return body | {"code": self.code}


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class Expired(ApiError):
    """The revision asked for is gone (compacted): list again."""

    code, reason = 410, "Expired"


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class Unavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


_FAMILY: dict[str, type[ApiError]] = {
    kind.reason: kind
    for kind in (BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, AlreadyExists,
                 Conflict, Expired, TooLarge, UnsupportedMediaType, Invalid, TooManyRequests, Unavailable)
}


def from_status(body: dict[str, Any]) -> ApiError:
    """Return the error a Status object stands for; an unknown reason keeps its words on the plain ApiError."""
    kind = _FAMILY.get(str(body.get("reason", "")), ApiError)
    return kind(str(body.get("message", "")), details=body.get("details"), code=body.get("code"),
                reason=body.get("reason"))


def not_found(group_resource: str, name: str) -> NotFound:
    """Return the 404 kubectl prints as `Error from server (NotFound): pods "web" not found`."""
    return NotFound(f'{group_resource} "{name}" not found', details=_details(group_resource, name))


def already_exists(group_resource: str, name: str) -> AlreadyExists:
    """Return the 409 of a create whose name is taken."""
    return AlreadyExists(f'{group_resource} "{name}" already exists', details=_details(group_resource, name))


def conflict(group_resource: str, name: str, why: str = "the object has been modified; please apply your changes to "
             "the latest version and try again") -> Conflict:
    """Return the 409 of a write that was made on an older revision."""
    return Conflict(f'Operation cannot be fulfilled on {group_resource} "{name}": {why}',
                    details=_details(group_resource, name))


def forbidden(group_resource: str, name: str, why: str) -> Forbidden:
    """Return the 403 of a write that is understood and must not happen."""
    return Forbidden(f'{group_resource} "{name}" is forbidden: {why}', details=_details(group_resource, name))


def invalid(group: str, kind: str, name: str, causes: tuple[Cause, ...]) -> Invalid:
    """Return the 422 that lists everything wrong with an object, as Kubernetes words it."""
    lines = [f"{cause.field}: {cause.message}" for cause in causes]
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    qualified = f"{kind}.{group}" if group else kind
    details = {"name": name, "group": group, "kind": kind,
               "causes": [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]}
    return Invalid(f'{qualified} "{name}" is invalid: {text}',
                   details={key: value for key, value in details.items() if value})


def _details(group_resource: str, name: str) -> dict[str, Any]:
    plural, _, group = group_resource.partition(".")
    details = {"name": name, "group": group, "kind": plural}
    return {key: value for key, value in details.items() if value}
