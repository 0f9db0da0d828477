"""How the caches file objects, so that no controller scans what it does not own."""

from __future__ import annotations

from collections.abc import Iterable

from edge.api import meta

OWNER = "claim"
"""Uid of the controlling owner; `namespace/` for objects that have none."""
OWNERS = "owner"
"""Uid of every owner; the caches have it from the start."""
NODE = "node"
"""Node a pod is bound to; the caches have it from the start."""


def claim(obj: meta.Object) -> Iterable[str]:
    """Return the uid of the controlling owner, or `namespace/`."""
    for ref in obj.metadata.owner_references:
        if ref.controller:
            return (ref.uid,)
    return (f"{obj.metadata.namespace}/",)
