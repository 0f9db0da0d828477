"""StatefulSets of the versions from before `apps/v1`, with what those filled in themselves.

`apps/v1beta1` waited until somebody deleted the old pods, and took the selector from the template's labels.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def stateful_set(api_version: str, obj: Json) -> None:
    """Write the defaults of the sender's version into a StatefulSet."""
    if api_version != "apps/v1beta1":
        return  # apps/v1beta2 differs in its name only
    spec = _section(obj, "spec")
    labels = _section(_section(spec, "template"), "metadata").get("labels")
    if isinstance(labels, dict) and labels:
        if spec.get("selector") is None:
            spec["selector"] = {"matchLabels": dict(labels)}
        metadata = _section(obj, "metadata")
        if not metadata.get("labels"):
            metadata["labels"] = dict(labels)
    strategy = _section(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "OnDelete"


def _section(parent: Json, key: str) -> Json:
    """Return the mapping below `key`, made when it is absent; something of a wrong type is left to the decoder."""
    if parent.get(key) is None:
        parent[key] = {}
    section = parent[key]
    return section if isinstance(section, dict) else {}
