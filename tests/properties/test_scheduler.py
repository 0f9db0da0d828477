"""What holds for the scheduler whatever happens: no node is overfull, no choice is worse than a full look gives."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge.api import core
from edge.scheduler import filters, needs, scores, select, snapshot
from tests import builders

STEPS = st.lists(st.tuples(st.sampled_from(["place", "show", "fail", "remove", "node", "lose node"]),
                           st.integers(0, 9), st.integers(1, 4)), max_size=50)


class Rack:
    """A snapshot, and what is true."""

    def __init__(self) -> None:
        self.seen = snapshot.Snapshot()
        self.selector = select.Selector(self.seen)
        self.bound: dict[str, core.Pod] = {}
        self.count = 0
        for number in range(3):
            self.seen.put_node(builders.node(f"node-{number}", cpu="2", pods=4))

    def place(self, size: int) -> None:
        self.count += 1
        key = f"default/pod-{self.count}"
        pod = builders.pod(f"pod-{self.count}", cpu=f"{size * 250}m", host_port=80 if size == 4 else 0)
        self.seen.put_pod(key, pod)
        choice = self.selector.select(pod)
        wanted = needs.of(pod)
        fitting = {n.node.metadata.name: scores.total(wanted, n) for n in self.seen.nodes.values()
                   if not filters.reasons_against(wanted, n)}
        assert bool(choice.node) == bool(fitting)
        assert bool(choice.node) != bool(choice.reason)
        if choice.node:
            assert fitting[choice.node] == max(fitting.values()), "the kept ranking is as good as a full look"
            self.seen.assume(key, pod, choice.node, choice.needs)
            self.bound[key] = msgspec.structs.replace(pod, spec=msgspec.structs.replace(
                pod.spec, node_name=choice.node))

    def happen(self, what: str, which: int, size: int) -> None:
        keys = sorted(self.bound)
        key = keys[which % len(keys)] if keys else ""
        if what == "place":
            self.place(size)
        elif what == "node":
            self.seen.put_node(builders.node(f"node-{which % 4}", cpu="2", pods=4, unschedulable=size == 1))
        elif what == "lose node":
            self.seen.remove_node(f"node-{which % 4}")
        elif key and what == "show":
            self.seen.put_pod(key, self.bound[key])
        elif key and what == "remove":
            self.seen.remove_pod(key)
            del self.bound[key]
        elif key and what == "fail" and self.seen.pods[key].assumed:
            self.seen.forget(key, self.bound[key].metadata.uid)
            del self.bound[key]

    def check(self) -> None:
        for name, node in self.seen.nodes.items():
            here = [pod for pod in self.bound.values() if pod.spec.node_name == name]
            cpu = sum(needs.requests_of(pod.spec).cpu_milli for pod in here)
            assert (node.pods, node.cpu_milli) == (len(here), cpu)
            assert len(here) <= 4
            assert cpu <= 2000
            assert sum(bool(needs.ports_of(pod.spec)) for pod in here) <= 1


@given(steps=STEPS)
def test_a_binding_never_exceeds_what_a_node_has(steps: list[tuple[str, int, int]]) -> None:
    rack = Rack()
    for what, which, size in steps:
        rack.happen(what, which, size)
        rack.check()
