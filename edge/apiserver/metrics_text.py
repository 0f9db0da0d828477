"""Writes `/metrics` in the text format of Prometheus: what can be told without counting requests.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One number, or one for each set of labels."""

    name: str
    help: str
    values: Sequence[tuple[Mapping[str, str], float]]
    kind: str = "gauge"


def single(name: str, text: str, value: float, kind: str = "gauge") -> Gauge:
    """Return a metric without labels."""
    return Gauge(name, text, (({}, value),), kind)


def written(metrics: Sequence[Gauge]) -> str:
    """Return the document."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for labels, value in metric.values:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{metric.name}{{{inside}}} {_exact(value)}" if inside else f"{metric.name} {_exact(value)}")
    return "\n".join([*lines, ""])


def _exact(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
