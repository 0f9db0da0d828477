"""What the registry knows of one resource: its names, its type and how it is served."""

from __future__ import annotations

from dataclasses import dataclass

from edge.api import meta


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource as it is stored and served at its current version."""

    group: str
    """API group; empty for the core group."""
    version: str
    kind: str
    plural: str
    type: type[meta.Object]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    """Such as `status`, `scale`, `log`; what http.py may route below the object."""
    volatile: bool = False
    """Kept in memory and never written to the card (Event, Lease)."""
    virtual: bool = False
    """Worked out anew for each request and never stored (ComponentStatus, reviews)."""
    returns_deleted: bool = False
    """A DELETE that removed the object answers with it, and not with a Status."""
    old_versions: tuple[str, ...] = ()
    """Further `group/version`s the kind is served at, converted at the door; `extensions/v1beta1`."""
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

    @property
    def api_version(self) -> str:
        """The version the object is stored in, as manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The name of one, as commands take it."""
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        """The kind of a listing."""
        return f"{self.kind}List"

    @property
    def group_resource(self) -> str:
        """`deployments.apps`, as errors and kubectl name it; `pods` in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural
