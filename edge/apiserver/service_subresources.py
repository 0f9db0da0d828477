"""The subresources that change something: scale, binding, eviction, finalize, token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from edge.api import authentication, autoscaling, codec, core, errors, meta, policy, scheme
from edge.apiserver import binding, deletion, scale
from edge.apiserver.service import Service
from edge.apiserver.write import BY_SERVER, Write
from edge.store.interface import Record, RevisionMismatch

SignToken = Callable[[core.ServiceAccount, authentication.TokenRequest], authentication.TokenRequestStatus]
"""Signs a service account token."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """The Scale that answers a request, and the record behind it."""

    scale: autoscaling.Scale
    record: Record


def get_scale(service: Service, resource: scheme.Resource, namespace: str, name: str) -> autoscaling.Scale:
    """Return how far a controller is scaled. Raises errors.NotFound."""
    return scale.of(resource, service.decode(resource, service.get(resource, namespace, name)))


async def set_scale(service: Service, resource: scheme.Resource, namespace: str, name: str,
                    change: Callable[[autoscaling.Scale], autoscaling.Scale], write: Write = BY_SERVER) -> Scaled:
    """Change how far a controller is scaled. Raises errors.NotFound, errors.Conflict, errors.Invalid."""
    def rescale(obj: meta.Object) -> meta.Object:
        return scale.applied(obj, change(scale.of(resource, obj)))

    record = await service.update(resource, namespace, name, rescale, replace(write, subresource=""))
    return Scaled(scale.of(resource, msgspec.json.decode(record.value, type=resource.type)), record)


async def bind(service: Service, namespace: str, name: str, wanted: core.Binding, *, dry_run: bool = False) -> Record:
    """Bind a pod to a node. Raises errors.NotFound, errors.Conflict when it is bound, errors.Invalid."""
    resource = scheme.of_type(core.Pod)
    for _ in range(8):
        record = service.get(resource, namespace, name)
        pod = binding.bound(service.decode(resource, record), wanted, service.clock.now())
        if dry_run:
            return record
        try:
            return await service.replace_record(record, pod)
        except RevisionMismatch:
            continue
    raise errors.conflict("pods/binding", name)


async def evict(service: Service, namespace: str, name: str, eviction: policy.Eviction,
                write: Write = BY_SERVER) -> None:
    """Delete a pod as an eviction asks. Raises errors.NotFound, errors.Conflict."""
    options = deletion.DeleteOptions(dry_run=write.dry_run)
    wanted = eviction.delete_options
    if wanted is not None:
        options = replace(options, grace_period_seconds=wanted.grace_period_seconds,
                          propagation_policy=wanted.propagation_policy,
                          uid=wanted.preconditions.uid if wanted.preconditions else "",
                          resource_version=wanted.preconditions.resource_version if wanted.preconditions else "",
                          dry_run=write.dry_run or "All" in wanted.dry_run)
    await service.delete(scheme.of_type(core.Pod), namespace, name, options, replace(write, subresource=""))


def _bound_object(service: Service, account: core.ServiceAccount,
                  bound: authentication.BoundObjectReference) -> authentication.BoundObjectReference:
    """Return the reference with the uid of the pod that is there now: the token is good as long as that pod is."""
    name = account.metadata.name
    cannot = f'cannot bind token for serviceaccount "{name}" to'
    if (bound.kind, bound.api_version) != ("Pod", "v1"):
        raise errors.BadRequest(f"{cannot} object of type {bound.api_version}, Kind={bound.kind}")
    resource = scheme.of_type(core.Pod)
    pod = service.decode(resource, service.get(resource, account.metadata.namespace, bound.name))
    assert isinstance(pod, core.Pod)
    if bound.uid and bound.uid != pod.metadata.uid:
        raise errors.conflict("pods", bound.name, f"the UID in the bound object reference ({bound.uid}) does not match "
                                                  f"the UID in record ({pod.metadata.uid})")
    if pod.spec.service_account_name != name:
        raise errors.BadRequest(f"{cannot} pod running with different serviceaccount name.")
    return msgspec.structs.replace(bound, uid=pod.metadata.uid)


def token(service: Service, namespace: str, name: str, raw: dict[str, Any],
          sign: SignToken | None) -> dict[str, Any]:
    """Return a TokenRequest with the token in its status.

    Raises:
        errors.NotFound: when there is no such account, or tokens are not issued here.
        errors.Invalid: for a lifetime that is too short.
    """
    resource = scheme.of_type(core.ServiceAccount)
    account = service.decode(resource, service.get(resource, namespace, name))
    assert isinstance(account, core.ServiceAccount)
    if sign is None:
        raise errors.NotFound("the server could not find the requested resource", details={})
    asked = codec.decode_struct(authentication.TokenRequest, raw)
    seconds = asked.spec.expiration_seconds
    if seconds is not None and seconds < 600:
        cause = errors.Cause(reason="FieldValueInvalid", field="spec.expirationSeconds",
                             message=f"Invalid value: {seconds}: may not specify a duration less than 10 minutes")
        raise errors.invalid("authentication.k8s.io", "TokenRequest", name, (cause,))
    bound = asked.spec.bound_object_ref
    if bound is not None:
        asked = msgspec.structs.replace(asked, spec=msgspec.structs.replace(
            asked.spec, bound_object_ref=_bound_object(service, account, bound)))
    status = sign(account, asked)
    body: dict[str, Any] = codec.to_dict(asked)
    metadata = {"name": name, "namespace": namespace}
    return {**body, "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": metadata,
            "status": {"token": status.token, "expirationTimestamp": status.expiration_timestamp}}
