"""Objects of custom kinds lose unknown fields and get their defaults."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from edge.api import structural, structural_defaults, structural_pruning
from edge.api.apiextensions import JSONSchemaProps

TEXT = {"type": "string"}
KEEPS = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def schema(raw: dict[str, Any]) -> JSONSchemaProps:
    return msgspec.convert(raw, type=JSONSchemaProps)


def of(spec: dict[str, Any], **more: Any) -> structural.Structural:
    """Return the compiled schema of a kind with this spec."""
    return structural.compile(schema({"type": "object", "properties": {"spec": spec}, **more}))


def props(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def obj(spec: Any, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "a", "extra": 1}, "spec": spec,
            **more}


def pruned(compiled: structural.Structural, spec: Any, **more: Any) -> tuple[Any, tuple[str, ...]]:
    sent = obj(spec, **more)
    before = copy.deepcopy(sent)
    result, dropped = structural_pruning.prune(compiled, sent)
    assert sent == before
    assert result["metadata"] == before["metadata"]
    return result["spec"], dropped


def defaulted(compiled: structural.Structural, spec: Any) -> Any:
    sent = obj(spec)
    before = copy.deepcopy(sent)
    result = structural_defaults.default(compiled, sent)
    assert sent == before
    return result["spec"]


def test_unknown_fields_are_dropped_at_every_level_and_told() -> None:
    compiled = of(props(color=TEXT, parts={"type": "array", "items": props(size=TEXT)},
                        by_name={"type": "object", "additionalProperties": props(size=TEXT)}))

    spec, dropped = pruned(compiled, {"color": "red", "colour": 1, "parts": [{"size": "l", "x": 1}, {}, "odd"],
                                      "by_name": {"k": {"size": "m", "y": {}}}}, other={"z": 1})

    assert spec == {"color": "red", "parts": [{"size": "l"}, {}, "odd"], "by_name": {"k": {"size": "m"}}}
    assert dropped == ("spec.colour", "spec.parts[0].x", "spec.by_name.k.y", "other")


def test_an_object_without_unknown_fields_is_the_very_same() -> None:
    sent = obj({"color": "red"})
    assert structural_pruning.prune(of(props(color=TEXT)), sent)[0] is sent


def test_what_preserves_unknown_fields_keeps_them_but_not_below_fields_it_names() -> None:
    compiled = of({**KEEPS, "properties": {"known": props(a=TEXT), "deep": KEEPS}})

    spec, dropped = pruned(compiled, {"free": {"x": [1, {"y": 2}]}, "known": {"a": "1", "b": 2}, "deep": {"c": {}}})

    assert spec == {"free": {"x": [1, {"y": 2}]}, "known": {"a": "1"}, "deep": {"c": {}}}
    assert dropped == ("spec.known.b",)


def test_items_of_a_list_that_preserves_unknown_fields_keep_them() -> None:
    listed = {"type": "array", "x-kubernetes-preserve-unknown-fields": True, "items": props(a=props(b=TEXT))}

    spec, dropped = pruned(of(props(l=listed)), {"l": [{"a": {"b": "1", "c": 2}, "d": 3}]})

    assert spec == {"l": [{"a": {"b": "1"}, "d": 3}]}
    assert dropped == ("spec.l[0].a.c",)


def test_preserving_at_the_root_keeps_everything_that_is_not_named() -> None:
    compiled = of(props(color=TEXT), **{"x-kubernetes-preserve-unknown-fields": True})

    assert pruned(compiled, {"color": "red", "x": 1}, status={"any": 1}) == ({"color": "red"}, ("spec.x",))


def test_an_embedded_object_keeps_its_names_and_metadata() -> None:
    template = {**props(spec=props(a=TEXT)), "x-kubernetes-embedded-resource": True}

    spec, dropped = pruned(of(props(template=template)), {"template": {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}, "spec": {"a": "1", "b": 2}, "more": 1}})

    assert spec["template"] == {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}},
                                "spec": {"a": "1"}}
    assert dropped == ("spec.template.spec.b", "spec.template.more")


def test_values_no_schema_describes_lose_their_fields() -> None:
    compiled = of(props(any={"type": "object", "additionalProperties": True}))

    spec, dropped = pruned(compiled, {"any": {"a": 1, "b": {"c": 1}, "d": [1, [{"e": 1}], {}]}})

    assert spec == {"any": {"a": 1, "b": {}, "d": [1, [{}], {}]}}
    assert dropped == ("spec.any.b.c", "spec.any.d[1][0].e")


def test_a_definition_that_does_not_prune_keeps_everything() -> None:
    compiled = structural.compile(schema(props(spec=props(color=TEXT))), prunes=False)
    sent = obj({"colour": 1})

    assert structural_pruning.prune(compiled, sent) == (sent, ())


def test_lists_within_lists_without_end_are_no_problem() -> None:
    deep: Any = [{"a": 1}]
    for _ in range(50_000):
        deep = [deep]

    spec, dropped = structural_pruning.prune(of(props(any={"type": "object", "additionalProperties": True})),
                                             obj({"any": {"l": deep}}))

    assert len(dropped) == 1
    inner = spec["spec"]["any"]["l"]
    while isinstance(inner, list):  # taken apart step by step: nothing may recurse
        inner = inner.pop()
    assert inner == {}


def test_defaults_are_filled_in_at_every_level() -> None:
    compiled = of(props(
        color={"type": "string", "default": "red"}, on={"type": "boolean", "default": False},
        size={**props(width={"type": "integer", "default": 3}), "default": {}},
        other=props(width={"type": "integer", "default": 3}),
        parts={"type": "array", "items": props(n={"type": "integer", "default": 1})},
        by_name={"type": "object", "additionalProperties": props(n={"type": "integer", "default": 1})}))

    assert defaulted(compiled, {"parts": [{}, {"n": 2}], "by_name": {"k": {}}}) == {
        "color": "red", "on": False, "size": {"width": 3}, "parts": [{"n": 1}, {"n": 2}], "by_name": {"k": {"n": 1}}}
    assert defaulted(compiled, {"other": {}, "color": "blue", "on": True})["other"] == {"width": 3}


def test_a_default_below_an_absent_object_is_not_filled_in() -> None:
    assert "status" not in structural_defaults.default(
        structural.compile(schema(props(spec=TEXT, status=props(phase={"type": "string", "default": "New"})))),
        obj("a"))


def test_defaults_are_copies() -> None:
    compiled = of(props(l={"type": "array", "items": TEXT, "default": ["a"]}))
    first = defaulted(compiled, {})
    first["l"].append("b")

    assert defaulted(compiled, {}) == {"l": ["a"]}


def test_null_is_dropped_or_replaced_where_it_is_no_value() -> None:
    compiled = of(props(plain=TEXT, nullable={"type": "string", "nullable": True, "default": "x"},
                        defaulted={"type": "string", "default": "x"}, free=KEEPS,
                        items={"type": "array", "items": {"type": "string", "default": "x"}},
                        map={"type": "object", "additionalProperties": TEXT}))

    assert defaulted(compiled, {"plain": None, "nullable": None, "defaulted": None, "free": {"a": None},
                                "unknown": None,
                                "items": [None, "a"], "map": {"a": None, "b": "c"}}) == {
        "nullable": None, "defaulted": "x", "free": {"a": None}, "unknown": None, "items": ["x", "a"],
        "map": {"b": "c"}}


def test_an_object_that_needs_no_default_is_the_very_same() -> None:
    sent = obj({"color": "red"})
    assert structural_defaults.default(of(props(color={"type": "string", "default": "blue"})), sent) is sent


def test_names_and_metadata_of_the_object_itself_are_left_alone() -> None:
    compiled = structural.compile(schema(props(kind=TEXT, metadata={"type": "object"}, spec=TEXT)))
    sent = {"kind": None, "metadata": None, "spec": "a"}

    assert structural_defaults.default(compiled, sent) == sent
    assert structural_pruning.prune(compiled, sent) == (sent, ())


def test_the_depth_of_a_schema_is_counted_without_recursion() -> None:
    deep = JSONSchemaProps(type="string")
    for _ in range(20_000):
        deep = JSONSchemaProps(type="object", properties={"a": deep})

    assert structural.depth(deep) == 20_001
    assert structural.depth(schema({"items": {"not": {"anyOf": [{"additionalProperties": {}}]}}})) == 5
    while deep.properties:  # taken apart step by step: Python's own clean-up would recurse
        deep = deep.properties.pop("a")
