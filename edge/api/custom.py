"""Objects of kinds that a CustomResourceDefinition defines: metadata is typed, everything else is as it was sent.

Each definition has a type of its own, so that a type still names a resource, as it does for built-in kinds.
https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from edge.api import meta
from edge.api.resource import Resource

O = TypeVar("O", bound=meta.Object)  # noqa: E741


class Custom(meta.Object):
    """The base of every custom kind."""

    content: dict[str, Any] = {}
    """Every field of the object but apiVersion, kind and metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One served version of a custom resource."""

    name: str
    schema: Any = None
    """The compiled structural schema; None keeps every field."""
    columns: tuple[Any, ...] = ()
    """`additionalPrinterColumns`, as the definition has them."""
    status: bool = False
    scale: Any = None
    """The paths of the scale subresource."""
    selectable: tuple[str, ...] = ()
    """Fields that a field selector may name, such as `spec.color`."""
    warning: str = ""
    """What a client of a deprecated version is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomResource(Resource):
    """A resource that a CustomResourceDefinition defines."""

    versions: Mapping[str, Version]
    """By name, the stored one included when it is served."""
    definition_uid: str = ""
    own_singular: str = ""
    own_list_kind: str = ""

    @property
    def singular(self) -> str:
        return self.own_singular or self.kind.lower()

    @property
    def list_kind(self) -> str:
        return self.own_list_kind or f"{self.kind}List"


def new_type(kind: str) -> type[Custom]:
    """Return a type for the objects of one definition."""
    return msgspec.defstruct(kind, [], bases=(Custom,), frozen=True, omit_defaults=True, rename=meta.camel)


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
