"""Reads regular expressions as Kubernetes does (RE2's syntax), into trees that `regex_machine` runs in linear time.

Patterns come from people who define kinds, texts from people who create objects. Python's own engine takes exponential
time for some pairs of them, and another syntax; an API server must neither stand still nor mean something else.
https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.api import regex_classes as classes
from edge.api.regex_classes import Chars

MAX_REPEAT = 1000
DEEPEST = 60
LONGEST = 16 * 1024
_END = ""


class RegexError(ValueError):
    """A pattern that is no regular expression; the text says why, as Go does."""


@dataclass(frozen=True, slots=True)
class Set:
    """One character of a set."""

    chars: Chars


@dataclass(frozen=True, slots=True)
class Assert:
    """A place in the text: `start`, `end`, `line start`, `line end`, `word` or `not word`."""

    place: str


@dataclass(frozen=True, slots=True)
class Concat:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """As often as that; None has no upper bound."""

    part: Node
    least: int
    most: int | None
    product: int
    """Bounded repetitions within each other, multiplied: what the pattern grows to."""


Node = Set | Assert | Concat | Either | Repeat


@dataclass(frozen=True, slots=True)
class _Flags:
    fold: bool = False
    lines: bool = False
    dot_all: bool = False


def parse(pattern: str) -> Node:
    """Return what a pattern says. Raises RegexError, in Go's words, when it says nothing."""
    if len(pattern) > LONGEST:
        raise RegexError(f"error parsing regexp: expression too large: `{pattern[:32]}...`")
    return _Parser(pattern).parse()


class _Parser:
    """Recursive descent; the depth is bounded by DEEPEST."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0
        self._flags = _Flags()

    def parse(self) -> Node:
        """Return the whole pattern."""
        node = self._either()
        if self._at < len(self._text):
            raise self._error("unexpected )", self._text)
        return node

    def _error(self, what: str, where: str) -> RegexError:
        return RegexError(f"error parsing regexp: {what}: `{where}`")

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _next(self) -> str:
        if self._at >= len(self._text):
            return _END
        self._at += 1
        return self._text[self._at - 1]

    def _either(self) -> Node:
        options = [self._concat()]
        while self._peek("|"):
            self._at += 1
            options.append(self._concat())
        return options[0] if len(options) == 1 else Either(tuple(options))

    def _concat(self) -> Node:
        parts: list[Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            if self._peek(r"\Q"):
                parts.extend(self._quoted())
                continue
            start = self._at
            parts.append(self._repeated(self._atom(), start))
        return parts[0] if len(parts) == 1 else Concat(tuple(parts))

    def _quoted(self) -> list[Node]:
        end = self._text.find(r"\E", self._at + 2)
        literal = self._text[self._at + 2:end if end >= 0 else len(self._text)]
        self._at = end + 2 if end >= 0 else len(self._text)
        return [self._literal(char) for char in literal]

    def _repeated(self, node: Node, start: int) -> Node:
        before = self._at
        bounds = self._bounds(start)
        if bounds is None:
            return node
        least, most = bounds
        product = _product(node) * max(least, 1 if most is None else most, 1)
        if product > MAX_REPEAT:
            raise self._error("invalid repeat count", self._text[before:self._at])
        lazy_end = self._at
        if self._peek("?"):
            self._at += 1
        counted = self._counted()
        if counted is not None or (self._at < len(self._text) and self._text[self._at] in "*+?"):
            end = counted[2] if counted is not None else lazy_end + 1
            raise self._error("invalid nested repetition operator", self._text[before:end])
        return Repeat(node, least, most, product)

    def _bounds(self, start: int) -> tuple[int, int | None] | None:
        char = self._text[self._at:self._at + 1]
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if char in simple and char:
            self._at += 1
            return simple[char]
        counted = self._counted()
        if counted is None:
            return None
        least, most, end = counted
        if least > MAX_REPEAT or (most is not None and (most > MAX_REPEAT or most < least)):
            raise self._error("invalid repeat count", self._text[self._at:end])
        self._at = end
        return least, most

    def _counted(self) -> tuple[int, int | None, int] | None:
        """Return the bounds of a `{2,5}` that stands here, and where it ends; None for a plain brace."""
        if not self._peek("{"):
            return None
        end = self._text.find("}", self._at)
        if end < 0:
            return None
        least, comma, most = self._text[self._at + 1:end].partition(",")
        if not _is_count(least) or (most and not _is_count(most)):
            return None
        low = int(least)
        return low, (int(most) if most else None) if comma else low, end + 1

    def _atom(self) -> Node:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            chars, self._at = classes.bracket(self._text, self._at - 1, self._flags.fold, RegexError)
            return Set(chars)
        if char == ".":
            return Set(classes.ANY if self._flags.dot_all else classes.NOT_NEWLINE)
        if char == "^":
            return Assert("line start" if self._flags.lines else "start")
        if char == "$":
            return Assert("line end" if self._flags.lines else "end")
        if char == "\\":
            return self._escape()
        if char in "*+?":
            raise self._error("missing argument to repetition operator", char)
        self._at -= 1
        counted = self._counted()
        if counted is not None:
            raise self._error("missing argument to repetition operator", self._text[self._at:counted[2]])
        self._at += 1
        return self._literal(char)

    def _literal(self, char: str) -> Node:
        return Set(Chars(ranges=((ord(char), ord(char)),), fold=self._flags.fold))

    def _escape(self) -> Node:
        places = {"A": "start", "z": "end", "b": "word", "B": "not word"}
        char = self._text[self._at:self._at + 1]
        if char in places and char:
            self._at += 1
            return Assert(places[char])
        chars, self._at = classes.escape(self._text, self._at - 1, RegexError)
        return Set(replace(chars, fold=self._flags.fold))

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error("expression nests too deeply", self._text)
        outer = self._flags
        if self._peek("?") and not self._named() and not self._changed_flags():
            self._depth -= 1
            return Concat(())  # (?i): from here to the end of the group around it
        node = self._either()
        if self._next() != ")":
            raise self._error("missing closing )", self._text)
        self._flags = outer
        self._depth -= 1
        return node

    def _named(self) -> bool:
        """Skip the name of a group, when it has one."""
        for opening in ("?P<", "?<"):
            if self._peek(opening) and self._text[self._at + len(opening):self._at + len(opening) + 1] not in "=!":
                end = self._text.find(">", self._at)
                name = self._text[self._at + len(opening):end]
                if end < 0 or not name.isidentifier():
                    raise self._error("invalid named capture", self._text[self._at - 1:end + 1 if end >= 0 else None])
                self._at = end + 1
                return True
        return False

    def _changed_flags(self) -> bool:
        """Take over `?i-s:` or `?i)`; False when the group ends with its flags."""
        start = self._at - 1
        self._at += 1
        value, changes = True, {"i": "fold", "m": "lines", "s": "dot_all"}
        flags = self._flags
        while (char := self._next()) in "imsU-" and char != _END:
            if char == "-" and not value:
                break
            if char == "-":
                value = False
            elif char in changes:
                flags = replace(flags, **{changes[char]: value})
        if char not in (":", ")") or char == _END:
            raise self._error("invalid or unsupported Perl syntax", self._text[start:self._at])
        self._flags = flags
        return char == ":"


def _product(node: Node) -> int:
    if isinstance(node, Repeat):
        return node.product
    if isinstance(node, Concat | Either):
        return max((_product(part) for part in node.parts), default=1)
    return 1


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9 and (len(text) == 1 or text[0] != "0")
