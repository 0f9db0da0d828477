"""What is wrong with objects of custom kinds is said in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge.api import meta, structural, structural_validation
from edge.api.apiextensions import JSONSchemaProps

TEXT = {"type": "string"}


def compiled(raw: dict[str, Any]) -> structural.Structural:
    return structural.compile(msgspec.convert(raw, type=JSONSchemaProps))


def problems(field: dict[str, Any], value: Any, old: Any = ...) -> list[str]:
    """Return what is wrong with `spec.x`, in one line each."""
    schema = compiled({"type": "object", "properties": {"spec": {"type": "object", "properties": {"x": field}}}})
    before = None if old is ... else {"spec": {"x": old}}
    return [f"{cause.field}: {cause.message}"
            for cause in structural_validation.validate(schema, {"spec": {"x": value}}, before)]


@pytest.mark.parametrize(("field", "value"), [
    (TEXT, "a"), ({"type": "integer"}, 3), ({"type": "integer"}, 3.0), ({"type": "number"}, 3),
    ({"type": "number"}, 3.5), ({"type": "boolean"}, False), ({"type": "array", "items": TEXT}, ["a"]),
    ({"type": "object"}, {"a": 1}),
    ({"type": "string", "nullable": True}, None), ({"x-kubernetes-int-or-string": True}, "80%"),
    ({"x-kubernetes-int-or-string": True}, 80), ({"x-kubernetes-preserve-unknown-fields": True}, [1, {"a": None}]),
    ({"type": "string", "enum": ["a", "b"]}, "b"), ({"type": "integer", "enum": [1, 2]}, 1.0),
    ({"type": "string", "nullable": True, "enum": ["a", None]}, None),
    ({"type": "integer", "minimum": 1, "maximum": 3}, 3), ({"type": "number", "multipleOf": 0.1}, 0.3),
    ({"type": "integer", "multipleOf": 5}, -10), ({"type": "string", "maxLength": 2}, "üü"),
    ({"type": "integer", "format": "int32"}, -2**31), ({"type": "string", "format": "made-up"}, "!"),
    ({"type": "string", "format": "date-time"}, "2017-09-20T12:00:00Z"),
    ({"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"}, ["a", "b"]),
    ({"type": "string", "pattern": "^(a+)+$"}, "aaa"),
    ({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"b": 1}),
    ({"type": "string", "not": {"enum": ["a"]}}, "b"),
])
def test_what_is_fine(field: dict[str, Any], value: Any) -> None:
    assert problems(field, value) == []


@pytest.mark.parametrize(("field", "value", "message"), [
    ({"type": "integer"}, "3", 'Invalid value: "string": spec.x in body must be of type integer: "string"'),
    ({"type": "integer"}, 3.5, 'Invalid value: "number": spec.x in body must be of type integer: "number"'),
    ({"type": "integer"}, 2**64, 'Invalid value: "number": spec.x in body must be of type integer: "number"'),
    ({"type": "integer"}, True, 'Invalid value: "boolean": spec.x in body must be of type integer: "boolean"'),
    ({"type": "number"}, "1", 'Invalid value: "string": spec.x in body must be of type number: "string"'),
    (TEXT, None, 'Invalid value: "null": spec.x in body must be of type string: "null"'),
    (TEXT, ["a"], 'Invalid value: "array": spec.x in body must be of type string: "array"'),
    ({"type": "object"}, [], 'Invalid value: "array": spec.x in body must be of type object: "array"'),
    ({"x-kubernetes-int-or-string": True}, True,
     'Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"'),
    ({"type": "string", "enum": ["a", "b"]}, "c", 'Unsupported value: "c": supported values: "a", "b"'),
    ({"type": "integer", "enum": [1, 2]}, 3, 'Unsupported value: 3: supported values: "1", "2"'),
    ({"type": "string", "nullable": True, "enum": ["a"]}, None, 'Unsupported value: null: supported values: "a"'),
    ({"type": "integer", "minimum": 1}, 0, "Invalid value: 0: spec.x in body should be greater than or equal to 1"),
    ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 1,
     "Invalid value: 1: spec.x in body should be greater than 1"),
    ({"type": "number", "maximum": 1.5}, 2, "Invalid value: 2: spec.x in body should be less than or equal to 1.5"),
    ({"type": "integer", "maximum": 10, "exclusiveMaximum": True}, 10,
     "Invalid value: 10: spec.x in body should be less than 10"),
    ({"type": "integer", "multipleOf": 5}, 7, "Invalid value: 7: spec.x in body should be a multiple of 5"),
    ({"type": "number", "multipleOf": 0.25}, 0.3, "Invalid value: 0.3: spec.x in body should be a multiple of 0.25"),
    ({"type": "string", "minLength": 1}, "", 'Invalid value: "": spec.x in body should be at least 1 chars long'),
    ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
    ({"type": "string", "pattern": "^[a-z]+$"}, "A", "Invalid value: \"A\": spec.x in body should match '^[a-z]+$'"),
    ({"type": "string", "format": "ipv4"}, "1.2.3", 'Invalid value: "1.2.3": spec.x in body must be of type ipv4: '
                                                    '"1.2.3"'),
    ({"type": "array", "items": TEXT, "minItems": 1}, [],
     "Invalid value: 0: spec.x in body should have at least 1 items"),
    ({"type": "array", "items": TEXT, "maxItems": 1}, ["a", "b"], "Too many: 2: must have at most 1 items"),
    ({"type": "object", "minProperties": 1}, {}, "Invalid value: 0: spec.x in body should have at least 1 properties"),
    ({"type": "object", "maxProperties": 0}, {"a": 1}, "Too many: 1: must have at most 0 items"),
    ({"type": "object", "additionalProperties": False}, {"a": 1},
     'Invalid value: "a": spec.x.a in body is a forbidden property'),
])
def test_what_is_wrong_at_the_field(field: dict[str, Any], value: Any, message: str) -> None:
    assert problems(field, value) == [f"spec.x: {message}"]


@pytest.mark.parametrize(("field", "value", "found"), [
    ({"type": "object", "required": ["a"]}, {}, ["spec.x.a: Required value"]),
    ({"type": "array", "items": {"type": "integer"}}, [1, "a"],
     ['spec.x[1]: Invalid value: "string": spec.x[1] in body must be of type integer: "string"']),
    ({"type": "object", "additionalProperties": TEXT}, {"k": 1},
     ['spec.x.k: Invalid value: "integer": spec.x.k in body must be of type string: "integer"']),
    ({"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"}, ["a", "b", "a", "a"],
     ['spec.x[2]: Duplicate value: "a"']),
    ({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n", "p"],
      "items": {"type": "object", "properties": {"n": TEXT, "p": {"type": "integer"}}}},
     [{"n": "a", "p": 1}, {"n": "a", "p": 2}, {"n": "a", "p": 1}], ['spec.x[2]: Duplicate value: {"n":"a","p":1}']),
    ({"type": "integer", "format": "int32"}, 2**31,
     ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.x']),
    ({"type": "string", "not": {"enum": ["a"]}}, "a",
     ['<nil>: Invalid value: "": "spec.x" must not validate the schema (not)']),
    ({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1, "b": 1},
     ['<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives']),
    ({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {},
     ['<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid',
      "spec.x.a: Required value"]),
    ({"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {},
     ['<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)', "spec.x.a: Required value"]),
    ({"type": "string", "allOf": [{"minLength": 3}, {"maxLength": 9}]}, "a",
     ['spec.x: Invalid value: "a": spec.x in body should be at least 3 chars long',
      '<nil>: Invalid value: "": "spec.x" must validate all the schemas (allOf)']),
])
def test_what_is_wrong_elsewhere(field: dict[str, Any], value: Any, found: list[str]) -> None:
    assert problems(field, value) == found


def test_a_field_that_is_required_at_the_top() -> None:
    causes = structural_validation.validate(compiled({"type": "object", "required": ["spec"]}), {"kind": "Gadget"})

    assert [(cause.reason, cause.field) for cause in causes] == [("FieldValueRequired", "spec")]


def test_reasons_are_kubernetes_words() -> None:
    field = {"type": "object", "required": ["r"], "properties": {
        "t": TEXT, "e": {"enum": ["a"]}, "l": {"type": "string", "maxLength": 1},
        "m": {"type": "array", "items": TEXT, "maxItems": 0}}}
    schema = compiled({"type": "object", "properties": {"spec": field}})

    causes = structural_validation.validate(schema, {"spec": {"t": 1, "e": "b", "l": "ab", "m": ["a"]}})

    assert [cause.reason for cause in causes] == ["FieldValueTypeInvalid", "FieldValueNotSupported",
                                                  "FieldValueTooLong",
                                                  "FieldValueTooMany", "FieldValueRequired"]


def test_a_whole_object_inside_needs_names_and_good_metadata() -> None:
    field = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}

    assert problems(field, {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}}) == []
    assert problems(field, {}) == ["spec.x.apiVersion: Required value", "spec.x.kind: Required value"]
    assert [each.split(":")[0] for each in problems(field, {
        "apiVersion": "a/b/c", "kind": "P od", "metadata": {"name": "a/b", "labels": {"a b": "c"}}})] == [
            "spec.x.apiVersion", "spec.x.kind", "spec.x.metadata.name", "spec.x.metadata.labels"]
    assert problems(field, {"apiVersion": 1, "kind": [], "metadata": 7})[0] == (
        "spec.x.apiVersion: Invalid value: 1: must be a string")


def test_metadata_may_still_be_a_struct() -> None:
    schema = compiled({"type": "object", "required": ["metadata"], "properties": {"metadata": {
        "type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}}}})

    named = {"metadata": meta.ObjectMeta(name="four")}
    assert [cause.field for cause in structural_validation.validate(schema, named)] == ["metadata.name"]
    assert structural_validation.validate(schema, {"metadata": meta.ObjectMeta(name="abc")}) == ()


@pytest.mark.parametrize(("new", "old", "accepted"), [
    ({"a": "too long", "b": "new"}, {"a": "too long", "b": "old"}, True),
    ({"a": "too long"}, {"a": "also long"}, False), ({"a": "too long"}, {}, False),
    ({"a": 1}, {"a": True}, False), ({"a": 1}, {"a": 1}, True)])
def test_an_update_may_keep_what_was_wrong_before(new: Any, old: Any, accepted: bool) -> None:
    field = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}, "b": TEXT}}

    assert (problems(field, new, old) == []) is accepted


def test_items_of_a_map_list_are_known_by_their_keys_in_an_update() -> None:
    items = {"type": "object", "properties": {"n": TEXT, "v": {"type": "string", "maxLength": 1}}}
    field = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]}
    old = [{"n": "a", "v": "long"}, {"n": "b", "v": "x"}]

    assert problems(field, [{"n": "b", "v": "y"}, {"n": "a", "v": "long"}], old) == []
    assert problems(field, [{"n": "c", "v": "long"}], old) == ["spec.x[0].v: Too long: may not be more than 1 bytes"]


def test_texts_that_take_too_long_to_match_are_refused() -> None:
    field = {"type": "string", "pattern": "(a|b)*a(a|b){60}c"}
    text = "".join(f"{number:b}" for number in range(9_000)).replace("0", "a").replace("1", "b")

    assert len(problems(field, text)) == 1
    assert "is too long to be matched" in problems(field, text)[0]


def test_the_list_of_what_is_wrong_is_bounded() -> None:
    assert len(problems({"type": "array", "items": TEXT}, [1] * 10_000)) == 200


def test_a_huge_enumeration_and_many_items_take_no_time() -> None:
    field = {"type": "array", "x-kubernetes-list-type": "set", "maxItems": 30_000,
             "items": {"type": "string", "enum": [f"value-{number}" for number in range(20_000)]}}

    assert problems(field, [f"value-{number}" for number in range(20_000)]) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.0, 10**400, -(2**63), "\x00", "\ud7ff", [], {}, [[]]])
def test_odd_values_are_judged_and_break_nothing(value: Any) -> None:
    field = {"enum": ["a"], "multipleOf": 0.1, "minimum": 1e308, "maximum": 3, "maxLength": 0, "pattern": "^x$",
             "x-kubernetes-preserve-unknown-fields": True, "format": "uri"}

    assert problems(field, value)
