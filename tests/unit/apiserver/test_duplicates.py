"""Fields that stand twice are found, wherever they are; bodies without any cost nothing more."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.apiserver import duplicates

JSON = st.recursive(st.none() | st.integers() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def found(text: str) -> tuple[str, ...]:
    return duplicates.in_json(text.encode(), msgspec.json.decode(text))


@pytest.mark.parametrize(("text", "words"), [
    ('{"a":1,"a":2}', ['"a"']), ('{"a":1,"a":2,"a":3}', ['"a"']),
    ('{"a":{"b":1,"b":2},"c":[{"d":1},{"d":1, "d" : 2}]}', ['"a.b"', '"c[1].d"']),
    ('[{"op":"add","op":"add"}]', ['"[0].op"']),
    ('{"a": ": {", "b":"\\":", "c":" :"}', []), ('{"a":"x\\\\","b":1}', []), ("{}", []), ("3", []),
])
def test_where_they_are(text: str, words: list[str]) -> None:
    assert found(text) == tuple(f"duplicate field {word}" for word in words)


@given(JSON, st.booleans())
def test_nothing_is_found_where_nothing_is(value: Any, spaced: bool) -> None:
    assert found(json.dumps(value, separators=(", ", " :\n\t") if spaced else None)) == ()


def test_no_more_than_a_hundred_are_told() -> None:
    assert len(found("{" + ",".join(f'"a{n}":1,"a{n}":2' for n in range(500)) + "}")) == 100


def test_what_another_reader_cannot_read_says_nothing() -> None:
    text = '{"a":1,"a":' + "[" * 900 + "]" * 900 + "}"
    assert found(text) in ((), ('duplicate field "a"',))


@pytest.mark.parametrize(("text", "lines"), [
    ("a: 1\nb: 2\n", ()), ("a: 1\na: 2\n", ('line 2: key "a" already set in map',)),
    ("x: &x {b: 1, b: 2}\ny: *x\nz:\n- c: 1\n  c: 2\n", ('line 1: key "b" already set in map',
                                                        'line 5: key "c" already set in map')), ("", ())])
def test_yaml(text: str, lines: tuple[str, ...]) -> None:
    assert duplicates.in_yaml(text.encode()) == (
        ("\n  ".join(["yaml: unmarshal errors:", *lines]),) if lines else ())
