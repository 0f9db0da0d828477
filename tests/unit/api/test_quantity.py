"""Amounts: exact reading, rounding up, one form."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api import quantity


@pytest.mark.parametrize(("text", "milli", "whole", "canonical"), [
    ("500m", 500, 1, "500m"), ("0.5", 500, 1, "500m"), (0.5, 500, 1, "500m"), (2, 2000, 2, "2"),
    ("1000m", 1000, 1, "1"),
    ("0", 0, 0, "0"), ("0Mi", 0, 0, "0"), ("64Mi", 67108864000, 67108864, "64Mi"),
    ("1024Mi", 2**30 * 1000, 2**30, "1Gi"), ("1.5Gi", 1536 * 2**20 * 1000, 1536 * 2**20, "1536Mi"),
    ("1e3", 10**6, 1000, "1e3"), ("1E3", 10**6, 1000, "1e3"), ("1000k", 10**9, 10**6, "1M"), ("5u", 1, 1, "5u"),
    (".5", 500, 1, "500m"), ("1.", 1000, 1, "1"), ("+1", 1000, 1, "1"), ("-1", -1000, -1, "-1"),
    ("0.0000000001", 1, 1, "1n"), ("1E", 10**21, 10**18, "1E"),
])
def test_table(text: str | float, milli: int, whole: int, canonical: str) -> None:
    assert quantity.milli(text) == milli
    assert quantity.whole(text) == whole
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize("text", ["", " ", "m", "1mi", "1 Gi", "1GiB", "abc", "1e", "1e999999999", "--1", "0x10",
                                  "1.2.3", "Infinity", "nan", "١", True, float("inf"), float("nan")])
def test_nonsense_is_refused_in_kubernetes_words(text: str | float) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        quantity.parse(text)


@given(st.integers(-10**12, 10**12), st.sampled_from(["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e2"]))
def test_the_canonical_form_means_the_same_and_is_stable(number: int, suffix: str) -> None:
    canonical = quantity.canonical(f"{number}{suffix}")

    assert quantity.parse(canonical) == quantity.parse(f"{number}{suffix}")
    assert quantity.canonical(canonical) == canonical


@given(st.integers(0, 2**50))
def test_formats_are_read_back(number: int) -> None:
    assert quantity.milli(quantity.format_milli(number)) == number
    assert quantity.whole(quantity.format_bytes(number)) == number
    assert quantity.parse(number) == Fraction(number)
