"""What admission webhooks are asked and what they answer: AdmissionReview, denials, warnings, patches.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import msgspec

from edge.api import codec, custom, defaults, errors, meta, patch, scheme
from edge.apiserver import admission, discovery, webhooks
from edge.apiserver.admit import Attributes
from edge.apiserver.authenticate import User

O = TypeVar("O", bound=meta.Object)  # noqa: E741
VERSIONS = ("v1", "v1beta1")
_GROUP = "admission.k8s.io"
_OPEN_METADATA = ("labels", "annotations", "owner_references", "finalizers", "managed_fields", "generate_name")
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
MOST_WARNINGS = 16
LONGEST_WARNING = 256


class Unusable(Exception):
    """A webhook could not be asked, or answered nonsense; the text says why. The failure policy decides."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook said."""

    allowed: bool
    status: Mapping[str, Any] | None = None
    """The reason of a denial, as a Status."""
    operations: Sequence[Any] = ()
    """The JSON patch it wants applied."""
    warnings: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


class _Response(msgspec.Struct):
    uid: str = ""
    allowed: bool = False
    status: dict[str, Any] | None = None
    patch: str | None = None
    patch_type: str | None = msgspec.field(default=None, name="patchType")
    audit_annotations: dict[str, str] | None = msgspec.field(default=None, name="auditAnnotations")
    warnings: list[str] | None = None


class _Review(msgspec.Struct):
    apiVersion: str = ""  # noqa: N815 - the name on the wire
    kind: str = ""
    response: _Response | None = None


_review = msgspec.json.Decoder(_Review)


def review(request: Attributes, hook: webhooks.Hook, version: str, uid: str) -> bytes:
    """Return the AdmissionReview that asks a webhook about a write, its objects in that version."""
    asked = request.write.api_version or request.resource.api_version
    body: dict[str, Any] = {
        "uid": uid, "kind": _kind(request, version), "resource": _resource(request.resource, version),
        "requestKind": _kind(request, asked), "requestResource": _resource(request.resource, asked)}
    if request.write.subresource:
        body |= {"subResource": request.write.subresource, "requestSubResource": request.write.subresource}
    body |= {"name": request.name, "namespace": webhooks.namespace_of(request)}
    body = {key: value for key, value in body.items() if value != ""}
    body |= {"operation": request.operation, "userInfo": user_info(request.write.user),
             "object": _shown(request.resource, request.obj, version),
             "oldObject": _shown(request.resource, request.old, version),
             "dryRun": dry_run(request), "options": _options(request)}
    return msgspec.json.encode({"kind": "AdmissionReview", "apiVersion": f"{_GROUP}/{review_version(hook)}",
                                "request": body})


def dry_run(request: Attributes) -> bool:
    """Return whether the write is only tried."""
    return request.write.dry_run or (request.options is not None and request.options.dry_run)


def review_version(hook: webhooks.Hook) -> str:
    """Return the first version of AdmissionReview that both understand."""
    return next((version for version in hook.webhook.admission_review_versions if version in VERSIONS), VERSIONS[0])


def user_info(user: User) -> dict[str, Any]:
    """Return the user as reviews have it."""
    info = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": dict(user.extra)}
    return {key: value for key, value in info.items() if value}


def read(data: bytes, hook: webhooks.Hook, uid: str, *, mutating: bool) -> Answer:
    """Return what a webhook answered. Raises Unusable."""
    try:
        found = _review.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(f"failed to call webhook: couldn't get version/kind; json parse error: {error}") from error
    answer = found.response
    if answer is None:
        raise _invalid("webhook response was absent")
    if review_version(hook) == "v1":
        _check(found, answer, uid, mutating)
    operations = _operations(answer.patch) if answer.patch and mutating else ()
    if operations and answer.patch_type not in (None, "JSONPatch"):
        raise Unusable(f'unsupported patch type "{answer.patch_type}"')
    return Answer(answer.allowed, answer.status, operations, _warnings(answer.warnings or ()),
                  {f"{hook.name}/{key}": value for key, value in (answer.audit_annotations or {}).items()})


def _check(found: _Review, answer: _Response, uid: str, mutating: bool) -> None:
    """Hold the answer to what version v1 demands."""
    if answer.uid != uid:
        raise _invalid(f'expected response.uid="{uid}", got "{answer.uid[:64]}"')
    if (found.apiVersion, found.kind) != (f"{_GROUP}/v1", "AdmissionReview"):
        raise _invalid(f"expected webhook response of {_GROUP}/v1, Kind=AdmissionReview, got "
                       f"{found.apiVersion[:64]}, Kind={found.kind[:64]}")
    if not mutating:
        if answer.patch:
            raise _invalid("validating webhook may not return response.patch")
        if answer.patch_type is not None:
            raise _invalid("validating webhook may not return response.patchType")
    elif answer.patch and answer.patch_type is None:
        raise _invalid("webhook returned response.patch but not response.patchType")
    elif not answer.patch and answer.patch_type is not None:
        raise _invalid("webhook returned response.patchType but not response.patch")
    elif answer.patch_type == "":
        raise _invalid('webhook returned invalid response.patchType of ""')


def _invalid(why: str) -> Unusable:
    return Unusable(f"received invalid webhook response: {why}")


def _operations(encoded: str) -> Sequence[Any]:
    try:
        found = msgspec.json.decode(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise internal(f"error decoding the patch: {error}") from error
    if not isinstance(found, list):
        raise internal("json: cannot unmarshal into Go value of type jsonpatch.Patch")
    return found


def _warnings(texts: Sequence[str]) -> tuple[str, ...]:
    """Return warnings a header can carry."""
    shown = ("".join(letter if letter.isprintable() else " " for letter in text).strip() for text in texts)
    return tuple(text[:LONGEST_WARNING] for text in shown if text)[:MOST_WARNINGS]


def denied(hook: webhooks.Hook, answer: Answer) -> errors.ApiError:
    """Return the error of a write that a webhook does not allow."""
    status = answer.status or {}
    text = f'admission webhook "{hook.name}" denied the request'
    why = status.get("message") or status.get("reason")
    code = status.get("code")
    details = status.get("details")
    reason = status.get("reason")
    error = errors.ApiError(f"{text}: {why}" if why else f"{text} without explanation",
                            code=code if isinstance(code, int) and 400 <= code < 600 else 400,
                            details=details if isinstance(details, dict) else None)
    error.reason = reason if isinstance(reason, str) else ""
    return error


def failed(hook: webhooks.Hook, why: Exception) -> errors.ApiError:
    """Return the error of a write about which a webhook could not be asked."""
    return internal(f'failed calling webhook "{hook.name}": {why}')


def no_dry_run(hook: webhooks.Hook) -> errors.BadRequest:
    """Return the error of a dry run that a webhook would not notice to be one."""
    return errors.BadRequest(f'admission webhook "{hook.name}" does not support dry run')


def internal(why: str) -> errors.ApiError:
    """Return an internal error in Kubernetes' form."""
    return errors.ApiError(f"Internal error occurred: {why}", details={"causes": [{"message": why}]})


def patched(request: Attributes, hook: webhooks.Hook, version: str, operations: Sequence[Any]) -> meta.Object | None:
    """Return the object with a webhook's patch applied and its defaults filled in again.

    Raises errors.ApiError when the patch does not apply, or what it leaves is no such object.
    """
    if not operations:
        return request.obj
    if request.obj is None:
        raise internal(f'admission webhook "{hook.name}" attempted to modify the object, which is not supported for '
                       "this operation")
    resource = request.resource
    try:
        raw = patch.json_patch(_in_version(resource, request.obj, version), list(operations))
        changed = codec.decode(resource, scheme.to_stored(resource, version, raw))
    except errors.ApiError as error:
        raise internal(str(error)) from error
    changed = msgspec.structs.replace(changed, api_version=request.obj.api_version, kind=request.obj.kind)
    return _guarded(request, request.obj, changed)


def _guarded(request: Attributes, before: O, changed: O) -> O:
    """Return the changed object with what only the server may say as it was, and its defaults."""
    if request.old is not None:
        return admission.merge(request.resource, changed, cast(O, request.old), request.write.subresource)
    if changed.metadata.namespace not in ("", before.metadata.namespace):
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the "
                                "request")
    metadata = msgspec.structs.replace(
        before.metadata, **{name: getattr(changed.metadata, name) for name in _OPEN_METADATA},
        name=changed.metadata.name or before.metadata.name)
    changed = defaults.apply(msgspec.structs.replace(changed, metadata=metadata))
    if "status" in request.resource.subresources:
        changed = custom.with_part(changed, "status", custom.part(before, "status"))
    return changed


def _in_version(resource: scheme.Resource, obj: meta.Object, version: str) -> dict[str, Any]:
    return scheme.to_version(resource, version, codec.to_dict(obj))


def _shown(resource: scheme.Resource, obj: meta.Object | None, version: str) -> Any:
    if obj is None:
        return None
    if version == resource.api_version:
        return msgspec.Raw(codec.encode(obj))
    return _in_version(resource, obj, version)


def _kind(request: Attributes, api_version: str) -> dict[str, str]:
    group, version = discovery.split(api_version)
    kind = request.resource.kind
    if request.write.subresource:
        group, version, kind, _ = discovery.subresource(request.resource, request.write.subresource, api_version)
    return {"group": group, "version": version, "kind": kind}


def _resource(resource: scheme.Resource, api_version: str) -> dict[str, str]:
    group, version = discovery.split(api_version)
    return {"group": group, "version": version, "resource": resource.plural}


def _options(request: Attributes) -> dict[str, Any] | None:
    kind = _OPTIONS.get(request.operation)
    if kind is None:
        return None
    options: dict[str, Any] = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if dry_run(request):
        options["dryRun"] = ["All"]
    if kind != "DeleteOptions":
        return options | ({"fieldManager": request.write.manager} if request.write.manager else {})
    if (how := request.options) is not None:
        preconditions = {"uid": how.uid, "resourceVersion": how.resource_version}
        given = {"gracePeriodSeconds": how.grace_period_seconds, "propagationPolicy": how.propagation_policy or None,
                 "preconditions": {key: value for key, value in preconditions.items() if value} or None}
        options |= {key: value for key, value in given.items() if value is not None}
    return options
