"""Whether a schema is structural: every field has a type of its own, outside of what allOf, anyOf, oneOf and not add.

Only such a schema says what is unknown, and what a default is for.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from edge.api import regex
from edge.api import validation_words as words
from edge.api.apiextensions import JSONSchemaProps
from edge.api.regex_machine import Pattern

_INT_OR_STRING = (JSONSchemaProps(type="integer"), JSONSchemaProps(type="string"))
_LEVELS = {"root": "at the root", "item": "for specified array items", "field": "for specified object fields"}
_EMPTY_INSIDE = {"type": "type", "title": "title", "description": "description",
                 "list_map_keys": "x-kubernetes-list-map-keys", "validations": "x-kubernetes-validations"}
_UNDEFINED_INSIDE = {"additional_properties": "additionalProperties", "default": "default",
                     "external_docs": "externalDocs", "list_type": "x-kubernetes-list-type",
                     "map_type": "x-kubernetes-map-type"}
_FALSE_INSIDE = {"nullable": "nullable", "preserves_unknown": "x-kubernetes-preserve-unknown-fields",
                 "embedded_resource": "x-kubernetes-embedded-resource", "int_or_string": "x-kubernetes-int-or-string"}


def schema(path: str, given: JSONSchemaProps) -> words.Causes:
    """Yield what keeps the schema of a whole object from being structural, sorted by field."""
    found = [*_invariants(path, given, "root"), *_complete(path, given, path, given)]
    yield from sorted(found, key=lambda cause: (cause.field, cause.message))


def single(given: JSONSchemaProps | tuple[JSONSchemaProps, ...] | bool | None) -> JSONSchemaProps | None:
    """Return a schema, where there may also be several or a yes and no."""
    return given if isinstance(given, JSONSchemaProps) else None


def _invariants(path: str, given: JSONSchemaProps, level: str) -> words.Causes:
    items, additional = single(given.items), single(given.additional_properties)
    if given.type == "array" and given.items is None:
        yield words.required(f"{path}.items", "must be specified")
    if items is not None:
        yield from _invariants(f"{path}.items", items, "item")
    for name, inner in given.properties.items():
        yield from _invariants(f"{path}.properties[{name}]", inner, "field")
    if given.additional_properties is not None and level == "root":
        yield words.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if additional is not None:
        yield from _invariants(f"{path}.additionalProperties", additional, "field")
    yield from _extensions(path, given)
    yield from _value_rules(path, given, mixed=given.any_of == _INT_OR_STRING)
    yield from _type(path, given, level)
    yield from _meta(path, given, level)


def _extensions(path: str, given: JSONSchemaProps) -> words.Causes:
    if given.int_or_string:
        for name, value in (("preserve-unknown-fields", given.preserves_unknown),
                            ("embedded-resource", given.embedded_resource)):
            if value:
                yield words.invalid(f"{path}.x-kubernetes-{name}", value,
                                    "must be false if x-kubernetes-int-or-string is true")
    if given.embedded_resource:
        if given.additional_properties is not None:
            yield words.forbidden(f"{path}.additionalProperties",
                                  "must not be used if x-kubernetes-embedded-resource is set")
        if not given.preserves_unknown and not given.properties:
            yield words.required(f"{path}.properties", "must not be empty if x-kubernetes-embedded-resource is true "
                                                       "without x-kubernetes-preserve-unknown-fields")


def _type(path: str, given: JSONSchemaProps, level: str) -> words.Causes:
    where = f"{path}.type"
    if given.embedded_resource and given.type != "object":
        problem = "must be object if x-kubernetes-embedded-resource is true"
        yield words.invalid(where, given.type, problem) if given.type else words.required(where, problem)
    elif not given.type and not given.int_or_string and not given.preserves_unknown:
        yield words.required(where, f"must not be empty {_LEVELS[level]}")
    if level == "root" and given.type and given.type != "object":
        yield words.invalid(where, given.type, "must be object at the root")


def _meta(path: str, given: JSONSchemaProps, level: str) -> words.Causes:
    """Yield what is wrong with the schemas of apiVersion, kind and metadata of a whole object."""
    if level != "root" and not given.embedded_resource:
        return
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        inner = given.properties.get(name)
        if inner is not None and inner.type != wanted:
            yield words.invalid(f"{path}.properties[{name}].type", inner.type, f"must be {wanted}")
    metadata = given.properties.get("metadata")
    if level == "root" and metadata is not None:
        rest = {name for name in metadata.properties if name not in ("name", "generateName")}
        bare = replace(metadata, type="", properties={}, default=None)
        if rest or bare != JSONSchemaProps():
            yield words.forbidden(f"{path}.properties[metadata]", "must not specify anything other than name and "
                                                                  "generateName, but metadata is implicitly specified")


def _value_rules(path: str, given: JSONSchemaProps, *, mixed: bool = False) -> words.Causes:
    """Yield what is wrong with the alternatives of a schema; `mixed` when anyOf is the one of int-or-string."""
    first = given.all_of[0] if given.all_of else None
    for index, inner in enumerate(() if mixed else given.any_of):
        yield from _nested(f"{path}.anyOf[{index}]", inner)
    for index, inner in enumerate(given.all_of):
        yield from _nested(f"{path}.allOf[{index}]", inner, mixed=inner is first and inner.any_of == _INT_OR_STRING)
    for index, inner in enumerate(given.one_of):
        yield from _nested(f"{path}.oneOf[{index}]", inner)
    if given.not_ is not None:
        yield from _nested(f"{path}.not", given.not_)
    if given.pattern:
        try:
            Pattern(given.pattern)
        except regex.RegexError as error:
            yield words.invalid(f"{path}.pattern", given.pattern,
                                f"must be a valid regular expression, but isn't: {error}")


def _nested(path: str, given: JSONSchemaProps, *, mixed: bool = False) -> words.Causes:
    yield from _value_rules(path, given, mixed=mixed)
    items = single(given.items)
    if items is not None:
        yield from _nested(f"{path}.items", items)
    for name, inner in given.properties.items():
        yield from _nested(f"{path}.properties[{name}]", inner)
    for fields, wanted in ((_EMPTY_INSIDE, "empty"), (_UNDEFINED_INSIDE, "undefined"), (_FALSE_INSIDE, "false")):
        for attribute, name in fields.items():
            value = getattr(given, attribute)
            if value is not None if wanted == "undefined" else value:
                yield words.forbidden(f"{path}.{name}", f"must be {wanted} to be structural")
    if "metadata" in given.properties:
        yield words.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _complete(there: str, given: JSONSchemaProps | None, here: str, nested: JSONSchemaProps) -> words.Causes:
    """Yield what an alternative (`nested`) speaks of and the schema itself (`given`, at `there`) does not."""
    if given is None:
        yield words.required(there, f"because it is defined in {here}")
        return
    for name, inner in _alternatives(nested):
        yield from _complete_nested(there, given, f"{here}.{name}", inner)


def _complete_nested(there: str, given: JSONSchemaProps | None, here: str, nested: JSONSchemaProps) -> words.Causes:
    if given is None:
        yield words.required(there, f"because it is defined in {here}")
        return
    yield from _complete(there, given, here, nested)
    items = single(nested.items)
    if items is not None:
        yield from _complete_nested(f"{there}.items", single(given.items), f"{here}.items", items)
    for name, inner in nested.properties.items():
        yield from _complete_nested(f"{there}.properties[{name}]", given.properties.get(name),
                                    f"{here}.properties[{name}]", inner)


def _alternatives(given: JSONSchemaProps) -> Iterator[tuple[str, JSONSchemaProps]]:
    if given.not_ is not None:
        yield "not", given.not_
    for name, several in (("allOf", given.all_of), ("anyOf", given.any_of), ("oneOf", given.one_of)):
        for index, inner in enumerate(several):
            yield f"{name}[{index}]", inner
