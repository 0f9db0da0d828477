"""Taints as a person writes them."""

from __future__ import annotations

from edge.api import core


def parse_taint(text: str) -> core.Taint:
    """Return a taint written as `key=value:Effect` or `key:Effect`.

    Raises:
        ValueError: it is not written so.
    """
    whole, colon, effect = text.rpartition(":")
    key, _, value = whole.partition("=")
    if not colon or not key or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise ValueError(f"{text!r} is not key=value:Effect with NoSchedule, PreferNoSchedule or NoExecute")
    return core.Taint(key=key, value=value, effect=effect)
