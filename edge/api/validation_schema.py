"""Whether the schema of a custom kind can be used: what OpenAPI allows and Kubernetes does not, list types, defaults.

The depth is looked at first, without recursion, so that everything after it may recurse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edge.api import structural, structural_pruning, structural_validation, validation_structural
from edge.api import validation_words as words
from edge.api.apiextensions import JSONSchemaProps, ValidationRule
from edge.api.errors import Cause
from edge.api.structural import META
from edge.api.validation_structural import single

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNIQUE = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_AT_ROOT = ("Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum",
            "MaxLength", "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required",
            "Items", "Properties", "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations")
_NOT_AT_ROOT = ("id", "schema", "ref", "default", "enum", "max_properties", "min_properties", "all_of", "one_of",
                "any_of", "not_", "additional_properties", "pattern_properties", "dependencies", "additional_items",
                "definitions", "nullable", "embedded_resource", "int_or_string", "list_map_keys", "list_type",
                "map_type")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the whole schema a schema is."""

    root: bool = True
    inside_meta: bool = False
    """Within apiVersion, kind or metadata of a whole object."""
    no_defaults: str | None = None
    """Why defaults are forbidden here; None when they are not."""


def schema(path: str, given: JSONSchemaProps, *, status: bool, must_be_structural: bool = True) -> tuple[Cause, ...]:
    """Return everything that is wrong with the schema of a whole object.

    Args:
        path: of the schema in its definition.
        given: the schema.
        status: whether the status subresource is on.
        must_be_structural: whether fields are pruned by it.
    """
    if structural.depth(given) > structural.DEEPEST or structural.any_schema(given, _has_deep_values):
        return (words.forbidden(path, f"must not nest deeper than {structural.DEEPEST} levels"),)
    found = list(_root(path, given) if status else ())
    if given.nullable:
        found.append(words.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    openapi = tuple(_schema(path, given, _Place()))
    if must_be_structural:
        problems = tuple(validation_structural.schema(path, given))
        if not problems and not openapi:
            problems = tuple(_defaults(path, given, root=True))
        found.extend(problems)
    return (*found, *openapi)


def has_defaults(given: JSONSchemaProps) -> bool:
    """Return whether there is a default anywhere in a schema."""
    return structural.any_schema(given, lambda one: one.default is not None)


def has_rules(given: JSONSchemaProps) -> bool:
    """Return whether there is a rule in the Common Expression Language anywhere in a schema."""
    return structural.any_schema(given, lambda one: bool(one.validations))


def _has_deep_values(given: JSONSchemaProps) -> bool:
    """Return whether a default, an example or a value of an enumeration nests too deeply to be worked with."""
    todo = [(value, 1) for value in (given.default, given.example, *given.enum)]
    while todo:
        value, level = todo.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if inner and level >= structural.DEEPEST:
            return True
        todo.extend((one, level + 1) for one in inner)
    return False


def _root(path: str, given: JSONSchemaProps) -> words.Causes:
    if given.type and given.type != "object":
        yield words.invalid(f"{path}.type", given.type,
                            'only "object" is allowed as the type at the root of the schema if the status subresource '
                            "is enabled")
    empty = JSONSchemaProps()
    if any(getattr(given, name) != getattr(empty, name) for name in _NOT_AT_ROOT):
        yield words.invalid(path, given.type, f"only [{' '.join(_AT_ROOT)}] fields are allowed at the root of the "
                                              "schema if the status subresource is enabled")


def _schema(path: str, given: JSONSchemaProps, place: _Place) -> words.Causes:
    yield from _unsupported(path, given, place)
    if given.unique_items:
        yield words.forbidden(f"{path}.uniqueItems", _UNIQUE)
    if given.properties and (given.additional_properties is False or single(given.additional_properties) is not None):
        yield words.forbidden(f"{path}.additionalProperties",
                              "additionalProperties and properties are mutual exclusive")
    for field, inner, where in _inside(given, place):
        yield from _schema(f"{path}.{field}", inner, where)
    if given.preserves_unknown is False:
        yield words.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    yield from _map_type(path, given)
    yield from _list_type(path, given)
    if given.list_type in ("set", "map"):
        yield from _list_items(path, given, given.list_type)
    for index, rule in enumerate(given.validations):
        yield from _rule(f"{path}.x-kubernetes-validations[{index}]", rule)


def _unsupported(path: str, given: JSONSchemaProps, place: _Place) -> words.Causes:
    if given.type and given.type not in TYPES:
        yield words.unsupported(f"{path}.type", given.type, TYPES)
    if given.type == "null":
        yield words.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if given.default is not None and place.no_defaults is not None:
        yield words.forbidden(f"{path}.default", f"must not be set {place.no_defaults}")
    for name, value in (("id", given.id), ("additionalItems", given.additional_items is not None),
                        ("patternProperties", given.pattern_properties), ("definitions", given.definitions),
                        ("dependencies", given.dependencies is not None), ("$ref", given.ref is not None),
                        ("$schema", given.schema)):
        if value:
            yield words.forbidden(f"{path}.{name}", f"{name} is not supported")
    if isinstance(given.items, tuple):
        yield words.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.inside_meta and given.embedded_resource:
        yield words.forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")


def _inside(given: JSONSchemaProps, place: _Place) -> Iterator[tuple[str, JSONSchemaProps, _Place]]:
    """Yield the schemas inside a schema, with the field and the place each is at."""
    here = replace(place, root=False)
    additional, items = single(given.additional_properties), single(given.items)
    if additional is not None:
        why = "inside additionalProperties applying to object metadata" if place.inside_meta else place.no_defaults
        yield "additionalProperties", additional, replace(here, no_defaults=why)
    for name, inner in given.properties.items():
        where = here
        if (place.root or given.embedded_resource) and name in META:
            where = replace(here, inside_meta=True, no_defaults=f"in top-level {name}" if place.root
                            else here.no_defaults)
        yield f"properties[{name}]", inner, where
    if items is not None:
        yield "items", items, here
    if given.not_ is not None:
        yield "not", given.not_, here
    for field, several in (("allOf", given.all_of), ("oneOf", given.one_of), ("anyOf", given.any_of)):
        for index, inner in enumerate(several):
            yield f"{field}[{index}]", inner, here


def _map_type(path: str, given: JSONSchemaProps) -> words.Causes:
    if given.map_type is None:
        return
    if given.type != "object":
        problem = "must be object if x-kubernetes-map-type is specified"
        yield words.invalid(f"{path}.type", given.type, problem) if given.type else words.required(f"{path}.type",
                                                                                                  problem)
    if given.map_type not in ("atomic", "granular"):
        yield words.unsupported(f"{path}.x-kubernetes-map-type", given.map_type, ("atomic", "granular"))


def _list_type(path: str, given: JSONSchemaProps) -> words.Causes:
    kind, where = given.list_type, f"{path}.x-kubernetes-list-type"
    if given.list_map_keys and kind != "map":
        problem = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield words.required(where, problem) if kind is None else words.invalid(where, kind, problem)
    if kind is None:
        return
    if given.type != "array":
        problem = "must be array if x-kubernetes-list-type is specified"
        yield words.invalid(f"{path}.type", given.type, problem) if given.type else words.required(f"{path}.type",
                                                                                                  problem)
    if kind not in ("atomic", "set", "map"):
        yield words.unsupported(where, kind, ("atomic", "set", "map"))


def _list_items(path: str, given: JSONSchemaProps, kind: str) -> words.Causes:
    """Yield what is wrong with the items of a set or map list."""
    items = single(given.items)
    if kind == "map":
        if not given.list_map_keys:
            yield words.required(f"{path}.x-kubernetes-list-map-keys",
                                 "must not be empty if x-kubernetes-list-type is map")
        if items is None:
            yield words.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        elif items.type != "object":
            yield words.invalid(f"{path}.items.type", items.type,
                                "must be object if parent array's x-kubernetes-list-type is map")
        else:
            yield from _map_keys(path, given, items)
    if items is None:
        return
    if kind == "set" and items.type == "array" and items.list_type not in (None, "atomic"):
        yield words.invalid(f"{path}.items.x-kubernetes-list-type", items.list_type,
                            "must be atomic as item of a list with x-kubernetes-list-type=set")
    if kind == "set" and items.type == "object" and items.map_type != "atomic":
        yield words.invalid(f"{path}.items.x-kubernetes-map-type", items.map_type,
                            "must be atomic as item of a list with x-kubernetes-list-type=set")
    if items.nullable:
        yield words.forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {kind}")


def _map_keys(path: str, given: JSONSchemaProps, items: JSONSchemaProps) -> words.Causes:
    where = f"{path}.x-kubernetes-list-map-keys"
    if len(set(given.list_map_keys)) < len(given.list_map_keys):
        yield words.invalid(where, list(given.list_map_keys), "must not contain duplicate entries")
    for key in given.list_map_keys:
        inner, below = items.properties.get(key), f"{path}.items.properties[{key}]"
        if inner is None:
            yield words.invalid(where, list(given.list_map_keys), "entries must all be names of item properties")
            continue
        if inner.type in ("array", "object"):
            yield words.invalid(f"{below}.type", items.type,
                                "must be a scalar type if parent array's x-kubernetes-list-type is map")
        if key not in items.required and inner.default is None:
            yield words.required(f"{below}.default", "this property is in x-kubernetes-list-map-keys, so it must have "
                                                     "a default or be a required property")
        if inner.nullable:
            yield words.forbidden(f"{below}.nullable",
                                  "this property is in x-kubernetes-list-map-keys, so it cannot be nullable")


def _rule(path: str, rule: ValidationRule) -> words.Causes:
    text, message = rule.rule.strip(), rule.message.strip()
    if not text:
        yield words.required(f"{path}.rule", "rule is not specified")
    elif rule.message and not message:
        yield words.invalid(f"{path}.message", rule.message, "message must be non-empty if specified")
    elif _broken(message):
        yield words.invalid(f"{path}.message", rule.message, "message must not contain line breaks")
    elif _broken(text) and not message:
        yield words.required(f"{path}.message", "message must be specified if rule contains line breaks")
    if rule.message_expression and not rule.message_expression.strip():
        yield words.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.reason is not None and rule.reason not in _REASONS:
        yield words.unsupported(f"{path}.reason", rule.reason, _REASONS)
    if rule.field_path and not rule.field_path.strip():
        yield words.invalid(f"{path}.fieldPath", rule.field_path, "fieldPath must be non-empty if specified")
    elif _broken(rule.field_path):
        yield words.invalid(f"{path}.fieldPath", rule.field_path, "fieldPath must not contain line breaks")


def _broken(text: str) -> bool:
    return re.search(r"[\n\r]", text) is not None


def _defaults(path: str, given: JSONSchemaProps, *, root: bool = False) -> words.Causes:
    """Yield what is wrong with defaults: unknown fields, and values their own schema refuses."""
    if given.default is not None:
        compiled = structural.node(given)
        if structural_pruning.prune_value(compiled, given.default) != given.default:
            yield words.invalid(f"{path}.default", given.default, "must not have unknown fields")
        else:
            yield from structural_validation.validate_value(compiled, given.default, f"{path}.default")
    items = single(given.items)
    if items is not None:
        yield from _defaults(f"{path}.items", items)
    for name, inner in given.properties.items():
        yield from _defaults(f"{path}.properties[{name}]", inner)
