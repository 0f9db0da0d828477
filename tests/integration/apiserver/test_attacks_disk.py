"""A full disk in the middle of every kind of write: 503, nothing half done, and what needs no disk goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from edge.store import events, interface
from edge.store.sqlite import SqliteStore
from tests.integration.conftest import Cluster

NAMESPACE = "/api/v1/namespaces/default"
MAPS = f"{NAMESPACE}/configmaps"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
MERGE, APPLY = {"Content-Type": "application/merge-patch+json"}, {"Content-Type": "application/apply-patch+yaml"}
SERVICE = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "clusterIP": "10.96.0.77",
                                                 "ports": [{"port": 80, "nodePort": 30123}]}}


@pytest.fixture
async def objects(cluster: Cluster) -> None:
    await cluster.request("POST", f"{NAMESPACE}/pods", {"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": {
        "nodeName": "n", "containers": [{"name": "c", "image": "x"}]}}, code=201)
    await cluster.request("POST", f"{NAMESPACE}/resourcequotas", {"metadata": {"name": "q"}, "spec": {
        "hard": {"configmaps": "2"}}}, code=201)
    await cluster.request("POST", BUDGETS, {"metadata": {"name": "b"}, "spec": {
        "minAvailable": 0, "selector": {"matchLabels": {"a": "b"}}}}, code=201)
    await cluster.request("POST", MAPS, {"metadata": {"name": "one"}}, code=201)


@pytest.mark.usefixtures("objects")
async def test_nothing_is_half_done_when_the_disk_is_full(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = cast(SqliteStore, cluster.server.service.store)._disk

    def full(changes: Sequence[events.Change], raised: interface.Revision | None) -> None:
        raise interface.StoreUnavailable("database or disk is full")

    before = await state(cluster)
    with monkeypatch.context() as patched:
        patched.setattr(disk, "commit", full)
        for method, path, body, headers in (
                ("POST", MAPS, {"metadata": {"name": "two"}}, None), ("POST", f"{NAMESPACE}/services", SERVICE, None),
                ("PATCH", f"{MAPS}/one", {"data": {"a": "b"}}, MERGE),
                ("PATCH", f"{MAPS}/two?fieldManager=m", {"apiVersion": "v1", "kind": "ConfigMap",
                                                         "metadata": {"name": "two"}}, APPLY),
                ("DELETE", f"{MAPS}/one", None, None), ("DELETE", MAPS, None, None),
                ("POST", f"{NAMESPACE}/pods/p/eviction", {"metadata": {"name": "p"}}, None),
                ("DELETE", f"{NAMESPACE}/pods/p", None, None),
                ("POST", "/api/v1/namespaces", {"metadata": {"name": "x"}}, None)):
            answer = await cluster.request(method, path, body, headers=headers, code=503)
            assert answer["message"] == "the store cannot take writes: database or disk is full"
        await cluster.request("POST", f"{NAMESPACE}/events", {
            "metadata": {"name": "e"}, "involvedObject": {"namespace": "default"}}, code=201)
        await cluster.request("POST", LEASES, {"metadata": {"name": "l"}}, code=201)
    assert await state(cluster) == before
    await cluster.request("POST", MAPS, {"metadata": {"name": "two"}}, code=201)
    answer = await cluster.request("POST", MAPS, {"metadata": {"name": "three"}}, code=403)
    assert "used: configmaps=2, limited: configmaps=2" in answer["message"]
    await cluster.request("POST", f"{NAMESPACE}/services", SERVICE, code=201)


async def state(cluster: Cluster) -> list[Any]:
    return [(await cluster.request("GET", path, code=200))["items"]
            for path in (MAPS, f"{NAMESPACE}/pods", f"{NAMESPACE}/services", BUDGETS)]
