"""The policy group: Eviction, the body of the `eviction` subresource of pods."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc


class Preconditions(meta.Struct):
    """What must hold for a deletion to be carried out."""

    uid: Annotated[str, doc("The object's uid.")] = ""
    resource_version: Annotated[str, doc("The object's revision.")] = ""


class DeleteOptions(meta.Struct):
    """How something is deleted."""

    api_version: Annotated[str, doc("Version of this schema.")] = ""
    kind: Annotated[str, doc("DeleteOptions.")] = ""
    grace_period_seconds: Annotated[int | None, doc(
        "Seconds the object gets to stop; 0 at once, its own period when absent.")] = None
    preconditions: Annotated[Preconditions | None, doc("What must hold, else the answer is 409.")] = None
    orphan_dependents: Annotated[bool | None, doc("Old form of propagationPolicy: true for Orphan.")] = None
    propagation_policy: Annotated[str, doc("What becomes of objects it owns: Background, Foreground or Orphan.")] = ""
    dry_run: Annotated[tuple[str, ...], doc("All: check everything and change nothing.", list_type="atomic")] = ()
    ignore_store_read_error_with_cluster_breaking_potential: Annotated[bool | None, doc(
        "True deletes an object that can no longer be read; kept as sent.")] = None


class Eviction(meta.Object):
    """Asks to move a pod away, as far as its disruption budget allows."""

    delete_options: Annotated[DeleteOptions | None, doc("How the pod is deleted.")] = None
