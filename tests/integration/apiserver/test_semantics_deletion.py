"""Deletion as Kubernetes has it: options and their words, finalizers, what happens to dependents, namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.apiserver.test_custom_resources import controllers, until_gone
from tests.integration.conftest import Cluster

DEFAULT = "/api/v1/namespaces/default"
MAPS, PODS = f"{DEFAULT}/configmaps", f"{DEFAULT}/pods"
APPS = "/apis/apps/v1/namespaces/default"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
MERGE = {"Content-Type": "application/merge-patch+json"}
WAIT = ["example.com/wait"]


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "m", "image": "x"}], **spec}}


def job(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "m", "image": "x"}]}}}}


def config(name: str, *owners: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    references = [{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
                   "uid": owner["metadata"]["uid"], "blockOwnerDeletion": True} for owner in owners]
    return {"metadata": {"name": name, "ownerReferences": references, **metadata}}


async def until(cluster: Cluster, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the object once it is as it should be."""
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = await cluster.request("GET", path, code=200)
            if holds(found):
                return found
            await asyncio.sleep(0.05)


async def warning_of_delete(cluster: Cluster, path: str, query: str = "") -> str:
    async with cluster.http.delete(f"{cluster.url}{path}{query}") as answer:
        assert answer.status == 200
        return answer.headers.get("Warning", "")


@pytest.mark.parametrize(("options", "query", "code", "words"), [
    ({"propagationPolicy": "Sideways"}, "", 422, 'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: '
     'Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"'),
    (None, "propagationPolicy=Sideways", 422, 'Unsupported value: "Sideways"'),
    ({"propagationPolicy": "Orphan", "orphanDependents": True}, "", 422, 'propagationPolicy: Invalid value: "Orphan": '
     "orphanDependents and deletionPropagation cannot be both set"),
    ({"dryRun": ["Some"]}, "", 422, 'dryRun: Unsupported value: []string{"Some"}: supported values: "All"'),
    ({"gracePeriodSeconds": "soon"}, "", 400, "DeleteOptions in version"),
    ({"kind": "Pod", "apiVersion": "v1"}, "", 400, "cannot be handled as a DeleteOptions"),
    (["x"], "", 400, "json"), (None, "gracePeriodSeconds=soon", 400, "gracePeriodSeconds"),
    ({"preconditions": {"uid": "other"}}, "", 409, 'Operation cannot be fulfilled on ConfigMap "a": the UID in the '
     "precondition (other) does not match the UID in record ("),
    ({"preconditions": {"resourceVersion": "1"}}, "", 409, "the ResourceVersion in the precondition (1) does not match "
     "the ResourceVersion in record ("),
])
async def test_options_that_are_refused(cluster: Cluster, options: Any, query: str, code: int, words: str) -> None:
    await cluster.request("POST", MAPS, config("a"), code=201)
    answer = await cluster.request("DELETE", f"{MAPS}/a?{query}", options, code=code)
    assert words in answer["message"]
    await cluster.request("GET", f"{MAPS}/a", code=200)


async def test_preconditions_that_hold(cluster: Cluster) -> None:
    made = (await cluster.request("POST", MAPS, config("a"), code=201))["metadata"]
    gone = await cluster.request("DELETE", f"{MAPS}/a", {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {
        "uid": made["uid"], "resourceVersion": made["resourceVersion"]}}, code=200)
    assert gone["details"] == {"name": "a", "kind": "configmaps", "uid": made["uid"]}


async def test_a_shorter_grace_counts_from_the_first_delete(cluster: Cluster) -> None:
    await cluster.request("POST", PODS, pod("a", nodeName="n", terminationGracePeriodSeconds=600), code=201)
    first = (await cluster.request("DELETE", f"{PODS}/a", code=200))["metadata"]
    assert first["deletionGracePeriodSeconds"] == 600
    longer = (await cluster.request("DELETE", f"{PODS}/a?gracePeriodSeconds=900", code=200))["metadata"]
    assert longer == first
    again = (await cluster.request("DELETE", f"{PODS}/a", code=200))["metadata"]
    assert again == first
    shorter = (await cluster.request("DELETE", f"{PODS}/a?gracePeriodSeconds=300", code=200))["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 300
    assert shorter["deletionTimestamp"] < first["deletionTimestamp"]
    negative = (await cluster.request("DELETE", f"{PODS}/a?gracePeriodSeconds=-1", code=200))["metadata"]
    assert negative["deletionGracePeriodSeconds"] == 1
    await cluster.request("DELETE", f"{PODS}/a", {"gracePeriodSeconds": 0}, code=200)
    await cluster.request("GET", f"{PODS}/a", code=404)
    await cluster.request("DELETE", f"{PODS}/a", code=404)


async def test_what_waits_for_its_finalizers_can_be_changed_and_deleted_again(cluster: Cluster) -> None:
    await cluster.request("POST", MAPS, config("a", finalizers=["example.com/b", "example.com/a"]), code=201)
    first = await cluster.request("DELETE", f"{MAPS}/a", code=200)
    assert first["metadata"]["deletionGracePeriodSeconds"] == 0
    assert await cluster.request("DELETE", f"{MAPS}/a", code=200) == first
    changed = await cluster.request("PATCH", f"{MAPS}/a", {"data": {"x": "y"}, "metadata": {
        "deletionTimestamp": None, "finalizers": ["example.com/a"]}}, headers=MERGE, code=200)
    assert changed["metadata"]["deletionTimestamp"] == first["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["example.com/a", "example.com/c"]}}
    added = await cluster.request("PATCH", f"{MAPS}/a", more, headers=MERGE, code=422)
    assert added["message"] == ('ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be '
                                'added if the object is being deleted, found new finalizers []string{"example.com/c"}')
    last = await cluster.request("PUT", f"{MAPS}/a", {"metadata": {"name": "a"}}, code=200)
    assert "finalizers" not in last["metadata"]
    await cluster.request("GET", f"{MAPS}/a", code=404)


async def test_collections_by_selector_and_page(cluster: Cluster) -> None:
    for number in range(5):
        await cluster.request("POST", MAPS, config(f"m{number}", labels={"odd": str(number % 2)}), code=201)
    gone = await cluster.request("DELETE", f"{MAPS}?labelSelector=odd%3D0&limit=2", code=200)
    assert (gone["kind"], [item["metadata"]["name"] for item in gone["items"]]) == ("ConfigMapList", ["m0", "m2"])
    await cluster.request("DELETE", f"{MAPS}?fieldSelector=metadata.name%3Dm4", code=200)
    left = await cluster.request("GET", MAPS, code=200)
    assert [item["metadata"]["name"] for item in left["items"]] == ["m1", "m3"]
    await cluster.request("DELETE", f"{MAPS}?labelSelector=a%20b", code=400)
    await cluster.request("DELETE", f"{MAPS}?sendInitialEvents=true", code=422)
    await cluster.request("DELETE", MAPS, {"preconditions": {"uid": "x"}}, code=409)
    await cluster.request("DELETE", MAPS, code=200)
    assert (await cluster.request("GET", MAPS))["items"] == []


async def test_jobs_keep_their_pods_unless_told_otherwise(cluster: Cluster) -> None:
    kept = ('299 - "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to '
            'remove them or set propagationPolicy=Orphan to suppress this warning"')
    for query, told, finalizers in (("", kept, ["orphan"]), ("?propagationPolicy=Orphan", "", ["orphan"]),
                                    ("?orphanDependents=true", "", ["orphan"])):
        await cluster.request("POST", JOBS, job("j"), code=201)
        assert await warning_of_delete(cluster, f"{JOBS}/j", query) == told
        left = await cluster.request("GET", f"{JOBS}/j", code=200)
        assert left["metadata"]["finalizers"] == finalizers
        await cluster.request("PATCH", f"{JOBS}/j", {"metadata": {"finalizers": None}}, headers=MERGE, code=200)
    for query in ("?propagationPolicy=Background", "?orphanDependents=false"):
        await cluster.request("POST", JOBS, job("j"), code=201)
        assert await warning_of_delete(cluster, f"{JOBS}/j", query) == ""
        await cluster.request("GET", f"{JOBS}/j", code=404)
    await cluster.request("POST", JOBS, job("j"), code=201)
    assert await warning_of_delete(cluster, JOBS) == kept


async def test_dependents_go_stay_or_go_first(cluster: Cluster) -> None:
    async with controllers(cluster):
        owner = await cluster.request("POST", MAPS, config("owner", finalizers=WAIT), code=201)
        await cluster.request("POST", MAPS, config("blocks", owner, finalizers=WAIT), code=201)
        going = await cluster.request("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Foreground"}, code=200)
        assert going["metadata"]["finalizers"] == [*WAIT, "foregroundDeletion"]
        await until(cluster, f"{MAPS}/blocks", lambda found: "deletionTimestamp" in found["metadata"])
        assert "foregroundDeletion" in (await cluster.request("GET", f"{MAPS}/owner"))["metadata"]["finalizers"]
        await cluster.request("PATCH", f"{MAPS}/blocks", {"metadata": {"finalizers": None}}, headers=MERGE, code=200)
        await until(cluster, f"{MAPS}/owner", lambda found: found["metadata"]["finalizers"] == WAIT)
        await cluster.request("PATCH", f"{MAPS}/owner", {"metadata": {"finalizers": None}}, headers=MERGE, code=200)
        await until_gone(cluster, f"{MAPS}/owner")
        owner = await cluster.request("POST", MAPS, config("owner"), code=201)
        await cluster.request("POST", MAPS, config("dependent", owner), code=201)
        await cluster.request("DELETE", f"{MAPS}/owner?propagationPolicy=Orphan", code=200)
        await until_gone(cluster, f"{MAPS}/owner")
        await until(cluster, f"{MAPS}/dependent", lambda found: "ownerReferences" not in found["metadata"])
        owner = await cluster.request("POST", MAPS, config("owner"), code=201)
        await cluster.request("POST", MAPS, config("other", owner), code=201)
        await cluster.request("DELETE", f"{MAPS}/owner", code=200)
        await until_gone(cluster, f"{MAPS}/other")


async def test_custom_and_cluster_wide_dependents_and_owners_elsewhere(cluster: Cluster) -> None:
    async with controllers(cluster):
        await cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"},
                     "versions": [{"name": "v1", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": {"type": "object"}}}]}}, code=201)
        things = "/apis/example.com/v1/things"
        typed = {"apiVersion": "example.com/v1", "kind": "Thing"}
        owner = await cluster.request("POST", things, {**typed, **config("owner")}, code=201)
        await cluster.request("POST", things, {**typed, **config("below", owner)}, code=201)
        await cluster.request("POST", MAPS, config("inside", owner), code=201)
        await cluster.request("DELETE", f"{things}/owner", code=200)
        await until_gone(cluster, f"{things}/below")
        await until_gone(cluster, f"{MAPS}/inside")
        other = "/api/v1/namespaces/kube-system/configmaps"
        elsewhere = await cluster.request("POST", other, config("owner"), code=201)
        await cluster.request("POST", MAPS, config("lost", elsewhere), code=201)
        await until_gone(cluster, f"{MAPS}/lost")
        told = await until(cluster, f"{DEFAULT}/events?fieldSelector=reason%3DOwnerRefInvalidNamespace",
                           lambda found: bool(found["items"]))
        assert told["items"][0]["message"] == (
            f"ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {elsewhere['metadata']['uid']}] does not "
            'exist in namespace "default"')
        await cluster.request("GET", f"{other}/owner", code=200)


async def test_a_namespace_says_what_keeps_it(cluster: Cluster) -> None:
    team = "/api/v1/namespaces/team"
    async with controllers(cluster):
        await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}}, code=201)
        await cluster.request("POST", f"{team}/configmaps", config("a", finalizers=WAIT), code=201)
        await cluster.request("POST", f"{team}/configmaps", config("b"), code=201)
        going = await cluster.request("DELETE", team, code=200)
        assert going["status"]["phase"] == "Terminating"
        closed = await cluster.request("POST", f"{team}/configmaps", config("c"), code=403)
        assert closed["message"] == ('configmaps "c" is forbidden: unable to create new content in namespace team '
                                     "because it is being terminated")
        assert closed["details"]["causes"] == [{"reason": "NamespaceTerminating", "field": "metadata.namespace",
                                                "message": "namespace team is being terminated"}]
        left = await until(cluster, team, lambda found: bool(found["status"].get("conditions")))
        said = {each["type"]: (each["status"], each["reason"], each["message"])
                for each in left["status"]["conditions"]}
        assert said["NamespaceContentRemaining"] == (
            "True", "SomeResourcesRemain", "Some resources are remaining: configmaps. has 1 resource instances")
        assert said["NamespaceFinalizersRemaining"] == (
            "True", "SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: example.com/wait "
                                            "in 1 resource instances")
        assert said["NamespaceDeletionContentFailure"] == (
            "False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization")
        assert [name for name, (status, _, _) in said.items() if status == "True"] == [
            "NamespaceContentRemaining", "NamespaceFinalizersRemaining"]
        again = await cluster.request("DELETE", team, code=200)
        assert again["metadata"]["deletionTimestamp"] == going["metadata"]["deletionTimestamp"]
        await cluster.request("PATCH", f"{team}/configmaps/a", {"metadata": {"finalizers": None}}, headers=MERGE,
                              code=200)
        await until_gone(cluster, team)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_namespaces_that_stay(cluster: Cluster, name: str) -> None:
    answer = await cluster.request("DELETE", f"/api/v1/namespaces/{name}", code=403)
    assert answer["message"] == f'namespaces "{name}" is forbidden: this namespace may not be deleted'
