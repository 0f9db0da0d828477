"""Randomness that counts, so that a test knows every uid and name beforehand."""

from __future__ import annotations

from edge.ids import ALPHABET


class CountingIds:
    """uids 00000000-0000-4000-8000-000000000001 and up, suffixes bbbbb, bbbbc and up, fractions always `jitter`."""

    def __init__(self, jitter: float = 0.5) -> None:
        self._jitter = jitter
        self._uids = 0
        self._suffixes = 0
        self._secrets = 0

    def uid(self) -> str:
        self._uids += 1
        return f"00000000-0000-4000-8000-{self._uids:012d}"

    def suffix(self, length: int = 5) -> str:
        number, letters = self._suffixes, ""
        self._suffixes += 1
        for _ in range(length):
            number, digit = divmod(number, len(ALPHABET))
            letters = ALPHABET[digit] + letters
        return letters

    def fraction(self) -> float:
        return self._jitter

    def secret(self, length: int) -> str:
        self._secrets += 1
        return f"{self._secrets:0{length}d}"
