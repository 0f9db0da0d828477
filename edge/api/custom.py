"""Objects of kinds that a CustomResourceDefinition defines: metadata is typed, everything else is as it was sent.

Each definition has a type of its own, so that a type still names a resource, as it does for built-in kinds.
https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec

from edge.api import apiextensions, meta
from edge.api.resource import Resource
from edge.api.structural import Structural

O = TypeVar("O", bound=meta.Object)  # noqa: E741


class Custom(meta.Object):
    """The base of every custom kind."""

    content: dict[str, Any] = {}
    """Every field of the object but apiVersion, kind and metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One served version of a custom resource."""

    name: str
    schema: Structural | None = None
    """The compiled structural schema; None keeps every field."""
    prunes: bool = True
    """Whether fields the schema does not name are dropped."""
    described: apiextensions.JSONSchemaProps | None = None
    """The schema as the definition has it, for documents."""
    columns: tuple[apiextensions.CustomResourceColumnDefinition, ...] = ()
    status: bool = False
    scale: apiextensions.CustomResourceSubresourceScale | None = None
    selectable: tuple[str, ...] = ()
    """Fields that a field selector may name, such as `spec.color`."""
    warning: str = ""
    """What a client of a deprecated version is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomResource(Resource):
    """A resource that a CustomResourceDefinition defines."""

    versions: Mapping[str, Version]
    """By name, the stored one included when it is served."""
    stub: type[meta.Object]
    """Names the same resource to loops that need no more than the metadata of its objects."""
    terminating: bool = False
    """The definition is being deleted: no new objects."""
    mixed: bool = False
    """There is more than one version: an object may still be stored as the one that was stored before."""
    own_singular: str = ""
    own_list_kind: str = ""

    def version_of(self, api_version: str) -> Version | None:
        """Return what is known of the version of a manifest; of the stored one for an empty name."""
        return self.versions.get(api_version.rpartition("/")[2] or self.version)

    def serves(self, api_version: str, kind: str) -> bool:
        """Return whether a manifest of that `apiVersion` and `kind` is one of these objects."""
        group, _, version = api_version.rpartition("/")
        return kind == self.kind and group == self.group and version in self.versions

    @property
    def singular(self) -> str:
        return self.own_singular or self.kind.lower()

    @property
    def list_kind(self) -> str:
        return self.own_list_kind or f"{self.kind}List"


def among(resources: Iterable[Resource]) -> Iterator[CustomResource]:
    """Yield the custom ones."""
    return (resource for resource in resources if isinstance(resource, CustomResource))


def named_by(resource: Resource) -> type[meta.Object]:
    """Return the type that names the resource to loops that look at metadata only."""
    return resource.stub if isinstance(resource, CustomResource) else resource.type


def new_types(kind: str) -> tuple[type[Custom], type[meta.Object]]:
    """Return the type for the objects of one definition, and that for their metadata alone."""
    whole = msgspec.defstruct(kind, [], bases=(Custom,), frozen=True, omit_defaults=True, rename=meta.camel)
    stub = msgspec.defstruct(kind, [], bases=(meta.Object,), frozen=True, omit_defaults=True, rename=meta.camel)
    return cast("type[Custom]", whole), cast("type[meta.Object]", stub)


def flat(obj: Custom) -> dict[str, Any]:
    """Return the object as JSON has it; the metadata is still a Struct."""
    return {"apiVersion": obj.api_version, "kind": obj.kind, "metadata": obj.metadata, **obj.content}


def part(obj: meta.Object, name: str) -> Any:
    """Return the `spec` or `status` of any object; None when it has none."""
    if isinstance(obj, Custom):
        return obj.content.get(name)
    return getattr(obj, name, None)


def with_part(obj: O, name: str, value: Any) -> O:
    """Return the object with another `spec` or `status`; None leaves a custom object without one."""
    if isinstance(obj, Custom):
        content = {key: old for key, old in obj.content.items() if key != name}
        return msgspec.structs.replace(obj, content=content if value is None else {**content, name: value})
    return msgspec.structs.replace(obj, **{name: value})
