"""Which control group a pod gets, when it is made and when it goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from edge.agent import cgroups, grouping, plan
from edge.agent.actions import EmptyVolumes, MakeGroup, RemoveContainer, RemoveGroup
from edge.agent.cgroups import Tree
from edge.agent.memory import Memory
from edge.agent.surroundings import Surroundings
from edge.agent.view import View
from edge.api import core, meta
from edge.bus import messages
from edge.runtime.containers import Container, State

AROUND = Surroundings(node_name="n", node_address="10.0.0.2", pods_have_groups=True, pod_pids_limit=100,
                      cgroup_tree=Tree("rack", False, 2), memory_capacity_bytes=4 * 1024**3)
WEB = core.Container(name="web", image="busybox:1", resources=core.ResourceRequirements(requests={"memory": "1Gi"}))
POD = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="d", uid="u"),
               spec=core.PodSpec(containers=(WEB,), restart_policy="Never", host_network=True))


def view(state: State | None = None, *, around: Surroundings = AROUND, memory: Memory = Memory(),  # noqa: B008
         has_group: bool = False, previous: core.PodStatus | None = None) -> View:
    containers = () if state is None else (Container(
        id="c1", pod_uid="u", name="web", attempt=0, spec_hash="", state=state, image="", image_id=""),)
    return View(uid="u", desired=messages.DesiredPod(revision="1", pod=POD), deleting=False, containers=containers,
                has_files=True, has_group=has_group, memory=memory, around=around, previous=previous,
                now=datetime(2030, 1, 1, tzinfo=UTC), monotonic=100.0)


def test_the_group_is_made_first_and_once() -> None:
    first = plan.plan(view())
    assert first.actions == (MakeGroup(cgroups.pod_group(POD, 100)),)
    later = plan.plan(view(memory=Memory(group_made=True)))
    assert not any(isinstance(action, MakeGroup) for action in later.actions)


def test_a_new_agent_makes_sure_of_the_group_of_a_pod_that_runs() -> None:
    assert plan.plan(view(State.RUNNING, has_group=True)).actions == (MakeGroup(cgroups.pod_group(POD, 100)),)


def test_where_pods_have_no_groups_none_is_made() -> None:
    without = replace(AROUND, pods_have_groups=False, cgroup_parent="/rack")
    assert not any(isinstance(action, MakeGroup) for action in plan.plan(view(around=without)).actions)
    held = grouping.held(view(around=without), WEB)
    assert (held.cgroup_parent, held.oom_score, held.oom_group, held.pids_limit) == ("/rack", 750, False, 0)


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_is_held_to_its_pods_group(version: int) -> None:
    held = grouping.held(view(around=replace(AROUND, cgroup_tree=Tree("rack", False, version))), WEB)
    assert held == grouping.Held(cgroup_parent="/rack/kubepods/burstable/podu", pids_limit=100, oom_score=750,
                                 oom_group=version == 2)


def test_a_program_that_may_give_no_low_scores_gives_the_lowest_it_may() -> None:
    without_rights = replace(AROUND, least_oom_score=0)
    assert grouping.pause_score(view(around=without_rights)) == 0
    assert grouping.pause_score(view()) == -998
    critical = core.Pod(metadata=POD.metadata, spec=core.PodSpec(
        containers=(WEB,), priority=2_000_001_000, priority_class_name="system-node-critical"))
    seen = replace(view(around=without_rights), desired=messages.DesiredPod(revision="1", pod=critical))
    assert grouping.held(seen, WEB).oom_score == 0


def test_a_finished_pod_gives_back_its_group_and_what_it_wrote_and_keeps_its_containers() -> None:
    done = core.PodStatus(phase="Succeeded")
    found = plan.plan(view(State.EXITED, has_group=True, previous=done))
    assert found.actions == (RemoveGroup(), EmptyVolumes())
    again = plan.plan(view(State.EXITED, memory=Memory(emptied=True), previous=done))
    assert again.actions == ()


@pytest.mark.parametrize("remembered", [True, False])
def test_of_an_evicted_pod_nothing_stays_on_the_disk(remembered: bool) -> None:
    memory = Memory(failed=("Evicted", "too much"), failed_grace_seconds=1.0) if remembered else Memory()
    told = core.PodStatus(phase="Failed", reason="Evicted")
    found = plan.plan(view(State.EXITED, memory=memory, previous=told))
    assert found.actions == (RemoveContainer("c1", "web", 0), EmptyVolumes())


def test_an_evicted_pod_gets_the_time_its_node_leaves_it() -> None:
    hard = view(State.RUNNING, memory=Memory(failed=("Evicted", "m"), failed_grace_seconds=1.0))
    assert hard.grace_seconds == 1.0
    own = view(State.RUNNING, memory=Memory(failed=("Evicted", "m"), failed_grace_seconds=float("inf")))
    assert own.grace_seconds == 30.0
