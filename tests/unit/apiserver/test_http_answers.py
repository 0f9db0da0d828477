"""Warnings in the head of an answer: always a legal header, and never more than clients take."""

from __future__ import annotations

from aiohttp import web

from edge.apiserver import http_answers


def warned(*texts: str) -> list[str]:
    response = web.Response()
    http_answers.warn(response, texts)
    return response.headers.getall("Warning", [])


def test_a_warning_is_quoted() -> None:
    assert warned('unknown field "spec.x\\y"') == ['299 - "unknown field \\"spec.x\\\\y\\""']


def test_characters_that_end_or_spoil_a_header_become_blanks() -> None:
    assert warned("a\r\nSet-Cookie: b\x00\x7f\x93\ud800z") == ['299 - "a  Set-Cookie: b    z"']


def test_the_same_warning_is_said_once() -> None:
    assert len(warned("twice", "twice", "once")) == 2


def test_too_many_warnings_are_cut_and_then_left_out() -> None:
    headers = warned(*(f"{number:03}" + "x" * 1000 for number in range(1000)))
    assert [header[7:10] for header in headers] == [f"{number:03}" for number in range(16)]
    assert {len(header) for header in headers} == {256 + len('299 - ""')}


def test_a_long_warning_by_itself_is_whole() -> None:
    assert warned("x" * 4000) == ['299 - "' + "x" * 4000 + '"']
