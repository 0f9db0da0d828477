"""Decides what happens to a name of ours that somebody else uses too (RFC 6762, section 9)."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.discovery import service_names

MOST_DEFENSES = 3
DEFENSE_SECONDS = 60.0


@dataclass(slots=True)
class Disputes:
    """Names that are another machine's, and how often ours was defended lately."""

    foreign: dict[str, str] = field(default_factory=dict)
    """Label -> address of whoever has it."""
    _defended: dict[str, list[float]] = field(default_factory=dict)

    def yields(self, label: str, ours: str, theirs: str, now: float) -> bool:
        """Return whether the name is given up; else it is to be announced once more.

        Who comes later in order stays. One that does not listen gets the name in the end: two machines that shout at
        each other for ever serve nobody.
        """
        lately = [at for at in self._defended.get(label, []) if now - at < DEFENSE_SECONDS]
        if service_names.ours_wins(ours, theirs) and len(lately) < MOST_DEFENSES:
            self._defended[label] = [*lately, now]
            return False
        self._defended.pop(label, None)
        self.foreign[label] = theirs
        return True
