"""The agent's own numbers, and the places for streams."""

from __future__ import annotations

import pytest

from edge.agent import streams_metrics
from edge.agent.streams_directory import ContainerView, PodView
from edge.agent.streams_room import NoRoom, Room

STAT = "4193 (edge agent) R 1 " + " ".join(str(number) for number in range(2, 50))


def test_pods_and_containers_are_counted_by_state() -> None:
    pods = (PodView(namespace="a", name="b", uid="c", containers={
        "runs": ContainerView(id="1", running=True), "ended": ContainerView(id="2"), "waits": ContainerView()}),
        PodView(namespace="a", name="d", uid="e", containers={"ended": ContainerView(id="3")}))
    lines = streams_metrics.render(pods, {"logs": 2}, None).splitlines()
    assert "kubelet_running_pods 1" in lines
    assert 'kubelet_running_containers{container_state="running"} 1' in lines
    assert 'kubelet_running_containers{container_state="exited"} 2' in lines
    assert 'kubelet_running_containers{container_state="waiting"} 1' in lines
    assert 'edge_agent_streams{kind="logs"} 2' in lines
    assert not any(line.startswith("process_") for line in lines)


def test_the_programs_own_numbers() -> None:
    own = streams_metrics.process(STAT, 100, 4096, 7, 1000.0)
    assert own is not None
    text = streams_metrics.render((), {}, own)
    assert f"process_cpu_seconds_total {own.cpu_seconds:.10g}\n" in text
    assert "process_open_fds 7\n" in text
    assert streams_metrics.process("nonsense", 100, 4096, 7, 0.0) is None
    assert streams_metrics.boot_time("cpu 1\nbtime 17\n") == 17.0
    assert streams_metrics.boot_time("") == 0.0


def test_a_room_takes_no_more_than_it_has() -> None:
    room = Room("logs", 1)
    with room:
        with pytest.raises(NoRoom, match="this node serves 1 logs already"), room:
            pass
        assert room.taken == 1
    assert room.taken == 0
    with room:
        pass
