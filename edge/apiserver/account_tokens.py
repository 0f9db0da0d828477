"""Answers TokenRequests: checks what is asked for, and what the token shall be bound to, and has it signed.

https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from edge.api import authentication, codec, core, errors, meta
from edge.apiserver.authenticate import API_AUDIENCES, User
from edge.apiserver.lookup import Lookup
from edge.apiserver.node_authorizer import node_of

DEFAULT_SECONDS, LEAST_SECONDS, MOST_SECONDS = 3600, 600, 2**32
_RECREATED = "The object might have been deleted and then recreated"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token is bound to. A pod's token also says which node the pod is on."""

    pod: core.Pod | None = None
    node: core.Node | None = None
    secret: core.Secret | None = None


SignToken = Callable[[core.ServiceAccount, authentication.TokenRequestSpec, Bound], authentication.TokenRequestStatus]
"""Signs a service account token."""


def answer(lookup: Lookup, namespace: str, name: str, raw: dict[str, Any], user: User,
           sign: SignToken | None) -> authentication.TokenRequest:
    """Return a TokenRequest with the token in its status.

    Raises:
        errors.NotFound: when there is no such account or object, or tokens are not issued here.
        errors.Invalid: for a lifetime that is out of range.
        errors.BadRequest, errors.Conflict, errors.Forbidden: when it cannot be bound as asked.
    """
    account = lookup.one(core.ServiceAccount, namespace, name)
    if account is None:
        raise errors.not_found("serviceaccounts", name)
    if sign is None:
        raise errors.NotFound("the server could not find the requested resource", details={})
    asked = codec.decode_struct(authentication.TokenRequest, raw)
    _check(asked, namespace, name)
    spec = replace(asked.spec, audiences=asked.spec.audiences or API_AUDIENCES,
                   expiration_seconds=asked.spec.expiration_seconds or DEFAULT_SECONDS)
    _check_node(spec.bound_object_ref, lookup, namespace, name, node_of(user))
    bound = _bound(spec.bound_object_ref, lookup, account)
    status = sign(account, spec, bound)
    return authentication.TokenRequest(
        api_version="authentication.k8s.io/v1", kind="TokenRequest", spec=spec, status=status,
        metadata=meta.ObjectMeta(name=name, namespace=namespace))


def _check(asked: authentication.TokenRequest, namespace: str, name: str) -> None:
    causes = [errors.Cause(reason="FieldValueInvalid", field=f"metadata.{field}",
                           message=f'Invalid value: "{given}": must match the service account {field} if specified')
              for field, given, own in (("name", asked.metadata.name, name),
                                        ("namespace", asked.metadata.namespace, namespace)) if given not in ("", own)]
    seconds = asked.spec.expiration_seconds
    if seconds is not None and not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        why = "less than 10 minutes" if seconds < LEAST_SECONDS else "larger than 2^32 seconds"
        causes.append(errors.Cause(reason="FieldValueInvalid", field="spec.expirationSeconds",
                                   message=f"Invalid value: {seconds}: may not specify a duration {why}"))
    if causes:
        raise errors.invalid(authentication.GROUP, "TokenRequest", name, tuple(causes))


def _bound(ref: authentication.BoundObjectReference | None, lookup: Lookup, account: core.ServiceAccount) -> Bound:
    """Return what the token ends with. Raises errors.NotFound, errors.BadRequest, errors.Conflict."""
    if ref is None:
        return Bound()
    namespace, name = account.metadata.namespace, account.metadata.name
    found: Bound
    match (ref.api_version, ref.kind):
        case ("v1", "Pod"):
            pod = _there("pods", ref, lookup.one(core.Pod, namespace, ref.name))
            if pod.spec.service_account_name != name:
                raise errors.BadRequest(f'cannot bind token for serviceaccount "{name}" to pod running with different '
                                        "serviceaccount name.")
            node = lookup.one(core.Node, "", pod.spec.node_name) if pod.spec.node_name else None
            found = Bound(pod=pod, node=node)
        case ("v1", "Node"):
            found = Bound(node=_there("nodes", ref, lookup.one(core.Node, "", ref.name)))
        case ("v1", "Secret"):
            found = Bound(secret=_there("secrets", ref, lookup.one(core.Secret, namespace, ref.name)))
        case _:
            raise errors.BadRequest(f"cannot bind token to object of type {_shown(ref)}")
    return found


def _there(plural: str, ref: authentication.BoundObjectReference, obj: Any) -> Any:
    """Return the object if it is the one meant."""
    if obj is None:
        raise errors.not_found(plural, ref.name)
    if ref.uid and ref.uid != obj.metadata.uid:
        raise errors.conflict(ref.kind, ref.name, f"the UID in the bound object reference ({ref.uid}) does not match "
                                                  f"the UID in record. {_RECREATED}")
    return obj


def _check_node(ref: authentication.BoundObjectReference | None, lookup: Lookup, namespace: str, name: str,
                node: str) -> None:
    """Refuse a node's request that is not for one of its pods. Raises errors.Forbidden."""
    if not node:
        return
    if ref is None or (ref.api_version, ref.kind) != ("v1", "Pod") or not ref.name:
        raise _forbidden(name, "node requested token not bound to a pod")
    if not ref.uid:
        raise _forbidden(name, "node requested token with a pod binding without a uid")
    pod = lookup.one(core.Pod, namespace, ref.name)
    if pod is None:
        raise errors.not_found("pods", ref.name)
    if ref.uid != pod.metadata.uid:
        raise _forbidden(name, f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. "
                               f"{_RECREATED}")
    if pod.spec.node_name != node:
        raise _forbidden(name, "node requested token bound to a pod scheduled on a different node")


def _forbidden(name: str, why: str) -> errors.Forbidden:
    return errors.Forbidden(f'serviceaccounts "{name}" is forbidden: {why}',
                            details={"name": name, "kind": "serviceaccounts"})


def _shown(ref: authentication.BoundObjectReference) -> str:
    group, _, version = ref.api_version.rpartition("/")
    return f"{group}/{version}, Kind={ref.kind}"
