"""kubectl rollout: Deployments and DaemonSets change step by step, and go back."""

from __future__ import annotations

import re

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import IMAGE, Within, container


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def web(here: Within, kind: str = "Deployment", **spec: object) -> None:
    here.apply({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": {
        "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [
                container(name="web", env=[{"name": "VERSION", "value": "1"}])]}}, **spec}})


def versions(here: Within) -> set[str]:
    items = here.get("pods", "-l", "app=web", "--field-selector=status.phase=Running")["items"]
    return {each["spec"]["containers"][0]["env"][0]["value"] for each in items
            if "deletionTimestamp" not in each["metadata"]}


def test_a_deployment_rolls_on_and_back(here: Within) -> None:
    web(here, replicas=2)
    assert 'deployment "web" successfully rolled out' in here.kubectl("rollout", "status", "deployment/web")
    here.kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=first")
    assert "env updated" in here.kubectl("set", "env", "deployment/web", "VERSION=2")
    here.kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=second", "--overwrite")
    text = here.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert 'deployment "web" successfully rolled out' in text
    assert versions(here) == {"2"}
    rows = [line.split() for line in here.kubectl("rollout", "history", "deployment/web").splitlines()[2:] if line]
    assert rows == [["1", "first"], ["2", "second"]]
    revision = here.kubectl("rollout", "history", "deployment/web", "--revision=1")
    assert "VERSION:\t1" in revision
    assert "rolled back" in here.kubectl("rollout", "undo", "deployment/web")
    here.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert versions(here) == {"1"}
    rows = [line.split() for line in here.kubectl("rollout", "history", "deployment/web").splitlines()[2:] if line]
    assert [row[0] for row in rows] == ["2", "3"]
    here.kubectl("rollout", "undo", "deployment/web", "--to-revision=2")
    here.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert versions(here) == {"2"}
    assert "unable to find specified revision 77" in here.fails("rollout", "undo", "deployment/web",
                                                                "--to-revision=77")


def test_pause_resume_and_restart(here: Within) -> None:
    web(here, replicas=1)
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "paused" in here.kubectl("rollout", "pause", "deployment/web")
    assert "is already paused" in here.fails("rollout", "pause", "deployment/web")
    here.kubectl("set", "env", "deployment/web", "VERSION=2")
    until(lambda: here.path("deployment/web", ".status.observedGeneration")
          == here.path("deployment/web", ".metadata.generation"), 5, "not observed")
    assert len(here.get("rs")["items"]) == 1
    assert re.search(r"Progressing +Unknown +DeploymentPaused", here.kubectl("describe", "deployment", "web"))
    here.kubectl("rollout", "resume", "deployment/web")
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert versions(here) == {"2"}
    before = set(here.kubectl("get", "pods", "-o", "name").split())
    assert "restarted" in here.kubectl("rollout", "restart", "deployment/web")
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    until(lambda: not before & set(here.kubectl("get", "pods", "-o", "name").split()), 10, "the old pod is there")


def test_set_image_that_cannot_be_had_keeps_the_old_pods(here: Within) -> None:
    web(here, replicas=2, progressDeadlineSeconds=3)
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    here.kubectl("set", "image", "deployment/web", "web=localhost/none:9")
    assert 'deployment "web" exceeded its progress deadline' in here.fails(
        "rollout", "status", "deployment/web", "--timeout=30s")
    assert len(here.rack.ready_pods("app=web", here.namespace)) == 2
    here.kubectl("set", "image", "deployment/web", f"web={IMAGE}")
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")


def test_a_daemon_set_rolls_on_and_back(here: Within) -> None:
    web(here, "DaemonSet")
    assert 'daemon set "web" successfully rolled out' in here.kubectl("rollout", "status", "ds/web", "--timeout=30s")
    nodes = here.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert sorted(nodes) == ["node-1", "node-2", "node-3"]
    here.kubectl("set", "env", "ds/web", "VERSION=2")
    text = here.kubectl("rollout", "status", "ds/web", "--timeout=60s")
    assert "out of 3 new pods have been updated" in text or "of 3 updated pods are available" in text
    until(lambda: versions(here) == {"2"}, 5, "old pods are left")
    rows = [line.split() for line in here.kubectl("rollout", "history", "ds/web").splitlines()[2:] if line]
    assert [row[0] for row in rows] == ["1", "2"]
    assert "rolled back" in here.kubectl("rollout", "undo", "ds/web")
    here.kubectl("rollout", "status", "ds/web", "--timeout=60s")
    until(lambda: versions(here) == {"1"}, 5, "pods of the second revision are left")
