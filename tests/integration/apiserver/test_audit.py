"""The audit log: a line for each request that changes something or was refused."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.apiserver import audit_log
from tests.integration.conftest import Cluster

CONFIGS = "/api/v1/namespaces/default/configmaps"
WAIT_SECONDS = 20


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def until(path: Path, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the event that is wanted once it is written."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            for event in events(path):
                if wanted(event):
                    return event
            await asyncio.sleep(0.02)


async def test_a_write_is_told_and_a_read_is_not(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    await cluster.request("GET", CONFIGS, code=200)
    await cluster.kubectl("create", "configmap", "settings", "--from-literal=password=hunter2")
    event = await until(log, lambda event: event["requestURI"].startswith(CONFIGS))
    assert (event["kind"], event["apiVersion"], event["level"], event["stage"]) == (
        "Event", "audit.k8s.io/v1", "Metadata", "ResponseComplete")
    assert event["verb"] == "create"
    assert event["user"] == {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]}
    assert event["sourceIPs"] == ["127.0.0.1"]
    assert event["userAgent"].startswith("kubectl")
    assert event["objectRef"] == {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"}
    assert event["responseStatus"] == {"metadata": {}, "code": 201}
    assert event["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert datetime.fromisoformat(event["requestReceivedTimestamp"]) <= datetime.fromisoformat(event["stageTimestamp"])
    assert "hunter2" not in log.read_text()
    assert all(event["verb"] not in ("get", "list", "watch") for event in events(log))
    assert log.stat().st_mode & 0o777 == 0o600


async def test_refusals_are_told_without_the_credentials(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    await cluster.request("GET", CONFIGS, code=403, headers={"Impersonate-User": "eve"})
    event = await until(log, lambda event: event["responseStatus"].get("code") == 403)
    assert (event["user"]["username"], event["impersonatedUser"]["username"]) == ("kubernetes-admin", "eve")
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert event["responseStatus"]["reason"] == "Forbidden"
    await cluster.request("GET", CONFIGS, code=401, headers={"Authorization": "Bearer s3cr3t"})
    event = await until(log, lambda event: event["responseStatus"].get("code") == 401)
    assert event["user"] == {}
    assert "s3cr3t" not in log.read_text()


async def test_every_answer_carries_its_id(cluster: Cluster, tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        async with cluster.http.get(cluster.url + CONFIGS) as answer:
            seen.add(answer.headers["Audit-Id"])
    assert len(seen) == 2
    async with cluster.http.delete(f"{cluster.url}{CONFIGS}/none", headers={"Audit-ID": "mine-1"}) as answer:
        assert (answer.status, answer.headers["Audit-Id"]) == (404, "mine-1")
    await until(tmp_path / "audit.log", lambda event: event["auditID"] == "mine-1")
    async with cluster.http.get(cluster.url + CONFIGS, headers={"Audit-ID": "a b\" c"}) as answer:
        assert answer.headers["Audit-Id"] != "a b\" c"


async def test_a_file_that_cannot_be_written_costs_events_and_no_request(
        cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    await cluster.request("DELETE", f"{CONFIGS}/one", code=404)
    await until(log, lambda event: event["requestURI"].endswith("/one"))
    log.unlink()
    log.mkdir()
    await cluster.request("DELETE", f"{CONFIGS}/two", code=404)
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if cluster.server.audit_log.dropped:
                break
            await asyncio.sleep(0.02)
    log.rmdir()
    await cluster.request("DELETE", f"{CONFIGS}/three", code=404)
    await until(log, lambda event: event["requestURI"].endswith("/three"))


def test_files_are_changed_by_size_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "log" / "audit.log"
    for number in range(40):
        audit_log.append(path, [{"number": number, "pad": "x" * 80}], max_bytes=1000, files=3)
    found = sorted(file.name for file in path.parent.iterdir())
    assert found == ["audit.log", "audit.log.1", "audit.log.2"]
    assert all(file.stat().st_size <= 1000 for file in path.parent.iterdir())
    numbers = [event["number"] for name in reversed(found) for event in events(path.parent / name)]
    assert numbers == list(range(numbers[0], 40))
    audit_log.append(path, [{"number": n, "pad": "x" * 80} for n in range(100)], max_bytes=1000, files=1)
    assert events(path)[-1]["number"] == 99


def test_what_is_no_file_is_an_error_and_not_a_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("pipe", "link"):
        with pytest.raises(OSError):
            audit_log.append(tmp_path / name, [{}], max_bytes=1000, files=2)
    assert not (tmp_path / "elsewhere").exists()


async def test_a_burst_is_bounded_and_the_end_writes_what_waits(tmp_path: Path) -> None:
    log = audit_log.AuditLog(audit_log.Settings(path=tmp_path / "audit.log"))
    log.start()
    for number in range(audit_log.MOST_WAITING + 7):
        log.add({"number": number})
    assert log.dropped == 7
    await log.stop()
    assert msgspec.json.decode((tmp_path / "audit.log").read_bytes().splitlines()[-1]) == {
        "number": audit_log.MOST_WAITING - 1}


async def test_without_a_path_nothing_is_written(tmp_path: Path) -> None:
    log = audit_log.AuditLog(audit_log.Settings())
    log.start()
    assert not log.enabled
    await log.stop()
