"""Paths into objects, as printer columns have them: `.status.conditions[?(@.type=="Ready")].status`.

The subset that kubectl's own columns use. A path is read once; looking something up never fails: what is not there, or
is of another type, is simply not found.
https://kubernetes.io/docs/reference/kubectl/jsonpath/
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

LONGEST = 1024
_DEEPEST = 4
_MOST_FOUND = 10_000
_NAME = re.compile(r"(?:\\.|[^\\ \t\r\n.,\[\]$@{}])+")
_SLICE = re.compile(r"(-?[0-9]{1,9})?(:(-?[0-9]{1,9})?)?(:([0-9]{1,9})?)?")
_FILTER = re.compile(r"([^!<>=]+)([!<>=~]+)(.+)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}

Step = Callable[[list[Any]], list[Any]]


class PathError(ValueError):
    """A path that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path that has been read."""

    text: str
    steps: tuple[Step, ...]

    def find(self, obj: Any) -> list[Any]:
        """Return every value the path leads to, in order; none when there is none."""
        found = [obj]
        for step in self.steps:
            if not found:
                break
            found = step(found)[:_MOST_FOUND]
        return found

    def first(self, obj: Any) -> Any:
        """Return the first value the path leads to, or None."""
        found = self.find(obj)
        return found[0] if found else None


def compile(text: str) -> Path:
    """Return a path that has been read. Raises PathError."""
    return Path(text, tuple(_steps(text, 0)))


def shown(value: Any) -> str:
    """Return a value as text: a string as it is, a list or map as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    try:
        return msgspec.json.encode(value, order="deterministic").decode()
    except RecursionError:
        return "..."


def _steps(text: str, depth: int) -> Iterator[Step]:
    if len(text) > LONGEST or depth > _DEEPEST:
        raise PathError("the path is too long")
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    at = 0
    while at < len(text):
        char = text[at]
        if char in "@$ ":
            at += 1
        elif text.startswith("[", at):
            end = _closing(text, at)
            yield _bracket(text[at + 1:end], depth)
            at = end + 1
        elif text.startswith("..", at):
            yield _descend
            at += 1 if text[at + 2:at + 3] not in ("", "[") else 2
        elif char == ".":
            match = _NAME.match(text, at + 1)
            if match is None:
                if text[at + 1:].strip() not in ("",) and text[at + 1] != "[":
                    raise PathError(f"unrecognized character in action: {text[at + 1]!r}")
                at += 1
                continue
            yield _everything if match[0] == "*" else _field(re.sub(r"\\(.)", r"\1", match[0]))
            at = match.end()
        else:
            raise PathError(f"unrecognized character in action: {char!r}")


def _closing(text: str, at: int) -> int:
    """Return where the bracket that opens at a place is closed, brackets in quotes and filters aside."""
    quote, level = "", 0
    for index in range(at, len(text)):
        char = text[index]
        if quote:
            quote = "" if char == quote and text[index - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        elif char == "[":
            level += 1
        elif char == "]":
            level -= 1
            if level == 0:
                return index
    raise PathError("unterminated array")


def _bracket(inside: str, depth: int) -> Step:
    inside = inside.strip()
    if inside.startswith("?(") and inside.endswith(")"):
        return _filter(inside[2:-1].strip(), depth)
    if inside == "*":
        return _everything
    if len(inside) >= 2 and inside[0] == inside[-1] and inside[0] in "'\"" and inside[0] not in inside[1:-1]:
        return _field(re.sub(r"\\(.)", r"\1", inside[1:-1]))
    if "," in inside:
        parts = [_bracket(part, depth + 1) for part in inside.split(",")] if depth < _DEEPEST else []
        return lambda values: [found for part in parts for found in part(values)]
    match = _SLICE.fullmatch(inside)
    if match is None or not inside:
        raise PathError(f"invalid array index {inside}")
    if match[2] is None and match[4] is None:
        return _index(int(match[1] or 0))
    bounds = [int(part) if part else None for part in (match[1], match[3], match[5])]
    if bounds[2] == 0:
        raise PathError("step must be > 0")
    return _slice(slice(bounds[0], bounds[1], bounds[2]))


def _field(name: str) -> Step:
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _index(place: int) -> Step:
    return lambda values: [value[place] for value in values if isinstance(value, list) and
                           -len(value) <= place < len(value)]


def _slice(part: slice) -> Step:
    return lambda values: [item for value in values if isinstance(value, list) for item in value[part]]


def _everything(values: list[Any]) -> list[Any]:
    return [inner for value in values for inner in _inside(value)]


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _descend(values: list[Any]) -> list[Any]:
    """Return the values and every object and list inside them."""
    found: list[Any] = []
    todo = list(reversed(values))
    while todo and len(found) < _MOST_FOUND:
        value = todo.pop()
        if isinstance(value, dict | list):
            found.append(value)
            todo.extend(reversed(_inside(value)))
    return found


def _filter(text: str, depth: int) -> Step:
    match = _FILTER.fullmatch(text)
    if match is None:
        wanted = tuple(_steps(text, depth + 1))
        return lambda values: [item for value in values if isinstance(value, list) for item in value
                               if Path("", wanted).find(item)]
    compare = _COMPARISONS.get(match[2])
    if compare is None:
        raise PathError(f"unrecognized filter operator {match[2]}")
    left, right = _operand(match[1].strip(), depth), _operand(match[3].strip(), depth)
    return lambda values: [item for value in values if isinstance(value, list) for item in value
                           if _holds(compare, left(item), right(item))]


def _operand(text: str, depth: int) -> Callable[[Any], list[Any]]:
    """Return what yields one side of a comparison: a constant, or what a path finds."""
    constant: Any
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        constant = re.sub(r"\\(.)", r"\1", text[1:-1])
    elif text in ("true", "false"):
        constant = text == "true"
    elif _NUMBER.fullmatch(text):
        constant = float(text) if "." in text else int(text)
    else:
        path = Path(text, tuple(_steps(text, depth + 1)))
        return path.find
    return lambda item: [constant]


def _holds(compare: Callable[[Any, Any], Any], left: list[Any], right: list[Any]) -> bool:
    if len(left) != 1 or len(right) != 1:
        return False
    ours, theirs = left[0], right[0]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (ours, theirs))
    if not numbers and type(ours) is not type(theirs):
        return False
    return isinstance(ours, str | bool | int | float) and bool(compare(ours, theirs))
