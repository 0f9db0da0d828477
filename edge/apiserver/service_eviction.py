"""Evicts a pod: counts it against its disruption budget, marks it, deletes it; `disruption` decides."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from edge.api import core, errors, policy, scheme
from edge.api.disruption_budgets import PodDisruptionBudget
from edge.apiserver import deletion, disruption, lookup
from edge.apiserver.service import ATTEMPTS, Service
from edge.apiserver.write import BY_SERVER, Write
from edge.store.interface import KeyNotFound, RevisionMismatch


async def evict(service: Service, namespace: str, name: str, eviction: policy.Eviction,
                write: Write = BY_SERVER) -> None:
    """Delete a pod as an eviction asks, as far as its disruption budget allows.

    Raises:
        errors.NotFound, errors.Conflict (preconditions), errors.TooManyRequests (the budget), errors.Forbidden.
    """
    if eviction.metadata.name not in ("", name):
        raise errors.BadRequest("name in URL does not match name in Eviction object")
    options, write = _options(eviction, write), replace(write, subresource="")
    for _ in range(ATTEMPTS):
        pod = _pod(service, namespace, name, options)
        allowed = disruption.decide(pod, _budgets(service, pod), service.clock.now())
        if allowed.counted and allowed.budget is not None and not options.dry_run \
                and not await _counted(service, allowed.budget):
            continue
        exactly = allowed.exactly and not options.resource_version
        asked = replace(options, resource_version=pod.metadata.resource_version) if exactly else options
        try:
            await _remove(service, namespace, name, asked, write)
        except errors.Conflict:
            if not exactly:
                raise
            if allowed.budget is not None:
                raise disruption.busy(allowed.budget) from None
        else:
            return
    raise errors.ApiError(f'couldn\'t evict pod "{name}" due to conflicts', code=504, reason="Timeout",
                          details={"retryAfterSeconds": disruption.BUSY_SECONDS})


def _options(eviction: policy.Eviction, write: Write) -> deletion.DeleteOptions:
    wanted = eviction.delete_options or policy.DeleteOptions()
    preconditions = wanted.preconditions or policy.Preconditions()
    return deletion.DeleteOptions(
        grace_period_seconds=wanted.grace_period_seconds, propagation_policy=wanted.propagation_policy,
        uid=preconditions.uid, resource_version=preconditions.resource_version,
        dry_run=write.dry_run or "All" in wanted.dry_run)


def _pod(service: Service, namespace: str, name: str, options: deletion.DeleteOptions) -> core.Pod:
    """Return the pod that is meant. Raises errors.NotFound, errors.Conflict."""
    resource = scheme.of_type(core.Pod)
    pod = cast(core.Pod, service.decode(resource, service.get(resource, namespace, name)))
    deletion.check(resource, pod, options)
    return pod


def _budgets(service: Service, pod: core.Pod) -> tuple[PodDisruptionBudget, ...]:
    return disruption.matching(pod, service.lookup.all(PodDisruptionBudget, pod.metadata.namespace))


async def _counted(service: Service, budget: PodDisruptionBudget) -> bool:
    """Store the budget with its new status; False when somebody else has written it since it was read."""
    resource, metadata = scheme.of_type(PodDisruptionBudget), budget.metadata
    record = service.store.get(lookup.key_of(resource, metadata.namespace, metadata.name))
    if record is None or str(record.revision) != metadata.resource_version:
        return False
    try:
        await service.replace_record(record, budget)
    except (RevisionMismatch, KeyNotFound):
        return False
    return True


async def _remove(service: Service, namespace: str, name: str, options: deletion.DeleteOptions, write: Write) -> None:
    """Say on the pod why it goes, then delete it. Raises errors.Conflict when it is not the one meant any more."""
    resource = scheme.of_type(core.Pod)
    if not options.dry_run:
        revision = await _marked(service, namespace, name, options)
        if options.resource_version:  # the mark made a new one
            options = replace(options, resource_version=str(revision))
    await service.delete(resource, namespace, name, options, write)


async def _marked(service: Service, namespace: str, name: str, options: deletion.DeleteOptions) -> int:
    resource = scheme.of_type(core.Pod)
    for _ in range(ATTEMPTS):
        pod = _pod(service, namespace, name, options)
        record = service.get(resource, namespace, name)
        try:
            return (await service.replace_record(record, disruption.marked(pod, service.clock.now()))).revision
        except RevisionMismatch:
            continue
        except KeyNotFound as error:
            raise errors.not_found(resource.group_resource, name) from error
    raise errors.conflict(resource.group_resource, name)
