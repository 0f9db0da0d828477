"""Writes as Kubernetes has them: names, revisions, what may be created how, strictness, and dry runs of everything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge.ids import SystemIds
from tests.integration.conftest import Cluster

DEFAULT = "/api/v1/namespaces/default"
MAPS, PODS, SERVICES = f"{DEFAULT}/configmaps", f"{DEFAULT}/pods", f"{DEFAULT}/services"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
YAML = {"Content-Type": "application/yaml"}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "m", "image": "x"}], **spec}}


def deployment(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "m", "image": "x"}]}}}}


async def warned(cluster: Cluster, method: str, path: str, body: bytes, headers: dict[str, str] | None = None
                 ) -> list[str]:
    """Return the warnings that come with an answer."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    async with cluster.http.request(method, cluster.url + path, data=body, headers=sent) as answer:
        assert answer.status < 300, await answer.text()
        return [line.removeprefix('299 - "').removesuffix('"').replace('\\"', '"')
                for line in answer.headers.getall("Warning", [])]


async def test_generated_names_that_are_all_taken(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    suffixes = iter(["aaaaa", "aaaaa", "bbbbb", *["aaaaa"] * 50])
    monkeypatch.setattr(SystemIds, "suffix", lambda self: next(suffixes))
    body = {"metadata": {"generateName": "m-"}}
    made = [(await cluster.request("POST", MAPS, body, code=201))["metadata"]["name"] for _ in range(2)]
    assert made == ["m-aaaaa", "m-bbbbb"]
    answer = await cluster.request("POST", MAPS, body, code=409)
    assert answer["message"] == ('configmaps "m-aaaaa" already exists, the server was not able to generate a unique '
                                 "name for the object")
    assert (answer["reason"], answer["details"]["retryAfterSeconds"]) == ("AlreadyExists", 1)


async def test_long_prefixes_are_cut_so_that_the_name_fits(cluster: Cluster) -> None:
    made = await cluster.request("POST", MAPS, {"metadata": {"generateName": "x" * 100}}, code=201)
    assert len(made["metadata"]["name"]) == 63


async def test_a_name_whose_owner_is_leaving(cluster: Cluster) -> None:
    await cluster.request("POST", MAPS, {"metadata": {"name": "a", "finalizers": ["example.com/wait"]}}, code=201)
    await cluster.request("DELETE", f"{MAPS}/a", code=200)
    answer = await cluster.request("POST", MAPS, {"metadata": {"name": "a"}}, code=409)
    assert answer["message"] == 'object is being deleted: configmaps "a" already exists'


@pytest.mark.parametrize(("metadata", "code", "words"), [
    ({"name": "x" * 254}, 422, "must be no more than 253 characters"),
    ({"name": "Upper"}, 422, "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters"),
    ({"name": "a/b"}, 422, "metadata.name: Invalid value"),
    ({"name": "a", "resourceVersion": "7"}, 400, "resourceVersion should not be set on objects to be created"),
    ({"name": "a", "labels": {"a b": "c"}}, 422, 'metadata.labels: Invalid value: "a b"'),
    ({"name": "a", "labels": {"a": "-"}}, 422, 'metadata.labels: Invalid value: "-"'),
    ({"name": "a", "annotations": {"a": "x" * 300_000}}, 422, "metadata.annotations: Too long: may not be more than "
                                                             "262144 bytes"),
    ({"name": "a", "finalizers": ["none"]}, 422, "metadata.finalizers[0]: Invalid value: \"none\": name is neither a "
                                                 "standard finalizer name nor is it fully qualified"),
    ({"name": "a", "ownerReferences": [{"kind": "Pod"}]}, 422, "metadata.ownerReferences"),
])
async def test_metadata_that_is_none(cluster: Cluster, metadata: dict[str, Any], code: int, words: str) -> None:
    answer = await cluster.request("POST", MAPS, {"metadata": metadata}, code=code)
    assert words in answer["message"]


async def test_what_only_the_server_says_of_an_object(cluster: Cluster) -> None:
    made = await cluster.request("POST", MAPS, {"metadata": {
        "name": "a", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7, "selfLink": "/x",
        "deletionTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}}, code=201)
    m = made["metadata"]
    assert m["uid"] != "mine"
    assert m["creationTimestamp"] > "2020"
    assert not {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"} & set(m)
    kept = await cluster.request("PUT", f"{MAPS}/a", {"metadata": {
        "name": "a", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 9}}, code=200)
    assert kept["metadata"] == m
    answer = await cluster.request("PATCH", f"{MAPS}/a", {"metadata": {"deletionTimestamp": "2040-01-01T00:00:00Z"}},
                                   headers=MERGE, code=422)
    assert answer["message"] == ('ConfigMap "a" is invalid: metadata.deletionTimestamp: Invalid value: '
                                 '"2040-01-01T00:00:00Z": field is immutable')
    other = await cluster.request("PUT", f"{MAPS}/a", {"metadata": {"name": "a", "uid": "x"}}, code=409)
    assert other["message"] == (f'Operation cannot be fulfilled on configmaps "a": Precondition failed: UID in '
                                f'precondition: x, UID in object meta: {m["uid"]}')


@pytest.mark.parametrize(("metadata", "words"), [
    ({"name": "b"}, "the name of the object (b) does not match the name on the URL (a)"),
    ({}, "the name of the object (a based on URL) was undeterminable: name must be provided"),
    ({"name": "a", "namespace": "other"},
     "the namespace of the object (other) does not match the namespace on the request (default)")])
async def test_what_replaces_an_object_is_of_its_name(cluster: Cluster, metadata: dict[str, Any], words: str) -> None:
    await cluster.request("POST", MAPS, {"metadata": {"name": "a"}}, code=201)
    assert (await cluster.request("PUT", f"{MAPS}/a", {"metadata": metadata}, code=400))["message"] == words


async def test_a_stale_revision_is_a_conflict(cluster: Cluster) -> None:
    made = await cluster.request("POST", MAPS, {"metadata": {"name": "a"}}, code=201)
    await cluster.request("PATCH", f"{MAPS}/a", {"data": {"a": "b"}}, headers=MERGE, code=200)
    answer = await cluster.request("PUT", f"{MAPS}/a", made, code=409)
    assert answer["message"] == ('Operation cannot be fulfilled on configmaps "a": the object has been modified; '
                                 "please apply your changes to the latest version and try again")
    assert (answer["reason"], answer["details"]) == ("Conflict", {"name": "a", "kind": "configmaps"})
    await cluster.request("PUT", f"{MAPS}/a", {"metadata": {"name": "a"}}, code=200)


async def test_some_kinds_are_replaced_only_by_who_knows_their_revision(cluster: Cluster) -> None:
    budget = {"metadata": {"name": "a"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}
    made = await cluster.request("POST", BUDGETS, budget, code=201)
    answer = await cluster.request("PUT", f"{BUDGETS}/a", budget, code=422)
    assert answer["message"] == ('poddisruptionbudgets.policy "a" is invalid: metadata.resourceVersion: Invalid value: '
                                 "0x0: must be specified for an update")
    await cluster.request("PUT", f"{BUDGETS}/a", made, code=200)
    await cluster.request("PATCH", f"{BUDGETS}/a", {"spec": {"minAvailable": 2}}, headers=MERGE, code=200)
    await cluster.request("PUT", f"{BUDGETS}/none", {**budget, "metadata": {"name": "none"}}, code=404)


async def test_a_put_creates_some_kinds(cluster: Cluster) -> None:
    lease = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}}
    made = await cluster.request("PUT", f"{LEASES}/a", lease, code=201)
    await cluster.request("PUT", f"{LEASES}/a", made, code=200)
    await cluster.request("PUT", f"{LEASES}/a", lease, code=422)
    await cluster.request("PUT", f"{DEFAULT}/endpoints/e?dryRun=All", {"metadata": {"name": "e"}}, code=201)
    await cluster.request("GET", f"{DEFAULT}/endpoints/e", code=404)
    await cluster.request("PUT", f"{DEFAULT}/endpoints/e", {"metadata": {"name": "e", "uid": "u"}}, code=409)
    await cluster.request("PUT", f"{MAPS}/none", {"metadata": {"name": "none"}}, code=404)
    await cluster.request("PUT", f"{DEPLOYMENTS}/none", deployment("none"), code=404)
    await cluster.request("PATCH", f"{LEASES}/none", {"spec": {}}, headers=MERGE, code=404)


async def test_a_put_that_creates_has_to_be_allowed_to(cluster: Cluster) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    await cluster.request("POST", f"{roles}/roles", {"metadata": {"name": "u"}, "rules": [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update", "get"]}]}, code=201)
    await cluster.request("POST", f"{roles}/rolebindings", {
        "metadata": {"name": "u"}, "subjects": [{"kind": "User", "name": "jane"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "u"}}, code=201)
    answer = await cluster.request("PUT", f"{LEASES}/a", {"metadata": {"name": "a"}}, code=403,
                                   headers={"Impersonate-User": "jane"})
    assert 'User "jane" cannot create resource "leases"' in answer["message"]


@pytest.mark.parametrize(("headers", "body"), [
    (MERGE, {}), (MERGE, {"data": {"a": "b"}}), (JSON_PATCH, []), (MERGE, {"metadata": {"labels": None}}),
    ({"Content-Type": "application/strategic-merge-patch+json"}, {"data": {}}),
    (JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "b"}])])
async def test_a_patch_of_nothing_writes_nothing(cluster: Cluster, headers: dict[str, str], body: Any) -> None:
    made = await cluster.request("POST", MAPS, {"metadata": {"name": "a"}, "data": {"a": "b"}}, code=201)
    assert await cluster.request("PATCH", f"{MAPS}/a", body, headers=headers, code=200) == made


@pytest.mark.parametrize(("headers", "body", "code", "words"), [
    (JSON_PATCH, [{"op": "fly", "path": "/data"}], 400, "error decoding patch"),
    (JSON_PATCH, {"op": "add"}, 400, "error decoding patch"),
    (JSON_PATCH, [{"op": "remove", "path": "/data/none"}], 422,
     "the server rejected our request due to an error in our request"),
    (JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "z"}], 422, "testing value /data/a failed"),
    (JSON_PATCH, [{"op": "add", "path": "/data/a", "value": "z"}] * 10_001, 413,
     "The allowed maximum operations in a JSON patch is 10000, got 10001"),
    (MERGE, [1], 400, "json"), (MERGE, b"{", 400, "json"),
    ({"Content-Type": "application/json"}, {}, 415, "application/json-patch+json, application/merge-patch+json, "
                                                    "application/strategic-merge-patch+json, "
                                                    "application/apply-patch+yaml"),
    (MERGE, {"metadata": {"name": "b"}}, 400, "does not match the name on the URL"),
    (MERGE, {"data": {"a": 1}}, 400, "json: cannot unmarshal number into Go struct field ConfigMap.data of type"),
])
async def test_patches_that_are_none(cluster: Cluster, headers: dict[str, str], body: Any, code: int,
                                     words: str) -> None:
    made = await cluster.request("POST", MAPS, {"metadata": {"name": "a"}, "data": {"a": "b"}}, code=201)
    answer = await cluster.request("PATCH", f"{MAPS}/a", body, headers=headers, code=code)
    assert words in answer["message"]
    assert await cluster.request("GET", f"{MAPS}/a") == made


TWICE = (b'{"metadata":{"name":"a","labels":{"x":"1","x":"2"}},'
         b'"spec":{"containers":[{"name":"m","image":"x","image":"y"}]}}')
TWICE_WORDS = ['duplicate field "metadata.labels.x"', 'duplicate field "spec.containers[0].image"']


async def test_fields_that_stand_twice_or_are_unknown(cluster: Cluster) -> None:
    assert await warned(cluster, "POST", f"{PODS}?dryRun=All", TWICE) == TWICE_WORDS
    assert await warned(cluster, "POST", f"{PODS}?dryRun=All&fieldValidation=Warn", TWICE) == TWICE_WORDS
    assert await warned(cluster, "POST", f"{PODS}?dryRun=All&fieldValidation=Ignore", TWICE) == []
    strict = await cluster.request("POST", f"{PODS}?fieldValidation=Strict", TWICE, code=400)
    assert strict["message"] == ('Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
                                 f"{', '.join(TWICE_WORDS)}")
    unknown = b'{"metadata":{"name":"a","nam":"b"},"data":{"k":"v"},"dta":{},"data":{"k":"w"}}'
    assert await warned(cluster, "POST", MAPS, unknown) == [
        'duplicate field "data"', 'unknown field "metadata.nam"', 'unknown field "dta"']
    assert (await cluster.request("GET", f"{MAPS}/a"))["data"] == {"k": "w"}
    assert await warned(cluster, "PATCH", f"{MAPS}/a", b'{"data":{"k":"x","k":"y"},"x":1}', MERGE) == [
        'duplicate field "data.k"', 'unknown field "x"']
    strict = await cluster.request("PATCH", f"{MAPS}/a?fieldValidation=Strict", b'{"data":{"k":"x","k":"z"}}',
                                   headers=MERGE, code=400)
    assert 'strict decoding error: duplicate field "data.k"' in strict["message"]
    assert (await cluster.request("GET", f"{MAPS}/a"))["data"] == {"k": "y"}


async def test_yaml_says_it_in_its_own_words(cluster: Cluster) -> None:
    body = b"metadata:\n  name: a\n  name: b\ndata: {k: v, k: w}\n"
    assert await warned(cluster, "POST", MAPS, body, YAML) == [
        'yaml: unmarshal errors:   line 3: key "name" already set in map   line 4: key "k" already set in map']
    strict = await cluster.request("PUT", f"{MAPS}/b?fieldValidation=Strict", body, headers=YAML, code=400)
    assert 'strict decoding error: yaml: unmarshal errors:\n  line 3: key "name" already set' in strict["message"]


async def test_a_flood_of_unknown_fields_is_not_repeated_in_full(cluster: Cluster) -> None:
    fields = ",".join(f'"unknown{number}":1' for number in range(2000))
    told = await warned(cluster, "POST", MAPS, f'{{"metadata":{{"name":"a"}},{fields}}}'.encode())
    assert told == [f'unknown field "unknown{number}"' for number in range(len(told))]
    assert 50 < len(told) < 80


@pytest.mark.parametrize(("method", "path", "query", "words"), [
    ("POST", PODS, "fieldValidation=Loud", 'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported '
                                           'value: "Loud": supported values: "", "Ignore", "Strict", "Warn"'),
    ("POST", PODS, "dryRun=Some", 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: '
                                  '[]string{"Some"}: supported values: "All"'),
    ("PUT", f"{PODS}/a", "dryRun=", 'UpdateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: []string{""}: '
                                    'supported values: "All"'),
    ("DELETE", f"{PODS}/a", "dryRun=All&dryRun=x", 'DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported '
                                                   'value: []string{"All", "x"}: supported values: "All"'),
    ("POST", f"{PODS}/a/eviction", "dryRun=x", 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: '
                                               '[]string{"x"}: supported values: "All"')])
async def test_options_that_do_not_exist(cluster: Cluster, method: str, path: str, query: str, words: str) -> None:
    await cluster.request("POST", PODS, pod("a"), code=201)
    body = None if method == "DELETE" else pod("a")
    assert (await cluster.request(method, f"{path}?{query}", body, code=422))["message"] == words
    await cluster.request("GET", f"{PODS}/a", code=200)


async def test_dry_runs_change_nothing(cluster: Cluster) -> None:
    await cluster.request("POST", f"{DEFAULT}/resourcequotas", {
        "metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "2", "services": "1"}}}, code=201)
    await cluster.request("POST", MAPS, {"metadata": {"name": "a"}}, code=201)
    await cluster.request("POST", PODS, pod("p"), code=201)
    await cluster.request("POST", DEPLOYMENTS, deployment("d"), code=201)
    await cluster.request("POST", f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "s"}}, code=201)
    before = cluster.server.service.store.revision
    service = {"metadata": {"name": "w"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    everything: list[tuple[str, str, Any, dict[str, str], int]] = [
        ("POST", MAPS, {"metadata": {"name": "b"}}, {}, 201), ("POST", MAPS, {"metadata": {"name": "a"}}, {}, 409),
        ("POST", SERVICES, service, {}, 201),
        ("PUT", f"{MAPS}/a", {"metadata": {"name": "a"}, "data": {"x": "y"}}, {}, 200),
        ("PATCH", f"{MAPS}/a", {"data": {"x": "y"}}, MERGE, 200),
        ("PATCH", f"{MAPS}/c?fieldManager=m", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}},
         {"Content-Type": "application/apply-patch+yaml"}, 201),
        ("PUT", f"{DEPLOYMENTS}/d/scale", {"metadata": {"name": "d"}, "spec": {"replicas": 3}}, {}, 200),
        ("PATCH", f"{PODS}/p/status", {"status": {"phase": "Failed"}}, MERGE, 200),
        ("POST", f"{PODS}/p/binding", {"target": {"kind": "Node", "name": "n"}}, {}, 201),
        ("POST", f"{PODS}/p/eviction", {"metadata": {"name": "p"}}, {}, 201),
        ("POST", f"{DEFAULT}/serviceaccounts/s/token", {}, {}, 201),
        ("DELETE", f"{PODS}/p", None, {}, 200), ("DELETE", MAPS, None, {}, 200),
        ("DELETE", f"{MAPS}/a", {"dryRun": ["All"]}, {}, 200),
        ("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}}, {}, 201),
        ("DELETE", "/api/v1/namespaces/kube-node-lease", None, {}, 200)]
    for method, path, body, headers, code in everything:
        for _ in range(3):
            await cluster.request(method, f"{path}{'&' if '?' in path else '?'}dryRun=All", body, headers=headers,
                                  code=code)
    assert cluster.server.service.store.revision == before
    await cluster.request("POST", MAPS, {"metadata": {"name": "b"}}, code=201)
    await cluster.request("POST", SERVICES, service, code=201)


async def test_old_versions_warn_whatever_is_done_with_them(cluster: Cluster) -> None:
    jobs = "/apis/batch/v1beta1/namespaces/default/cronjobs"
    body = (b'{"metadata":{"name":"x"},"spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"template":{"spec":'
            b'{"restartPolicy":"Never","containers":[{"name":"m","image":"x"}]}}}}}}')
    told = "batch/v1beta1 CronJob is deprecated in v1.21+, unavailable in v1.25+; use batch/v1 CronJob"
    for method, path, sent, headers in (
            ("POST", jobs, body, {}), ("GET", jobs, b"", {}), ("GET", f"{jobs}/x", b"", {}),
            ("PUT", f"{jobs}/x", body, {}), ("PATCH", f"{jobs}/x", b"{}", MERGE),
            ("GET", f"{jobs}?watch=1&timeoutSeconds=1", b"", {}),
            ("DELETE", f"{jobs}/x", b"", {}), ("DELETE", jobs, b"", {})):
        assert told in await warned(cluster, method, path, sent, headers), (method, path)


async def test_writes_of_many_at_once_are_all_answered(cluster: Cluster) -> None:
    await asyncio.gather(*(cluster.request("POST", MAPS, {"metadata": {"generateName": "m-"}}, code=201)
                           for _ in range(100)))
    assert len((await cluster.request("GET", MAPS))["items"]) == 100
