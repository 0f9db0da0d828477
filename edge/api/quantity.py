"""Amounts with a unit: `500m`, `64Mi`, `1e3`, `2`.

Reading is exact (fractions, no floats) and cached, because the scheduler reads the same few amounts again and again.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

PATTERN = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
"""What Kubernetes' own message shows; the check below is stricter."""

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,3}))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(quantity: str | int | float) -> Fraction:
    """Return the exact amount. Raises ValueError in Kubernetes' words when it is none."""
    if isinstance(quantity, bool):
        raise ValueError(_REFUSED)
    if isinstance(quantity, int):
        return Fraction(quantity)
    return _parse(quantity if isinstance(quantity, str) else repr(quantity))


def milli(quantity: str | int | float) -> int:
    """Return the amount in thousandths, rounded up: `0.5` of a core is 500. Raises ValueError."""
    return _ceil(parse(quantity) * 1000)


def whole(quantity: str | int | float) -> int:
    """Return the amount in whole units (bytes, pods), rounded up. Raises ValueError."""
    return _ceil(parse(quantity))


def format_milli(thousandths: int) -> str:
    """Return thousandths as Kubernetes writes them: 500 -> `500m`, 2000 -> `2`."""
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def format_bytes(number: int) -> str:
    """Return bytes with the largest binary unit that divides them: 67108864 -> `64Mi`."""
    if number == 0:
        return "0"
    for suffix, power in reversed(_BINARY.items()):
        if number % (1 << power) == 0:
            return f"{number >> power}{suffix}"
    return str(number)


def canonical(quantity: str | int | float) -> str:
    """Return the one way Kubernetes writes this amount: `0.5` -> `500m`, `1024Mi` -> `1Gi`. Raises ValueError.

    A binary unit stays binary and an exponent stays an exponent. Less than a billionth is rounded up to it.
    """
    amount = parse(quantity)
    text = str(quantity)
    if text.endswith("i") and amount.denominator == 1 and abs(amount) >= 1024:
        return format_bytes(int(amount))
    if amount.denominator != 1:
        amount = Fraction(_ceil(amount * 10**9), 10**9)
    exponent = re.search(r"[eE][+-]?[0-9]+$", text) is not None
    for suffix, power in sorted(_DECIMAL.items(), key=lambda item: -item[1]):
        scaled = amount / Fraction(10) ** power
        if scaled.denominator == 1 and amount != 0:
            unit = suffix if not exponent or power == 0 else f"e{power}"
            return f"{int(scaled)}{unit}"
    return "0"


_REFUSED = f"quantities must match the regular expression '{PATTERN}'"


@lru_cache(maxsize=4096)
def _parse(text: str) -> Fraction:
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(_REFUSED)
    number, suffix, exponent = match.groups()
    amount = Fraction(number)
    if suffix in _BINARY:
        return amount * (1 << _BINARY[suffix])
    power = int(exponent) if exponent else _DECIMAL[suffix or ""]
    if abs(power) > 30:
        raise ValueError(_REFUSED)
    return amount * Fraction(10) ** power


def _ceil(amount: Fraction) -> int:
    return -(-amount.numerator // amount.denominator)
