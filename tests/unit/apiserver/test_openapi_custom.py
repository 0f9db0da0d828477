"""The OpenAPI definitions of custom kinds carry the words of their users' schemas."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.api.apiextensions import JSONSchemaProps
from edge.apiserver import openapi_custom

META = {"$ref": "#/definitions/ObjectMeta", "description": "Name."}
EITHER = [{"type": "integer"}, {"type": "string"}]


def made(raw: dict[str, Any] | None, *, v3: bool, prunes: bool = True) -> dict[str, Any]:
    schema = None if raw is None else msgspec.convert(raw, type=JSONSchemaProps)
    return openapi_custom.definition(schema, "example.com", "v1", "Gadget", metadata=META, v3=v3, prunes=prunes)


def spec(raw: dict[str, Any], *, v3: bool) -> dict[str, Any]:
    properties: dict[str, Any] = made({"type": "object", "properties": {"spec": raw}}, v3=v3)["properties"]
    found: dict[str, Any] = properties["spec"]
    return found


def test_a_definition_is_named_as_kubernetes_names_it() -> None:
    assert openapi_custom.name("stable.example.com", "v1", "Gadget") == "com.example.stable.v1.Gadget"


def test_the_words_are_kept_and_the_common_fields_added() -> None:
    raw = {"type": "object", "description": "A thing.", "required": ["spec"], "properties": {
        "spec": {"type": "object", "description": "What is wanted."}, "metadata": {"type": "object"}}}

    for v3 in (True, False):
        result = made(raw, v3=v3)
        assert result["description"] == "A thing."
        assert result["properties"]["spec"] == {"type": "object", "description": "What is wanted."}
        assert result["properties"]["metadata"] == META
        assert set(result["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
        assert result["x-kubernetes-group-version-kind"] == [{"group": "example.com", "version": "v1",
                                                              "kind": "Gadget"}]


def test_a_kind_that_keeps_everything_says_nothing_of_its_fields() -> None:
    bare = {"type": "object", "x-kubernetes-group-version-kind": [
        {"group": "example.com", "version": "v1", "kind": "Gadget"}]}
    keeps = {"type": "object", "properties": {"a": {"type": "string"}}, "x-kubernetes-preserve-unknown-fields": True}

    assert made(None, v3=True) == made(None, v3=False) == bare
    assert made(keeps, v3=False) == bare
    assert made({"type": "object"}, v3=False, prunes=False) == bare
    assert "a" in made(keeps, v3=True)["properties"]


def test_version_3_says_what_was_written() -> None:
    raw = {"type": "object", "nullable": True, "oneOf": [{"required": ["a"]}], "not": {"required": ["b"]},
           "properties": {"a": {"type": "string", "pattern": "^a"}}, "x-kubernetes-map-type": "atomic"}

    assert spec(raw, v3=True) == raw


def test_version_2_leaves_out_what_it_cannot_say() -> None:
    text = {"type": "string"}

    assert spec({"type": "object", "properties": {"a": text}, "oneOf": [{}], "anyOf": [{}], "allOf": [{}], "not": {}},
                v3=False) == {"type": "object", "properties": {"a": text}}
    assert spec({"type": "object", "nullable": True, "properties": {"a": text}, "description": "d"}, v3=False) == {
        "description": "d"}
    assert spec({"type": "array", "items": text, "nullable": True}, v3=False) == {}
    assert spec({"type": "object", "properties": {"a": text}, "x-kubernetes-preserve-unknown-fields": True},
                v3=False) == {
        "x-kubernetes-preserve-unknown-fields": True}
    assert spec({"type": "object", "required": ["a", "b"], "properties": {"a": {"nullable": True, **text}, "b": text}},
                v3=False) == {"type": "object", "required": ["b"], "properties": {"a": {}, "b": text}}


def test_an_integer_or_a_text_is_written_out() -> None:
    mark = {"x-kubernetes-int-or-string": True}

    assert spec(mark, v3=True) == {**mark, "anyOf": EITHER}
    assert spec({**mark, "anyOf": EITHER}, v3=True) == {**mark, "anyOf": EITHER}
    assert spec({**mark, "anyOf": [{"minimum": 1}]}, v3=True) == {**mark, "anyOf": [{"minimum": 1}],
                                                                  "allOf": [{"anyOf": EITHER}]}
    assert spec({**mark, "allOf": [{"anyOf": EITHER}]}, v3=True) == {**mark, "allOf": [{"anyOf": EITHER}]}
    assert spec(mark, v3=False) == mark


def test_whole_objects_inside_get_the_common_fields_too() -> None:
    inner = {"type": "object", "properties": {"spec": {"type": "object"}}, "required": ["kind"],
             "x-kubernetes-embedded-resource": True}

    found = spec({"type": "array", "items": inner}, v3=True)["items"]

    assert set(found["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert found["required"] == ["kind", "apiVersion"]
    assert found["properties"]["metadata"] == META
