"""Decides whether a write still fits into the quotas of its namespace, and says why not in Kubernetes' words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from edge.api import amounts, core, meta, quota_usage, quotas
from edge.api.amounts import Amount, Amounts
from edge.api.quota_usage import Usage

Used = Callable[[quotas.ResourceQuota], Amounts]
"""Returns what is taken of a quota before the write, of the resources its kind can take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A write, as quotas see it."""

    obj: meta.Object
    group_resource: str
    usage: Usage
    before: Usage | None = None
    """What the object takes already; None for a new one."""


def relevant(asked: Asked, every: Iterable[quotas.ResourceQuota]) -> tuple[quotas.ResourceQuota, ...]:
    """Return the quotas that count what the write takes."""
    return tuple(quota for quota in every if quota_usage.concerns(quota, asked.usage)
                 and quota_usage.names_of(type(asked.obj), asked.group_resource, quota.spec.hard))


def more(asked: Asked, quota: quotas.ResourceQuota) -> dict[str, Amount]:
    """Return what the write takes more of a quota than is taken already; nothing is ever given back before."""
    names = quota_usage.names_of(type(asked.obj), asked.group_resource, quota.spec.hard)
    before: Amounts = {}
    if asked.before is not None and quota_usage.concerns(quota, asked.before):
        before = asked.before.amounts
    wanted = {name: amount - before.get(name, amounts.NONE) for name, amount in asked.usage.amounts.items()
              if name in names}
    return {name: amount for name, amount in wanted.items() if amount.nano > 0}


def growth(asked: Asked) -> Usage:
    """Return what the write takes more than is taken already, apart from any quota."""
    if asked.before is None:
        return asked.usage
    before = asked.before.amounts
    return replace(asked.usage, amounts={name: more for name, amount in asked.usage.amounts.items()
                                         if (more := amount - before.get(name, amounts.NONE)).nano > 0})


def refusal(asked: Asked, concerned: Iterable[quotas.ResourceQuota], used: Used) -> str:
    """Return why the write must not happen; empty when it may."""
    concerned = tuple(concerned)
    for quota in concerned:
        if isinstance(asked.obj, core.Pod) and (missing := quota_usage.undemanded(asked.obj, quota.spec.hard)):
            return f"failed quota: {quota.metadata.name}: must specify {missing}"
    for quota in concerned:
        wanted = more(asked, quota)
        if not wanted:
            continue
        taken, hard = used(quota), amounts.read(quota.spec.hard)
        over = [name for name, amount in wanted.items() if (_of(taken, name) + amount).nano > hard[name].nano]
        if over:
            said = (f"{what}: {amounts.joined({name: _of(of, name) for name in over})}"
                    for what, of in (("requested", wanted), ("used", taken), ("limited", hard)))
            return f"exceeded quota: {quota.metadata.name}, {', '.join(said)}"
    return ""


def _of(known: Amounts, name: str) -> Amount:
    return known.get(name, amounts.NONE)
