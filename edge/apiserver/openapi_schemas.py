"""Turns Structs into OpenAPI schemas: names, types, required fields, descriptions, and the marks that patching needs.

kubectl computes `apply` patches from these very schemas, so the merge keys must be the ones the server merges by:
both come from the same `doc()`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from edge.api import meta, other_versions, shapes
from edge.api.custom import CustomResource, Version
from edge.api.patch_fields import struct_of, unwrap
from edge.api.scheme import Resource
from edge.apiserver import openapi_custom

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_CORE = "io.k8s.api.core.v1"
_STEMS = ("autoscaling", "policy", "authentication", "authorization")
_IN_CORE = ("LocalObjectReference", "ObjectReference")
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"}, bool: {"type": "boolean"}, int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"}, bytes: {"type": "string", "format": "byte"},
}
_MARKS = {"mergeKey": "x-kubernetes-patch-merge-key", "patchStrategy": "x-kubernetes-patch-strategy",
          "listType": "x-kubernetes-list-type", "listMapKeys": "x-kubernetes-list-map-keys"}

Schema = dict[str, Any]


def packages(resources: Iterable[Resource]) -> dict[str, str]:
    """Return module name -> the prefix its definitions carry, as Kubernetes names them."""
    return {resource.type.__module__: package(resource.group, resource.version) for resource in resources}


def package(group: str, version: str) -> str:
    """Return the prefix of a group's definitions: `io.k8s.api.apps.v1`."""
    return f"io.k8s.api.{group.split('.')[0] or 'core'}.{version}"


class Schemas:
    """Collects the schemas one document needs: asking for a name makes its definition, and those it refers to."""

    def __init__(self, owners: Mapping[str, str], *, v3: bool) -> None:
        self._owners = owners
        self._v3 = v3
        self._pending: list[tuple[str, type[meta.Struct]]] = []
        self._definitions: dict[str, Schema] = {}

    def definitions(self) -> dict[str, Schema]:
        """Return every definition that was asked for, sorted by name."""
        while self._pending:
            name, kind = self._pending.pop()
            self._definitions[name] = self._struct(kind)
        return dict(sorted(self._definitions.items()))

    def name(self, kind: type[meta.Struct]) -> str:
        """Return the name of a Struct's definition."""
        if kind.__module__ == meta.__name__:
            return f"{_CORE if kind.__name__ in _IN_CORE else META}.{kind.__name__}"
        stem = kind.__module__.rpartition(".")[2]
        default = f"io.k8s.api.{stem}.v1" if stem in _STEMS else _CORE
        return f"{self._owners.get(kind.__module__, default)}.{kind.__name__}"

    def struct(self, kind: type[meta.Struct]) -> Schema:
        """Return a reference to a Struct's definition, which is made if need be."""
        name = self.name(kind)
        if name not in self._definitions:
            self._definitions[name] = {}
            self._pending.append((name, kind))
        return self.ref(name)

    def ref(self, name: str) -> Schema:
        """Return a reference to a definition."""
        return {"$ref": ("#/components/schemas/" if self._v3 else "#/definitions/") + name}

    def fixed(self, name: str, schema: Schema) -> Schema:
        """Add a definition that no Struct stands behind, and return a reference to it."""
        self._definitions.setdefault(name, schema)
        return self.ref(name)

    def top(self, resource: Resource, group: str, version: str) -> Schema:
        """Return a reference to a resource's own definition in one version, which carries its group, version, kind."""
        if isinstance(resource, CustomResource):
            return self._custom(resource, resource.versions[version])
        name = f"{package(group, version)}.{resource.kind}"
        if (group, version) == (resource.group, resource.version):
            name = self.name(resource.type)
        if "x-kubernetes-group-version-kind" not in self._definitions.get(name, {}):
            gvk = [{"group": group, "version": version, "kind": resource.kind}]
            shape = other_versions.shape(resource, f"{group}/{version}")
            self._definitions[name] = self._struct(shape) | {"x-kubernetes-group-version-kind": gvk}
            self._pending = [(other, kind) for other, kind in self._pending if other != name]
        return self.ref(name)

    def _custom(self, resource: CustomResource, version: Version) -> Schema:
        """Return a reference to the definition that a user's schema makes."""
        metadata = self._described(self.struct(meta.ObjectMeta), "Name, labels and identity.")
        return self.fixed(
            openapi_custom.name(resource.group, version.name, resource.kind),
            openapi_custom.definition(version.described, resource.group, version.name, resource.kind,
                                      metadata=metadata, v3=self._v3, prunes=version.prunes))

    def listing(self, resource: Resource, group: str, version: str) -> Schema:
        """Return a reference to the definition of a resource's list."""
        item = self.top(resource, group, version)
        name = item["$ref"].rpartition("/")[2] + "List"
        gvk = [{"group": group, "version": version, "kind": resource.list_kind}]
        list_meta = self.fixed(f"{META}.ListMeta", LIST_META)
        return self.fixed(name, {
            "description": f"A list of {resource.plural}.", "type": "object", "required": ["items"],
            "properties": _API_VERSION_AND_KIND | {
                "items": {"type": "array", "description": "The objects.", "items": self._inside(item)},
                "metadata": self._described(list_meta, "Revision of the list, and where to continue.")},
            "x-kubernetes-group-version-kind": gvk})

    def _struct(self, kind: type[meta.Struct]) -> Schema:
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for field in msgspec.structs.fields(kind):
            bare, extra = unwrap(field.type)
            schema = self._described(self._of(bare, field.encode_name), _text(field.type))
            schema |= {mark: extra[key] for key, mark in _MARKS.items() if key in extra}
            if (kind.__name__, field.encode_name) in shapes.ATOMIC_MAPS:
                schema["x-kubernetes-map-type"] = "atomic"
            properties[field.encode_name] = schema
            if extra.get("required"):
                required.append(field.encode_name)
        schema = {"description": " ".join(inspect.cleandoc(kind.__doc__ or kind.__name__).split()), "type": "object"}
        if required:
            schema["required"] = sorted(required)
        if kind.__name__ in shapes.ATOMIC_STRUCTS:
            schema["x-kubernetes-map-type"] = "atomic"
        return schema | ({"properties": properties} if properties else {})

    def _described(self, schema: Schema, text: str) -> Schema:
        """Put a description beside a schema; beside a reference it would be ignored in v3, hence the allOf."""
        if self._v3 and "$ref" in schema:
            schema = {"allOf": [schema]}
        return schema | ({"description": text} if text else {})

    def _inside(self, schema: Schema) -> Schema:
        """Return the schema of a list's items or a map's values; v3 wraps references as Kubernetes does."""
        return {"allOf": [schema]} if self._v3 and "$ref" in schema else schema

    def _of(self, bare: Any, name: str) -> Schema:
        struct = struct_of(bare)
        if struct:
            return self.struct(struct)
        if bare in _SCALARS:
            return dict(_SCALARS[bare]) | (_time_format(name) if bare is str else {})
        origin, arguments = get_origin(bare), get_args(bare)
        if origin in (tuple, list):
            return {"type": "array", "items": self._inside(self._of(unwrap(arguments[0])[0], ""))}
        if origin is dict:
            values = self._of(unwrap(arguments[1])[0], "")
            return {"type": "object"} | ({"additionalProperties": self._inside(values)} if values else {})
        if origin is Literal:
            return {"type": "string", "enum": list(arguments)}
        return self._union(arguments) if origin is Union or arguments else _free(bare)

    def _union(self, arguments: tuple[Any, ...]) -> Schema:
        kinds = {part for part in arguments if part is not type(None)}
        if kinds == {int, str}:
            v3: Schema = {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}
            return self.fixed(INT_OR_STRING, {"description": "A number, or a text such as a percentage or a port name."}
                              | (v3 if self._v3 else {"type": "string", "format": "int-or-string"}))
        if kinds == {int, float}:
            return {"type": "number", "format": "double"}
        if kinds == {int, str, float}:
            v3 = {"oneOf": [{"type": "string"}, {"type": "number"}]}
            return self.fixed(QUANTITY, {"description": "A decimal number with a suffix, such as 500m or 64Mi."}
                              | (v3 if self._v3 else {"type": "string"}))
        return {}


def _free(bare: Any) -> Schema:
    return {"type": "object"} if bare is dict else {}


def _text(hint: Any) -> str:
    notes = getattr(hint, "__metadata__", ())
    return next((note.description for note in notes if isinstance(note, msgspec.Meta) and note.description), "")


def _time_format(name: str) -> Schema:
    return {"format": "date-time"} if name.endswith(("Timestamp", "Time")) else {}


_API_VERSION_AND_KIND: dict[str, Schema] = {
    "apiVersion": {"type": "string", "description": "Version of the schema, as group/version."},
    "kind": {"type": "string", "description": "Name of the schema."},
}
LIST_META: Schema = {
    "description": "What a list says about itself.", "type": "object",
    "properties": {
        "continue": {"type": "string", "description": "Token to ask for the rest with."},
        "remainingItemCount": {"type": "integer", "format": "int64", "description": "How many objects are left."},
        "resourceVersion": {"type": "string", "description": "Revision the list was read at."},
        "selfLink": {"type": "string", "description": "No longer set."}},
}
PATCH: Schema = {"description": "A change of an object, in one of the patch formats.", "type": "object"}
STATUS: Schema = {
    "description": "The outcome of a request that did not return an object.", "type": "object",
    "properties": _API_VERSION_AND_KIND | {
        "code": {"type": "integer", "format": "int32", "description": "HTTP status."},
        "details": {"type": "object", "description": "Which object, and the causes."},
        "message": {"type": "string", "description": "A sentence for people."},
        "metadata": {"type": "object", "description": "Revision, where there is one."},
        "reason": {"type": "string", "description": "One word for programs."},
        "status": {"type": "string", "description": "Success or Failure."}},
    "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Status"}],
}
DELETE_OPTIONS: Schema = {
    "description": "How an object is to be deleted.", "type": "object",
    "properties": _API_VERSION_AND_KIND | {
        "dryRun": {"type": "array", "items": {"type": "string"}, "description": "All: check, and delete nothing."},
        "gracePeriodSeconds": {"type": "integer", "format": "int64",
                               "description": "Seconds to stop in; 0 deletes at once."},
        "orphanDependents": {"type": "boolean", "description": "Old form of propagationPolicy."},
        "preconditions": {"type": "object", "description": "Uid and revision the object must have."},
        "propagationPolicy": {"type": "string", "description": "Orphan, Background or Foreground."}},
    "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "DeleteOptions"}],
}
OBJECT: Schema = {"description": "The body of a subresource.", "type": "object"}
