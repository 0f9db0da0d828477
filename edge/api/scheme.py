"""Kind <-> group and version <-> path <-> type: the registry of everything the API serves.

A further kind is one module with a `RESOURCES` tuple, and one line in `_MODULES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    old_versions: tuple[str, ...] = ()
    """Further `group/version`s the kind is served at, converted at the door; `extensions/v1beta1`."""
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

    @property
    def api_version(self) -> str:
        """The version the object is stored in, as manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """`deployments.apps`, as errors and kubectl name it; `pods` in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def resources() -> tuple[Resource, ...]:
    """Return every resource, in the order discovery lists them."""
    raise NotImplementedError


def of_type(kind: type[meta.Object]) -> Resource:
    """Return the resource of a Struct type. Raises KeyError for a type that is not registered."""
    raise NotImplementedError


def find(group: str, version: str, plural: str) -> Resource | None:
    """Return the resource served at that path, or None. An old version finds the resource it converts to."""
    raise NotImplementedError


def of_kind(api_version: str, kind: str) -> Resource | None:
    """Return the resource of a manifest's `apiVersion` and `kind`, old versions included, or None."""
    raise NotImplementedError


def convert_in(api_version: str, obj: dict[str, Any]) -> dict[str, Any]:
    """Return the object, sent as `api_version`, in its stored version (a new dict; the input is left alone)."""
    raise NotImplementedError


def convert_out(api_version: str, obj: dict[str, Any]) -> dict[str, Any]:
    """Return the stored object as `api_version` shows it."""
    raise NotImplementedError
