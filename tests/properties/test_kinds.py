"""What holds for objects of every kind: whatever a client sends is refused in words, or stored, shown and selected."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api import codec, defaults, errors, fields, labels, meta, scheme, validation
from edge.api.resource import Resource
from edge.apiserver import admission, selection, tables
from edge.apiserver.authenticate import User
from tests.builders import NOW
from tests.properties import objects
from tests.properties.effort import examples
from tests.properties.objects import Json

KINDS = scheme.resources()
PARTS = ("status", "approval", "finalize", "ephemeralcontainers")
"""Subresources that write a part of the object."""
CREATION = admission.Creation(now=NOW, uid="u", suffix="abcde", user=User("someone"))
SELECTORS = st.sampled_from((
    "a", "!a", "a=b", "a!=b", "a in (b,web)", "a notin (b,)", "web>1", "web<1", "example.com/c=1", "a=", "")) \
    | st.text(alphabet="ab=!(),<> \\/é1-.", max_size=12)

every_kind = pytest.mark.parametrize("resource", KINDS, ids=lambda resource: resource.plural)


def anything(resource: Resource) -> st.SearchStrategy[Json]:
    """Draw good objects, half good ones and spoiled ones."""
    made = objects.raw(resource) | objects.dense(resource) | objects.grown(resource)
    return made | objects.spoiled(made)


def accepted(resource: Resource, raw: Json) -> meta.Object | None:
    """Return what the decoder makes of an object, or None when it is refused."""
    with contextlib.suppress(errors.BadRequest):
        return codec.decode(resource, raw)
    return None


def shown(resource: Resource, obj: Any) -> None:
    """Print an object as a table, with all that a row may carry, as JSON."""
    for include in ("Metadata", "Object", "None"):
        table = tables.table(resource, [obj], NOW, include_object=include)
        assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"])
        msgspec.json.encode(table["rows"][0]["cells"])


@every_kind
def test_an_object_with_every_field_is_read_as_it_was_written(resource: Resource) -> None:
    whole = objects.whole(resource)
    assert codec.unknown_fields(resource.type, whole) == ()
    assert objects.missing(whole, objects.canonical(resource, whole)) == []


@every_kind
def test_an_object_is_read_as_it_was_written(resource: Resource) -> None:
    @examples(15)
    @given(objects.raw(resource) | objects.dense(resource) | objects.grown(resource))
    def check(raw: Json) -> None:
        obj = codec.decode(resource, raw)
        assert codec.decode_bytes(resource, codec.encode(obj)) == obj
        assert codec.decode(resource, codec.to_dict(obj)) == obj

    check()


@every_kind
def test_what_is_complete_is_not_completed_further(resource: Resource) -> None:
    @examples(15)
    @given(objects.raw(resource) | objects.dense(resource) | objects.grown(resource))
    def check(raw: Json) -> None:
        once = defaults.apply(codec.decode(resource, raw))
        assert defaults.apply(once) == once
        read = codec.decode_bytes(resource, codec.encode(once))
        assert codec.encode(defaults.apply(read)) == codec.encode(once)

    check()


@every_kind
def test_whatever_is_sent_is_refused_in_words_or_stored_and_shown(resource: Resource) -> None:
    @examples(30)
    @given(anything(resource), objects.raw(resource) | objects.grown(resource))
    def check(raw: Json, other: Json) -> None:
        shown(resource, raw)
        obj = accepted(resource, raw)
        if obj is None:
            return
        with contextlib.suppress(errors.ApiError):
            made = admission.prepare(resource, admission.with_revision(obj, ""), CREATION)
            validation.create(made)
            shown(resource, codec.to_dict(made))
        old = defaults.apply(codec.decode(resource, other))
        for subresource in ("", *(name for name in PARTS if name in resource.subresources)):
            with contextlib.suppress(errors.ApiError):
                merged = admission.merge(resource, obj, old, subresource)
                admission.judge_change(resource, merged, old, subresource)

    check()


@every_kind
def test_any_selector_is_refused_in_words_or_selects(resource: Resource) -> None:
    named = ("metadata.name", "metadata.namespace", *selection.selectable(resource))
    by_field = st.lists(st.builds(lambda name, sign, value: f"{name}{sign}{value}", st.sampled_from(named),
                                  st.sampled_from(("=", "==", "!=")), st.sampled_from(("", "a", "web", "true", "0"))),
                        max_size=3).map(",".join)

    @examples(15)
    @given(anything(resource), SELECTORS, by_field | SELECTORS)
    def check(raw: Json, label_selector: str, field_selector: str) -> None:
        obj = accepted(resource, raw)
        if obj is None:
            return
        with contextlib.suppress(errors.BadRequest):
            selected = selection.parse(resource, label_selector, field_selector)
            assert selected.matches(codec.encode(obj)) in (True, False)

    check()


@given(SELECTORS, st.dictionaries(st.sampled_from(objects.KEYS), st.sampled_from(objects.WORDS), max_size=3))
def test_a_label_selector_means_the_same_when_it_is_written_out(text: str, given_labels: dict[str, str]) -> None:
    with contextlib.suppress(errors.BadRequest):
        selector = labels.parse(text)
        assert labels.parse(str(selector)).matches(given_labels) == selector.matches(given_labels)


@given(SELECTORS, st.dictionaries(st.sampled_from(("a", "b", "ab")), st.sampled_from(("", "a", "b", "1")), max_size=3))
def test_a_field_selector_means_the_same_when_it_is_written_out(text: str, values: dict[str, str]) -> None:
    with contextlib.suppress(errors.BadRequest):
        selector = fields.parse(text)
        assert fields.parse(str(selector)).matches(values) == selector.matches(values)
