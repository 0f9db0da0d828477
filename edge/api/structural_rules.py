"""What must hold of one value: bounds, lengths, patterns, formats, enumerations, each compiled into a small function.

A rule looks at values of its own kind only, whatever the schema's type says, as Kubernetes' do: a wrong type is another
error. The words are those of Kubernetes' OpenAPI validation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

import msgspec

from edge.api import formats, regex
from edge.api import validation_words as words
from edge.api.apiextensions import JSONSchemaProps
from edge.api.errors import Cause
from edge.api.regex_machine import Pattern, TooMuchWork, Work

Rule = Callable[[Any, str, Work], Cause | None]
"""Takes a value, the path of its field and what may be spent; returns what is wrong."""

NOWHERE = "<nil>"
"""What Kubernetes calls the field of an error that has none."""
_MAX_INT64 = 2**63 - 1


def of(schema: JSONSchemaProps) -> tuple[Rule, ...]:
    """Return the rules of a schema for the value itself."""
    found = [*_of_strings(schema), *_of_numbers(schema), *_of_lists(schema)]
    if schema.enum:
        found.append(_enum(schema.enum, schema.nullable))
    return (*found, *_of_objects(schema))


def kind_of(value: Any) -> str:
    """Return the JSON type of a value, as schemas name it; a whole number is an integer, 1.0 too."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -_MAX_INT64 - 1 <= value <= _MAX_INT64 else "number"
    if isinstance(value, float):
        return "integer" if value.is_integer() and abs(value) < 2**53 else "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list | tuple):
        return "array"
    return "null" if value is None else "object"


def key(value: Any) -> Hashable:
    """Return what equal JSON values have in common: 1 and 1.0, but not 1 and true."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, dict | list | tuple):
        return msgspec.json.encode(value, order="deterministic")
    return value if value is None or isinstance(value, int | float | str) else repr(value)


def place(path: str) -> str:
    """Return the name of a field in an error."""
    return path.removeprefix(".") or NOWHERE


def wrong_type(path: str, types: tuple[str, ...] | str, got: str) -> Cause:
    """Return the cause for a value of a wrong type or form; `got` is the type, or the text of a wrong form."""
    wanted = types if isinstance(types, str) else ",".join(types)
    cause = words.invalid(place(path), got, f'{path} in body must be of type {wanted}: "{got}"')
    return Cause(reason="FieldValueTypeInvalid", field=cause.field, message=cause.message)


def _of_strings(schema: JSONSchemaProps) -> list[Rule]:
    found: list[Rule] = []
    if schema.max_length is not None or schema.min_length is not None or schema.pattern:
        found.append(_string(schema.max_length, schema.min_length, schema.pattern))
    form = formats.check(schema.format) if schema.format and schema.type in ("", "string") else None
    if form is not None:
        found.append(_form(schema.format, form))
    return found


def _string(most: int | None, least: int | None, pattern: str) -> Rule:
    compiled = _pattern(pattern)

    def rule(value: Any, path: str, work: Work) -> Cause | None:
        if not isinstance(value, str):
            return None
        if most is not None and len(value) > most:
            return words.too_long(place(path), most)
        if least is not None and len(value) < least:
            return words.invalid(place(path), value, f"{path} in body should be at least {least} chars long")
        if compiled is None:
            return None
        try:
            if compiled.search(value, work):
                return None
        except TooMuchWork:
            return words.invalid(place(path), value[:64], f"{path} in body is too long to be matched with '{pattern}'")
        return words.invalid(place(path), value, f"{path} in body should match '{pattern}'")

    return rule


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> Pattern | None:
    """Return a pattern, the same for the same text; one that is none was refused before and matches everything."""
    try:
        return Pattern(pattern) if pattern else None
    except regex.RegexError:
        return None


def _form(name: str, form: Callable[[str], bool]) -> Rule:
    def rule(value: Any, path: str, work: Work) -> Cause | None:
        if not isinstance(value, str) or form(value):
            return None
        return wrong_type(path, name, value)

    return rule


def _of_numbers(schema: JSONSchemaProps) -> list[Rule]:
    found: list[Rule] = []
    if schema.type == "integer" and schema.format in ("int32", "int64"):
        found.append(_width(schema.format))
    if schema.multiple_of is not None:
        found.append(_multiple(schema.multiple_of))
    if schema.minimum is not None:
        found.append(_bound(schema.minimum, excluded=schema.exclusive_minimum, lower=True))
    if schema.maximum is not None:
        found.append(_bound(schema.maximum, excluded=schema.exclusive_maximum, lower=False))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _width(name: str) -> Rule:
    def rule(value: Any, path: str, work: Work) -> Cause | None:
        if kind_of(value) != "integer" or formats.integer_fits(name, int(value)):
            return None
        return words.invalid(NOWHERE, "", f"Checked value must be of type integer with format {name} in {path}")

    return rule


def _bound(limit: float, *, excluded: bool, lower: bool) -> Rule:
    side = "greater" if lower else "less"
    said = f"should be {side} than {'' if excluded else 'or equal to '}{_go(limit)}"

    def rule(value: Any, path: str, work: Work) -> Cause | None:
        if not _is_number(value) or (value > limit if lower else value < limit) or (value == limit and not excluded):
            return None
        return words.invalid(place(path), value, f"{path} in body {said}")

    return rule


def _multiple(factor: float) -> Rule:
    def rule(value: Any, path: str, work: Work) -> Cause | None:
        if not _is_number(value) or _divides(factor, value):
            return None
        return words.invalid(place(path), value, f"{path} in body should be a multiple of {_go(factor)}")

    return rule


def _divides(factor: float, value: float) -> bool:
    if factor == 0:
        return False
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    try:
        times = value * (1 / factor) if abs(factor) < 1 else value / factor  # 0.3 / 0.1 is no whole number, 0.3 * 10 is
        return math.isfinite(times) and abs(times - round(times)) < 1e-9 * max(1.0, abs(times))
    except OverflowError:
        return False


def _of_lists(schema: JSONSchemaProps) -> list[Rule]:
    most, least, unique = schema.max_items, schema.min_items, schema.unique_items
    if most is None and least is None and not unique:
        return []

    def rule(value: Any, path: str, work: Work) -> Cause | None:
        if not isinstance(value, list | tuple):
            return None
        if least is not None and len(value) < least:
            return words.invalid(place(path), len(value), f"{path} in body should have at least {least} items")
        if most is not None and len(value) > most:
            return words.too_many(place(path), len(value), most)
        if unique and len({key(item) for item in value}) < len(value):
            return words.invalid(place(path), "", f"{path} in body shouldn't contain duplicates")
        return None

    return [rule]


def _of_objects(schema: JSONSchemaProps) -> list[Rule]:
    most, least = schema.max_properties, schema.min_properties
    if most is None and least is None:
        return []

    def rule(value: Any, path: str, work: Work) -> Cause | None:
        if not isinstance(value, dict):
            return None
        if least is not None and len(value) < least:
            return words.invalid(place(path), len(value), f"{path} in body should have at least {least} properties")
        return words.too_many(place(path), len(value), most) if most is not None and len(value) > most else None

    return [rule]


def _enum(allowed: tuple[Any, ...], nullable: bool) -> Rule:
    keys = frozenset(key(one) for one in allowed)
    shown = tuple(one if isinstance(one, str) else msgspec.json.encode(one).decode() for one in allowed)

    def rule(value: Any, path: str, work: Work) -> Cause | None:
        if key(value) in keys and (value is not None or nullable):
            return None
        return words.unsupported(place(path), value, shown)

    return rule


def _go(number: float) -> str:
    """Return a number as Go prints it."""
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e21 else repr(number)
