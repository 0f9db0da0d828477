"""Quotas, limits, pod security and default classes, as a person with kubectl meets them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from edge.api import core, quotas
from tests.integration.apiserver.test_custom_resources import apply, controllers, definition, gadget
from tests.integration.conftest import Cluster

BOUND_SECONDS = 15.0

GOOD = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"}}


def manifest(kind: str, name: str, api_version: str = "v1", *, annotations: dict[str, str] | None = None,
             **fields: Any) -> str:
    """Return a manifest as kubectl takes it on its standard input."""
    return msgspec.json.encode({"apiVersion": api_version, "kind": kind, **fields,
                                "metadata": {"name": name, "annotations": annotations or {}}}).decode()


def pod(name: str, *, context: dict[str, Any] | None = None, resources: dict[str, Any] | None = None,
        **spec: Any) -> str:
    container = {"name": "a", "image": "web:1", "securityContext": context or {}, "resources": resources or {}}
    return manifest("Pod", name, spec={"containers": [container], **spec})


async def create(cluster: Cluster, text: str, *, code: int = 0, namespace: str = "default") -> str:
    """Create from a manifest and return what kubectl wrote on standard error."""
    return (await cluster.kubectl("create", "-f", "-", "-n", namespace, stdin=text, code=code)).err.strip()


async def test_a_quota_is_exceeded_and_given_back(cluster: Cluster) -> None:
    await cluster.kubectl("create", "quota", "q", "--hard=pods=2,configmaps=1,count/deployments.apps=0")
    for name in ("a", "b"):
        await create(cluster, pod(name))
    assert await create(cluster, pod("c"), code=1) == (
        'Error from server (Forbidden): error when creating "STDIN": pods "c" is forbidden: exceeded quota: q, '
        "requested: pods=1, used: pods=2, limited: pods=2")
    await cluster.kubectl("delete", "pod", "a", "--now")
    await cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=pod("c"))
    await create(cluster, pod("c"))
    ran = await cluster.kubectl("create", "deployment", "web", "--image=web:1", code=1)
    assert 'deployments.apps "web" is forbidden: exceeded quota: q, requested: count/deployments.apps=1' in ran.err
    await cluster.kubectl("create", "configmap", "one")
    assert "exceeded quota" in (await cluster.kubectl("create", "configmap", "two", code=1)).err


async def used(cluster: Cluster, name: str, wanted: dict[str, str]) -> None:
    """Wait until the status of a quota says so."""
    found: quotas.ResourceQuota | None = None
    try:
        async with asyncio.timeout(BOUND_SECONDS):
            while found is None or found.status.used != wanted or found.status.hard != found.spec.hard:
                await asyncio.sleep(0.02)
                found = await cluster.client.get(quotas.ResourceQuota, name, "default")
    except TimeoutError as error:
        raise AssertionError(found) from error


async def test_the_status_of_a_quota_follows_also_for_custom_kinds(cluster: Cluster) -> None:
    await apply(cluster, definition())
    async with controllers(cluster):
        await cluster.kubectl("create", "quota", "q", "--hard=requests.cpu=1,count/gadgets.example.com=1,pods=3")
        await create(cluster, pod("a", resources={"requests": {"cpu": "300m"}}))
        await apply(cluster, gadget("one"))
        await used(cluster, "q", {"requests.cpu": "300m", "count/gadgets.example.com": "1", "pods": "1"})
        ran = await cluster.kubectl("create", "-f", "-", stdin=msgspec.json.encode(gadget("two")).decode(), code=1)
        assert 'gadgets.example.com "two" is forbidden: exceeded quota: q, requested: ' \
               "count/gadgets.example.com=1, used: count/gadgets.example.com=1" in ran.err
        await cluster.kubectl("delete", "gadget/one", "pod/a", "--now")
        await used(cluster, "q", {"requests.cpu": "0", "count/gadgets.example.com": "0", "pods": "0"})
        described = (await cluster.kubectl("describe", "quota", "q")).out
        assert "pods" in described


async def test_a_quota_of_cpu_asks_for_requests_and_a_limit_range_gives_them(cluster: Cluster) -> None:
    await cluster.kubectl("create", "quota", "cpu", "--hard=requests.cpu=1")
    assert (await create(cluster, pod("a"), code=1)).endswith(
        'pods "a" is forbidden: failed quota: cpu: must specify requests.cpu for: a')
    await create(cluster, manifest("LimitRange", "limits", spec={"limits": [
        {"type": "Container", "defaultRequest": {"cpu": "600m"}, "max": {"memory": "1Gi"}}]}))
    await create(cluster, pod("a"))
    made = await cluster.client.get(core.Pod, "a", "default")
    assert made.spec.containers[0].resources.requests["cpu"] == "600m"
    assert made.status.qos_class == "Burstable"
    assert made.metadata.annotations["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container a; memory limit for container a")
    assert "requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1" in \
        await create(cluster, pod("b"), code=1)
    assert (await create(cluster, pod("b", resources={"limits": {"cpu": "100m", "memory": "2Gi"}}), code=1)).endswith(
        'pods "b" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi')


async def test_a_restricted_namespace_refuses_and_says_why(cluster: Cluster) -> None:
    await cluster.kubectl("create", "namespace", "safe")
    await cluster.kubectl("label", "namespace", "safe", "pod-security.kubernetes.io/enforce=restricted")
    refused = await create(cluster, pod("a"), code=1, namespace="safe")
    assert 'pods "a" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false ' \
           '(container "a" must set securityContext.allowPrivilegeEscalation=false), unrestricted cap' in refused
    assert await create(cluster, pod("a", context=GOOD), namespace="safe") == ""
    changed = await cluster.kubectl("set", "image", "pod/a", "a=web:2", "-n", "safe")
    assert changed.err == ""


async def test_warnings_reach_kubectl(cluster: Cluster) -> None:
    await cluster.kubectl("create", "namespace", "team")
    await create(cluster, pod("old", hostNetwork=True), namespace="team")
    ran = await cluster.kubectl("label", "namespace", "team", "pod-security.kubernetes.io/enforce=baseline")
    assert ran.err.splitlines() == [
        'Warning: existing pods in namespace "team" violate the new PodSecurity enforce level "baseline:latest"',
        "Warning: old: host namespaces"]
    await cluster.kubectl("label", "namespace", "team", "pod-security.kubernetes.io/warn=restricted")
    ran = await cluster.kubectl("create", "deployment", "web", "--image=web:1", "-n", "team")
    assert ran.err.startswith('Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation')
    assert (await create(cluster, pod("new"), namespace="team")).startswith("Warning: would violate PodSecurity")
    ran = await cluster.kubectl("label", "namespace", "team", "pod-security.kubernetes.io/audit=high", code=1)
    assert 'Invalid value: "high": must be one of privileged, baseline, restricted' in ran.err


async def test_priority_classes(cluster: Cluster) -> None:
    await cluster.kubectl("create", "priorityclass", "high", "--value=1000", "--preemption-policy=Never")
    await create(cluster, pod("a", priorityClassName="high"))
    made = await cluster.client.get(core.Pod, "a", "default")
    assert (made.spec.priority, made.spec.preemption_policy) == (1000, "Never")
    assert (await create(cluster, pod("b", priorityClassName="none"), code=1)).endswith(
        'pods "b" is forbidden: no PriorityClass with name none was found')
    assert "the integer value of priority (5) must not be provided in pod spec" in \
        await create(cluster, pod("b", priority=5), code=1)
    await cluster.kubectl("create", "priorityclass", "usual", "--value=7", "--global-default")
    ran = await cluster.kubectl("create", "priorityclass", "other", "--value=8", "--global-default", code=1)
    assert 'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already marked as ' \
           "default. Only one default can exist" in ran.err
    await create(cluster, pod("b"))
    made = await cluster.client.get(core.Pod, "b", "default")
    assert (made.spec.priority, made.spec.priority_class_name) == (7, "usual")


async def test_a_claim_gets_the_default_class_and_grows_only_where_it_may(cluster: Cluster) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await create(cluster, manifest("PersistentVolumeClaim", "before", spec=claim))
    await create(cluster, manifest("StorageClass", "fast", "storage.k8s.io/v1", provisioner="example.com/disk",
                                   annotations={"storageclass.kubernetes.io/is-default-class": "true"}))
    await create(cluster, manifest("PersistentVolumeClaim", "data", spec=claim))
    await create(cluster, manifest("PersistentVolumeClaim", "none", spec=claim | {"storageClassName": ""}))
    ran = await cluster.kubectl("get", "pvc", "-o", "jsonpath={range .items[*]}{.metadata.name}="
                                                    "{.spec.storageClassName};{end}")
    assert ran.out == "before=;data=fast;none=;"
    more = '{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}'
    unbound = (await cluster.kubectl("patch", "pvc", "data", "-p", more, code=1)).err
    assert "Only bound persistent volume claims can be expanded" in unbound or "is immutable" in unbound
    await cluster.kubectl("patch", "pvc", "data", "--subresource=status", "-p", '{"status": {"phase": "Bound"}}')
    refused = await cluster.kubectl("patch", "pvc", "data", "-p", more, code=1)
    assert refused.err.strip() == (
        'Error from server (Forbidden): persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc '
        "can be resized and the storageclass that provisions the pvc must support resize")
    await cluster.kubectl("patch", "storageclass", "fast", "-p", '{"allowVolumeExpansion": true}')
    await cluster.kubectl("create", "quota", "q", "--hard=fast.storageclass.storage.k8s.io/requests.storage=2Gi")
    await cluster.kubectl("patch", "pvc", "data", "-p", more)
    over = await cluster.kubectl("patch", "pvc", "data", "-p", more.replace("2Gi", "3Gi"), code=1)
    assert "exceeded quota: q, requested: fast.storageclass.storage.k8s.io/requests.storage=1Gi, used: " in over.err


async def test_an_ingress_gets_the_default_class(cluster: Cluster) -> None:
    await create(cluster, manifest("IngressClass", "web", "networking.k8s.io/v1",
                                   spec={"controller": "example.com/web"},
                                   annotations={"ingressclass.kubernetes.io/is-default-class": "true"}))
    await cluster.kubectl("create", "ingress", "site", "--rule=example.com/*=web:80")
    ran = await cluster.kubectl("get", "ingress", "site", "-o", "jsonpath={.spec.ingressClassName}")
    assert ran.out == "web"


async def test_a_pod_needs_an_account_and_default_is_there_at_once(cluster: Cluster) -> None:
    await cluster.kubectl("create", "namespace", "fresh")
    await cluster.kubectl("create", "--dry-run=server", "-n", "fresh", "-f", "-", stdin=pod("a"))
    await create(cluster, pod("a"), namespace="fresh")
    assert (await cluster.kubectl("get", "serviceaccounts", "-n", "fresh", "-o", "name")).out == \
        "serviceaccount/default\n"
    assert (await create(cluster, pod("b", serviceAccountName="bot"), code=1, namespace="fresh")).endswith(
        'pods "b" is forbidden: error looking up service account fresh/bot: serviceaccount "bot" not found')
    await cluster.kubectl("create", "serviceaccount", "bot", "-n", "fresh")
    await cluster.kubectl("patch", "serviceaccount", "bot", "-n", "fresh", "-p",
                          '{"imagePullSecrets": [{"name": "registry"}]}')
    await create(cluster, pod("b", serviceAccountName="bot"), namespace="fresh")
    made = await cluster.client.get(core.Pod, "b", "fresh")
    assert [reference.name for reference in made.spec.image_pull_secrets] == ["registry"]


async def test_a_runtime_class_places_its_pods(cluster: Cluster) -> None:
    assert (await create(cluster, pod("a", runtimeClassName="sandbox"), code=1)).endswith(
        'pods "a" is forbidden: pod rejected: RuntimeClass "sandbox" not found')
    await create(cluster, manifest("RuntimeClass", "sandbox", "node.k8s.io/v1", handler="runsc",
                                   overhead={"podFixed": {"memory": "64Mi"}},
                                   scheduling={"nodeSelector": {"runtime": "sandbox"}}))
    await create(cluster, pod("a", runtimeClassName="sandbox"))
    made = await cluster.client.get(core.Pod, "a", "default")
    assert (made.spec.overhead, made.spec.node_selector) == ({"memory": "64Mi"}, {"runtime": "sandbox"})
