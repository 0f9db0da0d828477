"""The real kubectl against the real server: what people do all day."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.integration.conftest import Cluster

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {color: blue}\n"


async def test_apply_creates_then_leaves_alone_then_changes(cluster: Cluster) -> None:
    assert (await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)).out == "deployment.apps/web created\n"
    assert (await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)).out == "deployment.apps/web unchanged\n"
    changed = DEPLOYMENT.replace("nginx", "httpd")
    assert (await cluster.kubectl("apply", "-f", "-", stdin=changed)).out == "deployment.apps/web configured\n"
    image = await cluster.kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
    assert image.out == "httpd"


async def test_get_prints_tables_and_documents(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    table = (await cluster.kubectl("get", "deployments", "-o", "wide")).out.splitlines()
    assert table[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert table[1].split()[:2] == ["web", "0/2"]
    document = json.loads((await cluster.kubectl("get", "deploy", "web", "-o", "json")).out)
    assert document["metadata"]["generation"] == 1
    assert document["spec"]["strategy"]["type"] == "RollingUpdate"
    assert "kind: Deployment" in (await cluster.kubectl("get", "deploy", "web", "-o", "yaml")).out
    assert (await cluster.kubectl("get", "deploy", "-l", "app!=web", "-o", "name")).out == ""
    assert (await cluster.kubectl("get", "ns", "-o", "name")).out.split() == [
        "namespace/default", "namespace/kube-node-lease", "namespace/kube-public", "namespace/kube-system"]


async def test_label_annotate_patch_scale(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    await cluster.kubectl("label", "deploy", "web", "tier=front")
    await cluster.kubectl("annotate", "deploy", "web", "note=hello")
    await cluster.kubectl("patch", "deploy", "web", "--type=json", "-p",
                          '[{"op": "replace", "path": "/spec/replicas", "value": 3}]')
    await cluster.kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"spec": {"paused": true}}')
    await cluster.kubectl("patch", "deploy", "web", "-p",
                          '{"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "x:2"}]}}}}')
    await cluster.kubectl("scale", "deploy", "web", "--replicas=7", "--current-replicas=3")
    found = json.loads((await cluster.kubectl("get", "deploy", "web", "-o", "json")).out)
    assert found["metadata"]["labels"] == {"app": "web", "tier": "front"}
    assert found["metadata"]["annotations"]["note"] == "hello"
    assert (found["spec"]["replicas"], found["spec"]["paused"]) == (7, True)
    assert [each["image"] for each in found["spec"]["template"]["spec"]["containers"]] == ["x:2"]


async def test_errors_read_as_kubernetes_words_them(cluster: Cluster, tmp_path: Path) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    ran = await cluster.kubectl("create", "-f", "-", stdin=DEPLOYMENT, code=1)
    assert ran.err == ('Error from server (AlreadyExists): error when creating "STDIN": deployments.apps "web" '
                       "already exists\n")
    stale = json.loads((await cluster.kubectl("get", "deploy", "web", "-o", "json")).out)
    await cluster.kubectl("label", "deploy", "web", "tier=front")
    ran = await cluster.kubectl("replace", "-f", "-", stdin=json.dumps(stale), code=1)
    assert "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified" in ran.err
    wrong = DEPLOYMENT.replace("image: nginx", "imagee: nginx").replace("name: web, labels", "name: other, labels")
    ran = await cluster.kubectl("create", "-f", "-", stdin=wrong, code=1)
    assert 'strict decoding error: unknown field "spec.template.spec.containers[0].imagee"' in ran.err
    ran = await cluster.kubectl("get", "pods", "nope", code=1)
    assert ran.err == 'Error from server (NotFound): pods "nope" not found\n'
    ran = await cluster.kubectl("-n", "missing", "create", "-f", "-", stdin=CONFIG, code=1)
    assert 'namespaces "missing" not found' in ran.err
    ran = await cluster.kubectl("logs", "nope", code=1)
    assert 'pods "nope" not found' in ran.err


async def test_unknown_fields_warn_when_not_strict(cluster: Cluster) -> None:
    ran = await cluster.kubectl("create", "--validate=warn", "-f", "-", stdin=CONFIG + "datta: {}\n")
    assert 'Warning: unknown field "datta"' in ran.err


async def test_node_ports_are_given_once(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=SERVICE)
    ran = await cluster.kubectl("apply", "-f", "-", stdin=SERVICE.replace("name: web", "name: web2"), code=1)
    assert ("spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated") in ran.err
    address = (await cluster.kubectl("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}")).out
    assert address.startswith("10.96.")
    await cluster.kubectl("apply", "-f", "-", stdin=SERVICE.replace("port: 80,", "port: 81,"))
    assert (await cluster.kubectl("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}")).out == address


async def test_delete_explain_and_discovery(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert (await cluster.kubectl("delete", "deploy", "web")).out.startswith('deployment.apps "web" deleted')
    await cluster.kubectl("wait", "--for=delete", "deploy/web", "--timeout=5s")
    assert "FIELDS:" in (await cluster.kubectl("explain", "pod.spec.containers")).out
    listed = (await cluster.kubectl("api-resources", "-o", "name")).out.split()
    assert {"pods", "deployments.apps", "leases.coordination.k8s.io"} <= set(listed)
    assert "Server Version: v1.32" in (await cluster.kubectl("version")).out


async def test_diff_and_dry_run_change_nothing(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    changed = DEPLOYMENT.replace("replicas: 2", "replicas: 9")
    ran = await cluster.kubectl("diff", "-f", "-", stdin=changed, code=1)
    assert "-  replicas: 2" in ran.out
    assert "+  replicas: 9" in ran.out
    await cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=changed)
    await cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=CONFIG)
    assert (await cluster.kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")).out == "2"
    await cluster.kubectl("get", "cm", "settings", code=1)


@pytest.mark.parametrize("version", ["extensions/v1beta1", "apps/v1beta1"])
async def test_manifests_of_old_books_work_as_printed(cluster: Cluster, version: str) -> None:
    manifest = DEPLOYMENT.replace("apps/v1", version).replace("  selector: {matchLabels: {app: web}}\n", "")
    await cluster.kubectl("apply", "-f", "-", stdin=manifest)
    selector = await cluster.kubectl("get", "deploy", "web", "-o", "jsonpath={.apiVersion} {.spec.selector}")
    assert selector.out == 'apps/v1 {"matchLabels":{"app":"web"}}'
    await cluster.kubectl("apply", "-f", "-", stdin=manifest.replace("nginx", "httpd"))


async def test_watch_prints_each_change(cluster: Cluster) -> None:
    await cluster.kubectl("create", "-f", "-", stdin=CONFIG)
    process = await cluster.start_kubectl("get", "cm", "-w")
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            lines = [(await process.stdout.readline()).split() for _ in range(2)]
            await cluster.kubectl("create", "-f", "-", stdin=CONFIG.replace("settings", "more"))
            lines.append((await process.stdout.readline()).split())
    finally:
        process.kill()
        await process.communicate()
    assert [line[0] for line in lines] == [b"NAME", b"settings", b"more"]


async def test_wait_sees_a_condition_come(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    process = await cluster.start_kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=20s")
    await cluster.request("PATCH", "/apis/apps/v1/namespaces/default/deployments/web/status",
                          {"status": {"conditions": [{"type": "Available", "status": "True"}]}}, code=200,
                          headers={"Content-Type": "application/merge-patch+json"})
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    assert out == b"deployment.apps/web condition met\n"


async def test_impersonation_shows_what_others_may_do(cluster: Cluster) -> None:
    ran = await cluster.kubectl("get", "pods", "--as=jane", code=1)
    assert ran.err == ('Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" '
                       'in API group "" in the namespace "default"\n')


async def test_commands_that_send_protobuf(cluster: Cluster) -> None:
    await cluster.kubectl("create", "service", "clusterip", "web", "--tcp=80:8080")
    assert (await cluster.kubectl("get", "svc", "web", "-o", "jsonpath={.spec.ports[0].targetPort}")).out == "8080"
    await cluster.kubectl("create", "service", "nodeport", "np", "--tcp=80", "--node-port=30123")
    await cluster.kubectl("create", "deployment", "site", "--image=nginx", "--replicas=3", "--port=80")
    assert (await cluster.kubectl("get", "deploy", "site", "-o", "jsonpath={.spec.replicas}")).out == "3"
    await cluster.kubectl("create", "configmap", "cm", "--from-literal=a=b")
    await cluster.kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert (await cluster.kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}")).out == "Yg=="
    await cluster.kubectl("create", "namespace", "team")
    await cluster.kubectl("create", "serviceaccount", "robot")
    assert (await cluster.kubectl("auth", "can-i", "create", "pods")).out == "yes\n"
    assert "kubernetes-admin" in (await cluster.kubectl("auth", "whoami")).out
    await cluster.kubectl("auth", "can-i", "--list")
    await cluster.kubectl("run", "p", "--image=x")
    await cluster.kubectl("delete", "pod", "p", "--grace-period=0", "--force")
