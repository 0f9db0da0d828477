"""What limits Deployments: quotas, limit ranges, pod security, disruption budgets.

What is refused is said in Kubernetes' words, and goes on by itself once it may.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import Within, container

NODE = "node-3"


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def deployment(replicas: int, main: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [main or container()], **spec}}}}


def failures(here: Within) -> str:
    """Return what the Events of the replica sets say about pods that could not be made."""
    return here.kubectl("get", "events", "--field-selector", "reason=FailedCreate,involvedObject.kind=ReplicaSet",
                        "-o", "jsonpath={range .items[*]}{.message}{\"\\n\"}{end}")


def test_a_deployment_stops_at_the_quota_and_goes_on_when_it_is_raised(here: Within) -> None:
    here.kubectl("create", "quota", "small", "--hard=pods=2,requests.cpu=1,count/configmaps=3")
    until(lambda: here.path("resourcequota/small", ".status.used.pods") == "0", 5, "the quota is not counted")
    asking = container(resources={"requests": {"cpu": "100m"}})
    here.apply(deployment(4, asking))
    until(lambda: here.path("deployment/web", ".status.readyReplicas") == "2", 20, "two pods fit")
    words = 'is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2'
    until(lambda: words in failures(here), 5, failures(here))
    assert words in here.path("deployment/web", ".status.conditions[?(@.type==\"ReplicaFailure\")].message")
    assert "ReplicaFailure" in here.kubectl("describe", "rs", "-l", "app=web")
    rows = [line.split() for line in here.kubectl("describe", "quota", "small").splitlines()[2:]]
    assert ["pods", "2", "2"] in rows
    assert ["requests.cpu", "200m", "1"] in rows
    assert "exceeded quota" in here.fails("run", "one", "--image=localhost/hello:1.0",
                                          '--overrides={"spec":{"containers":[{"name":"one","image":"a","resources":'
                                          '{"requests":{"cpu":"1m"}}}]}}')
    here.kubectl("patch", "quota", "small", "-p", '{"spec": {"hard": {"pods": "5"}}}')
    here.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert here.path("deployment/web", ".status.conditions[?(@.type==\"ReplicaFailure\")].type") == ""
    here.kubectl("delete", "deployment", "web")
    until(lambda: here.path("resourcequota/small", ".status.used.pods") == "0", 15, "the pods are gone and still count")
    # The root certificate's map is the first.
    here.kubectl("create", "configmap", "a")
    here.kubectl("create", "configmap", "b")
    assert "limited: count/configmaps=3" in here.fails("create", "configmap", "c")


def test_a_quota_wants_every_container_to_say_what_it_needs(here: Within) -> None:
    here.kubectl("create", "quota", "memory", "--hard=requests.memory=100Mi")
    here.apply(deployment(1))
    until(lambda: "failed quota: memory: must specify requests.memory for: main" in failures(here), 10, failures(here))
    # A limit range says it for them.
    here.apply({"kind": "LimitRange", "metadata": {"name": "usual"}, "spec": {"limits": [{
        "type": "Container", "default": {"memory": "60Mi"}, "defaultRequest": {"memory": "30Mi"},
        "max": {"memory": "90Mi"}}]}})
    here.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    resources = json.loads(here.kubectl("get", "pods", "-l", "app=web", "-o",
                                        "jsonpath={.items[0].spec.containers[0].resources}"))
    assert resources == {"limits": {"memory": "60Mi"}, "requests": {"memory": "30Mi"}}
    until(lambda: here.path("resourcequota/memory", ".status.used.requests\\.memory") == "30Mi", 5, "not counted")
    assert here.kubectl("describe", "limits", "usual").splitlines()[-1].split() \
        == ["Container", "memory", "-", "90Mi", "30Mi", "60Mi", "-"]
    here.kubectl("set", "resources", "deployment/web", "--limits=memory=1Gi", "--requests=memory=10Mi")
    until(lambda: "maximum memory usage per Container is 90Mi, but limit is 1Gi" in failures(here), 10, failures(here))


SAFE = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 1000, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"}}


def test_a_restricted_namespace_refuses_privileged_pods_and_warns_when_they_are_asked_for(here: Within) -> None:
    for mode in ("enforce", "warn"):
        here.kubectl("label", "namespace", here.namespace, f"pod-security.kubernetes.io/{mode}=restricted")
    privileged = deployment(1, container(securityContext={"privileged": True}))
    result = here.try_kubectl("apply", "-f", "-", text=json.dumps(privileged))
    assert result.returncode == 0
    assert 'Warning: would violate PodSecurity "restricted:latest": privileged (container "main" must not set ' \
           "securityContext.privileged=true)" in result.stderr
    until(lambda: 'violates PodSecurity "restricted:latest": privileged' in failures(here), 10, failures(here))
    assert here.kubectl("get", "pods", "-o", "name") == ""
    result = here.try_kubectl("apply", "-f", "-", text=json.dumps(deployment(1, container(securityContext=SAFE))))
    assert "Warning" not in result.stderr
    here.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    pod = here.kubectl("get", "pods", "-l", "app=web", "-o", "name").strip()
    assert here.sh(pod, "id -u") == "1000\n"
    here.kubectl("label", "namespace", here.namespace, "pod-security.kubernetes.io/enforce=baseline", "--overwrite")
    assert "violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)" in here.fails(
        "run", "host", "--image=a", '--overrides={"spec":{"hostNetwork":true}}')


@pytest.fixture
def drained(here: Within) -> Iterator[Within]:
    yield here
    here.rack.kubectl("uncordon", NODE)


def test_a_drain_waits_for_the_disruption_budget(drained: Within) -> None:
    """Two of two have to be there: the evictions are refused until replacements are ready elsewhere."""
    here = drained
    gate = {"exec": {"command": ["test", "-e", "/gate"]}, "periodSeconds": 1}
    here.apply(deployment(2, container("touch /gate; exec sleep 1000", readinessProbe=gate),
                          nodeSelector={"kubernetes.io/hostname": NODE}))
    here.kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=2")
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    until(lambda: here.path("pdb/web", ".status.currentHealthy") == "2", 5, "the budget does not count")
    assert here.kubectl("get", "pdb", "web", "--no-headers").split()[:4] == ["web", "2", "N/A", "0"]
    drain = ("drain", NODE, "--ignore-daemonsets", "--pod-selector=app=web", "--force")
    refused = here.try_kubectl(*drain, "--timeout=2s")
    assert refused.returncode != 0
    assert "Cannot evict pod as it would violate the pod's disruption budget." in refused.stderr
    assert len(here.rack.ready_pods("app=web", here.namespace)) == 2
    # A third one elsewhere gives leave for one at a time.
    here.apply(deployment(3, container("touch /gate; exec sleep 1000", readinessProbe=gate)))
    here.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    until(lambda: here.path("pdb/web", ".status.disruptionsAllowed") == "1", 10, "no disruption is allowed")
    process = subprocess.Popen([here.rack.kubectl_program, *drain, "--timeout=60s"], env=here.rack.environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    fewest = 3
    while process.poll() is None:
        fewest = min(fewest, len(here.rack.ready_pods("app=web", here.namespace)))
    said = process.communicate()[0]
    assert f"node/{NODE} drained" in said, said
    assert fewest >= 2
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    where = here.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert len(where) == 3
    assert NODE not in where
    assert here.kubectl("uncordon", NODE) == f"node/{NODE} uncordoned\n"
