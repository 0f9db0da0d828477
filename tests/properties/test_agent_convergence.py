"""Whatever fails and wherever it is cut off, the agent comes to what is wanted, rests, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.agent import plan
from edge.api import core
from edge.network.interface import NetworkFailure
from edge.runtime.containers import RuntimeFailure, State
from tests.fakes.node import FakeNode, pod

INIT = core.Container(name="prepare", image="busybox:1", image_pull_policy="IfNotPresent")
WEB = core.Container(name="web", image="busybox:1", image_pull_policy="IfNotPresent")
SPECS = (
    core.PodSpec(containers=(WEB,), restart_policy="Always"),
    core.PodSpec(init_containers=(INIT,), containers=(WEB,), restart_policy="Always"),
    core.PodSpec(init_containers=(msgspec.structs.replace(INIT, restart_policy="Always"),), containers=(WEB,),
                 restart_policy="OnFailure"),
    core.PodSpec(containers=(WEB,), host_network=True, restart_policy="Never",
                 volumes=(core.Volume(name="v", empty_dir=core.EmptyDirVolumeSource()),)),
)
CALLS = st.sampled_from(("create", "start", "remove", "find", "list", "kill"))


def _fail_sometimes(node: FakeNode, faults: list[tuple[str, int]], network_faults: int) -> None:
    """Have the given calls fail: each fault is (kind of call, how often)."""
    left = {"attach": network_faults}
    for kind, count in faults:
        left[kind] = left.get(kind, 0) + count

    def runtime(call: str) -> RuntimeFailure | None:
        kind = call.split()[0]
        if left.get(kind, 0) > 0:
            left[kind] -= 1
            return RuntimeFailure(f"{call} was told to fail")
        return None

    def network(call: str) -> NetworkFailure | None:
        if left.get(call, 0) > 0:
            left[call] -= 1
            return NetworkFailure(f"{call} was told to fail")
        return None
    node.runtime.fail, node.network.fail = runtime, network


async def _idle(node: FakeNode) -> None:
    """Fail unless the worker has nothing to do any more."""
    worker = node.agent.pods._workers["uid-1"]
    assert plan.plan(await worker._gather()).actions == ()


async def _life(directory: Path, spec: core.PodSpec, faults: list[tuple[str, int]], network_faults: int,
                cuts: list[float]) -> None:
    node = FakeNode(directory)
    _fail_sometimes(node, faults, network_faults)
    made = pod(spec=spec)
    await node.want(made)
    await node.start()
    for seconds in cuts:
        await node.pass_time(seconds)
        await node.stop()
        await node.start()

    def running() -> bool:
        for container in list(node.runtime.containers.values()):
            if container.name == "prepare" and container.state is State.RUNNING and \
                    not spec.init_containers[0].restart_policy:
                node.runtime.exit("prepare")
        return any(c.name == "web" and c.state is State.RUNNING for c in node.runtime.containers.values())
    finished = spec.restart_policy == "Never"
    # As many failures as there can be, with up to five minutes after each.
    await node.until(lambda: running() or (finished and node.status().phase == "Failed"), 3600, step=2.0)
    await node.pass_time(3)
    await _idle(node)
    starts = [c.attempt for c in node.runtime.containers.values() if c.name == "web" and c.state is State.RUNNING]
    assert len(starts) <= 1
    gone = msgspec.structs.replace(made.metadata, deletion_timestamp="2030-01-01T00:00:00Z",
                                   deletion_grace_period_seconds=2)
    await node.want(msgspec.structs.replace(made, metadata=gone), revision="2")
    await node.until(lambda: bool(node.reports()) and node.reports()[-1].terminated, 120)
    await node.stop()
    assert not node.runtime.containers
    assert not node.network.attached
    left = [path for path in directory.rglob("*") if "uid-1" in path.name]
    assert left == []


def _unmount(directory: str) -> None:
    """Let nothing stay of a pod that has not come to its end."""
    for line in Path("/proc/mounts").read_text().splitlines():
        if (mounted := line.split()[1]).startswith(f"{directory}/"):
            subprocess.run(["umount", "--lazy", mounted], check=True)


@settings(max_examples=15, deadline=None)
@given(spec=st.sampled_from(SPECS), faults=st.lists(st.tuples(CALLS, st.integers(1, 3)), max_size=4),
       network_faults=st.integers(0, 2), cuts=st.lists(st.sampled_from((0.0, 0.5, 2.0)), max_size=2))
def test_it_converges_rests_and_leaves_nothing(spec: core.PodSpec, faults: list[tuple[str, int]], network_faults: int,
                                               cuts: list[float]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        try:
            asyncio.run(_life(Path(directory), spec, faults, network_faults, cuts))
        finally:
            _unmount(directory)
