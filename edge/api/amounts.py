"""Amounts of resources that are added up and compared, such as what all pods of a namespace request.

An amount is a whole number of billionths, the smallest Kubernetes knows. It remembers whether it was written with a
binary suffix, so that two times 64Mi is 128Mi again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from edge.api import meta, quantity

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Amount:
    """So and so much of one resource."""

    nano: int
    binary: bool = False

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.nano + other.nano, self.binary if self.nano else other.binary)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.nano - other.nano, self.binary if self.nano else other.binary)

    def __str__(self) -> str:
        if self.binary and self.nano % _NANO == 0 and abs(self.nano) >= 1024 * _NANO:
            return quantity.format_bytes(self.nano // _NANO)
        # A fraction in plain digits is what `canonical` takes; it chooses the suffix.
        whole, rest = divmod(abs(self.nano), _NANO)
        return quantity.canonical(f"{'-' if self.nano < 0 else ''}{whole}.{rest:09d}" if rest else
                                  f"{'-' if self.nano < 0 else ''}{whole}")

    def rounded_up(self) -> Amount:
        """Return the next whole number."""
        return Amount(-(-self.nano // _NANO) * _NANO, self.binary)


Amounts = Mapping[str, Amount]
"""By the name of the resource."""
NONE = Amount(0)
ONE = Amount(_NANO)


def count(number: int) -> Amount:
    """Return a number of things."""
    return Amount(number * _NANO)


def of(written: meta.Quantity) -> Amount:
    """Return a quantity as an amount; one that cannot be read, which validation refuses, counts as nothing."""
    try:
        exact = quantity.parse(written) * _NANO
    except ValueError:
        return NONE
    return Amount(_ceil(exact), str(written).endswith("i"))


def read(written: Mapping[str, meta.Quantity]) -> dict[str, Amount]:
    """Return a map of quantities as amounts."""
    return {name: of(value) for name, value in written.items()}


def texts(amounts: Amounts) -> dict[str, meta.Quantity]:
    """Return amounts as they are written."""
    return {name: str(amount) for name, amount in amounts.items()}


def added(one: Amounts, other: Amounts) -> dict[str, Amount]:
    """Return the sum; a resource that is in one of them only is taken over."""
    total = dict(one)
    for name, amount in other.items():
        total[name] = total[name] + amount if name in total else amount
    return total


def highest(one: Amounts, other: Amounts) -> dict[str, Amount]:
    """Return the larger amount of each resource."""
    most = dict(one)
    for name, amount in other.items():
        if name not in most or amount.nano > most[name].nano:
            most[name] = amount
    return most


def joined(amounts: Amounts) -> str:
    """Return `cpu=1,memory=64Mi`, by name."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))


def _ceil(exact: Fraction) -> int:
    return -(-exact.numerator // exact.denominator)
