"""Answers as YAML mean what their JSON meant, to readers of every version of YAML."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edge.apiserver import bodies, yaml_answers

JSON = st.recursive(st.none() | st.booleans() | st.integers(-2**53, 2**53) | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(st.dictionaries(st.text(), JSON))
def test_nothing_changes_its_meaning(value: dict[str, Any]) -> None:
    assert bodies.read(yaml_answers.written(msgspec.json.encode(value)), "application/yaml") == value


@pytest.mark.parametrize(("text", "line"), [
    ("web", "a: web"), ("app/v1 is there", "a: app/v1 is there"), ("y", 'a: "y"'), ("1e3", 'a: "1e3"'), ("", 'a: ""'),
    ("12:30", 'a: "12:30"'), ("2017-09-20T12:00:00Z", 'a: "2017-09-20T12:00:00Z"'), ("No", 'a: "No"'),
    ("# no", 'a: "# no"')])
def test_what_could_be_taken_for_something_else_is_quoted(text: str, line: str) -> None:
    assert yaml_answers.written(msgspec.json.encode({"a": text})).decode() == f"{line}\n"


def test_lines_stay_lines() -> None:
    assert yaml_answers.written(b'{"a":"one\\ntwo\\n"}') == b"a: |\n  one\n  two\n"


def test_a_large_answer_stays_as_it_is() -> None:
    body = msgspec.json.encode({"a": "x" * yaml_answers.LARGEST_BYTES})
    assert yaml_answers.written(body) is body
    assert yaml.safe_load(b'{"a": [1, "two"]}') == {"a": [1, "two"]}
