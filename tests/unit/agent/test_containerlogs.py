"""Log lines and the options of a reader."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.agent import containerlogs
from edge.agent.containerlogs import Line, Options

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
TIME = b"2024-05-01T11:59:30.123456789+00:00"


def test_a_whole_line() -> None:
    assert containerlogs.parse(TIME + b" stderr F a b\n") == Line(TIME, "stderr", False, b"a b\n")
    assert containerlogs.parse(TIME + b" stdout F \n") == Line(TIME, "stdout", False, b"\n")


def test_a_part() -> None:
    assert containerlogs.parse(TIME + b" stdout P half\n") == Line(TIME, "stdout", True, b"half")


@given(st.binary(max_size=100))
def test_any_other_line_is_output_as_it_is(raw: bytes) -> None:
    line = containerlogs.parse(raw)
    assert line.time or line.text == raw.removesuffix(b"\n") + b"\n"


def test_parts_are_joined_each_stream_for_itself() -> None:
    joiner = containerlogs.Joiner()
    lines = [Line(b"1", "stdout", True, b"a"), Line(b"2", "stderr", True, b"x"), Line(b"3", "stdout", False, b"b\n")]
    assert [joiner.feed(line) for line in lines] == [None, None, Line(b"1", "stdout", False, b"ab\n")]
    assert list(joiner.rest()) == [Line(b"2", "stderr", True, b"x")]


def test_a_line_without_end_is_given_out_in_pieces() -> None:
    joiner, piece = containerlogs.Joiner(), Line(b"1", "stdout", True, b"x" * 8192)
    out = [line for _ in range(300) if (line := joiner.feed(piece)) is not None]
    assert [len(line.text) for line in out] == [containerlogs.LONGEST_LINE_BYTES] * 2


def test_tail_counts_whole_lines_and_keeps_their_parts() -> None:
    raw = [TIME + b" stdout F one\n", TIME + b" stdout P tw\n", TIME + b" stdout F o\n", TIME + b" stdout F three\n"]
    sizes = [len(line) for line in raw]
    backwards = raw[::-1]
    assert containerlogs.tail_size(backwards, 0) == 0
    assert containerlogs.tail_size(backwards, 1) == sizes[3]
    assert containerlogs.tail_size(backwards, 2) == sum(sizes[1:])
    assert containerlogs.tail_size(backwards, 99) == sum(sizes)


def test_options() -> None:
    query = {"follow": "true", "tailLines": "5", "sinceSeconds": "60", "timestamps": "1", "stream": "Stderr"}
    assert containerlogs.options(query, NOW) == Options(
        follow=True, tail_lines=5, since=datetime(2024, 5, 1, 11, 59, tzinfo=UTC), timestamps=True, stream="stderr"
    )
    assert containerlogs.options({}, NOW) == Options()


@pytest.mark.parametrize(
    "query",
    [{"tailLines": "-1"}, {"tailLines": "x"}, {"limitBytes": "0"}, {"sinceTime": "yesterday"}, {"follow": "maybe"},
     {"sinceSeconds": "5", "sinceTime": "2024-05-01T00:00:00Z"}, {"stream": "Stdin"}, {"tailLines": "9" * 30}],
)  # fmt: skip
def test_bad_options(query: dict[str, str]) -> None:
    with pytest.raises(containerlogs.OptionError):
        containerlogs.options(query, NOW)


def test_since_and_stream() -> None:
    line = Line(TIME, "stdout", False, b"x\n")
    assert containerlogs.wanted(line, Options(since=datetime(2024, 5, 1, 11, 59, 30, tzinfo=UTC)))
    assert not containerlogs.wanted(line, Options(since=datetime(2024, 5, 1, 11, 59, 31, tzinfo=UTC)))
    assert not containerlogs.wanted(line, Options(stream="stderr"))
    assert containerlogs.options({"sinceSeconds": "9" * 17}, NOW).since is None
    assert containerlogs.render(line, Options(timestamps=True)) == TIME + b" x\n"
