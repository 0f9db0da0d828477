"""Evictions at the real server, with the controller that keeps the budgets' status true beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from edge.api import core, meta
from edge.api.disruption_budgets import PodDisruptionBudget, PodDisruptionBudgetStatus
from edge.client import cache
from edge.clock import SystemClock
from edge.component import Supervisor
from edge.controllers import loop
from edge.controllers.settings import Settings
from edge.ids import SystemIds
from tests import builders
from tests.integration.conftest import Cluster

BOUND_SECONDS = 10
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


@pytest.fixture
async def controller(cluster: Cluster) -> AsyncIterator[None]:
    clock, ids = SystemClock(), SystemIds()
    supervisor = Supervisor(clock)
    caches = cache.SharedCaches(cluster.client, clock=clock, ids=ids, start=supervisor.start)
    for name, run in loop.build(cluster.client, caches, clock, ids, Settings()):
        if name == "controller disruption":  # others would take the pods off a node that is not there
            supervisor.start(name, run)
    yield
    await supervisor.stop()


def pod(name: str, *, node: str = "") -> core.Pod:
    """Return a new pod as a client sends it."""
    return replace(builders.pod(name, node=node),
                   metadata=meta.ObjectMeta(name=name, namespace="default", labels={"app": "web"}))


async def running(cluster: Cluster, *names: str, ready: bool = True) -> None:
    """Make pods that run on a node."""
    for name in names:
        made = await cluster.client.create(pod(name, node="n1"))
        await cluster.client.update_status(replace(made, status=builders.pod(
            name, node="n1", ready=ready, phase="Running").status))


async def budget(cluster: Cluster, allowed: int, healthy: int) -> PodDisruptionBudgetStatus:
    """Wait until the budget `web` allows that many evictions of that many healthy pods."""
    async with asyncio.timeout(BOUND_SECONDS):
        while True:
            found = await cluster.client.get(PodDisruptionBudget, "web", "default")
            status = found.status
            if status.observed_generation == found.metadata.generation \
                    and (status.disruptions_allowed, status.current_healthy) == (allowed, healthy):
                return status
            await asyncio.sleep(0.02)


async def evict(cluster: Cluster, name: str, code: int, **more: Any) -> Any:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}, **more}
    return await cluster.request("POST", f"/api/v1/namespaces/default/pods/{name}/eviction", body, code=code)


async def test_a_budget_that_nobody_has_worked_out_allows_nothing(cluster: Cluster) -> None:
    await running(cluster, "web-1")
    await cluster.kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=0")

    answer = await evict(cluster, "web-1", 429)
    assert (answer["message"], answer["details"]["retryAfterSeconds"]) == (REFUSED, 10)


async def test_an_eviction_waits_until_there_are_pods_enough(cluster: Cluster, controller: None) -> None:
    await running(cluster, "web-1", "web-2")
    await cluster.kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=2")
    await budget(cluster, allowed=0, healthy=2)
    refused = await evict(cluster, "web-1", 429)
    assert (refused["reason"], refused["message"]) == ("TooManyRequests", REFUSED)
    assert refused["details"]["causes"] == [{
        "reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2 currently"}]

    await running(cluster, "web-3")
    await budget(cluster, allowed=1, healthy=3)
    assert (await cluster.kubectl("get", "pdb", "web")).out.splitlines()[1].split()[:4] == ["web", "2", "N/A", "1"]
    await evict(cluster, "web-1", 201, deleteOptions={"dryRun": ["All"]})
    await evict(cluster, "web-1", 201)
    gone = json.loads((await cluster.kubectl("get", "pod", "web-1", "-o", "json")).out)
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 30
    assert [c["reason"] for c in gone["status"]["conditions"] if c["type"] == "DisruptionTarget"] == [
        "EvictionByEvictionAPI"]
    assert (await evict(cluster, "web-2", 429))["message"] == REFUSED
    await evict(cluster, "web-1", 201)  # it goes already
    assert (await budget(cluster, allowed=0, healthy=2)).disrupted_pods == {}


async def test_a_dry_run_leaves_pod_and_budget_alone(cluster: Cluster, controller: None) -> None:
    await running(cluster, "web-1", "web-2")
    await cluster.kubectl("create", "pdb", "web", "--selector=app=web", "--max-unavailable=100%")
    await cluster.kubectl("patch", "pdb", "web", "-p", '{"spec":{"maxUnavailable":null,"minAvailable":1}}')
    before = await budget(cluster, allowed=1, healthy=2)
    await evict(cluster, "web-1", 201, deleteOptions={"dryRun": ["All"]})
    await cluster.request("POST", "/api/v1/namespaces/default/pods/web-1/eviction?dryRun=All", {
        "metadata": {"name": "web-1"}}, code=201)

    assert await budget(cluster, allowed=1, healthy=2) == before
    found = await cluster.client.get(core.Pod, "web-1", "default")
    assert found.metadata.deletion_timestamp is None
    assert not any(each.type == "DisruptionTarget" for each in found.status.conditions)


async def test_of_many_evictions_at_once_only_those_allowed_succeed(cluster: Cluster, controller: None) -> None:
    names = [f"web-{number}" for number in range(6)]
    await running(cluster, *names)
    await cluster.kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=4")
    await budget(cluster, allowed=2, healthy=6)

    async def code(name: str) -> int:
        path = f"{cluster.url}/api/v1/namespaces/default/pods/{name}/eviction"
        async with cluster.http.post(path, json={"metadata": {"name": name}}) as answer:
            return answer.status

    assert sorted(await asyncio.gather(*(code(name) for name in names))) == [201, 201, 429, 429, 429, 429]


async def test_two_budgets_are_too_many_and_none_is_no_limit(cluster: Cluster) -> None:
    await running(cluster, "web-1")
    for name in ("a", "b"):
        await cluster.kubectl("create", "pdb", name, "--selector=app=web", "--max-unavailable=1")
    assert "more than one PodDisruptionBudget" in (await evict(cluster, "web-1", 500))["message"]
    await cluster.kubectl("delete", "pdb", "a", "b")
    await evict(cluster, "web-1", 201)


async def test_what_does_not_serve_may_always_go(cluster: Cluster, controller: None) -> None:
    await cluster.kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=2")
    await cluster.client.create(pod("pending"))
    await evict(cluster, "pending", 201)
    await running(cluster, "web-1", ready=False)
    await budget(cluster, allowed=0, healthy=0)
    assert (await evict(cluster, "web-1", 429))["message"] == REFUSED
    await cluster.kubectl("patch", "pdb", "web", "-p", '{"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}}')
    await evict(cluster, "web-1", 201)


async def test_an_eviction_of_another_pod_is_refused(cluster: Cluster) -> None:
    await running(cluster, "web-1")
    answer = await evict(cluster, "web-1", 400, metadata={"name": "web-2", "namespace": "default"})
    assert answer["message"] == "name in URL does not match name in Eviction object"
    for preconditions in ({"resourceVersion": "1"}, {"uid": "another"}):
        stale = await evict(cluster, "web-1", 409, deleteOptions={"preconditions": preconditions})
        assert stale["reason"] == "Conflict"
    assert (await evict(cluster, "web-9", 404))["reason"] == "NotFound"
    assert (await cluster.client.get(core.Pod, "web-1", "default")).metadata.deletion_timestamp is None
