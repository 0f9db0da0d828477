"""Properties that say nothing else take as long as `effort` says."""

from __future__ import annotations

from hypothesis import settings

from tests.properties.effort import examples

settings.register_profile("edge", examples(100))
settings.load_profile("edge")
