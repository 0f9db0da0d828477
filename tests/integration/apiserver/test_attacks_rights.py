"""Who has some rights must not get others out of them: by another verb, subresource, selector or identity."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import msgspec
import pytest

from edge.pki import authority, names
from tests.integration.conftest import Cluster, client_context

CORE = "/api/v1/namespaces/default"
PODS, SECRETS, MAPS = f"{CORE}/pods", f"{CORE}/secrets", f"{CORE}/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES, BINDINGS = f"{RBAC}/namespaces/default/roles", f"{RBAC}/namespaces/default/rolebindings"
JANE = {"Impersonate-User": "jane"}
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]


async def give(cluster: Cluster, *rules: dict[str, Any], name: str = "some") -> None:
    """Give jane rights in the namespace default."""
    await cluster.request("POST", ROLES, {"metadata": {"name": name}, "rules": list(rules)}, code=201)
    await cluster.request("POST", BINDINGS, {
        "metadata": {"name": name}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]}, code=201)


def rule(verbs: str, resources: str, group: str = "", *names: str) -> dict[str, Any]:
    return {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": [group],
            **({"resourceNames": list(names)} if names else {})}


async def status(cluster: Cluster, method: str, path: str, body: Any = None, media: str = "application/json",
                 headers: dict[str, str] | None = None) -> int:
    """Return the code of what jane's request is answered with."""
    data = None if body is None else msgspec.json.encode(body)
    sent = {"Content-Type": media, **(JANE if headers is None else headers)}
    async with cluster.http.request(method, cluster.url + path, data=data, headers=sent) as told:
        await told.read()
        return told.status


def deployment(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, **metadata}, "spec": {
        "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "x"}]}}}}


async def test_a_role_grows_by_no_verb_beyond_what_its_writer_has(cluster: Cluster) -> None:
    await cluster.kubectl("create", "rolebinding", "jane", "--clusterrole=admin", "--user=jane")
    await cluster.request("POST", ROLES, {"metadata": {"name": "r"}, "rules": [rule("get", "pods")]}, code=201)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"},
            "rules": EVERYTHING}
    new = {**role, "metadata": {"name": "new"}}
    one = f"{ROLES}/r"
    assert await status(cluster, "POST", ROLES, new) == 403
    assert await status(cluster, "POST", f"{ROLES}?dryRun=All", new) == 403
    assert await status(cluster, "PUT", one, role) == 403
    assert await status(cluster, "PATCH", one, {"rules": EVERYTHING}, MERGE) == 403
    assert await status(cluster, "PATCH", one, {"rules": EVERYTHING}, STRATEGIC) == 403
    assert await status(cluster, "PATCH", one, [{"op": "add", "path": "/rules/0/verbs/-", "value": "escalate"}],
                        JSON_PATCH) == 403
    assert await status(cluster, "PATCH", f"{one}?fieldManager=m&force=true", role, APPLY) == 403
    assert await status(cluster, "PATCH", f"{ROLES}/new?fieldManager=m&force=true", new, APPLY) == 403
    for verbs, resources in (("*", "pods"), ("get", "*"), ("get", "*/log"), ("get", "nodes"), ("bind", "roles")):
        assert await status(cluster, "POST", ROLES, {"metadata": {"name": "new"},
                                                     "rules": [rule(verbs, resources)]}) == 403
    assert await status(cluster, "POST", ROLES, {"metadata": {"name": "new"}, "rules": [
        {"verbs": ["get"], "nonResourceURLs": ["*"]}]}) in (403, 422)
    assert (await cluster.request("GET", one, code=200))["rules"] == [rule("get", "pods")]


async def test_a_binding_gives_no_role_that_its_writer_lacks(cluster: Cluster) -> None:
    await cluster.kubectl("create", "rolebinding", "jane", "--clusterrole=admin", "--user=jane")
    await cluster.kubectl("create", "rolebinding", "boss", "--clusterrole=cluster-admin", "--user=boss")
    await cluster.kubectl("create", "rolebinding", "weak", "--clusterrole=view", "--user=jane")
    me = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]
    top = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    boss = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "boss"},
            "roleRef": top, "subjects": me}
    assert await status(cluster, "POST", BINDINGS, {**boss, "metadata": {"name": "new"}}) == 403
    assert await status(cluster, "PUT", f"{BINDINGS}/boss", boss) == 403
    assert await status(cluster, "PATCH", f"{BINDINGS}/boss", {"subjects": me}, MERGE) == 403
    assert await status(cluster, "PATCH", f"{BINDINGS}/boss?fieldManager=m&force=true", boss, APPLY) == 403
    assert await status(cluster, "PATCH", f"{BINDINGS}/new?fieldManager=m&force=true",
                        {**boss, "metadata": {"name": "new"}}, APPLY) == 403
    assert await status(cluster, "PATCH", f"{BINDINGS}/weak", {"roleRef": top}, MERGE) == 403
    assert await status(cluster, "POST", f"{RBAC}/clusterrolebindings", boss) == 403


async def test_only_who_has_everything_makes_a_role_that_collects(cluster: Cluster) -> None:
    await cluster.kubectl("create", "clusterrole", "writer", "--verb=create,update,patch",
                          "--resource=clusterroles.rbac.authorization.k8s.io")
    await cluster.kubectl("create", "clusterrolebinding", "writer", "--clusterrole=writer", "--user=jane")
    collects = {"metadata": {"name": "new"}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {
        "kubernetes.io/bootstrapping": "rbac-defaults"}}]}}
    assert await status(cluster, "POST", f"{RBAC}/clusterroles", collects) == 403
    label = {"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}}}
    assert await status(cluster, "PATCH", f"{RBAC}/clusterroles/cluster-admin", label, MERGE) == 403
    assert await status(cluster, "PATCH", f"{RBAC}/clusterroles/writer", {
        "aggregationRule": collects["aggregationRule"]}, MERGE) == 403


async def test_a_rule_of_few_bytes_and_a_billion_pieces_is_refused_at_once(cluster: Cluster) -> None:
    await cluster.kubectl("create", "rolebinding", "jane", "--clusterrole=admin", "--user=jane")
    many = [str(number) for number in range(1000)]
    bomb = {"metadata": {"name": "new"}, "rules": [{"verbs": many, "apiGroups": many, "resources": many}]}
    assert await status(cluster, "POST", ROLES, bomb) == 403


async def test_scale_and_status_write_nothing_else(cluster: Cluster) -> None:
    await give(cluster, rule("get patch update", "deployments/scale deployments/status", "apps"),
               rule("get patch update", "pods/status pods/ephemeralcontainers"))
    await cluster.request("POST", DEPLOYMENTS, deployment("web"), code=201)
    await cluster.request("POST", PODS, {"metadata": {"name": "web"}, "spec": {
        "containers": [{"name": "main", "image": "x"}]}}, code=201)
    more = {"metadata": {"labels": {"x": "y"}, "annotations": {"x": "y"}, "finalizers": ["a.example/b"]}}
    for path in (f"{DEPLOYMENTS}/web/scale", f"{DEPLOYMENTS}/web/status", f"{PODS}/web/status",
                 f"{PODS}/web/ephemeralcontainers"):
        assert await status(cluster, "PATCH", path, {**more, "spec": {"replicas": 3, "nodeName": "n", "template": {
            "metadata": {"labels": {"x": "y"}}}}}, MERGE) < 500, path
    for path in (f"{DEPLOYMENTS}/web", f"{PODS}/web"):
        found = await cluster.request("GET", path, code=200)
        assert not found["metadata"].keys() & {"labels", "annotations", "finalizers"}
        assert "nodeName" not in found["spec"]
    assert (await cluster.request("GET", f"{DEPLOYMENTS}/web", code=200))["spec"]["template"]["metadata"] == {
        "labels": {"a": "b"}}
    assert await status(cluster, "PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}}, MERGE) == 403
    assert await status(cluster, "PATCH", f"{DEPLOYMENTS}/new/scale?fieldManager=m&force=true", {
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "new"}, "spec": {"replicas": 1}},
        APPLY) == 404


async def test_one_name_of_a_secret_shows_no_other(cluster: Cluster) -> None:
    await give(cluster, rule("get list watch deletecollection", "secrets", "", "mine"))
    for name in ("mine", "other"):
        await cluster.request("POST", SECRETS, {"metadata": {"name": name}, "stringData": {"a": name}}, code=201)
    only = "fieldSelector=metadata.name%3Dmine"
    for query in ("", "?limit=1", "?fieldSelector=metadata.name%3Dother", "?fieldSelector=metadata.name!%3Dmine",
                  "?labelSelector=a", f"?fieldSelector=&{only}", "?watch=1", "?watch=1&fieldSelector=type%3DOpaque"):
        code = await status(cluster, "GET", SECRETS + query)
        assert code in (400, 403), query
    for form in ("Table", "PartialObjectMetadataList"):
        assert await status(cluster, "GET", SECRETS, headers={
            **JANE, "Accept": f"application/json;as={form};v=v1;g=meta.k8s.io"}) == 403
    async with cluster.http.get(f"{cluster.url}{SECRETS}?{only}", headers=JANE) as answer:
        found = msgspec.json.decode(await answer.read())
        assert [item["metadata"]["name"] for item in found["items"]] == ["mine"]
    assert await status(cluster, "GET", f"{SECRETS}?{only},data.a%3Dmine") == 400
    assert await status(cluster, "DELETE", f"{SECRETS}?{only}") == 200
    await cluster.request("GET", f"{SECRETS}/other", code=200)
    assert await status(cluster, "GET", "/api/v1/secrets?" + only) == 403


@pytest.mark.parametrize(("name", "groups", "path", "code"), [
    ("system:node:one", (), "/api/v1/nodes/one", 403),
    ("system:node:one", ("system:nodes",), "/api/v1/nodes/one", 404),
    ("system:node:two", ("system:nodes",), "/api/v1/nodes/one", 403),
    ("one", ("system:nodes", "dev"), "/api/v1/nodes/one", 404),
    ("system:masters", (), SECRETS, 403),
    ("jane", ("system:master", "system:masters "), SECRETS, 403),
    ("jane", ("dev", "system:masters"), SECRETS, 200),
    ("system:serviceaccount:kube-system:x", (), SECRETS, 403),
    ("system:kube-controller-manager", (), SECRETS, 200),
])
async def test_who_a_certificate_makes_somebody(cluster: Cluster, name: str, groups: tuple[str, ...], path: str,
                                                code: int) -> None:
    context = client_context(cluster.authority, cluster.authority.issue(name, *groups))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http, \
            http.get(cluster.url + path) as answer:
        assert answer.status == code, await answer.text()


async def test_containers_added_later_are_judged_like_the_first(cluster: Cluster) -> None:
    await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": "tight", "labels": {
        "pod-security.kubernetes.io/enforce": "baseline"}}}, code=201)
    tight = "/api/v1/namespaces/tight"
    await cluster.request("POST", f"{tight}/serviceaccounts", {
        "metadata": {"name": "few", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}}, code=201)
    plain = {"name": "main", "image": "x"}
    await cluster.request("POST", f"{tight}/pods", {"metadata": {"name": "one"}, "spec": {
        "serviceAccountName": "few", "containers": [plain]}}, code=201)
    path = f"{tight}/pods/one/ephemeralcontainers"
    reads = {"name": "look", "image": "x", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {
        "name": "hidden", "key": "a"}}}]}
    for added, why in (
            ({"name": "look", "image": "x", "securityContext": {"privileged": True}}, "violates PodSecurity"),
            (reads, "ephemeral container look with envVar A referencing secret.secretName=\"hidden\" is not allowed"),
            ({"name": "look", "image": "x", "envFrom": [{"secretRef": {"name": "hidden"}}]},
             "ephemeral container look with envFrom referencing secret.secretName=\"hidden\" is not allowed")):
        answer = await cluster.request("PATCH", path, {"spec": {"ephemeralContainers": [added]}}, code=403,
                                       headers={"Content-Type": STRATEGIC})
        assert why in answer["message"]
    answer = await cluster.request("POST", f"{tight}/pods", {
        "metadata": {"name": "two", "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"serviceAccountName": "few", "containers": [{**reads, "name": "main"}]}}, code=403)
    assert "a mirror pod may not reference serviceaccounts" in answer["message"]


async def test_failing_a_certificate_request_needs_a_right_to_its_signer(cluster: Cluster) -> None:
    await cluster.kubectl("create", "clusterrole", "csr", "--verb=update,patch",
                          "--resource=certificatesigningrequests/status.certificates.k8s.io")
    await cluster.kubectl("create", "clusterrolebinding", "csr", "--clusterrole=csr", "--user=jane")
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    pem = authority.request(authority.new_key(), names.Profile(common_name="someone"))
    spec = {"request": base64.b64encode(pem).decode(), "signerName": "example.com/mine", "usages": ["client auth"]}
    await cluster.request("POST", path, {"metadata": {"name": "c"}, "spec": spec}, code=201)
    failed = {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "No"}]}}
    assert await status(cluster, "PATCH", f"{path}/c/status", failed, MERGE) == 403


async def test_a_flood_of_events_leaves_memory_for_the_others(cluster: Cluster,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.apiserver.plugins.volatile_limit.MOST_BYTES", 100_000)
    await give(cluster, rule("create update patch", "events"), rule("create patch", "leases", "coordination.k8s.io"))
    leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    lease = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}}
    assert await status(cluster, "POST", leases, lease) == 201
    codes = [await status(cluster, "POST", f"{CORE}/events", {
        "metadata": {"name": f"e{number}"}, "involvedObject": {"namespace": "default"}, "message": "x" * 30_000})
        for number in range(6)]
    assert codes == [201, 201, 201, 201, 429, 429]
    assert await status(cluster, "POST", leases, {"metadata": {"name": "b"}}) == 429
    assert await status(cluster, "PATCH", f"{CORE}/events/e0", {"message": "x" * 40_000}, MERGE) == 429
    await cluster.request("PATCH", f"{leases}/a", {"spec": {"holderIdentity": "us"}}, code=200,
                          headers={"Content-Type": MERGE, **JANE})
    await cluster.request("DELETE", f"{CORE}/events/e0", code=200)
    assert await status(cluster, "POST", leases, {"metadata": {"name": "b"}}) == 201
