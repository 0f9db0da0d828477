"""The queue of keys, reading one's own writes, and how actions are grouped."""

from __future__ import annotations

from edge.api import core, meta
from edge.controllers import expectations, interface, loop, plan, registry, workqueue
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World


def test_a_key_is_there_once_and_with_one_worker_at_a_time() -> None:
    queue: workqueue.WorkQueue[str] = workqueue.WorkQueue()
    queue.add("a", 0.0)
    queue.add("a", 0.0)
    assert queue.get(0.0) == "a"
    queue.add("a", 0.0)  # It changed while it is worked on.
    queue.add("b", 0.0)
    assert queue.get(0.0) == "b"
    assert queue.get(0.0) is None
    queue.done("a", 0.0)
    assert queue.get(0.0) == "a"


def test_failures_double_the_delay_but_a_change_comes_at_once() -> None:
    queue: workqueue.WorkQueue[str] = workqueue.WorkQueue()
    queue.add("a", 0.0)
    delays = []
    now = 0.0
    for _ in range(15):
        assert queue.get(now) == "a"
        queue.done("a", now, failed=True)
        due = queue.next_due()
        assert due is not None
        delays.append(round(due - now, 3))
        now = due
    assert delays[:4] == [0.01, 0.02, 0.04, 0.08]
    assert delays[-1] == 30.0
    assert queue.get(now) == "a"
    queue.done("a", now, failed=True)
    queue.add("a", now)
    assert queue.get(now) == "a"
    queue.done("a", now)
    assert queue.failures("a") == 0


def test_an_earlier_time_wins_and_a_pause_is_kept() -> None:
    queue: workqueue.WorkQueue[str] = workqueue.WorkQueue()
    queue.add("a", 0.0, 10.0)
    queue.add("a", 0.0, 5.0)
    queue.add("a", 0.0, 8.0)
    assert queue.next_due() == 5.0
    assert queue.get(4.9) is None
    assert queue.get(5.0) == "a"
    queue.add("a", 5.0)
    queue.done("a", 5.0, pause_seconds=1.0)
    assert queue.get(5.5) is None
    assert queue.get(6.0) == "a"
    queue.done("a", 6.0)
    assert queue.next_due() is None
    assert len(queue) == 0


class Seen(World):
    at = 0

    def revision(self, kind: type[meta.Object]) -> int:
        return self.at


def test_a_key_waits_for_its_writes_and_deletions() -> None:
    pod = builders.pod("web", node="n")
    seen = Seen(pod)
    waiting: expectations.Expectations[str] = expectations.Expectations()
    assert waiting.fulfilled("a", seen, 0.0)
    waiting.expect("a", expectations.Written(core.Pod, 7), 0.0)
    waiting.expect("a", expectations.Deleted(core.Pod, "web", "default", pod.metadata.uid), 0.0)
    assert not waiting.fulfilled("a", seen, 1.0)
    assert waiting.fulfilled("b", seen, 1.0)
    seen.at = 7
    assert not waiting.fulfilled("a", seen, 1.0)
    seen.remove(pod)
    assert waiting.fulfilled("a", seen, 1.0)
    waiting.expect("a", expectations.Written(core.Pod, 99), 2.0)
    assert waiting.fulfilled("a", seen, 2.0 + expectations.GIVE_UP_SECONDS)


def test_what_nobody_asks_for_again_is_forgotten() -> None:
    seen = Seen()
    waiting: expectations.Expectations[int] = expectations.Expectations()
    for key in range(1000):
        waiting.expect(key, expectations.Written(core.Pod, 7), float(key))
    kept = [key for key in range(1000) if not waiting.fulfilled(key, seen, 999.0)]
    assert kept == list(range(1000 - int(expectations.GIVE_UP_SECONDS), 1000)), "the older ones count as given up"
    assert len(waiting) == len(kept)


def test_creations_start_slowly_and_everything_else_goes_alone() -> None:
    pod = builders.pod("web")
    actions = (plan.UpdateStatus(pod), *(plan.Create(pod),) * 12, plan.Update(pod), plan.Create(pod))
    assert [len(batch) for batch in loop.batches(actions)] == [1, 1, 2, 4, 5, 1, 1]
    assert tuple(action for batch in loop.batches(actions) for action in batch) == actions
    assert list(loop.batches(())) == []


def test_every_controller_has_a_name_of_its_own_and_says_what_it_watches() -> None:
    made = registry.controllers(Settings())
    assert len({controller.name for controller in made}) == len(made)
    assert all(controller.sources for controller in made)


def test_every_controller_leaves_a_key_that_is_gone_alone() -> None:
    for controller in registry.controllers(Settings()):
        for source in controller.sources:
            made = controller.reconcile(interface.Key(source.kind, "default", "gone"), World(), builders.NOW)
            assert made.actions == (), controller.name
