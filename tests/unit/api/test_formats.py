"""Texts in the forms that schemas name."""

from __future__ import annotations

import pytest

from edge.api import formats

GOOD = [
    ("ipv4", "10.0.0.1"), ("ipv6", "2001:db8::1"), ("cidr", "10.0.0.7/8"), ("cidr", "::/0"),
    ("uuid", "123E4567-e89b-12d3-a456-426614174000"), ("uuid4", "123e4567-e89b-42d3-a456-426614174000"),
    ("date", "2020-02-29"), ("date-time", "2017-09-20T12:00:00Z"), ("datetime", "2017-09-20t12:00:00.5+02:00"),
    ("duration", "1h30m"), ("duration", "-1.5s"), ("duration", "2 days"), ("duration", "0"), ("uri", "/a/b"),
    ("uri", "https://example.com/a%20b?c=d"), ("uri", "mailto:a@b"), ("email", "a@example.com"),
    ("email", "Ann <a@example.com>"), ("hostname", "a-b.example.com"), ("hostname", "bücher.example"),
    ("byte", "aGk="), ("mac", "00:11:22:33:44:55"), ("mac", "0011.2233.4455"), ("quantity", "64Mi"),
    ("password", ""), ("hexcolor", "#a0b"), ("rgbcolor", "rgb(1, 2, 3)"), ("isbn10", "0-321-75104-3"),
    ("isbn13", "978-0321751041"), ("ssn", "111-22-3333"), ("bsonobjectid", "507f1f77bcf86cd799439011"),
]
BAD = [
    ("ipv4", "10.0.0"), ("ipv4", "010.0.0.1"), ("ipv4", "::1"), ("ipv6", "1.2.3.4"), ("ipv6", "fe80::1%eth0"),
    ("cidr", "10.0.0.1"), ("cidr", "10.0.0.0/33"), ("cidr", "10.0.0.0/255.0.0.0"), ("uuid", "123e4567"),
    ("uuid3", "123e4567-e89b-42d3-a456-426614174000"), ("date", "2019-02-29"), ("date", "20190228"),
    ("date-time", "2017-09-20 12:00:00Z"), ("date-time", "2017-09-20T25:00:00Z"), ("date-time", "2017-09-20T12:00:00"),
    ("duration", "1"), ("duration", ""), ("duration", "soon"), ("uri", "a/b"), ("uri", ""), ("uri", "http://a b/"),
    ("uri", "/%zz"), ("email", "a"), ("email", "a@@b"), ("hostname", "-a"), ("hostname", "a..b"), ("hostname", ""),
    ("byte", "a"), ("byte", "a b="), ("mac", "00:11:22"), ("mac", "00:11-22:33:44:55"), ("quantity", "much"),
    ("hexcolor", "#12"), ("isbn10", "0321751044"), ("isbn13", "9780321751042"),
]


@pytest.mark.parametrize(("name", "text"), GOOD)
def test_a_text_has_the_form(name: str, text: str) -> None:
    check = formats.check(name)
    assert check is not None
    assert check(text)


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_text_does_not_have_the_form(name: str, text: str) -> None:
    check = formats.check(name)
    assert check is not None
    assert not check(text)


@pytest.mark.parametrize("name", sorted(formats._CHECKS))
@pytest.mark.parametrize("text", ["1" * 200_000, "a." * 100_000, "1s " * 60_000 + "!", "::" * 50_000, "aa:" * 60_000,
                                  "2017-09-20T12:00:00." + "1" * 100_000, "%41" * 60_000, "\x00", "\ud7ff" * 1000])
def test_no_text_is_a_problem(name: str, text: str) -> None:
    check = formats.check(name)
    assert check is not None
    assert check(text) in (True, False)


def test_other_names_check_nothing() -> None:
    assert formats.check("anything") is None
    assert formats.known("int32", "integer")
    assert not formats.known("int32", "string")
    assert formats.known("double", "number")
    assert formats.known("date-time", "string")
    assert not formats.known("date-time", "boolean")


@pytest.mark.parametrize(("name", "value", "fits"), [
    ("int32", 2**31 - 1, True), ("int32", 2**31, False), ("int32", -2**31, True), ("int32", -2**31 - 1, False),
    ("int64", 2**31, True), ("int64", 2**63, False)])
def test_integers_have_a_width(name: str, value: int, fits: bool) -> None:
    assert formats.integer_fits(name, value) is fits
