"""Field selectors: `spec.nodeName=node-1,status.phase!=Running`.

https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge.api import errors

_TERM = re.compile(r"((?:\\.|[^\\=!,])+?)(!=|==|=)((?:\\[\\,=]|[^\\=,])*)")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition: the field equals the value, or differs from it."""

    field: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Conditions that hold together; without any, everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, get: Mapping[str, str]) -> bool:
        """Tell whether an object with these field values is selected; a field that is not there is empty."""
        return all((get.get(r.field, "") == r.value) != r.negated for r in self.requirements)

    def exact(self, field: str) -> str | None:
        """Return the value the field must equal, or None when the selector does not fix it."""
        return next((r.value for r in self.requirements if r.field == field and not r.negated), None)

    def __str__(self) -> str:
        return ",".join(f"{r.field}{'!=' if r.negated else '='}{_escape(r.value)}" for r in self.requirements)


def parse(text: str) -> FieldSelector:
    """Return the selector. Raises errors.BadRequest when the text is none."""
    terms = re.findall(r"(?:\\.|[^,])+", text.strip())
    return FieldSelector(tuple(_requirement(text, term) for term in terms))


def _requirement(text: str, term: str) -> Requirement:
    match = _TERM.fullmatch(term)
    if match is None:
        raise errors.BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
    field, operator, value = match.groups()
    return Requirement(field.strip(), re.sub(r"\\([\\,=])", r"\1", value), negated=operator == "!=")


def _escape(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)
