"""What a person may set about the node's resources, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edge.agent import eviction
from edge.agent.settings import Settings


def test_the_defaults_are_the_kubelets() -> None:
    settings = Settings()
    assert settings.eviction_hard == dict(eviction.DEFAULT_HARD)
    assert (settings.max_pods, settings.pod_pids_limit, settings.cgroups_per_qos) == (110, 0, True)
    assert settings.eviction_transition_seconds == 300


@pytest.mark.parametrize(("given", "words"), [
    ({"reserved": {"gpu": "1"}}, "gpu cannot be reserved"), ({"reserved": {"cpu": "lots"}}, "quantities must match"),
    ({"reserved": {"memory": "-1"}}, "less than nothing"), ({"eviction_hard": {"memory.free": "1"}}, "unknown signal"),
    ({"eviction_soft": {"memory.available": "1Gi"}}, "no grace period"), ({"max_pods": 0}, "greater than or equal"),
    ({"eviction_hard": {"memory.available": "200%"}}, "no percentage"), ({"pod_pids_limit": -1}, "greater than"),
    ({"eviction_transition_seconds": -1}, "greater than")])
def test_what_makes_no_sense_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings(**given)


def test_eviction_can_be_switched_off() -> None:
    assert Settings(eviction_hard={}).eviction_hard == {}
    rules = eviction.rules({}, {}, {}, {})
    assert eviction.met(rules.thresholds, {eviction.MEMORY: eviction.Observation(0, 1)}) == ()
