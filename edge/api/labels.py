"""Label selectors, as text (`app=web,tier in (a,b),!canary`) and as the API's LabelSelector.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from edge.api import errors, meta

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SPACES = " \t\r\n"
_TOKEN = re.compile(r"[ \t\r\n]*(?:([(),]|!=|==|=|!|<|>)|([^ \t\r\n(),=!<>]+))")
_SIGNS = {"=": "In", "==": "In", "!=": "NotIn", "in": "In", "notin": "NotIn", ">": "Gt", "<": "Lt"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label; `operator` is In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels fulfil the condition. NotIn also holds where the label is missing."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":
            return value not in self.values
        if self.operator == "Exists":
            return value is not None
        if self.operator == "DoesNotExist":
            return value is None
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        try:
            have, bound = int(value), int(next(iter(self.values)))
        except ValueError:
            return False
        return have > bound if self.operator == "Gt" else have < bound

    def __str__(self) -> str:
        values = sorted(self.values)
        if self.operator in ("Exists", "DoesNotExist"):
            return self.key if self.operator == "Exists" else f"!{self.key}"
        if self.operator in ("Gt", "Lt") or len(values) == 1:
            sign = {"In": "=", "NotIn": "!=", "Gt": ">", "Lt": "<"}[self.operator]
            return f"{self.key}{sign}{values[0]}"
        return f"{self.key} {self.operator.lower()} ({','.join(values)})"


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that hold together; without any, everything matches, unless the selector is `nothing`."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an object with these labels is selected."""
        return not self.nothing and all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.nothing and not self.requirements

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


def parse(text: str) -> Selector:
    """Return the selector a query gives as text. Raises errors.BadRequest when it is none."""
    tokens = _tokens(text)
    requirements: list[Requirement] = []
    while tokens[0]:
        if not _is_name(tokens[0]) and tokens[0] != "!":
            raise errors.BadRequest(f"found '{tokens[0]}', expected: !, identifier, or 'end of string'")
        requirements.append(_requirement(tokens))
        if not tokens or not tokens[0]:
            break
        if (after := tokens.pop(0)) != ",":
            raise errors.BadRequest(f"found '{after}', expected: ',' or 'end of string'")
        if not _is_name(tokens[0]) and tokens[0] != "!":
            raise errors.BadRequest(f"found '{tokens[0]}', expected: identifier after ','")
    return Selector(tuple(requirements))


def from_map(labels: Mapping[str, str]) -> Selector:
    """Return the selector that wants each of these values, as a Service or a node selector has it."""
    return Selector(tuple(Requirement(key, "In", frozenset((value,))) for key, value in sorted(labels.items())))


def from_label_selector(selector: meta.LabelSelector | None) -> Selector:
    """Return the selector of the API's form. None matches nothing, an empty one everything."""
    if selector is None:
        return Selector(nothing=True)
    further = tuple(Requirement(r.key, r.operator, frozenset(r.values)) for r in selector.match_expressions)
    return Selector(from_map(selector.match_labels).requirements + further)


def key_problem(key: str) -> str:
    """Return what is wrong with a label's or annotation's name, in Kubernetes' words; empty when nothing is."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix)):
        return ("prefix part " + (_EMPTY if not prefix else _SUBDOMAIN if len(prefix) <= 253 else
                                  "must be no more than 253 characters"))
    if not name:
        return f"name part {_EMPTY}"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    return "" if _NAME.fullmatch(name) else f"name part {_NAME_WORDS}"


def value_problem(value: str) -> str:
    """Return what is wrong with a label's value, in Kubernetes' words; empty when nothing is."""
    if len(value) > 63:
        return "must be no more than 63 characters"
    return "" if not value or _NAME.fullmatch(value) else _VALUE_WORDS


_EMPTY = "must be non-empty"
_SUBDOMAIN = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
              "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
              r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")
_NAME_WORDS = ("must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
               "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
               "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')")
_VALUE_WORDS = ("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
                "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex "
                "used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')")


def _tokens(text: str) -> list[str]:
    """Split into names, signs and, at the end, an empty token; as Go's lexer, which takes the longest sign it knows."""
    tokens: list[str] = []
    position, end = 0, len(text.rstrip(_SPACES))
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:  # pragma: no cover - the second alternative takes whatever the first does not
            raise errors.BadRequest(f"found {text[position:]!r}")
        tokens.append(match.group(1) or match.group(2))
        position = match.end()
    return [*tokens, ""]


def _requirement(tokens: list[str]) -> Requirement:
    """Take one requirement off the front of the tokens."""
    key = tokens.pop(0)
    absent = key == "!"
    if absent:
        key = tokens.pop(0) if tokens else ""
    if not _is_name(key):
        raise _refused(f"found '{key}', expected: identifier")
    if problem := key_problem(key):
        raise _refused(f"<nil>: Invalid value: {_quoted(key)}: {problem}")
    if tokens[:1] in ([""], [","], []):
        return Requirement(key, "DoesNotExist" if absent else "Exists")
    sign = tokens.pop(0)
    operator = _SIGNS.get(sign)
    if operator is None or absent:
        raise _refused(f"found '{sign}', expected: in, notin, =, ==, !=, gt, lt")
    values = sorted(_set(tokens) if sign in ("in", "notin") else {_value(tokens)})
    if sign in "<>" and not re.fullmatch(r"[-+]?[0-9]{1,18}", values[0]):
        raise _refused(f"values[0]: Invalid value: {_quoted(values[0])}: for 'Gt', 'Lt' operators, the value must be "
                       "an integer")
    for index, value in enumerate(values):
        if problem := value_problem(value):
            raise _refused(f"values[{index}][{key}]: Invalid value: {_quoted(value)}: {problem}")
    return Requirement(key, operator, frozenset(values))


def _is_name(token: str) -> bool:
    return bool(token) and token[0] not in "(),=!<>"


def _value(tokens: list[str]) -> str:
    """Take a value; nothing before a comma or the end is the empty value."""
    if tokens[0] in ("", ","):
        return ""
    found = tokens.pop(0)
    if not _is_name(found):
        raise _refused(f"found '{found}', expected: identifier")
    return found


def _set(tokens: list[str]) -> set[str]:
    """Take a set of values in parentheses; nothing between two commas is the empty value."""
    if (found := tokens.pop(0)) != "(":
        raise _refused(f"found '{found}' expected: '('")
    values: set[str] = set()
    wanted = "',', ')' or identifier"
    after_name = False
    while (found := tokens.pop(0) if tokens else "") != ")":
        if found == ",":
            if not after_name:
                values.add("")
            after_name, wanted = False, "',', or identifier"
        elif after_name or not _is_name(found):
            raise _refused(f"found '{found}', expected: {wanted}")
        else:
            values.add(found)
            after_name, wanted = True, "',' or ')'"
    return values if after_name else values | {""}


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _refused(why: str) -> errors.BadRequest:
    return errors.BadRequest(f"unable to parse requirement: {why}")
