"""The order of waiting pods, and when those that fit nowhere are tried again."""

from __future__ import annotations

from edge.scheduler import queue


def filled(*keys: str) -> queue.PendingQueue:
    made = queue.PendingQueue()
    for number, key in enumerate(keys):
        made.put(key, priority=0, created=f"2030-01-01T00:00:0{number}Z")
    return made


def test_priority_first_then_age() -> None:
    waiting = filled("b", "a")
    waiting.put("urgent", priority=10, created="2031-01-01T00:00:00Z")
    waiting.put("b", priority=0, created="2030-01-01T00:00:00Z")
    assert [waiting.take() for _ in range(4)] == ["urgent", "b", "a", None]


def test_a_parked_pod_waits_for_a_change_and_for_its_delay() -> None:
    waiting = filled("a")
    assert waiting.take() == "a"
    waiting.park("a", 0.0)
    waiting.unpark(2.0)
    assert waiting.take() is None
    assert waiting.next_due() == queue.UNCHANGED_SECONDS
    waiting.cluster_changed()
    assert waiting.next_due() == 1.0
    waiting.unpark(0.5)
    assert waiting.take() is None
    waiting.unpark(1.0)
    assert waiting.take() == "a"


def test_delays_grow_and_end_at_the_longest() -> None:
    waiting = filled("a")
    delays = []
    for _ in range(6):
        waiting.take()
        waiting.park("a", 0.0)
        waiting.cluster_changed()
        delays.append(waiting.next_due())
        waiting.unpark(100.0)
    assert delays == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_dropped_pod_never_comes_back() -> None:
    waiting = filled("a", "b")
    waiting.drop("a")
    assert waiting.take() == "b"
    waiting.park("b", 0.0)
    waiting.drop("b")
    waiting.park("b", 0.0)
    assert (waiting.take(), waiting.next_due(), len(waiting)) == (None, None, 0)
