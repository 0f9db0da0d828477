"""Tables of StatefulSets, Jobs, CronJobs, autoscalers and disruption budgets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from edge.api import scheme
from edge.apiserver import selection, tables

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
META = {"name": "x", "namespace": "default", "creationTimestamp": "2026-01-02T11:00:00Z"}
TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "i:2"}]}}


def row(group: str, version: str, plural: str, obj: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """Return the columns, wide ones with a `+`, and the cells."""
    resource = scheme.find(group, version, plural)
    assert resource is not None
    made = tables.table(resource, [{"metadata": META} | obj], NOW)
    names = ["+" * column["priority"] + column["name"] for column in made["columnDefinitions"]]
    return names, made["rows"][0]["cells"]


def test_a_stateful_set() -> None:
    assert row("apps", "v1", "statefulsets", {
        "spec": {"replicas": 3, "template": TEMPLATE}, "status": {"readyReplicas": 2}}) == (
        ["Name", "Ready", "Age", "+Containers", "+Images"], ["x", "2/3", "60m", "a,b", "i:1,i:2"])


def job(spec: dict[str, Any], status: dict[str, Any]) -> list[Any]:
    names, cells = row("batch", "v1", "jobs", {"spec": {"template": TEMPLATE, **spec}, "status": status})
    assert names == ["Name", "Status", "Completions", "Duration", "Age", "+Containers", "+Images", "+Selector"]
    return cells


def true(name: str) -> dict[str, str]:
    return {"type": name, "status": "True"}


def test_a_job_shows_how_far_it_is_and_how_long_it_took() -> None:
    selector = {"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}}
    assert job({"completions": 5, **selector}, {"succeeded": 2, "startTime": "2026-01-02T11:58:00Z"}) == [
        "x", "Running", "2/5", "2m", "60m", "a,b", "i:1,i:2", "batch.kubernetes.io/controller-uid=u"]
    assert job({"completions": 1}, {
        "succeeded": 1, "startTime": "2026-01-02T11:00:00Z", "completionTime": "2026-01-02T11:00:07Z",
        "conditions": [true("SuccessCriteriaMet"), true("Complete")]})[1:4] == ["Complete", "1/1", "7s"]
    assert job({"parallelism": 5}, {})[1:4] == ["Running", "0/1 of 5", ""]


@pytest.mark.parametrize("name", ["Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"])
def test_a_job_shows_its_condition(name: str) -> None:
    assert job({"completions": 1}, {"conditions": [true(name)]})[1] == name


def test_a_cron_job() -> None:
    names, cells = row("batch", "v1", "cronjobs", {
        "spec": {"schedule": "@daily", "timeZone": "Europe/Berlin", "suspend": False,
                 "jobTemplate": {"spec": {"template": TEMPLATE}}},
        "status": {"active": [{"name": "x-1"}], "lastScheduleTime": "2026-01-02T00:00:00Z"}})

    assert names == ["Name", "Schedule", "Timezone", "Suspend", "Active", "Last Schedule", "Age", "+Containers",
                     "+Images", "+Selector"]
    assert cells == ["x", "@daily", "Europe/Berlin", "False", 1, "12h", "60m", "a,b", "i:1,i:2", "<none>"]


def test_a_disruption_budget() -> None:
    names, cells = row("policy", "v1", "poddisruptionbudgets", {
        "spec": {"maxUnavailable": 0}, "status": {"disruptionsAllowed": 0}})

    assert names == ["Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"]
    assert cells == ["x", "N/A", "0", 0, "60m"]


def targets(metrics: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    names, cells = row("autoscaling", "v2", "horizontalpodautoscalers", {
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 5,
                 "metrics": metrics}, "status": {"currentReplicas": 3, "currentMetrics": found}})
    assert names == ["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"]
    assert [*cells[:2], *cells[3:]] == ["x", "Deployment/web", "2", 5, 3, "60m"]
    return str(cells[2])


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50}}}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "64Mi"}}}


def test_an_autoscaler_shows_what_is_measured_against_what_is_wanted() -> None:
    assert targets([], []) == "<none>"
    assert targets([CPU], []) == "cpu: <unknown>/50%"
    assert targets([CPU], [{"resource": {"current": {"averageUtilization": 0}}}]) == "cpu: 0%/50%"
    assert targets([CPU, MEMORY], [{}, {"resource": {"current": {"averageValue": "20Mi"}}}]) == \
        "cpu: <unknown>/50%, memory: 20Mi/64Mi"
    assert targets([CPU, MEMORY, CPU, CPU], []) == "cpu: <unknown>/50%, memory: <unknown>/64Mi + 2 more..."


@pytest.mark.parametrize(("metric", "found", "expected"), [
    ({"type": "Pods", "pods": {"target": {"averageValue": "1k"}}}, {"pods": {"current": {"averageValue": "900"}}},
     "900/1k"),
    ({"type": "Object", "object": {"target": {"value": "10k"}}}, {"object": {"current": {"value": "2k"}}}, "2k/10k"),
    ({"type": "External", "external": {"target": {"averageValue": "30"}}}, {}, "<unknown>/30 (avg)"),
    ({"type": "ContainerResource", "containerResource": {"name": "cpu", "target": {"averageUtilization": 60}}},
     {"containerResource": {"current": {"averageUtilization": 5}}}, "cpu: 5%/60%"),
    ({"type": "Resource", "resource": {"name": "cpu"}}, {}, "cpu: <unknown>/<auto>"),
    ({"type": "Other"}, {}, "<unknown type>"),
])
def test_every_source_of_a_metric(metric: dict[str, Any], found: dict[str, Any], expected: str) -> None:
    assert targets([metric], [found]) == expected


def test_jobs_are_selected_by_their_successes() -> None:
    resource = scheme.find("batch", "v1", "jobs")
    assert resource is not None

    assert selection.parse(resource, "", "status.successful=2").matches(b'{"status":{"succeeded":2}}')
    assert selection.parse(resource, "", "status.successful=0").matches(b"{}")
    assert not selection.parse(resource, "", "status.successful!=2").matches(b'{"status":{"succeeded":2}}')
