"""Who may do what, asked and tried with the real kubectl: roles, bindings, reviews, tokens, impersonation."""

from __future__ import annotations

import base64
import json
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.integration.conftest import Cluster, Ran, client_context

PODS = "/api/v1/namespaces/default/pods"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def as_user(cluster: Cluster, *arguments: str, user: str = "jane", groups: tuple[str, ...] = (), stdin: str = "",
                  code: int | None = 0) -> Ran:
    """Run kubectl as somebody else."""
    named = [f"--as={user}", *(f"--as-group={group}" for group in groups)]
    return await cluster.kubectl(*named, *arguments, stdin=stdin, code=code)


async def can(cluster: Cluster, *asked: str, user: str = "jane", groups: tuple[str, ...] = ()) -> bool:
    ran = await as_user(cluster, "auth", "can-i", *asked, user=user, groups=groups, code=None)
    return ran.out.strip().splitlines()[-1].startswith("yes")


async def bind(cluster: Cluster, role: str, *more: str) -> None:
    await cluster.kubectl("create", "rolebinding", f"gives-{role}", f"--clusterrole={role}", "--user=jane", *more)


async def account_token(cluster: Cluster, name: str, *more: str) -> str:
    await cluster.request("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": name}})
    return (await cluster.kubectl("create", "token", name, *more)).out.strip()


async def with_token(cluster: Cluster, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
    """Make a request with a bearer token and without a certificate."""
    connector = aiohttp.TCPConnector(ssl=client_context(cluster.authority))
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    async with aiohttp.ClientSession(connector=connector) as http, http.request(
            method, cluster.url + path, headers=headers, data=msgspec.json.encode(body) if body else None) as answer:
        text = await answer.read()
        return answer.status, msgspec.json.decode(text) if text.startswith(b"{") else text


async def test_nobody_may_do_anything_without_a_role(cluster: Cluster) -> None:
    ran = await as_user(cluster, "get", "pods", code=1)
    assert ran.err.strip() == ('Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource '
                               '"pods" in API group "" in the namespace "default"')
    ran = await as_user(cluster, "get", "nodes", "n1", code=1)
    assert ran.err.strip() == ('Error from server (Forbidden): nodes "n1" is forbidden: User "jane" cannot get '
                               'resource "nodes" in API group "" at the cluster scope')
    ran = await as_user(cluster, "get", "--raw", "/metrics", code=1)
    assert 'forbidden: User "jane" cannot get path "/metrics"' in ran.err


async def test_view_reads_and_edit_writes_and_admin_gives(cluster: Cluster) -> None:
    await bind(cluster, "view")
    assert (await as_user(cluster, "get", "pods,deployments,configmaps")).code == 0
    assert await can(cluster, "get", "pods", "--subresource=log")
    for forbidden in (("get", "secrets"), ("create", "pods"), ("create", "pods", "--subresource=exec"),
                      ("get", "roles"), ("get", "nodes")):
        assert not await can(cluster, *forbidden), forbidden
    await bind(cluster, "edit")
    assert (await as_user(cluster, "create", "configmap", "c", "--from-literal=a=b")).code == 0
    for allowed in (("get", "secrets"), ("create", "pods"), ("create", "pods", "--subresource=exec"),
                    ("patch", "deployments.apps", "--subresource=scale")):
        assert await can(cluster, *allowed), allowed
    assert not await can(cluster, "create", "rolebindings")
    assert not await can(cluster, "create", "pods", "-n", "kube-system")
    await bind(cluster, "admin")
    assert (await as_user(cluster, "create", "rolebinding", "mate", "--clusterrole=edit", "--user=joe")).code == 0
    assert await can(cluster, "create", "pods", user="joe")
    assert not await can(cluster, "get", "clusterroles")


async def test_a_role_restricts_verbs_names_and_subresources(cluster: Cluster) -> None:
    await cluster.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log")
    await cluster.kubectl("create", "role", "one", "--verb=get", "--resource=configmaps", "--resource-name=mine")
    await cluster.kubectl("create", "rolebinding", "r", "--role=reader", "--group=dev")
    await cluster.kubectl("create", "rolebinding", "o", "--role=one", "--user=jane")
    dev = ("dev", "system:authenticated")
    assert await can(cluster, "list", "pods", user="x", groups=dev)
    assert not await can(cluster, "watch", "pods", user="x", groups=dev)
    assert not await can(cluster, "list", "pods", user="x")
    assert await can(cluster, "get", "configmaps/mine")
    assert not await can(cluster, "get", "configmaps/other")
    assert not await can(cluster, "list", "configmaps")
    await cluster.kubectl("create", "configmap", "mine")
    assert (await as_user(cluster, "get", "configmap", "mine", "-o", "name")).out.strip() == "configmap/mine"


async def test_who_may_read_the_one_may_watch_it_by_its_name(cluster: Cluster) -> None:
    await cluster.kubectl("create", "role", "one", "--verb=get,list,watch", "--resource=configmaps",
                          "--resource-name=mine")
    await cluster.kubectl("create", "rolebinding", "o", "--role=one", "--user=jane")
    where, jane = "/api/v1/namespaces/default/configmaps", {"Impersonate-User": "jane"}
    await cluster.request("GET", f"{where}?fieldSelector=metadata.name%3Dmine", headers=jane, code=200)
    await cluster.request("GET", f"{where}?fieldSelector=metadata.name%3Dother", headers=jane, code=403)
    await cluster.request("GET", where, headers=jane, code=403)


async def test_tables_show_roles_and_whom_they_are_given_to(cluster: Cluster) -> None:
    await cluster.kubectl("create", "role", "reader", "--verb=get", "--resource=pods")
    await cluster.kubectl("create", "rolebinding", "r", "--role=reader", "--user=jane", "--user=joe", "--group=dev",
                          "--serviceaccount=team:robot")
    rows = (await cluster.kubectl("get", "roles")).out.splitlines()
    assert rows[0].split() == ["NAME", "CREATED", "AT"]
    assert rows[1].split()[0] == "reader"
    assert rows[1].split()[1].endswith("Z")
    rows = (await cluster.kubectl("get", "rolebindings", "-o", "wide")).out.splitlines()
    assert rows[0].split() == ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]
    assert " ".join(rows[1].split()[3:]) == "jane, joe dev team/robot"
    rows = (await cluster.kubectl("get", "clusterrolebindings", "cluster-admin")).out.splitlines()
    assert rows[1].split()[:2] == ["cluster-admin", "ClusterRole/cluster-admin"]
    shown = (await cluster.kubectl("describe", "clusterrole", "view")).out
    assert "pods/log" in shown
    assert "kubernetes.io/bootstrapping=rbac-defaults" in shown
    assert "aggregate-to-edit" in shown
    assert "Subjects" in (await cluster.kubectl("describe", "rolebinding", "r")).out


async def test_one_cannot_give_what_one_does_not_have(cluster: Cluster) -> None:
    await bind(cluster, "admin")
    ran = await as_user(cluster, "create", "role", "more", "--verb=get,list", "--resource=nodes", code=1)
    assert ran.err.strip() == (
        'Error from server (Forbidden): roles.rbac.authorization.k8s.io "more" is forbidden: user "jane" '
        '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}')
    ran = await as_user(cluster, "create", "rolebinding", "root", "--clusterrole=cluster-admin", "--user=jane", code=1)
    assert '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}' in ran.err
    ran = await as_user(cluster, "create", "rolebinding", "no", "--role=nothing", "--user=jane", code=1)
    assert 'roles.rbac.authorization.k8s.io "nothing" not found' in ran.err
    assert (await as_user(cluster, "create", "role", "less", "--verb=get", "--resource=pods")).code == 0
    patch = '[{"op": "add", "path": "/rules/-", "value": {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}}]'
    ran = await as_user(cluster, "patch", "role", "less", "--type=json", f"-p={patch}", code=1)
    assert "not currently held" in ran.err
    assert (await as_user(cluster, "label", "role", "less", "a=b")).code == 0


async def test_the_verbs_bind_and_escalate_lift_that(cluster: Cluster) -> None:
    await cluster.kubectl("create", "clusterrole", "giver", "--verb=bind", "--resource=clusterroles",
                          "--resource-name=view")
    await cluster.kubectl("create", "clusterrole", "writer", "--verb=create", "--resource=roles,rolebindings")
    await cluster.kubectl("create", "clusterrole", "raiser", "--verb=escalate", "--resource=roles")
    for role in ("giver", "writer", "raiser"):
        await cluster.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", "--user=jane")
    assert (await as_user(cluster, "create", "rolebinding", "a", "--clusterrole=view", "--user=joe")).code == 0
    ran = await as_user(cluster, "create", "rolebinding", "b", "--clusterrole=edit", "--user=joe", code=1)
    assert "is attempting to grant RBAC permissions not currently held" in ran.err
    assert (await as_user(cluster, "create", "role", "any", "--verb=*", "--resource=*.*")).code == 0


async def test_a_binding_keeps_its_role(cluster: Cluster) -> None:
    await bind(cluster, "view")
    changed = json.dumps({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}})
    ran = await cluster.kubectl("patch", "rolebinding", "gives-view", "-p", changed, code=1)
    assert ('roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"ClusterRole", '
            'Name:"edit"}: cannot change roleRef') in ran.err


RECONCILED = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: Group, name: dev, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: watcher}
rules: [{apiGroups: [""], resources: [pods], verbs: [watch]}]
"""


async def test_reconcile_adds_what_is_missing_and_makes_a_binding_anew(cluster: Cluster) -> None:
    await cluster.kubectl("create", "role", "reader", "--verb=watch", "--resource=pods")
    await cluster.kubectl("create", "rolebinding", "readers", "--clusterrole=view", "--user=jane")
    out = (await cluster.kubectl("auth", "reconcile", "-f", "-", stdin=RECONCILED)).out
    assert "role.rbac.authorization.k8s.io/reader reconciled" in out
    assert "clusterrole.rbac.authorization.k8s.io/watcher reconciled" in out
    role = await cluster.request("GET", f"{RBAC}/namespaces/default/roles/reader", code=200)
    verbs = {verb for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}
    binding = await cluster.request("GET", f"{RBAC}/namespaces/default/rolebindings/readers", code=200)
    assert binding["roleRef"]["name"] == "reader"
    assert {subject["name"] for subject in binding["subjects"]} == {"dev"}


async def test_the_list_of_what_one_may_do(cluster: Cluster) -> None:
    await cluster.kubectl("create", "role", "reader", "--verb=get", "--resource=pods", "--resource-name=web")
    await cluster.kubectl("create", "rolebinding", "r", "--role=reader", "--user=jane")
    ran = await as_user(cluster, "auth", "can-i", "--list")
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["pods", "[]", "[web]", "[get]"] in rows
    assert ["selfsubjectreviews.authentication.k8s.io", "[]", "[]", "[create]"] in rows
    assert ["[/api]", "[]", "[get]"] in rows
    everything = (await cluster.kubectl("auth", "can-i", "--list")).out
    assert ["*.*", "[]", "[]", "[*]"] in [line.split() for line in everything.splitlines()]


async def test_whoami(cluster: Cluster) -> None:
    told = (await cluster.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, headers={
        "Impersonate-User": "jane", "Impersonate-Group": "dev", "Impersonate-Uid": "u1",
        "Impersonate-Extra-Some%2FScopes": "a"}, code=201))["status"]["userInfo"]
    assert told["username"] == "jane"
    assert told["uid"] == "u1"
    assert told["groups"] == ["dev", "system:authenticated"]
    assert told["extra"] == {"some/scopes": ["a"]}
    shown = (await cluster.kubectl("auth", "whoami")).out
    assert "kubernetes-admin" in shown
    ran = await cluster.kubectl("auth", "whoami", "-o", "json", "--as=jane", "--as-group=dev")
    assert json.loads(ran.out)["status"]["userInfo"]["groups"] == ["dev", "system:authenticated"]


async def test_impersonation_needs_a_right_for_each_header(cluster: Cluster) -> None:
    token = await account_token(cluster, "robot")
    await cluster.kubectl("create", "clusterrole", "actor", "--verb=impersonate", "--resource=users",
                          "--resource-name=jane")
    await cluster.kubectl("create", "clusterrolebinding", "actor", "--clusterrole=actor",
                          "--serviceaccount=default:robot")
    whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

    async def act(headers: dict[str, str]) -> tuple[int, Any]:
        connector = aiohttp.TCPConnector(ssl=client_context(cluster.authority))
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        async with aiohttp.ClientSession(connector=connector) as http, http.post(
                cluster.url + whoami, headers=sent, data=b"{}") as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    status, told = await act({"Impersonate-User": "jane"})
    assert (status, told["status"]["userInfo"]["username"]) == (201, "jane")
    me = 'User "system:serviceaccount:default:robot" cannot impersonate resource'
    for headers, why in (
            ({"Impersonate-User": "joe"},
             f'users "joe" is forbidden: {me} "users" in API group "" at the cluster scope'),
            ({"Impersonate-User": "jane", "Impersonate-Group": "system:masters"},
             f'groups "system:masters" is forbidden: {me} "groups" in API group "" at the cluster scope'),
            ({"Impersonate-User": "jane", "Impersonate-Uid": "1"},
             f'uids.authentication.k8s.io "1" is forbidden: {me} "uids" in API group "authentication.k8s.io" at the '
             "cluster scope"),
            ({"Impersonate-User": "jane", "Impersonate-Extra-Scopes": "all"},
             f'userextras.authentication.k8s.io "all" is forbidden: {me} "userextras/scopes" in API group '
             '"authentication.k8s.io" at the cluster scope'),
            ({"Impersonate-User": "system:serviceaccount:team:x"},
             f'serviceaccounts "x" is forbidden: {me} "serviceaccounts" in API group "" in the namespace "team"')):
        status, told = await act(headers)
        assert (status, told["message"]) == (403, why)


async def test_service_accounts_act_by_their_tokens(cluster: Cluster) -> None:
    token = await account_token(cluster, "robot")
    status, told = await with_token(cluster, "GET", PODS, token)
    assert status == 403
    assert told["message"].startswith('pods is forbidden: User "system:serviceaccount:default:robot" cannot list')
    await cluster.kubectl("create", "rolebinding", "r", "--clusterrole=view", "--serviceaccount=default:robot")
    assert (await with_token(cluster, "GET", PODS, token))[0] == 200
    assert (await with_token(cluster, "GET", "/api/v1/namespaces/kube-system/pods", token))[0] == 403
    ran = await cluster.kubectl("--token", token, "auth", "whoami", "-o", "json")
    told = json.loads(ran.out)["status"]["userInfo"]
    assert told["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
    assert told["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")
    await cluster.kubectl("delete", "serviceaccount", "robot")
    assert (await with_token(cluster, "GET", PODS, token))[0] == 401


async def test_a_token_for_others_is_refused_here_and_reviewed_for_them(cluster: Cluster) -> None:
    token = await account_token(cluster, "robot", "--audience=vault")
    assert (await with_token(cluster, "GET", "/api", token))[0] == 401

    async def review(spec: dict[str, Any]) -> Any:
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        return (await cluster.request("POST", path, asked, code=201))["status"]

    told = await review({"token": token, "audiences": ["vault", "other"]})
    assert (told["authenticated"], told["audiences"]) == (True, ["vault"])
    assert told["user"]["username"] == "system:serviceaccount:default:robot"
    assert (await review({"token": token})).get("authenticated", False) is False
    assert "error" in await review({"token": "nonsense"})
    await cluster.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {}}, code=400)


@pytest.mark.parametrize("kind", ["Secret", "Node"])
async def test_a_token_ends_with_what_it_is_bound_to(cluster: Cluster, kind: str) -> None:
    path = "/api/v1/nodes" if kind == "Node" else "/api/v1/namespaces/default/secrets"
    await cluster.request("POST", path, {"metadata": {"name": "anchor"}}, code=201)
    token = await account_token(cluster, "robot", f"--bound-object-kind={kind}", "--bound-object-name=anchor")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["kubernetes.io"][kind.lower()]["name"] == "anchor"
    assert (await with_token(cluster, "GET", "/api", token))[0] == 200
    await cluster.request("DELETE", f"{path}/anchor", code=200)
    assert (await with_token(cluster, "GET", "/api", token))[0] == 401


async def test_token_requests_that_make_no_sense(cluster: Cluster) -> None:
    await account_token(cluster, "robot")
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    told = await cluster.request("POST", path, {"spec": {"expirationSeconds": 60}}, code=422)
    assert "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes" \
        in told["message"]
    told = await cluster.request("POST", path, {"metadata": {"name": "other"}, "spec": {}}, code=422)
    assert 'metadata.name: Invalid value: "other": must match the service account name' in told["message"]
    ref = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c"}
    told = await cluster.request("POST", path, {"spec": {"boundObjectRef": ref}}, code=400)
    assert told["message"] == "cannot bind token to object of type /v1, Kind=ConfigMap"
    ref = {"apiVersion": "v1", "kind": "Secret", "name": "c"}
    await cluster.request("POST", path, {"spec": {"boundObjectRef": ref}}, code=404)
    await cluster.request("POST", path.replace("robot", "nobody"), {"spec": {}}, code=404)


async def test_the_issuer_tells_how_tokens_are_verified(cluster: Cluster) -> None:
    token = await account_token(cluster, "robot")
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    status, told = await with_token(cluster, "GET", "/openid/v1/jwks", token)
    assert status == 200
    assert [(key["kid"], key["alg"], key["crv"]) for key in told["keys"]] == [(header["kid"], "ES256", "P-256")]
    status, told = await with_token(cluster, "GET", "/.well-known/openid-configuration", token)
    assert told["issuer"] == "https://kubernetes.default.svc.cluster.local"
    assert told["id_token_signing_alg_values_supported"] == ["ES256"]
    assert (await with_token(cluster, "GET", "/openid/v1/jwks", ""))[0] == 403


async def test_what_everybody_may_see(cluster: Cluster) -> None:
    for path in ("/version", "/healthz", "/livez", "/readyz", "/healthz/ping", "/edge/v1/ca"):
        assert (await with_token(cluster, "GET", path, ""))[0] == 200, path
    for path in ("/api", "/apis", "/openapi/v2", "/", "/metrics", PODS):
        assert (await with_token(cluster, "GET", path, ""))[0] == 403, path
    token = await account_token(cluster, "robot")
    for path in ("/api", "/apis", "/api/v1", "/apis/apps/v1", "/openapi/v3"):
        assert (await with_token(cluster, "GET", path, token))[0] == 200, path


async def test_reviews_say_what_allows(cluster: Cluster) -> None:
    await bind(cluster, "view")
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    spec = {"user": "jane", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
    told = await cluster.request("POST", path, {"spec": spec}, code=201)
    assert told["status"] == {"allowed": True, "reason": 'RBAC: allowed by RoleBinding "gives-view/default" of '
                                                         'ClusterRole "view" to User "jane"'}
    await cluster.kubectl("delete", "rolebinding", "gives-view")
    await cluster.kubectl("create", "rolebinding", "dangling", "--clusterrole=gone", "--user=jane")
    told = await cluster.request("POST", path, {"spec": spec}, code=201)
    assert told["status"] == {"allowed": False,
                              "reason": 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'}
    ran = await as_user(cluster, "get", "pods", code=1)
    assert ran.err.strip().endswith(
        'in the namespace "default": RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found')


async def test_reviews_are_checked(cluster: Cluster) -> None:
    group = "/apis/authorization.k8s.io/v1"
    pods = {"verb": "get", "resource": "pods", "namespace": "default"}
    told = await cluster.request("POST", f"{group}/subjectaccessreviews", {"spec": {"user": "jane"}}, code=422)
    assert "exactly one of nonResourceAttributes or resourceAttributes must be specified" in told["message"]
    told = await cluster.request("POST", f"{group}/subjectaccessreviews", {"spec": {"resourceAttributes": pods}},
                                 code=422)
    assert 'spec.user: Invalid value: "": at least one of user or group must be specified' in told["message"]
    local = f"{group}/namespaces/kube-system/localsubjectaccessreviews"
    told = await cluster.request("POST", local, {"spec": {"user": "jane", "resourceAttributes": pods}}, code=422)
    assert 'spec.resourceAttributes.namespace: Invalid value: "default": must match metadata.namespace' \
        in told["message"]
    told = await cluster.request("POST", local.replace("kube-system", "default"),
                                 {"spec": {"user": "jane", "resourceAttributes": pods}}, code=201)
    assert told["status"]["allowed"] is False
    await cluster.request("POST", f"{group}/selfsubjectrulesreviews", {"spec": {}}, code=400)
    told = await cluster.request("POST", f"{group}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": 5}},
                                 code=400)
    assert "cannot be handled as a SelfSubjectAccessReview" in told["message"]
    await cluster.request("POST", f"{group}/selfsubjectaccessreviews?fieldValidation=Strict",
                          {"spec": {"resourceAttributes": pods, "colour": "red"}}, code=400)
    await cluster.request("GET", f"{group}/selfsubjectaccessreviews", code=405)
    await cluster.request("DELETE", f"{group}/selfsubjectaccessreviews/x", code=405)


async def test_discovery_and_explain_know_the_reviews(cluster: Cluster) -> None:
    listed = await cluster.request("GET", "/apis/authorization.k8s.io/v1", code=200)
    assert {each["name"]: each["verbs"] for each in listed["resources"]} == {
        f"{kind}reviews": ["create"] for kind in ("localsubjectaccess", "selfsubjectaccess", "selfsubjectrules",
                                                  "subjectaccess")}
    shown = (await cluster.kubectl("explain", "subjectaccessreviews.spec.resourceAttributes")).out
    assert "fieldSelector" in shown
    shown = (await cluster.kubectl("explain", "clusterrole.aggregationRule")).out
    assert "clusterRoleSelectors" in shown


async def test_old_manifests_of_roles_work(cluster: Cluster) -> None:
    manifest = RECONCILED.replace("rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io/v1beta1")
    for part in manifest.split("---"):
        assert (await cluster.request("POST", {
            "ClusterRole": f"{RBAC}beta1/clusterroles", "Role": f"{RBAC}beta1/namespaces/default/roles",
            "RoleBinding": f"{RBAC}beta1/namespaces/default/rolebindings"}[part.split("kind: ")[1].split()[0]],
            part.encode(), headers={"Content-Type": "application/yaml"}))["metadata"]["uid"]
    assert await can(cluster, "list", "pods", user="x", groups=("dev",))


async def test_the_server_mends_its_default_roles_at_its_next_start(cluster: Cluster) -> None:
    from edge.apiserver.bootstrap import make_defaults

    async def role(name: str) -> Any:
        return await cluster.request("GET", f"{RBAC}/clusterroles/{name}", code=200)

    for name in ("system:node-proxier", "system:kube-dns"):
        await cluster.kubectl("patch", "clusterrole", name, "--type=merge", "-p", '{"rules": []}')
    await cluster.kubectl("annotate", "clusterrole", "system:kube-dns", "--overwrite",
                          "rbac.authorization.kubernetes.io/autoupdate=false")
    await cluster.kubectl("delete", "clusterrolebinding", "system:discovery")
    before = (await role("view"))["metadata"]["resourceVersion"]
    await make_defaults(cluster.server.service)
    assert (await role("system:node-proxier"))["rules"]
    assert (await role("system:kube-dns"))["rules"] == []
    assert (await role("view"))["metadata"]["resourceVersion"] == before
    assert (await with_token(cluster, "GET", "/api", await account_token(cluster, "robot")))[0] == 200


@pytest.mark.parametrize(("kind", "body", "why"), [
    ("roles", {"rules": [{"verbs": []}]}, "rules[0].verbs: Required value: verbs must contain at least one value"),
    ("roles", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]},
     'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs'),
    ("rolebindings", {"roleRef": {"kind": "Pod", "name": "a/b"}},
     'roleRef.kind: Unsupported value: "Pod": supported values: "Role", "ClusterRole"'),
    ("rolebindings", {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "Robot", "name": "x"}]},
     'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"'),
])
async def test_what_is_wrong_is_said(cluster: Cluster, kind: str, body: dict[str, Any], why: str) -> None:
    told = await cluster.request("POST", f"{RBAC}/namespaces/default/{kind}", {"metadata": {"name": "x"}, **body},
                                 code=422)
    assert why in told["message"]


async def test_a_node_gets_tokens_for_its_own_pods_only(cluster: Cluster) -> None:
    await account_token(cluster, "robot")
    pods = {}
    for name, node in (("mine", "node-1"), ("other", "node-2")):
        spec = {"serviceAccountName": "robot", "nodeName": node, "containers": [{"name": "c", "image": "i"}]}
        pods[name] = (await cluster.request("POST", PODS, {"metadata": {"name": name}, "spec": spec}, code=201))
    identity = cluster.authority.issue("node-1", "system:nodes")
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"

    async def ask(ref: dict[str, str] | None) -> tuple[int, Any]:
        connector = aiohttp.TCPConnector(ssl=client_context(cluster.authority, identity))
        body = msgspec.json.encode({"spec": {"boundObjectRef": ref} if ref else {}})
        async with aiohttp.ClientSession(connector=connector) as http, http.post(
                cluster.url + path, headers={"Content-Type": "application/json"}, data=body) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    def of(name: str, **more: str) -> dict[str, str]:
        return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": pods[name]["metadata"]["uid"], **more}

    status, made = await ask(of("mine"))
    assert status == 201
    claims = json.loads(base64.urlsafe_b64decode(made["status"]["token"].split(".")[1] + "=="))
    assert claims["kubernetes.io"]["pod"]["name"] == "mine"
    assert claims["kubernetes.io"]["node"]["name"] == "node-1"
    assert made["spec"]["expirationSeconds"] == 3600
    for ref, why in ((None, "node requested token not bound to a pod"),
                     (of("mine", uid=""), "node requested token with a pod binding without a uid"),
                     (of("mine", uid="x"), "the UID in the bound object reference (x) does not match"),
                     (of("other"), "node requested token bound to a pod scheduled on a different node")):
        status, told = await ask(ref)
        assert status == 403
        assert why in told["message"]
