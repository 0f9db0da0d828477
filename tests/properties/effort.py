"""How long the search goes on: EDGE_PROPERTIES=20 looks at twenty times as many examples as every run does."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("EDGE_PROPERTIES", "1"))


def examples(count: int) -> settings:
    """Return the settings of a property that looks at so many examples in every run."""
    return settings(max_examples=count * FACTOR, deadline=None, suppress_health_check=(
        HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much))
