"""Which dependents belong to an object: adopting orphans that its selector matches, releasing those it no longer does.

https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from edge.api import labels, meta
from edge.controllers import indexes, interface, plan

D = TypeVar("D", bound=meta.Object)


def controller_ref(kind: str, api_version: str, owner: meta.Object) -> meta.OwnerReference:
    """Return the reference a dependent carries to its controlling owner."""
    return meta.OwnerReference(api_version=api_version, kind=kind, name=owner.metadata.name, uid=owner.metadata.uid,
                               controller=True, block_owner_deletion=True)


def claim(ref: meta.OwnerReference, owner: meta.Object, selector: labels.Selector, dependents: type[D],
          view: interface.View) -> tuple[tuple[D, ...], tuple[plan.Action, ...]]:
    """Return the dependents that belong to the owner, and the patches that adopt or release others.

    What is only now adopted or released belongs to nobody in this round. An owner that is being deleted adopts
    nothing.
    """
    mine: list[D] = []
    actions: list[plan.Action] = []
    for obj in view.indexed(dependents, indexes.OWNER, owner.metadata.uid):
        if selector.matches(obj.metadata.labels):
            mine.append(obj)
        elif owner.metadata.deletion_timestamp is None and obj.metadata.deletion_timestamp is None:
            rest = tuple(r for r in obj.metadata.owner_references if r.uid != owner.metadata.uid)
            actions.append(_set_owners(obj, rest))
    if owner.metadata.deletion_timestamp is None:
        for obj in view.indexed(dependents, indexes.OWNER, f"{owner.metadata.namespace}/"):
            if obj.metadata.deletion_timestamp is None and selector.matches(obj.metadata.labels):
                others = tuple(r for r in obj.metadata.owner_references if r.uid != owner.metadata.uid)
                actions.append(_set_owners(obj, (*others, ref)))
    return tuple(sorted(mine, key=lambda obj: obj.metadata.name)), tuple(actions)


def _set_owners(obj: meta.Object, owners: tuple[meta.OwnerReference, ...]) -> plan.Patch:
    body = msgspec.to_builtins(owners)
    return plan.Patch(type(obj), obj.metadata.name, obj.metadata.namespace,
                      {"metadata": {"ownerReferences": body or None, "uid": obj.metadata.uid,
                                    "resourceVersion": obj.metadata.resource_version}})
