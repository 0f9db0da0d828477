"""What holds for any configurations that anybody applies, in any order."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.api import apply, errors, fieldsets, managed_fields, shapes
from edge.api.apiextensions import JSONSchemaProps
from edge.api.apply import Applied, Applier, Json, Terms
from edge.api.comparison import compare
from edge.api.fieldsets import FieldSet
from edge.api.managed_fields import Managed, owner_of, scope_of
from edge.api.shaped_values import declared, fields_of, merge, problems, same

UNHURRIED = settings(deadline=None)
NOW = "2024-05-01T12:00:00Z"
SCHEMA: Json = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
    "count": {"type": "integer"}, "name": {"type": "string"},
    "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
              "items": {"type": "object", "properties": {
                  "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
                  "weight": {"type": "integer"}, "labels": {"type": "object", "additionalProperties": {
                      "type": "string"}}}}},
    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    "args": {"type": "array", "items": {"type": "string"}},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}
TERMS = Terms(shape=shapes.of_custom(msgspec.convert(SCHEMA, JSONSchemaProps)), scope=scope_of("", has_status=False))

WORDS = st.sampled_from("ab")
LABELS = st.dictionaries(WORDS, WORDS, max_size=2)
FREE = st.recursive(st.booleans() | st.integers(0, 2) | WORDS, lambda inner: st.lists(inner, max_size=2)
                    | st.dictionaries(WORDS, inner, max_size=2), max_leaves=5)
ITEM = st.fixed_dictionaries({"port": st.integers(80, 82)}, optional={
    "protocol": st.sampled_from(["TCP", "UDP"]), "weight": st.integers(0, 1), "labels": LABELS})
SPEC = st.fixed_dictionaries({}, optional={
    "count": st.integers(0, 2), "name": WORDS, "labels": LABELS, "args": st.lists(WORDS, max_size=2),
    "tags": st.lists(WORDS, unique=True, max_size=2), "free": st.dictionaries(WORDS, FREE, max_size=2),
    "items": st.lists(ITEM, max_size=3, unique_by=lambda item: (item["port"], item.get("protocol", "TCP")))})
CONFIGS = st.builds(lambda spec, labels: {"apiVersion": "x.io/v1", "kind": "X", "spec": spec,
                                          "metadata": {"name": "x", "labels": labels}}, SPEC, LABELS)


def put(live: Json, config: Json, managed: Managed, manager: str, *, force: bool = True) -> Applied:
    applier = Applier(manager=manager, api_version="x.io/v1", force=force)
    return apply.apply(live, config, managed, applier, TERMS, NOW)


def owned(managed: Managed, manager: str) -> FieldSet:
    found = fieldsets.NOTHING
    for owner, claim in managed.items():
        found |= claim.fields if owner.manager == manager else fieldsets.NOTHING
    return found


@UNHURRIED
@given(CONFIGS, CONFIGS, CONFIGS)
def test_applying_twice_is_applying_once(live: Json, first: Json, config: Json) -> None:
    start = put(live, first, {}, "other")
    once = put(start.obj, config, start.managed, "me")
    twice = put(once.obj, config, once.managed, "me", force=False)
    assert same(once.obj, twice.obj)
    assert once.managed == twice.managed


@UNHURRIED
@given(CONFIGS)
def test_a_new_object_is_what_was_applied(config: Json) -> None:
    assert same(put({}, config, {}, "me").obj, config)


@UNHURRIED
@given(CONFIGS, CONFIGS)
def test_all_that_is_applied_is_there_afterwards(live: Json, config: Json) -> None:
    done = put(live, config, {}, "me")
    lost = compare(TERMS.shape, config, done.obj)
    assert not lost.removed
    assert not (fields_of(TERMS.shape, config) & lost.modified)


@UNHURRIED
@given(CONFIGS, CONFIGS)
def test_a_merge_loses_nothing_of_the_live_object(live: Json, config: Json) -> None:
    removed = compare(TERMS.shape, live, merge(TERMS.shape, live, config)).removed
    # Only inside of what has another type now, or of a list or map that is replaced as a whole.
    changed = compare(TERMS.shape, live, merge(TERMS.shape, live, config)).modified
    assert all(any(path[:length] in changed for length in range(1, len(path))) for path in removed.paths())


@UNHURRIED
@given(CONFIGS, CONFIGS)
def test_leaving_everything_out_removes_what_nobody_else_owns(one: Json, other: Json) -> None:
    first = put({}, one, {}, "one")
    both = put(first.obj, other, first.managed, "two")
    empty = {"apiVersion": "x.io/v1", "kind": "X", "metadata": {"name": "x"}}
    left = put(both.obj, empty, both.managed, "one")
    assert owned(left.managed, "one") == fieldsets.NOTHING
    assert owned(left.managed, "two") == owned(both.managed, "two")
    assert not TERMS.scope.tracked(fields_of(TERMS.shape, left.obj)) - fields_of(TERMS.shape, other)


@UNHURRIED
@given(CONFIGS, CONFIGS)
def test_what_two_managers_declare_apart_never_conflicts(one: Json, other: Json) -> None:
    first = put({}, one, {}, "one")
    shared = fields_of(TERMS.shape, one)
    apart = {**other, "spec": {name: value for name, value in other["spec"].items()
                               if ("f:spec", f"f:{name}") not in shared and name not in one["spec"]}}
    apart["metadata"] = {"name": "x", "labels": {f"{name}2": value for name, value in
                                                 other["metadata"]["labels"].items()}}
    done = put(first.obj, apart, first.managed, "two", force=False)
    assert not compare(TERMS.shape, first.obj, done.obj).removed
    assert not compare(TERMS.shape, first.obj, done.obj).modified
    assert owned(done.managed, "one") == owned(first.managed, "one")


@UNHURRIED
@given(CONFIGS, CONFIGS)
def test_an_apply_goes_through_or_names_fields_that_others_own_and_it_declares(one: Json, other: Json) -> None:
    first = put({}, one, {}, "one")
    try:
        put(first.obj, other, first.managed, "two", force=False)
    except errors.Conflict as conflict:
        fields = {cause["field"] for cause in (conflict.details or {})["causes"]}
        theirs = {fieldsets.show(path) for path in owned(first.managed, "one").paths()}
        assert fields
        assert fields <= theirs
    else:
        forced = put(first.obj, other, first.managed, "two")
        assert owned(forced.managed, "one") == owned(first.managed, "one")


@UNHURRIED
@given(CONFIGS, CONFIGS)
def test_who_updates_owns_exactly_what_differs(old: Json, new: Json) -> None:
    compared = compare(TERMS.shape, old, new)
    managed = managed_fields.updated({}, compared, owner_of("me", "Update", "x.io/v1"), TERMS.scope, NOW)
    mine = owned(managed, "me")
    assert mine == TERMS.scope.tracked(compared.added | compared.modified)
    assert bool(managed) == bool(mine)
    assert not (same(old, new) and (compared.added or compared.modified or compared.removed))


@UNHURRIED
@given(CONFIGS, CONFIGS)
def test_fields_are_read_as_they_were_written(one: Json, other: Json) -> None:
    fields = fields_of(TERMS.shape, one) | fields_of(TERMS.shape, other)
    assert fieldsets.parse(fieldsets.write(fields)) == fields
    assert fieldsets.parse(msgspec.json.decode(msgspec.json.encode(fieldsets.write(fields)))) == fields


@UNHURRIED
@given(CONFIGS, CONFIGS, CONFIGS)
def test_sets_of_fields_follow_the_laws_of_sets(one: Json, other: Json, third: Json) -> None:
    a, b, c = (fields_of(TERMS.shape, config) for config in (one, other, third))
    assert a | b == b | a
    assert a & b == b & a
    assert (a - b) | (a & b) == a
    assert (a | b) - c == (a - c) | (b - c)
    assert not ((a - b) & b)


@UNHURRIED
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.sampled_from(["spec", "items", "port", "labels", "free", "tags"]), inner,
                                         max_size=3), max_leaves=12), CONFIGS)
def test_whatever_is_sent_is_judged_and_never_breaks(config: Any, live: Json) -> None:
    config = config if isinstance(config, dict) else {"spec": config}
    if not problems(TERMS.shape, config):
        known = declared(TERMS.shape, config)
        done = put(live, known, {}, "me")
        assert same(put(done.obj, known, done.managed, "me", force=False).obj, done.obj)
