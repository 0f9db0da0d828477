"""Helm 4: charts installed, upgraded, rolled back and removed, with and without server-side apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.clients import helm_program
from tests.integration.clients.helm_program import Helm
from tests.integration.conftest import Cluster

EVERYTHING = ("--set", "ingress.enabled=true", "--set", "autoscaling.enabled=true", "--set",
              "image.repository=rack.local/web")
CLIENT_SIDE = "--server-side=false"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/shop-web"
CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
       "metadata": {"name": "boards.example.com"},
       "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "boards", "kind": "Board"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"spec": {"type": "object", "properties": {
                        "cores": {"type": "integer"}}}}}}}]}}
HOOK = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-before
  annotations: {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": before-hook-creation}
data: {revision: "{{ .Release.Revision }}", kubernetes: {{ .Capabilities.KubeVersion.Version | quote }}}
"""
BOARD = """
{{- if .Capabilities.APIVersions.Has "example.com/v1/Board" }}
apiVersion: example.com/v1
kind: Board
metadata: {name: {{ .Release.Name }}}
spec: {cores: {{ .Values.cores }}}
{{- end }}
"""
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data: {color: {{ .Values.color | quote }}}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: broken}
spec: {ports: [{port: {{ .Values.port | default 0 }}}]}
"""


@pytest.fixture
def helm(cluster: Cluster, tmp_path: Path) -> Helm:
    home = tmp_path / "helm"
    home.mkdir()
    return Helm(helm_program.find(), cluster, home)


@pytest.fixture
async def web(helm: Helm) -> str:
    """The chart that `helm create` makes."""
    await helm.run("create", "web")
    return str(helm.home / "web")


def chart(home: Path, **templates: str) -> str:
    """Write a chart of these templates."""
    folder = home / "small"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: small\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("color: blue\ncores: 4\n")
    for name, text in templates.items():
        (folder / "templates" / f"{name}.yaml").write_text(text)
    return str(folder)


async def replicas(cluster: Cluster) -> Any:
    return (await cluster.request("GET", DEPLOYMENT, code=200))["spec"].get("replicas")


async def test_lint_and_template_through_kubectl(helm: Helm, web: str) -> None:
    assert "0 chart(s) failed" in (await helm.run("lint", web, "--strict")).out
    made = (await helm.run("template", "shop", web, *EVERYTHING)).out
    kinds = [one["kind"] for one in yaml.safe_load_all(made) if one]
    assert {"Deployment", "Service", "ServiceAccount", "HorizontalPodAutoscaler", "Ingress", "Pod"} == set(kinds)
    applied = await helm.cluster.kubectl("apply", "-f", "-", stdin=made)
    assert applied.out.count(" created") == len(kinds)
    again = await helm.cluster.kubectl("apply", "-f", "-", stdin=made)
    assert again.out.count(" unchanged") == len(kinds), again
    server_side = await helm.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=made)
    assert server_side.out.count(" serverside-applied") == len(kinds)


@pytest.mark.parametrize("how", [(), (CLIENT_SIDE,)], ids=["server-side", "client-side"])
async def test_a_release_from_install_to_uninstall(helm: Helm, web: str, how: tuple[str, ...]) -> None:
    installed = await helm.json("install", "shop", web, *EVERYTHING, *how)
    assert (installed["info"]["status"], installed["version"]) == ("deployed", 1)
    assert [one["name"] for one in await helm.json("list")] == ["shop"]
    status = await helm.json("status", "shop")
    assert status["info"]["status"] == "deployed"
    assert "Deployment" in str(status["info"].get("resources", status["manifest"]))
    manifest = [one for one in yaml.safe_load_all((await helm.run("get", "manifest", "shop")).out) if one]
    assert len(manifest) == 5
    assert "kubectl" in (await helm.run("get", "notes", "shop")).out or "http" in installed["info"]["notes"]
    ingress = await helm.cluster.request("GET", "/apis/networking.k8s.io/v1/namespaces/default/ingresses/shop-web")
    assert ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == "shop-web"

    await helm.run("upgrade", "shop", web, "--reset-values", "--set", "replicaCount=3", *how)
    assert await replicas(helm.cluster) == 3
    gone = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/shop-web"
    await helm.cluster.request("GET", gone, code=404)
    assert (await helm.json("get", "values", "shop")) == {"replicaCount": 3}
    await helm.run("upgrade", "shop", web, "--reuse-values", "--set", "image.tag=2", *how)
    await helm.run("rollback", "shop", "2", *how)
    assert [(one["revision"], one["status"]) for one in await helm.json("history", "shop")] == [
        (1, "superseded"), (2, "superseded"), (3, "superseded"), (4, "deployed")]
    found = await helm.cluster.request("GET", DEPLOYMENT, code=200)
    assert found["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":1.16.0")
    managers = {(entry["manager"], entry["operation"]) for entry in found["metadata"].get("managedFields", [])}
    assert (("helm", "Apply") in managers) == (not how)

    await helm.run("uninstall", "shop", "--wait=legacy")
    await helm.cluster.request("GET", DEPLOYMENT, code=404)
    assert await helm.json("list", "--all-namespaces") == []
    secrets = await helm.cluster.request("GET", "/api/v1/namespaces/default/secrets")
    assert [one for one in secrets["items"] if one["type"] == "helm.sh/release.v1"] == []


async def test_dry_runs_change_nothing(helm: Helm, web: str) -> None:
    asked = await helm.run("install", "shop", web, "--dry-run=server", "--debug")
    assert "kind: Deployment" in asked.out
    await helm.cluster.request("GET", DEPLOYMENT, code=404)
    await helm.run("install", "shop", web, "--set", "replicaCount=1")
    await helm.run("upgrade", "shop", web, "--set", "replicaCount=5", "--dry-run=server")
    assert await replicas(helm.cluster) == 1


async def test_hooks_custom_kinds_and_waiting(helm: Helm) -> None:
    small = chart(helm.home, hook=HOOK, board=BOARD, settings=SETTINGS)
    (Path(small) / "crds").mkdir()
    (Path(small) / "crds" / "boards.yaml").write_text(yaml.safe_dump(CRD))
    await helm.run("install", "first", small, "--wait", "--timeout", "30s")
    board = await helm.cluster.request("GET", "/apis/example.com/v1/namespaces/default/boards/first", code=200)
    assert board["spec"] == {"cores": 4}
    assert board["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    before = "/api/v1/namespaces/default/configmaps/first-before"
    hook = await helm.cluster.request("GET", before, code=200)
    assert (hook["data"]["revision"], hook["data"]["kubernetes"][:5]) == ("1", "v1.32")
    await helm.run("upgrade", "--install", "first", small, "--set", "cores=8", "--wait", "--timeout", "30s")
    board = await helm.cluster.request("GET", "/apis/example.com/v1/namespaces/default/boards/first", code=200)
    assert board["spec"] == {"cores": 8}
    hook = await helm.cluster.request("GET", before, code=200)
    assert hook["data"]["revision"] == "2"
    await helm.run("uninstall", "first", "--wait", "--timeout", "30s")
    await helm.cluster.request("GET", "/apis/example.com/v1/namespaces/default/boards/first", code=404)
    await helm.cluster.request("GET", before, code=200)  # a hook is no part of the release


async def test_what_somebody_else_made_is_not_taken(helm: Helm) -> None:
    small = chart(helm.home, settings=SETTINGS)
    await helm.cluster.kubectl("create", "configmap", "first-settings", "--from-literal=color=red")
    refused = await helm.run("install", "first", small, code=1)
    assert 'ConfigMap "first-settings" in namespace "default" exists and cannot be imported' in refused.err
    await helm.run("install", "first", small, "--take-ownership", "--force-conflicts")
    found = await helm.cluster.request("GET", "/api/v1/namespaces/default/configmaps/first-settings", code=200)
    assert found["data"] == {"color": "blue"}


async def test_an_invalid_object_fails_the_install_and_can_be_mended(helm: Helm) -> None:
    small = chart(helm.home, settings=SETTINGS, broken=SERVICE)
    refused = await helm.run("install", "first", small, code=1)
    assert "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive" in refused.err
    assert (await helm.json("status", "first"))["info"]["status"] == "failed"
    await helm.run("upgrade", "first", small, "--set", "port=80", "--create-namespace")
    assert (await helm.json("status", "first"))["info"]["status"] == "deployed"
    await helm.run("upgrade", "first", small, "--set", "port=99999", "--rollback-on-failure", code=1)
    assert (await helm.json("history", "first"))[-1]["status"] == "deployed"


async def test_a_namespace_is_made_on_the_way(helm: Helm) -> None:
    small = chart(helm.home, settings=SETTINGS)
    await helm.run("install", "first", small, "--namespace", "shop", "--create-namespace")
    found = await helm.cluster.request("GET", "/api/v1/namespaces/shop/configmaps/first-settings", code=200)
    assert found["data"] == {"color": "blue"}
    assert [one["namespace"] for one in await helm.json("list", "--all-namespaces")] == ["shop"]
