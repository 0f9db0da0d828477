"""Runs regular expressions in time linear in the text: a state machine that is worked out while it runs.

A pattern becomes a small program; a set of places in it is a state, and each step from a state is remembered. What is
remembered is bounded, and so is the work of one validation (`Work`): a hostile pattern is an error, not a halt.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.api import regex
from edge.api.regex import Assert, Concat, Either, Node, Repeat, Set
from edge.api.regex_classes import Chars

LARGEST_PROGRAM = 10_000
_MOST_STATES = 200
_MOST_STEPS = 5_000
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_MATCH = -1
_START, _OTHER, _WORDY, _NEWLINE = range(4)


class TooMuchWork(Exception):
    """A text takes longer to match than a request may."""


class Work:
    """What may still be spent on matching, in steps; one is well below a microsecond."""

    def __init__(self, steps: int = 2_000_000) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Take steps. Raises TooMuchWork when none are left."""
        self._left -= steps
        if self._left < 0:
            raise TooMuchWork


@dataclass(frozen=True, slots=True)
class _Step:
    """One place of a program: reads a character (`chars`), looks at its surroundings (`place`), or goes on to both."""

    chars: Chars | None
    place: str
    to: tuple[int, ...]


class Pattern:
    """A compiled pattern. The program is made when it is first used: most patterns of a rack never are."""

    def __init__(self, pattern: str) -> None:
        """Raises regex.RegexError for what is no regular expression."""
        self.text = pattern
        self._tree: Node | None = regex.parse(pattern)
        if _size(self._tree) > LARGEST_PROGRAM:
            raise regex.RegexError(f"error parsing regexp: expression too large: `{pattern[:64]}`")
        self._steps: list[_Step] = []
        self._first = 0
        self._looks_around = False
        self._states: dict[tuple[frozenset[int], int], dict[str, tuple[frozenset[int], int] | None]] = {}
        self._kept = 0

    def search(self, text: str, work: Work) -> bool:
        """Return whether the pattern matches somewhere in a text. Raises TooMuchWork."""
        if self._tree is not None:
            self._build(self._tree)
        work.spend(len(text) + 1)
        state: tuple[frozenset[int], int] = (frozenset(), _START)
        steps = self._known(state)
        for char in text:
            following = steps[char] if char in steps else self._work_out(state, char, work)
            if following is None:
                return True
            state = following
            steps = self._known(state)
        return _MATCH in self._reach(state, None, work)

    def _known(self, state: tuple[frozenset[int], int]) -> dict[str, tuple[frozenset[int], int] | None]:
        found = self._states.get(state)
        if found is None or self._kept >= _MOST_STEPS:
            if len(self._states) >= _MOST_STATES or self._kept >= _MOST_STEPS:
                self._states.clear()
                self._kept = 0
            found = self._states[state] = {}
        return found

    def _work_out(self, state: tuple[frozenset[int], int], char: str,
                  work: Work) -> tuple[frozenset[int], int] | None:
        """Return the state after a character; None when the pattern has matched before it."""
        reached = self._reach(state, char, work)
        following: tuple[frozenset[int], int] | None = None
        if _MATCH not in reached:
            targets = frozenset(self._steps[place].to[0] for place in reached if self._reads(place, char))
            following = (targets, self._kind(char))
        self._known(state)[char] = following
        self._kept += 1
        return following

    def _reads(self, place: int, char: str) -> bool:
        chars = self._steps[place].chars
        return chars is not None and chars.has(char)

    def _kind(self, char: str) -> int:
        if not self._looks_around:
            return _OTHER
        return _NEWLINE if char == "\n" else _WORDY if char in _WORD else _OTHER

    def _reach(self, state: tuple[frozenset[int], int], char: str | None, work: Work) -> set[int]:
        """Return every place reached before a character (None: the end), the beginning among them."""
        places, before = state
        reached: set[int] = set()
        todo = [self._first, *places]
        while todo:
            place = todo.pop()
            if place in reached:
                continue
            reached.add(place)
            if place == _MATCH:
                break
            step = self._steps[place]
            if step.chars is None and (not step.place or _holds(step.place, before, char)):
                todo.extend(step.to)
        work.spend(4 * len(reached))
        return reached

    def _build(self, tree: Node) -> None:
        self._first = self._add(tree, _MATCH)
        self._looks_around = any(step.place not in ("", "start", "end") for step in self._steps)
        self._tree = None

    def _emit(self, step: _Step) -> int:
        self._steps.append(step)
        return len(self._steps) - 1

    def _add(self, node: Node, after: int) -> int:
        """Add a node that goes on to a place, back to front; return where it begins."""
        if isinstance(node, Set):
            return self._emit(_Step(node.chars, "", (after,)))
        if isinstance(node, Assert):
            return self._emit(_Step(None, node.place, (after,)))
        if isinstance(node, Concat):
            for part in reversed(node.parts):
                after = self._add(part, after)
            return after
        if isinstance(node, Either):
            return self._emit(_Step(None, "", tuple(self._add(part, after) for part in node.parts)))
        return self._repeat(node, after)

    def _repeat(self, node: Repeat, after: int) -> int:
        if node.most is None:
            fork = self._emit(_Step(None, "", (after,)))
            self._steps[fork] = _Step(None, "", (self._add(node.part, fork), after))
            begin = fork
        else:
            begin = after
            for _ in range(node.most - node.least):
                begin = self._emit(_Step(None, "", (self._add(node.part, begin), after)))
        for _ in range(node.least):
            begin = self._add(node.part, begin)
        return begin


def _size(node: Node) -> int:
    """Return how many places a program of it has, without making it."""
    if isinstance(node, Repeat):
        return (_size(node.part) + 1) * max(node.least + 1 if node.most is None else node.most, 1)
    if isinstance(node, Concat | Either):
        return 1 + sum(_size(part) for part in node.parts)
    return 1


def _holds(place: str, before: int, char: str | None) -> bool:
    if place in ("start", "line start"):
        return before == _START or (place == "line start" and before == _NEWLINE)
    if place in ("end", "line end"):
        return char is None or (place == "line end" and char == "\n")
    border = (before == _WORDY) != (char is not None and char in _WORD)
    return border == (place == "word")
