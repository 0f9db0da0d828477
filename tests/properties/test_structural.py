"""What holds for any schema and object: twice is once, nothing that was named is lost, a completed object is stable."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.api import (
    jsonpath,
    regex,
    structural,
    structural_defaults,
    structural_pruning,
    structural_validation,
    validation_schema,
)
from edge.api.apiextensions import JSONSchemaProps
from edge.api.regex_machine import Pattern, TooMuchWork, Work

NAMES = st.sampled_from("abcd")
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["", "a", "1.2.3.4"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
FLAGS = st.fixed_dictionaries({}, optional={"nullable": st.booleans(),
                                            "x-kubernetes-preserve-unknown-fields": st.just(True)})
LEAVES = st.one_of(
    st.fixed_dictionaries({"type": st.just("string")}, optional={
        "default": st.sampled_from(["a", "b"]), "enum": st.just(["a", "b"]), "format": st.just("ipv4"),
        "pattern": st.sampled_from(["^a", "(a+)+$"]), "maxLength": st.integers(0, 2), "nullable": st.booleans()}),
    st.fixed_dictionaries({"type": st.sampled_from(["integer", "number"])}, optional={
        "default": st.integers(0, 2), "minimum": st.integers(-2, 2), "multipleOf": st.integers(1, 2)}),
    st.just({"type": "boolean", "default": False}), st.just({"x-kubernetes-int-or-string": True}))


def containers(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    fields = st.builds(lambda properties, flags, required: {"type": "object", "properties": properties, **flags,
                                                            **({"required": required} if required else {})},
                       st.dictionaries(NAMES, inner, max_size=3), FLAGS, st.lists(NAMES, max_size=1))
    maps = st.builds(lambda values, flags: {"type": "object", "additionalProperties": values, **flags},
                     inner | st.booleans(), FLAGS)
    lists = st.builds(lambda items, kind, flags: {"type": "array", "items": items, **flags, **kind}, inner,
                      st.sampled_from([{}, {"x-kubernetes-list-type": "set"}, {"maxItems": 2}]), FLAGS)
    return fields | maps | lists


SCHEMAS = st.dictionaries(NAMES, st.recursive(LEAVES, containers, max_leaves=8), min_size=1, max_size=4)


def compiled(properties: dict[str, Any]) -> structural.Structural:
    return structural.compile(msgspec.convert({"type": "object", "properties": properties}, type=JSONSchemaProps))


@given(SCHEMAS, OBJECTS)
def test_pruning_twice_is_pruning_once_and_leaves_the_input_alone(properties: dict[str, Any], obj: dict[str,
    Any]) -> None:
    schema, before = compiled(properties), copy.deepcopy(obj)

    once, dropped = structural_pruning.prune(schema, obj)
    twice, again = structural_pruning.prune(schema, once)

    assert obj == before
    assert twice is once
    assert again == ()
    assert (once == obj) is (dropped == ())


@given(SCHEMAS, OBJECTS)
def test_pruning_keeps_what_the_schema_names(properties: dict[str, Any], obj: dict[str, Any]) -> None:
    pruned, _ = structural_pruning.prune(compiled(properties), obj)

    assert set(pruned) == set(obj) & set(properties)
    for name, value in pruned.items():
        if not isinstance(value, dict | list):
            assert value is obj[name]


@given(SCHEMAS, OBJECTS)
def test_a_completed_object_is_complete(properties: dict[str, Any], obj: dict[str, Any]) -> None:
    schema = compiled(properties)
    pruned, _ = structural_pruning.prune(schema, obj)
    before = copy.deepcopy(pruned)

    once = structural_defaults.default(schema, pruned)

    assert pruned == before
    assert structural_defaults.default(schema, once) is once
    for name, value in pruned.items():
        assert value is None or name in once


@given(SCHEMAS, OBJECTS)
def test_what_is_found_wrong_does_not_change_and_an_unchanged_object_may_stay(properties: dict[str, Any],
                                                                              obj: dict[str, Any]) -> None:
    schema = compiled(properties)
    complete = structural_defaults.default(schema, structural_pruning.prune(schema, obj)[0])
    before = copy.deepcopy(complete)

    found = structural_validation.validate(schema, complete)

    assert complete == before
    assert structural_validation.validate(schema, complete) == found
    assert structural_validation.validate(schema, complete, complete) == ()


@given(SCHEMAS, OBJECTS)
def test_defaults_of_an_accepted_schema_satisfy_it(properties: dict[str, Any], obj: dict[str, Any]) -> None:
    raw = msgspec.convert({"type": "object", "properties": properties}, type=JSONSchemaProps)
    assume(validation_schema.schema("s", raw, status=False) == ())
    schema = structural.compile(raw)
    pruned, _ = structural_pruning.prune(schema, obj)
    assume(structural_validation.validate(schema, pruned) == ())

    completed = structural_defaults.default(schema, pruned)

    assert structural_pruning.prune(schema, completed)[0] is completed
    assert structural_validation.validate(schema, completed) == ()


@given(st.text(alphabet="ab|()*+?.[]^$c{}12,\\dwbpQE:-i<P>", max_size=14), st.text(alphabet="abc1\n", max_size=8))
def test_any_text_is_a_pattern_or_an_error(pattern: str, text: str) -> None:
    try:
        compiled_pattern = Pattern(pattern)
    except regex.RegexError:
        return
    try:
        assert compiled_pattern.search(text, Work()) in (True, False)
    except TooMuchWork:
        return
    assert compiled_pattern.search(text, Work()) == compiled_pattern.search(text, Work())


@given(st.text(alphabet="abcd.*[]?(@)='\":,-0\\ ", max_size=16), VALUES)
def test_any_text_is_a_path_or_an_error_and_finds_what_there_is(path: str, value: Any) -> None:
    try:
        found = jsonpath.compile(path).find(value)
    except jsonpath.PathError:
        return
    assert isinstance(found, list)
