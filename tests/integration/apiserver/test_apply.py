"""Server-side apply with the real kubectl: conflicts, force, dry run, diff, and the way from client-side apply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
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
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
"""
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {color: blue, size: large}\n"
WEB = "/apis/apps/v1/namespaces/default/deployments/web"
SETTINGS = "/api/v1/namespaces/default/configmaps/settings"
APPLY = {"Content-Type": "application/apply-patch+yaml"}


async def server_side(cluster: Cluster, manifest: str, *options: str, code: int = 0) -> Any:
    return await cluster.kubectl("apply", "--server-side", "-f", "-", *options, stdin=manifest, code=code)


async def get(cluster: Cluster, path: str = WEB) -> Any:
    return await cluster.request("GET", path, code=200)


async def apply(cluster: Cluster, path: str, config: Any, manager: str = "me", *, code: int, query: str = "",
                headers: dict[str, str] | None = None) -> Any:
    body = config if isinstance(config, bytes) else msgspec.json.encode(config)
    return await cluster.request("PATCH", f"{path}?fieldManager={manager}{query}", body, code=code,
                                 headers=headers or APPLY)


def managers(obj: Any) -> dict[tuple[str, str, str], Any]:
    return {(entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
            for entry in obj["metadata"].get("managedFields", ())}


def a_map(**data: str) -> dict[str, Any]:
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    return {**head, **({"data": data} if data else {})}


async def test_kubectl_applies_leaves_alone_changes_and_removes(cluster: Cluster) -> None:
    assert (await server_side(cluster, DEPLOYMENT)).out == "deployment.apps/web serverside-applied\n"
    made = await get(cluster)
    assert list(managers(made)) == [("kubectl", "Apply", "")]
    assert managers(made)["kubectl", "Apply", ""]["f:spec"]["f:template"]["f:spec"]["f:containers"] == {
        'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}, "f:ports": {
            'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}}}
    await server_side(cluster, DEPLOYMENT)
    assert await get(cluster) == made
    await server_side(cluster, DEPLOYMENT.replace("nginx", "httpd").replace("metadata: {name: web, labels: {app: web}}",
                                                                            "metadata: {name: web}"))
    changed = await get(cluster)
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == "httpd"
    assert "labels" not in changed["metadata"]
    assert changed["metadata"]["generation"] == 2


async def test_a_conflict_is_explained_and_can_be_forced(cluster: Cluster) -> None:
    await server_side(cluster, DEPLOYMENT)
    await cluster.kubectl("scale", "deploy", "web", "--replicas=5")
    ran = await server_side(cluster, DEPLOYMENT.replace("replicas: 2", "replicas: 3"), code=1)
    assert ('error: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: '
            ".spec.replicas\n") in ran.err
    assert "--force-conflicts" in ran.err
    assert (await get(cluster))["spec"]["replicas"] == 5
    await server_side(cluster, DEPLOYMENT.replace("replicas: 2", "replicas: 3"), "--force-conflicts")
    after = await get(cluster)
    assert after["spec"]["replicas"] == 3
    assert list(managers(after)) == [("kubectl", "Apply", "")]


async def test_field_managers_share_and_keep_what_they_own(cluster: Cluster) -> None:
    await server_side(cluster, MAP, "--field-manager=one")
    await server_side(cluster, MAP.replace(", size: large", ""), "--field-manager=two")
    await server_side(cluster, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n", "--field-manager=one")
    found = await get(cluster, SETTINGS)
    assert found["data"] == {"color": "blue"}
    assert managers(found) == {("two", "Apply", ""): {"f:data": {"f:color": {}}}}


async def test_a_dry_run_and_a_diff_change_nothing(cluster: Cluster) -> None:
    ran = await server_side(cluster, MAP, "--dry-run=server")
    assert ran.out == "configmap/settings serverside-applied (server dry run)\n"
    await cluster.request("GET", SETTINGS, code=404)
    await server_side(cluster, MAP)
    before = await get(cluster, SETTINGS)
    ran = await server_side(cluster, MAP.replace("blue", "red"), "--dry-run=server", "-o", "jsonpath={.data.color}")
    assert ran.out == "red"
    ran = await cluster.kubectl("diff", "--server-side", "-f", "-", stdin=MAP.replace("blue", "red"), code=1)
    assert "-  color: blue\n+  color: red\n" in ran.out
    ran = await cluster.kubectl("diff", "--server-side", "-f", "-", stdin=MAP, code=0)
    assert ran.out == ""
    assert await get(cluster, SETTINGS) == before


async def test_managed_fields_are_shown_when_asked_for(cluster: Cluster) -> None:
    await server_side(cluster, MAP)
    hidden = await cluster.kubectl("get", "cm", "settings", "-o", "yaml")
    shown = await cluster.kubectl("get", "cm", "settings", "-o", "yaml", "--show-managed-fields")
    assert "managedFields" not in hidden.out
    assert "f:color: {}" in shown.out
    assert "manager: kubectl" in shown.out


# --- from client-side apply and back


async def test_an_object_nobody_applied_server_side_has_no_managed_fields(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    await cluster.kubectl("label", "deploy", "web", "tier=front")
    assert "managedFields" not in (await get(cluster))["metadata"]


async def test_kubectl_goes_from_client_side_to_server_side_apply_and_back(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert (await server_side(cluster, DEPLOYMENT.replace("nginx", "httpd"))).err == ""
    found = await get(cluster)
    assert set(managers(found)) == {("kubectl", "Apply", ""), ("kubectl-last-applied", "Apply", "")}
    annotation = found["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert json.loads(annotation)["spec"]["template"]["spec"]["containers"][0]["image"] == "httpd"

    # Migrated: what is left out now goes, what the server had filled in is nobody's and can be declared.
    smaller = DEPLOYMENT.replace("metadata: {name: web, labels: {app: web}}", "metadata: {name: web}")
    await server_side(cluster, smaller.replace("image: nginx", "image: httpd, imagePullPolicy: Never"))
    found = await get(cluster)
    assert "labels" not in found["metadata"]
    assert found["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Never"

    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    found = await get(cluster)
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx"
    assert ("kubectl-client-side-apply", "Update", "") in managers(found)


async def test_what_was_changed_beside_client_side_apply_is_a_conflict(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    await cluster.kubectl("scale", "deploy", "web", "--replicas=5")
    ran = await server_side(cluster, DEPLOYMENT.replace("replicas: 2", "replicas: 3"), code=1)
    assert 'conflict with "before-first-apply" using apps/v1: .spec.replicas' in ran.err


async def test_an_object_made_without_apply_can_be_applied(cluster: Cluster) -> None:
    await cluster.kubectl("create", "-f", "-", stdin=MAP)
    ran = await server_side(cluster, MAP.replace("blue", "red"), code=1)
    assert 'conflict with "before-first-apply" using v1: .data.color' in ran.err
    await server_side(cluster, MAP)
    found = managers(await get(cluster, SETTINGS))
    assert set(found) == {("kubectl", "Apply", ""), ("before-first-apply", "Update", "")}
    await server_side(cluster, MAP.replace("blue", "red"), "--force-conflicts")
    assert (await get(cluster, SETTINGS))["data"] == {"color": "red", "size": "large"}


async def test_an_installer_with_its_own_name_takes_over_by_force(cluster: Cluster) -> None:
    await cluster.kubectl("create", "-f", "-", stdin=MAP)
    conflict = await apply(cluster, SETTINGS, a_map(color="red"), "helm", code=409)
    assert conflict["reason"] == "Conflict"
    await apply(cluster, SETTINGS, a_map(color="red"), "helm", query="&force=true", code=200)
    done = await apply(cluster, SETTINGS, a_map(size="small"), "helm", query="&force=true", code=200)
    assert done["data"] == {"size": "small"}


# --- writes that are no apply


async def test_every_write_to_a_tracked_object_is_noted(cluster: Cluster) -> None:
    await server_side(cluster, DEPLOYMENT)
    await cluster.kubectl("annotate", "deploy", "web", "note=hello")
    await cluster.kubectl("set", "image", "deploy/web", "web=httpd")
    await cluster.request("PATCH", f"{WEB}/status?fieldManager=probe", {"status": {"replicas": 2}}, code=200,
                          headers={"Content-Type": "application/merge-patch+json"})
    found = managers(await get(cluster))
    assert found["kubectl-annotate", "Update", ""] == {"f:metadata": {"f:annotations": {".": {}, "f:note": {}}}}
    assert found["kubectl-set", "Update", ""]["f:spec"]["f:template"]["f:spec"]["f:containers"] == {
        'k:{"name":"web"}': {"f:image": {}}}
    assert found["probe", "Update", "status"] == {"f:status": {".": {}, "f:replicas": {}}}
    assert "f:image" not in found["kubectl", "Apply", ""]["f:spec"]["f:template"]["f:spec"]["f:containers"][
        'k:{"name":"web"}']


async def test_who_leaves_managed_fields_out_does_not_lose_them(cluster: Cluster) -> None:
    await server_side(cluster, MAP)
    found = await get(cluster, SETTINGS)
    before = managers(found)
    del found["metadata"]["managedFields"]
    await cluster.request("PUT", SETTINGS, found, code=200)
    assert managers(await get(cluster, SETTINGS)) == before
    garbage = {**found, "metadata": {**found["metadata"], "managedFields": [{"manager": "x", "operation": "Steal"}]}}
    await cluster.request("PUT", SETTINGS, garbage, code=200)
    assert managers(await get(cluster, SETTINGS)) == before


@pytest.mark.parametrize("reset", [[], [{}]])
async def test_managed_fields_are_forgotten_when_that_is_asked_for(cluster: Cluster, reset: list[Any]) -> None:
    await server_side(cluster, MAP)
    await cluster.request("PATCH", SETTINGS, {"metadata": {"managedFields": reset}}, code=200,
                          headers={"Content-Type": "application/merge-patch+json"})
    assert "managedFields" not in (await get(cluster, SETTINGS))["metadata"]
    await cluster.kubectl("label", "cm", "settings", "a=b")
    assert "managedFields" not in (await get(cluster, SETTINGS))["metadata"]


async def test_managed_fields_that_a_create_brings_along_are_not_believed(cluster: Cluster) -> None:
    await server_side(cluster, MAP)
    found = await get(cluster, SETTINGS)
    copy = {**found, "metadata": {"name": "copy", "managedFields": found["metadata"]["managedFields"]}}
    made = await cluster.request("POST", "/api/v1/namespaces/default/configmaps", copy, code=201)
    assert "managedFields" not in made["metadata"]


# --- subresources and versions


async def test_status_and_scale_are_applied_on_their_own(cluster: Cluster) -> None:
    await server_side(cluster, DEPLOYMENT)
    head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    condition = {"type": "Ready", "status": "True"}
    config = {**head, "spec": {"replicas": 9}, "status": {"conditions": [condition]}}
    done = await apply(cluster, f"{WEB}/status", config, "probe", code=200)
    assert done["status"]["conditions"] == [condition]
    assert done["spec"]["replicas"] == 2
    assert managers(done)["probe", "Apply", "status"] == {"f:status": {"f:conditions": {
        'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}}}}
    done = await apply(cluster, f"{WEB}/status", head, "probe", code=200)
    assert "conditions" not in done.get("status", {})
    assert ("probe", "Apply", "status") not in managers(done)

    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}}
    conflict = await apply(cluster, f"{WEB}/scale", scale, "scaler", code=409)
    assert conflict["details"]["causes"] == [{"reason": "FieldManagerConflict", "field": ".spec.replicas",
                                              "message": 'conflict with "kubectl"'}]
    done = await apply(cluster, f"{WEB}/scale", scale, "scaler", query="&force=true", code=200)
    assert (done["kind"], done["spec"]) == ("Scale", {"replicas": 4})
    assert managers(await get(cluster))["scaler", "Apply", "scale"] == {"f:spec": {"f:replicas": {}}}
    await apply(cluster, f"{WEB}/scale", {**scale, "apiVersion": "v9"}, code=400)
    await apply(cluster, WEB.replace("web", "none") + "/scale", scale, code=404)
    await apply(cluster, WEB.replace("web", "none") + "/status", head | {"metadata": {"name": "none"}}, code=404)


async def test_an_old_version_applies_to_the_same_object(cluster: Cluster) -> None:
    old = "/apis/extensions/v1beta1/namespaces/default/deployments/web"
    config: dict[str, Any] = {
        "apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "replicas": 2, "template": {"metadata": {"labels": {"a": "b"}},
                                        "spec": {"containers": [{"name": "web", "image": "nginx"}]}}}}
    await apply(cluster, old, config, code=201)
    again = await apply(cluster, old, config, code=200)
    assert [entry["apiVersion"] for entry in again["metadata"]["managedFields"]] == ["extensions/v1beta1"]
    new = {**config, "apiVersion": "apps/v1", "spec": {**config["spec"], "replicas": 3}}
    conflict = await apply(cluster, WEB, new, "other", code=409)
    assert conflict["message"].endswith('conflict with "me": .spec.replicas')
    done = await apply(cluster, WEB, new, code=200)
    assert [entry["apiVersion"] for entry in done["metadata"]["managedFields"]] == ["apps/v1"]
    assert done["spec"]["replicas"] == 3


async def test_a_service_keeps_its_address_and_ports(cluster: Cluster) -> None:
    path = "/api/v1/namespaces/default/services/web"
    config: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
        "type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]}}
    made = await apply(cluster, path, config, code=201)
    config["spec"]["ports"].append({"port": 80, "protocol": "UDP", "name": "u"})
    config["spec"]["ports"][0]["name"] = "t"
    done = await apply(cluster, path, config, code=200)
    assert done["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert done["spec"]["ports"][0]["nodePort"] == made["spec"]["ports"][0]["nodePort"]
    assert [port["protocol"] for port in done["spec"]["ports"]] == ["TCP", "UDP"]
    assert await apply(cluster, path, config, code=200) == done


DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: routes.rack.example}
spec:
  group: rack.example
  names: {kind: Route, plural: routes}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              mode: {type: string, default: plain}
              hops:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, weight: {type: integer}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


async def test_a_custom_kind_is_merged_as_its_schema_says(cluster: Cluster) -> None:
    path = "/apis/rack.example/v1/namespaces/default/routes/a"

    def route(*hops: dict[str, Any]) -> dict[str, Any]:
        head = {"apiVersion": "rack.example/v1", "kind": "Route", "metadata": {"name": "a"}}
        return {**head, "spec": {"hops": list(hops)}}

    await server_side(cluster, DEFINITION)
    await cluster.kubectl("wait", "--for=condition=Established", "crd/routes.rack.example", "--timeout=10s")
    made = await apply(cluster, path, route({"name": "x", "weight": 1}), "one", code=201)
    assert made["spec"]["mode"] == "plain"
    await apply(cluster, path, route({"name": "y", "weight": 1}), "two", code=200)
    conflict = await apply(cluster, path, route({"name": "x", "weight": 2}), "two", code=409)
    assert conflict["details"]["causes"][0]["field"] == '.spec.hops[name="x"].weight'
    status = {**route(), "status": {"seen": {"deep": [1]}}}
    await apply(cluster, f"{path}/status", status, "probe", code=200)
    left = await apply(cluster, path, route(), "one", code=200)
    assert left["spec"] == {"mode": "plain", "hops": [{"name": "y", "weight": 1}]}
    assert left["status"] == {"seen": {"deep": [1]}}
    refused = await apply(cluster, path, {**route(), "spec": {"hop": 1}}, code=400, query="&fieldValidation=Strict")
    assert "(default/a; rack.example/v1, Kind=Route): .spec.hop: field not declared in schema" in refused["message"]
    refused = await apply(cluster, path, route({"name": "z", "weight": "heavy"}), "two", code=422)
    assert "spec.hops" in refused["message"]


# --- what is refused


async def test_requests_that_cannot_be_applied_are_refused_in_kubernetes_words(cluster: Cluster) -> None:
    async def refused(config: Any, code: int, path: str = SETTINGS, manager: str = "me", query: str = "",
                      media: str = "application/apply-patch+yaml") -> str:
        answer = await apply(cluster, path, config, manager, code=code, query=query, headers={"Content-Type": media})
        return str(answer["message"])

    assert await refused(a_map(), 422, manager="") == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch')
    assert "Too long: may not be more than 128 bytes" in await refused(a_map(), 422, manager="x" * 129)
    assert "invalid character U+0007 (at position 1)" in await refused(a_map(), 422, manager="x%07")
    assert "force: Forbidden: may not be specified for non-apply patch" in await refused(
        {}, 422, query="&force=true", media="application/merge-patch+json")
    assert "application/apply-patch+yaml" in await refused(b"\xa0", 415, media="application/apply-patch+cbor")
    assert "invalid object type: /v2, Kind=ConfigMap" in await refused({**a_map(), "apiVersion": "v2"}, 400)
    assert "invalid object type: /v1, Kind=" in await refused({"apiVersion": "v1"}, 400)
    assert await refused({**a_map(), "metadata": {"name": "settings", "managedFields": [{}]}}, 400) == (
        "metadata.managedFields must be nil")
    assert "does not match the name on the URL" in await refused({**a_map(), "metadata": {"name": "other"}}, 400)
    assert "name must be provided" in await refused({**a_map(), "metadata": {"generateName": "x-"}}, 400)
    assert "uid mismatch" in await refused({**a_map(), "metadata": {"name": "settings", "uid": "1"}}, 409)
    assert "error converting YAML" in await refused(b"a: [", 400)
    await refused(b"- a\n", 400)
    await refused(b"{" + b'"a":{' * 3000 + b"}" * 3001, 400)
    assert "cannot unmarshal" in await refused({**a_map(), "data": {"a": 1}}, 400)
    nowhere = SETTINGS.replace("default", "nowhere")
    assert await refused(a_map(), 404, path=nowhere) == 'namespaces "nowhere" not found'
    await cluster.request("GET", SETTINGS, code=404)


async def test_who_may_only_patch_creates_nothing(cluster: Cluster) -> None:
    await server_side(cluster, """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: patcher}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: patcher}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: patcher}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: joe}]
""")
    as_joe = {**APPLY, "Impersonate-User": "joe"}
    refused = await apply(cluster, SETTINGS, a_map(color="blue"), code=403, headers=as_joe)
    assert 'User "joe" cannot create resource "configmaps"' in refused["message"]
    await apply(cluster, SETTINGS, a_map(color="blue"), code=201)
    await apply(cluster, SETTINGS, a_map(color="red"), code=200, headers=as_joe)


async def test_unknown_fields_are_treated_as_the_client_wants(cluster: Cluster) -> None:
    ran = await server_side(cluster, DEPLOYMENT.replace("replicas: 2", "replica: 2"), code=1)
    assert ("failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.replica: field not "
            "declared in schema") in ran.err
    ran = await server_side(cluster, DEPLOYMENT.replace("replicas: 2", "replica: 2"), "--validate=warn")
    assert 'Warning: unknown field "spec.replica"' in ran.err
    assert "f:replica" not in managers(await get(cluster))["kubectl", "Apply", ""]["f:spec"]
    assert (await server_side(cluster, DEPLOYMENT.replace("replicas: 2", "replica: 2"), "--validate=ignore")).err == ""


async def test_two_containers_of_one_name_are_refused(cluster: Cluster, tmp_path: Path) -> None:
    twice = DEPLOYMENT.replace("containers: [", "containers: [{name: web, image: a}, ")
    ran = await server_side(cluster, twice, code=1)
    assert '.spec.template.spec.containers: duplicate entries for key [name="web"]' in ran.err


async def test_an_old_resource_version_is_a_conflict(cluster: Cluster) -> None:
    made = await apply(cluster, SETTINGS, a_map(color="blue"), code=201)
    await apply(cluster, SETTINGS, a_map(color="red"), code=200)
    stale = a_map(color="green")
    stale["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    answer = await apply(cluster, SETTINGS, stale, code=409)
    assert "the object has been modified" in answer["message"]
