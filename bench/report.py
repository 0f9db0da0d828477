"""What every benchmark prints: the machine, and tables of times beside their budget and their reference."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path


def machine() -> str:
    """Return one line on the machine; the load average tells how noisy the numbers are."""
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()
                  if line.startswith("MemTotal"))
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return (f"machine: {cpu}, {os.cpu_count()} cores, {memory / 2**20:.0f} GiB, Linux {platform.release()}, "
            f"Python {platform.python_version()}, load {load}")


def spread(seconds: Sequence[float]) -> tuple[str, str, str]:
    """Return minimum, median and 99th percentile (the largest of fewer than a hundred) in milliseconds."""
    ordered = sorted(seconds)
    high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{ordered[0] * 1e3:.1f}", f"{statistics.median(ordered) * 1e3:.1f}", f"{high * 1e3:.1f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join([row[0].ljust(widths[0]),
                         *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip())


def verdict(measured: float, budget: float) -> str:
    """Return whether a number that should be small is within its budget."""
    return "ok" if measured <= budget else f"{measured / budget:.2g} x"
