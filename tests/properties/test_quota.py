"""However many ask at the same time, a namespace never has more than its quotas allow, and no room is lost."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.api import amounts, codec, core, errors, meta, quota_usage, quotas, scheme
from edge.apiserver import admit, plugins
from edge.apiserver.bootstrap import make_namespaces
from edge.apiserver.deletion import DeleteOptions
from edge.apiserver.service import Service
from edge.apiserver.write import Write
from edge.store.sqlite import open_store
from tests import builders
from tests.fakes.clock import FakeClock
from tests.fakes.ids import CountingIds

PODS = scheme.of_type(core.Pod)
QUOTA = codec.decode_struct(quotas.ResourceQuota, {
    "metadata": {"name": "q"}, "spec": {"hard": {"pods": "6", "requests.cpu": "2", "count/pods": "7"}}})


@dataclass(frozen=True)
class Step:
    """Pods asked for at the same time, while others are deleted."""

    cpus: list[int]
    """In thousandths, one for each pod."""
    delete: list[int]
    """Which pods, counted from the oldest name."""
    dry_run: bool


steps = st.lists(st.builds(Step, cpus=st.lists(st.sampled_from([100, 250, 500, 900]), max_size=12),
                           delete=st.lists(st.integers(0, 9), max_size=4), dry_run=st.booleans()), max_size=5)


async def ask(service: Service, name: str, milli: int, dry_run: bool) -> bool:
    """Create a pod and say whether there was room."""
    pod = core.Pod(metadata=meta.ObjectMeta(name=name),
                   spec=core.PodSpec(containers=(builders.container(cpu=f"{milli}m"),)))
    try:
        await service.create(PODS, "default", pod, Write(dry_run=dry_run))
    except errors.Forbidden:
        return False
    return True


async def delete(service: Service, index: int) -> None:
    pods = service.lookup.all(core.Pod, "default")
    if index < len(pods):
        try:
            await service.delete(PODS, "default", pods[index].metadata.name, DeleteOptions(grace_period_seconds=0))
        except errors.NotFound:
            return  # Somebody else was told to delete the same one.


def taken(service: Service) -> dict[str, int]:
    usages = [quota_usage.of(pod, "pods", builders.NOW) for pod in service.lookup.all(core.Pod, "default")]
    return {name: amount.nano for name, amount in quota_usage.total(QUOTA, usages).items()}


@settings(max_examples=40, deadline=None)
@given(steps)
def test_parallel_writes_never_overshoot_and_never_lose_room(asked: list[Step]) -> None:
    async def run(folder: str) -> None:
        store = await open_store(Path(folder) / "store.db")
        service = Service(store, FakeClock(), CountingIds())
        service.chain = admit.Chain(plugins.built_in(service))
        await make_namespaces(service)
        await service.create(scheme.of_type(quotas.ResourceQuota), "default", QUOTA)
        hard = {name: amount.nano for name, amount in amounts.read(QUOTA.spec.hard).items()}
        for number, step in enumerate(asked):
            before = service.lookup.all(core.Pod, "default")
            allowed = await asyncio.gather(
                *(ask(service, f"p-{number}-{index}", milli, step.dry_run) for index, milli in enumerate(step.cpus)),
                *(delete(service, index) for index in step.delete))
            used = taken(service)
            assert all(used[name] <= hard[name] for name in hard)
            if step.dry_run:
                assert len(service.lookup.all(core.Pod, "default")) <= len(before)
            if step.cpus and False in allowed and not step.dry_run and not step.delete:
                rest = hard["requests.cpu"] - used["requests.cpu"]
                refused = min(milli for milli, good in zip(step.cpus, allowed, strict=False) if good is False)
                assert rest < refused * 10**6 or used["pods"] == hard["pods"]
        await leave_room(service)
        await store.close()

    async def leave_room(service: Service) -> None:
        """Nothing that was refused, deleted or only tried takes anything in the end."""
        while service.lookup.all(core.Pod, "default"):
            await delete(service, 0)
        allowed = await asyncio.gather(*(ask(service, f"last-{n}", 100, False) for n in range(8)))
        assert allowed == [True] * 6 + [False] * 2

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))
