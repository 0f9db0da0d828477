"""What `/metrics` tells of the server's parts beside the API."""

from __future__ import annotations

from collections.abc import Mapping

from edge.apiserver.metrics_text import Gauge


def refused_on_the_bus(refused: Mapping[str, int], dropped: Mapping[str, int]) -> tuple[Gauge, ...]:
    """Return how many messages were not taken: `refused` by branch and reason, `dropped` by reason alone."""
    values: list[tuple[dict[str, str], float]] = []
    for text, count in sorted(refused.items()):
        branch, _, reason = text.partition(": ")
        values.append(({"branch": branch, "reason": reason}, count))
    values += [({"branch": "", "reason": reason}, count) for reason, count in sorted(dropped.items())]
    return (Gauge("edge_bus_refused_total", "Messages from nodes that the server has not taken.", values, "counter"),)
