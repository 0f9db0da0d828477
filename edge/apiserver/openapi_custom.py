"""The OpenAPI definition of a custom kind, from the schema of its definition: `kubectl explain` shows its words.

OpenAPI v3 gets the schema as it is. Version 2 cannot say everything, and kubectl misreads some of what it can say: what
stands in the way is left out, as Kubernetes does, and the server checks it all the same.
"""

from __future__ import annotations

from typing import Any

from edge.api import codec
from edge.api.apiextensions import JSONSchemaProps

Schema = dict[str, Any]

_ALTERNATIVES = ("allOf", "anyOf", "oneOf", "not")
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_EITHER = [{"type": "integer"}, {"type": "string"}]
_TYPE_META: dict[str, Schema] = {
    "apiVersion": {"type": "string", "description": "Version of the schema, as group/version."},
    "kind": {"type": "string", "description": "Name of the schema."},
}


def name(group: str, version: str, kind: str) -> str:
    """Return the name of a definition: `com.example.v1.Gadget` for the group example.com."""
    return ".".join([*reversed(group.split(".")), version, kind])


def definition(schema: JSONSchemaProps | None, group: str, version: str, kind: str, *, metadata: Schema, v3: bool,
               prunes: bool = True) -> Schema:
    """Return the OpenAPI definition of one version of a custom kind.

    Args:
        schema: of the version; None when it keeps everything.
        group: of the kind.
        version: of the kind.
        kind: what manifests call it.
        metadata: the reference to ObjectMeta, with its description, as the document writes references.
        v3: whether the document is OpenAPI v3.
        prunes: whether unknown fields are dropped (not `preserveUnknownFields`).
    """
    mark = {"x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": kind}]}
    if schema is None or (not v3 and (schema.preserves_unknown or not prunes)):
        return {"type": "object"} | mark  # any property here, and kubectl would refuse all others
    plain = codec.to_dict(schema)
    _unfold(plain)
    if not v3:
        _for_v2(plain)
    properties = plain.get("properties", {})
    for inner in properties.values():
        _complete(inner, metadata, v3=v3)
    plain["properties"] = properties | _TYPE_META | {"metadata": metadata}
    return plain | mark


def _unfold(schema: Schema) -> None:
    """Write out what int-or-string means."""
    if schema.get(_INT_OR_STRING):
        first = schema.get("allOf", [{}])[0]
        if "anyOf" not in schema and first.get("anyOf") != _EITHER:
            schema["anyOf"] = [dict(one) for one in _EITHER]
        elif schema.get("anyOf", _EITHER) != _EITHER:
            schema["allOf"] = [{"anyOf": [dict(one) for one in _EITHER]}, *schema.get("allOf", [])]
    for inner in _inside(schema):
        _unfold(inner)


def _for_v2(schema: Schema) -> None:
    """Leave out what OpenAPI v2 has no word for, and what kubectl would take for a prohibition."""
    for key in _ALTERNATIVES:
        schema.pop(key, None)
    vague = schema.pop("nullable", False)
    if vague:
        schema.pop("type", None)
    if vague or schema.get(_PRESERVE):
        schema.pop("items", None)
        schema.pop("properties", None)
    if schema.get("type") == "array" and "items" not in schema:
        del schema["type"]
    if schema.get(_PRESERVE) and schema.get("type") == "object":
        del schema["type"]
    _relax(schema)
    for inner in _inside(schema):
        _for_v2(inner)


def _relax(schema: Schema) -> None:
    """No longer require fields whose null counts as a value."""
    additional = schema.get("additionalProperties")
    nullable = {key for key, inner in schema.get("properties", {}).items() if inner.get("nullable")}
    required = [key for key in schema.get("required", []) if key not in nullable]
    if isinstance(additional, dict) and additional.get("nullable"):
        required = []
    if required:
        schema["required"] = required
    else:
        schema.pop("required", None)


def _complete(schema: Schema, metadata: Schema, *, v3: bool) -> None:
    """Give the whole objects inside this one their apiVersion, kind and metadata."""
    for inner in _inside(schema):
        _complete(inner, metadata, v3=v3)
    if schema.get(_EMBEDDED) and (v3 or not schema.get(_PRESERVE)):
        schema["properties"] = schema.get("properties", {}) | _TYPE_META | {"metadata": metadata}
        required = schema.get("required", [])
        schema["required"] = [*required, *(key for key in ("kind", "apiVersion") if key not in required)]


def _inside(schema: Schema) -> list[Schema]:
    candidates = [schema.get("items"), schema.get("additionalProperties"), *schema.get("properties", {}).values()]
    return [one for one in candidates if isinstance(one, dict)]
