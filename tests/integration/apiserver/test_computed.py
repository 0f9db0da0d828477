"""What is worked out for each request, and pods that get a container to look into them."""

from __future__ import annotations

from tests.integration.conftest import Cluster

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
       "spec": {"containers": [{"name": "a", "image": "busybox:1"}]}}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}


async def test_component_statuses_are_listed_and_got(cluster: Cluster) -> None:
    ran = await cluster.kubectl("get", "componentstatuses")
    assert "v1 ComponentStatus is deprecated in v1.19+" in ran.err
    assert [line.split()[0] for line in ran.out.splitlines()] == ["NAME", "scheduler", "controller-manager", "etcd-0"]
    assert (await cluster.kubectl("get", "cs", "etcd-0", "-o", "name")).out.strip() == "componentstatus/etcd-0"
    missing = await cluster.kubectl("get", "cs", "other", code=1)
    assert 'componentstatuses "other" not found' in missing.err


async def test_metrics_are_served_although_no_node_is_there(cluster: Cluster) -> None:
    nodes = await cluster.request("GET", "/apis/metrics.k8s.io/v1beta1/nodes", code=200)
    assert (nodes["kind"], nodes["items"]) == ("NodeMetricsList", [])
    assert (await cluster.kubectl("top", "pods", code=None)).err.strip() == "No resources found in default namespace."


async def test_ephemeral_containers_are_added_and_never_removed(cluster: Cluster) -> None:
    await cluster.request("POST", "/api/v1/namespaces/default/pods", POD, code=201)
    path = "/api/v1/namespaces/default/pods/web/ephemeralcontainers"
    added = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox:1", "targetContainerName": "a"}]}}
    pod = await cluster.request("PATCH", path, added, code=200, headers=STRATEGIC)
    [container] = pod["spec"]["ephemeralContainers"]
    assert (container["name"], container["imagePullPolicy"]) == ("debug", "IfNotPresent")
    changed = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "other:1"}]}}
    refused = await cluster.request("PATCH", path, changed, code=422, headers=STRATEGIC)
    assert 'existing ephemeral containers "debug" may not be changed' in refused["message"]
    pod["spec"]["ephemeralContainers"] = []
    refused = await cluster.request("PUT", path, pod, code=422)
    assert 'existing ephemeral containers "debug" may not be removed' in refused["message"]


async def test_a_binding_places_a_pod(cluster: Cluster) -> None:
    await cluster.request("POST", "/api/v1/namespaces/default/pods", POD, code=201)
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "node-1"}}
    await cluster.request("POST", "/api/v1/namespaces/default/bindings", binding, code=201)
    pod = await cluster.request("GET", "/api/v1/namespaces/default/pods/web", code=200)
    assert pod["spec"]["nodeName"] == "node-1"
    await cluster.request("POST", "/api/v1/namespaces/default/bindings", binding, code=409)
