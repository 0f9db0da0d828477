"""What an authorizer answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request goes on, and what says so."""

    allowed: bool
    reason: str = ""


NO = Decision(False)
