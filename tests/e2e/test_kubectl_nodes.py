"""kubectl cordon, drain, uncordon and taint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import Within, container, pod

NODE = "node-3"


@pytest.fixture
def here(rack: Rack, namespace: str) -> Iterator[Within]:
    yield Within(rack, namespace)
    rack.kubectl("uncordon", NODE)
    rack.try_kubectl("taint", "node", NODE, "team-")


def test_cordon_drain_uncordon(here: Within) -> None:
    template = {"metadata": {"labels": {"app": "web"}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container()]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    daemon = {"selector": {"matchLabels": {"app": "agent"}}, "template": {
        **template, "metadata": {"labels": {"app": "agent"}}}}
    here.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                "spec": {**spec, "replicas": 4}},
               {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": daemon})
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    here.kubectl("rollout", "status", "ds/agent", "--timeout=30s")
    assert here.kubectl("cordon", NODE) == f"node/{NODE} cordoned\n"
    assert here.kubectl("get", "node", NODE, "--no-headers").split()[1] == "Ready,SchedulingDisabled"
    assert "cannot delete DaemonSet-managed Pods" in here.fails("drain", NODE, "--pod-selector=app=agent")
    mine = "--pod-selector=app in (web,agent)"
    assert f"node/{NODE} drained" in here.kubectl("drain", NODE, "--ignore-daemonsets", mine, "--timeout=30s")
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    where = here.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert NODE not in where
    assert len(where) == 4
    assert NODE in here.kubectl("get", "pods", "-l", "app=agent", "-o", "jsonpath={.items[*].spec.nodeName}")
    assert here.kubectl("uncordon", NODE) == f"node/{NODE} uncordoned\n"
    assert here.kubectl("get", "node", NODE, "--no-headers").split()[1] == "Ready"


def test_taints(here: Within) -> None:
    assert here.kubectl("taint", "node", NODE, "team=red:NoSchedule") == f"node/{NODE} tainted\n"
    assert "Taints:             team=red:NoSchedule" in here.kubectl("describe", "node", NODE)
    only = {"nodeSelector": {"kubernetes.io/hostname": NODE}}
    here.apply(pod("shut-out", **only),
               pod("allowed", tolerations=[{"key": "team", "operator": "Equal", "value": "red"}], **only))
    here.until_ready("allowed")
    until(lambda: "untolerated taint {team: red}" in here.kubectl("describe", "pod", "shut-out"), 10, "not said")
    assert here.kubectl("taint", "node", NODE, "team=red:NoSchedule-") == f"node/{NODE} untainted\n"
    here.until_ready("shut-out")
    here.kubectl("taint", "node", NODE, "team=red:NoExecute")
    until(lambda: here.kubectl("get", "pods", "-o", "name") == "pod/allowed\n", 15, "shut-out is not evicted")


def test_labels_of_nodes_place_pods(here: Within) -> None:
    here.kubectl("label", "node", NODE, "disk=fast")
    here.apply(pod("choosy", nodeSelector={"disk": "fast"}))
    here.until_ready("choosy")
    assert here.path("pod/choosy", ".spec.nodeName") == NODE
    assert NODE in here.kubectl("get", "nodes", "-l", "disk=fast", "-o", "name")
    here.kubectl("label", "node", NODE, "disk-")
