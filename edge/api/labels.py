"""Label selectors, as text (`app=web,tier in (a,b),!canary`) and as the API's LabelSelector.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge.api import errors, meta

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_TOKEN = re.compile(r"\s*(?:([(),]|!=|==|=|!|<|>)|([^\s(),=!<>]+))")
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
    while tokens:
        requirements.append(_requirement(tokens))
        if tokens and tokens.pop(0) != ",":
            raise _refused("found something after a requirement, expected: ',' or 'end of string'")
        if not tokens and text.rstrip().endswith(","):
            raise _refused("found '', expected: identifier after ','")
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
    tokens: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:  # pragma: no cover - the second alternative takes whatever the first does not
            raise _refused(f"found {text[position:]!r}")
        tokens.append(match.group(1) or match.group(2))
        position = match.end()
    return tokens


def _requirement(tokens: list[str]) -> Requirement:
    """Take one requirement off the front of the tokens."""
    key = tokens.pop(0)
    absent = key == "!" and bool(tokens)
    if absent:
        key = tokens.pop(0)
    if problem := key_problem(key):
        raise _refused(f"found '{key}', expected: !, identifier, or ')': {problem}"
                       if key in "(),=!<>" else f'key: Invalid value: "{key}": {problem}')
    if absent or not tokens or tokens[0] == ",":
        return Requirement(key, "DoesNotExist" if absent else "Exists")
    sign = tokens.pop(0)
    operator = _SIGNS.get(sign)
    if operator is None:
        raise _refused(f"found '{sign}', expected: in, notin, =, ==, !=, gt, lt")
    values = _set(tokens) if sign in ("in", "notin") else [_value(tokens)]
    for value in values:
        if problem := value_problem(value):
            raise _refused(f'values[0][{key}]: Invalid value: "{value}": {problem}')
    if sign in "<>" and not re.fullmatch(r"-?\d+", values[0]):
        raise _refused(f'values[0][{key}]: Invalid value: "{values[0]}": for \'Gt\', \'Lt\' operators, the value must '
                       "be an integer")
    return Requirement(key, operator, frozenset(values))


def _value(tokens: list[str]) -> str:
    """Take a value; nothing before a comma or the end is the empty value."""
    return "" if not tokens or tokens[0] in ",)" else tokens.pop(0)


def _set(tokens: list[str]) -> list[str]:
    if not tokens or tokens.pop(0) != "(":
        raise _refused("found something else, expected: '('")
    values = [_value(tokens)]
    while tokens and tokens[0] == ",":
        tokens.pop(0)
        values.append(_value(tokens))
    if not tokens or tokens.pop(0) != ")":
        raise _refused("found '', expected: ',', or ')'")
    return values


def _refused(why: str) -> errors.BadRequest:
    return errors.BadRequest(f"unable to parse requirement: {why}")
