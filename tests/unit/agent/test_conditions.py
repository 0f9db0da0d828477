"""Since when a condition holds."""

from __future__ import annotations

from edge.agent.conditions import beating, dated
from edge.api import meta

HELD = meta.Condition(type="Ready", status="True", last_transition_time="2029-01-01T00:00:00Z")
NOW = "2030-01-01T00:00:00Z"


def test_the_time_moves_with_the_status_alone() -> None:
    same = meta.Condition(type="Ready", status="True", reason="another")
    assert dated(same, (HELD,), NOW).last_transition_time == "2029-01-01T00:00:00Z"
    other = meta.Condition(type="Ready", status="False")
    assert dated(other, (HELD,), NOW).last_transition_time == NOW
    assert dated(same, (), NOW).last_transition_time == NOW


def test_a_time_that_is_known_already_is_kept_where_nothing_was_said_before() -> None:
    assert dated(HELD, (), NOW).last_transition_time == "2029-01-01T00:00:00Z"


def test_a_condition_of_a_node_says_when_it_was_looked_at() -> None:
    seen = beating(HELD, (HELD,), NOW)
    assert (seen.last_heartbeat_time, seen.last_transition_time) == (NOW, "2029-01-01T00:00:00Z")
