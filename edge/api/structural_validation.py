"""Says what is wrong with an object of a custom kind, at which field, in Kubernetes' words.

An update is judged mildly, as Kubernetes does: what was there before and has not changed may stay, so that a stricter
schema does not block the rest of an object. Texts are matched within a bound (`regex_machine.Work`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from edge.api import meta, structural_embedded
from edge.api import structural_rules as rules
from edge.api import validation_words as words
from edge.api.errors import Cause
from edge.api.regex_machine import Work
from edge.api.structural import Node, Structural

_ABSENT: Any = object()
_MOST_CAUSES = 200


def validate(schema: Structural, obj: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> tuple[Cause, ...]:
    """Return everything that is wrong with a whole object, as it is after pruning and defaults.

    Args:
        schema: the one of the version the object is written in.
        obj: the object; its metadata may still be a Struct.
        old: the stored object, for an update.
    """
    run = _Run(Work())
    plain = _plain(schema, obj)
    try:
        run.value(schema.root, plain, _ABSENT if old is None else _plain(schema, old), "")
    except RecursionError:
        return (words.invalid(rules.NOWHERE, "", "the object nests too deeply"),)
    return tuple(run.causes[:_MOST_CAUSES])


def validate_value(schema: Node, value: Any, path: str) -> tuple[Cause, ...]:
    """Return everything that is wrong with one value: a default, at the path of its schema."""
    run = _Run(Work())
    run.value(schema, value, _ABSENT, path)
    return tuple(run.causes)


def _plain(schema: Structural, obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with metadata as a mapping, where the schema says something of it."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, meta.Struct):
        return dict(obj)
    says = "metadata" in schema.root.properties or schema.root.combined
    return {**obj, "metadata": msgspec.to_builtins(metadata) if says else {}}


class _Run:
    """One validation: what was found, and what may still be spent."""

    def __init__(self, work: Work) -> None:
        self.causes: list[Cause] = []
        self._work = work

    def value(self, schema: Node, value: Any, old: Any, path: str) -> None:
        """Judge a value, and what is inside it."""
        before = len(self.causes)
        if before >= _MOST_CAUSES:
            return
        kind = rules.kind_of(value)
        if schema.types and kind not in schema.types and not self._tolerated(schema, kind):
            self.causes.append(rules.wrong_type(path, schema.types, kind))
        if schema.combined and value is not None:
            self._combined(schema, value, path)
        for rule in schema.rules:
            cause = rule(value, path, self._work)
            if cause is not None:
                self.causes.append(cause)
        if isinstance(value, dict):
            self._fields(schema, value, old if isinstance(old, dict) else _ABSENT, path)
        elif isinstance(value, list | tuple):
            self._items(schema, value, old if isinstance(old, list | tuple) else _ABSENT, path)
        if len(self.causes) > before and old is not _ABSENT and rules.key(value) == rules.key(old):
            del self.causes[before:]

    def _tolerated(self, schema: Node, kind: str) -> bool:
        return (kind == "null" and schema.nullable) or (kind == "integer" and "number" in schema.types)

    def _fields(self, schema: Node, value: dict[str, Any], old: Any, path: str) -> None:
        if schema.embedded:
            self.causes.extend(structural_embedded.causes(value, path))
        for key, inner in value.items():
            known = schema.properties.get(key, schema.additional)
            if known is not None:
                before = _ABSENT if old is _ABSENT else old.get(key, _ABSENT)
                self.value(known, inner, before, f"{path}.{key}" if path else key)
            elif schema.closed:
                self.causes.append(words.invalid(rules.place(path), key, f"{path}.{key} in body is a forbidden "
                                                                         "property"))
        for key in schema.required:
            if key not in value:
                self.causes.append(words.required(f"{path}.{key}".removeprefix(".")))

    def _items(self, schema: Node, value: list[Any] | tuple[Any, ...], old: Any, path: str) -> None:
        if schema.items is not None:
            befores = self._correlated(schema, value, old)
            for index, inner in enumerate(value):
                self.value(schema.items, inner, befores[index], f"{path}[{index}]")
        if schema.list_type == "set":
            self._unique(path, [(rules.key(item), item) for item in value])
        elif schema.list_type == "map":
            self._unique_keys(schema, value, path)

    def _correlated(self, schema: Node, value: list[Any] | tuple[Any, ...], old: Any) -> list[Any]:
        """Return for each item what it was before: items of a map list are known by their keys, others are not."""
        if old is _ABSENT or schema.list_type != "map":
            return [_ABSENT] * len(value)
        known = {_identity(schema, item): item for item in old if isinstance(item, dict)}
        return [known.get(_identity(schema, item), _ABSENT) if isinstance(item, dict) else _ABSENT for item in value]

    def _unique_keys(self, schema: Node, value: list[Any] | tuple[Any, ...], path: str) -> None:
        for index, item in enumerate(value):
            if item is not None and not isinstance(item, dict):
                self.causes.append(words.invalid(f"{path}[{index}]", item,
                                                 "must be an object for an array of list-type map"))
                return
        self._unique(path, [(_identity(schema, item or {}), {key: item[key] for key in schema.list_map_keys
                                                             if item and key in item}) for item in value])

    def _unique(self, path: str, members: list[tuple[Any, Any]]) -> None:
        """Report each value that is there more than once, at its second place."""
        seen: dict[Any, int] = {}
        for index, (identity, shown) in enumerate(members):
            seen[identity] = seen.get(identity, 0) + 1
            if seen[identity] == 2:
                self.causes.append(words.duplicate(f"{path}[{index}]", shown))

    def _found(self, schema: Node, value: Any, path: str) -> list[Cause]:
        """Return what another schema finds wrong with a value."""
        run = _Run(self._work)
        run.value(schema, value, _ABSENT, path)
        return run.causes

    def _combined(self, schema: Node, value: Any, path: str) -> None:
        if schema.any_of:
            self._any_of(schema.any_of, value, path)
        if schema.one_of:
            self._one_of(schema.one_of, value, path)
        if schema.all_of:
            results = [self._found(one, value, path) for one in schema.all_of]
            self.causes.extend(cause for found in results for cause in found)
            if any(results):
                none = ". None validated" if all(results) else ""
                self._composite(f'"{path}" must validate all the schemas (allOf){none}')
        if schema.excluded is not None and not self._found(schema.excluded, value, path):
            self._composite(f'"{path}" must not validate the schema (not)')

    def _any_of(self, schemas: tuple[Node, ...], value: Any, path: str) -> None:
        best: list[Cause] | None = None
        for one in schemas:
            found = self._found(one, value, path)
            if not found:
                return
            best = found if best is None or len(found) < len(best) else best
        self._composite(f'"{path}" must validate at least one schema (anyOf)')
        self.causes.extend(best or [])

    def _one_of(self, schemas: tuple[Node, ...], value: Any, path: str) -> None:
        results = [self._found(one, value, path) for one in schemas]
        fitting = sum(not found for found in results)
        if fitting == 1:
            return
        how = f"Found {fitting} valid alternatives" if fitting else "Found none valid"
        self._composite(f'"{path}" must validate one and only one schema (oneOf). {how}')
        if not fitting:
            nearest: list[Cause] = min(results, key=len)
            self.causes.extend(nearest)

    def _composite(self, text: str) -> None:
        self.causes.append(words.invalid(rules.NOWHERE, "", text))


def _identity(schema: Node, item: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(rules.key(item[key]) if key in item else _ABSENT for key in schema.list_map_keys)
