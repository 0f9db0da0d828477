"""The coordination.k8s.io group: Leases, by which nodes and leaders show that they are alive."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class LeaseSpec(meta.Struct):
    """Who holds the lease, and until when."""

    holder_identity: Annotated[str, doc("Identity of the holder; empty when nobody holds it.")] = ""
    lease_duration_seconds: Annotated[int | None, doc(
        "Seconds after renewTime during which others must leave the lease alone.")] = None
    acquire_time: Annotated[meta.Time | None, doc("When the holder got it, with microseconds.")] = None
    renew_time: Annotated[meta.Time | None, doc("When the holder renewed it last, with microseconds.")] = None
    lease_transitions: Annotated[int | None, doc("How often the holder has changed.")] = None
    strategy: Annotated[str, doc("How the next holder is chosen; kept as sent.")] = ""
    preferred_holder: Annotated[str, doc("Who should take over next; kept as sent.")] = ""


class Lease(meta.Object):
    """A claim that must be renewed."""

    spec: Annotated[LeaseSpec, doc("Who holds the lease, and until when.")] = LeaseSpec()


RESOURCES = (
    Resource(group="coordination.k8s.io", version="v1", kind="Lease", plural="leases", type=Lease, volatile=True,
             old_versions=("coordination.k8s.io/v1beta1",)),
)
