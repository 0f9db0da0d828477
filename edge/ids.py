"""The only source of randomness: uids, name suffixes, tokens, sequence epochs."""

from __future__ import annotations

import random
import secrets
import uuid
from typing import Protocol

# Kubernetes leaves out vowels and digits that look like letters, so that no suffix spells a word.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Ids(Protocol):
    """What a loop may ask of chance. Tests count instead (`tests/fakes/ids.py`)."""

    def uid(self) -> str:
        """Return a new object uid (RFC 9562 version 4)."""
        ...

    def suffix(self, length: int = 5) -> str:
        """Return `length` letters for a generated name."""
        ...

    def fraction(self) -> float:
        """Return a number in [0, 1), for jitter."""
        ...

    def secret(self, length: int) -> str:
        """Return `length` letters and digits nobody can guess, for tokens."""
        ...


class SystemIds:
    """The operating system's randomness."""

    def uid(self) -> str:
        return str(uuid.uuid4())

    def suffix(self, length: int = 5) -> str:
        return "".join(random.choices(ALPHABET, k=length))

    def fraction(self) -> float:
        return random.random()

    def secret(self, length: int) -> str:
        return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(length))
