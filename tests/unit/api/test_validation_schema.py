"""Which schemas of custom kinds can be used, in Kubernetes' words; hostile ones are refused in no time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge.api import structural, validation_schema
from edge.api.apiextensions import JSONSchemaProps

TEXT = {"type": "string"}


def problems(raw: dict[str, Any], *, status: bool = False, must_be_structural: bool = True) -> list[str]:
    schema = msgspec.convert(raw, type=JSONSchemaProps)
    return [f"{cause.field}: {cause.message}" for cause in validation_schema.schema(
        "s", schema, status=status, must_be_structural=must_be_structural)]


def field(**raw: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": raw}}


@pytest.mark.parametrize("raw", [
    {"type": "object"}, field(**TEXT), {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    field(**{"x-kubernetes-preserve-unknown-fields": True}), field(**{"x-kubernetes-int-or-string": True}),
    field(**{"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "^a"}),
    field(**{"x-kubernetes-int-or-string": True, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]},
                                                           {"anyOf": [{"minimum": 1}, {"pattern": "%$"}]}]}),
    field(type="object", additionalProperties=TEXT), field(type="array", items=TEXT),
    {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"maxLength": 3,
        **TEXT}}}}},
    field(type="object", **{"x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}),
    field(type="object", properties={"a": TEXT, "b": TEXT}, oneOf=[{"required": ["a"]}, {"required": ["b"]}]),
    field(type="string", default="a", enum=["a", "b"]), field(type="integer", default=0),
    field(type="object", default={"a": "b"}, properties={"a": TEXT}),
    field(type="array", items={"type": "object", "required": ["n"], "properties": {"n": TEXT}},
          **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]}),
    field(type="array", items=TEXT, **{"x-kubernetes-list-type": "set"}),
    field(type="object", properties={"a": TEXT}, **{"x-kubernetes-map-type": "atomic"}),
])
def test_what_is_fine(raw: dict[str, Any]) -> None:
    assert problems(raw) == []
    assert problems(raw, status=True) == []


@pytest.mark.parametrize(("raw", "found"), [
    ({}, "s.type: Required value: must not be empty at the root"),
    (TEXT, 's.type: Invalid value: "string": must be object at the root'),
    (field(), "s.properties[x].type: Required value: must not be empty for specified object fields"),
    (field(type="array"), "s.properties[x].items: Required value: must be specified"),
    (field(type="array", items={}), "s.properties[x].items.type: Required value: must not be empty for specified "
                                    "array items"),
    ({"type": "object", "additionalProperties": TEXT}, "s.additionalProperties: Forbidden: must not be used at the "
                                                       "root"),
    (field(type="date"), 's.properties[x].type: Unsupported value: "date": supported values: "array", "boolean", '
                         '"integer", '
                         '"number", "object", "string"'),
    (field(**{"$ref": "#/a", **TEXT}), "s.properties[x].$ref: Forbidden: $ref is not supported"),
    (field(type="array", items=TEXT, uniqueItems=True),
     "s.properties[x].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes "
     "quadratic"),
    (field(type="object", properties={"a": TEXT}, additionalProperties=TEXT),
     "s.properties[x].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"),
    (field(type="array", items=[TEXT]), "s.properties[x].items: Forbidden: items must be a schema object and not an "
                                        "array"),
    (field(patternProperties={"a": TEXT}, **TEXT), "s.properties[x].patternProperties: Forbidden: patternProperties "
                                                   "is not "
                                                   "supported"),
    ({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}},
     "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is "
     "implicitly specified"),
    ({"type": "object", "properties": {"kind": {"type": "integer"}}},
     's.properties[kind].type: Invalid value: "integer": must be string'),
    ({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"default": "a",
        **TEXT}}}}},
     "s.properties[metadata].properties[name].default: Forbidden: must not be set in top-level metadata"),
    (field(type="string", pattern="(a"), 's.properties[x].pattern: Invalid value: "(a": must be a valid regular '
                                         'expression, '
                                         "but isn't: error parsing regexp: missing closing ): `(a`"),
    (field(type="string", anyOf=[{"type": "string"}]), "s.properties[x].anyOf[0].type: Forbidden: must be empty to be "
                                                       "structural"),
    (field(type="object", allOf=[{"additionalProperties": False}]),
     "s.properties[x].allOf[0].additionalProperties: Forbidden: must be undefined to be structural"),
    (field(type="string", **{"not": {"nullable": True}}), "s.properties[x].not.nullable: Forbidden: must be false to "
                                                          "be "
                                                          "structural"),
    ({"type": "object", "oneOf": [{"properties": {"a": {"minimum": 1}}}]},
     "s.properties[a]: Required value: because it is defined in s.oneOf[0].properties[a]"),
    (field(**{"x-kubernetes-int-or-string": True, "x-kubernetes-preserve-unknown-fields": True}),
     "s.properties[x].x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if "
     "x-kubernetes-int-or-string "
     "is true"),
    (field(**{"x-kubernetes-preserve-unknown-fields": False, **TEXT}),
     "s.properties[x].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"),
    (field(type="object", **{"x-kubernetes-embedded-resource": True}),
     "s.properties[x].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without "
     "x-kubernetes-preserve-unknown-fields"),
    (field(type="string", **{"x-kubernetes-list-type": "set"}),
     's.properties[x].type: Invalid value: "string": must be array if x-kubernetes-list-type is specified'),
    (field(type="array", items=TEXT, **{"x-kubernetes-list-type": "bag"}),
     's.properties[x].x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"'),
    (field(type="array", items={"type": "object"}, **{"x-kubernetes-list-type": "set"}),
     "s.properties[x].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with "
     "x-kubernetes-list-type=set"),
    (field(type="array", items={"type": "object", "properties": {"n": TEXT}},
           **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]}),
     "s.properties[x].items.properties[n].default: Required value: this property is in x-kubernetes-list-map-keys, "
     "so it "
     "must have a default or be a required property"),
    (field(type="array", items={"type": "object", "properties": {"n": TEXT}},
           **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["m"]}),
     's.properties[x].x-kubernetes-list-map-keys: Invalid value: ["m"]: entries must all be names of item properties'),
    (field(type="string", default=1), 's.properties[x].default: Invalid value: "integer": s.properties[x].default in '
                                      'body '
                                      'must be of type string: "integer"'),
    (field(type="object", default={"b": 1}, properties={"a": TEXT}),
     's.properties[x].default: Invalid value: {"b":1}: must not have unknown fields'),
    (field(type="string", **{"x-kubernetes-validations": [{"rule": " "}]}),
     "s.properties[x].x-kubernetes-validations[0].rule: Required value: rule is not specified"),
    (field(type="string", **{"x-kubernetes-validations": [{"rule": "a\nb"}]}),
     "s.properties[x].x-kubernetes-validations[0].message: Required value: message must be specified if rule "
     "contains line "
     "breaks"),
    ({"type": "object", "nullable": True}, "s.nullable: Forbidden: nullable cannot be true at the root"),
])
def test_what_is_wrong(raw: dict[str, Any], found: str) -> None:
    assert found in problems(raw)


def test_the_status_subresource_restricts_the_root() -> None:
    assert problems({"type": "object", "maxProperties": 3}) == []
    assert problems({"type": "object", "maxProperties": 3}, status=True)[0].startswith(
        's: Invalid value: "object": only [Description Type Format')


def test_an_old_schema_need_not_be_structural() -> None:
    assert problems({"properties": {"spec": {"properties": {"a": {"minimum": 1}}}}}, must_be_structural=False) == []
    assert problems({"$ref": "x"}, must_be_structural=False) == ["s.$ref: Forbidden: $ref is not supported"]


def deep(levels: int) -> JSONSchemaProps:
    schema = JSONSchemaProps(type="string")
    for _ in range(levels - 1):
        schema = JSONSchemaProps(type="object", properties={"a": schema})
    return schema


def test_a_schema_may_nest_deeply_but_not_without_end() -> None:
    assert validation_schema.schema("s", deep(structural.DEEPEST), status=False) == ()
    for levels in (structural.DEEPEST + 1, 20_000):
        schema = deep(levels)
        assert [cause.message for cause in validation_schema.schema("s", schema, status=False)] == [
            "Forbidden: must not nest deeper than 64 levels"]
        while schema.properties:  # taken apart step by step: Python's own clean-up would recurse
            schema = schema.properties.pop("a")


@pytest.mark.parametrize("where", ["default", "example", "enum"])
def test_values_in_a_schema_do_not_nest_without_end(where: str) -> None:
    value: Any = []
    for _ in range(800):
        value = [value]
    raw = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, where: [value] if where == "enum" else value}

    assert problems(raw) == ["s: Forbidden: must not nest deeper than 64 levels"]


def test_many_values_many_fields_and_bad_patterns_are_judged_quickly() -> None:
    raw = {"type": "object", "properties": {
        **{f"f{number}": {"type": "string", "pattern": "^(a+)+(b|b)*$"} for number in range(2_000)},
        "enum": {"type": "string", "enum": [str(number) for number in range(50_000)], "default": "7"}}}

    assert problems(raw) == []
    assert len(problems(field(type="string", allOf=[{"pattern": "(" * 1000}] * 50))) == 50
