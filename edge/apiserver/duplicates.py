"""Finds fields that a body has twice. Decoders take the last one, and the author should know.

A body without them, as nearly all are, costs a few microseconds; only one that has some is read again to say where.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

MOST = 100
"""More than these are not told."""


def in_json(body: bytes, value: Any) -> tuple[str, ...]:
    """Return `duplicate field "spec.x"` for each in a JSON body, whose value is known already."""
    # Each name has a colon after it, and written again all of them come back, unless something got lost on the way.
    if body.count(b":") == msgspec.json.encode(value).count(b":"):
        return ()
    found: list[str] = []
    try:
        _walk(json.loads(body, object_pairs_hook=_Pairs), "", found)
    except (ValueError, RecursionError):
        return ()  # deeper, or with larger numbers, than this reader takes
    return tuple(dict.fromkeys(f'duplicate field "{path}"' for path in found[:MOST]))


class _Pairs(dict[str, Any]):
    """An object that remembers which names came twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice: list[str] = []
        if len(self) != len(pairs):
            seen: set[str] = set()
            self.twice = [name for name, _ in pairs if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _walk(node: Any, path: str, found: list[str]) -> None:
    if isinstance(node, _Pairs):
        prefix = f"{path}." if path else ""
        found += [prefix + name for name in node.twice]
        for name, value in node.items():
            _walk(value, prefix + name, found)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _walk(value, f"{path}[{index}]", found)


def in_yaml(body: bytes) -> tuple[str, ...]:
    """Return what Kubernetes' reader of YAML says of a body that has names twice; it was read once before."""
    import yaml  # It has been loaded for the first reading.

    lines: list[tuple[int, str]] = []
    stack, seen = [yaml.compose(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))], set()
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack += node.value
        elif isinstance(node, yaml.MappingNode):
            names: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in names:
                        lines.append((key.start_mark.line + 1, key.value))
                    names.add(key.value)
                stack.append(value)
    if not lines:
        return ()
    told = [f'line {line}: key "{name}" already set in map' for line, name in sorted(lines)[:MOST]]
    return ("\n  ".join(["yaml: unmarshal errors:", *told]),)
