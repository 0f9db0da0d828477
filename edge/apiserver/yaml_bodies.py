"""Reads request bodies in YAML, as Kubernetes does, and refuses what would grow or nest without end."""

from __future__ import annotations

import re
from typing import Any

import yaml

from edge.api import errors

DEEPEST = 100
MOST_NODES = 150_000
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Plain(_Loader):  # type: ignore[misc, valid-type]
    """YAML as Kubernetes reads it: a timestamp or `12:30` stays the text it was written as.

    YAML 1.1 takes `1:30` for a number in base 60, and working out a long one takes hours.
    """


_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"^[-+]?(?:0b[0-1_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"),
    "tag:yaml.org,2002:float": re.compile(
        r"^(?:(?:[-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
}
_Plain.yaml_implicit_resolvers = {
    first: [(tag, _NUMBERS.get(tag, pattern)) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()}


def _number(loader: Any, node: Any) -> int | float:
    """Return a number. Raises ValueError for one in base 60, which a tag can still ask for, and for a huge one."""
    if ":" in str(loader.construct_scalar(node)):
        raise ValueError("a number has no colons")
    found: int | float = loader.construct_yaml_int(node) if node.tag.endswith(":int") \
        else loader.construct_yaml_float(node)
    if isinstance(found, int) and not -2**63 <= found < 2**64:
        raise ValueError("integer value out of range")
    return found


for _tag in _NUMBERS:
    _Plain.add_constructor(_tag, _number)


def read(body: bytes) -> Any:
    """Return what the body says. Raises errors.BadRequest when it does not parse."""
    try:
        _check(body)
        return yaml.load(body, Loader=_Plain)  # noqa: S506 - built on the safe loader
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise errors.BadRequest(f"error converting YAML to JSON: {error}") from error


def _check(body: bytes) -> None:
    """Raise ValueError for what would be too deep or too large once it is built.

    The C loader builds by recursion, and without this a few thousand brackets end the process; an alias costs a few
    bytes and stands for as much as its anchor.
    """
    open_nodes: list[tuple[str, int]] = []
    by_anchor: dict[str, int] = {}
    total = 0
    for event in yaml.parse(body, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor or "", total))
            if len(open_nodes) > DEEPEST:
                raise ValueError("exceeded max depth")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            by_anchor[anchor] = total - before + 1
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise ValueError("an anchor contains itself")
            total += by_anchor.get(event.anchor or "", 0)
        total += isinstance(event, yaml.NodeEvent)
        if total > MOST_NODES:
            raise ValueError("document contains excessive aliasing")
