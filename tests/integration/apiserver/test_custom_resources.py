"""CustomResourceDefinitions from beginning to end, through the real kubectl."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from edge.client import cache
from edge.clock import SystemClock
from edge.component import Supervisor
from edge.controllers import loop as controllers_loop
from edge.controllers.settings import Settings
from edge.ids import SystemIds
from tests.integration.conftest import Cluster

BOUND_SECONDS = 15.0
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GADGETS = "/apis/example.com/v1/namespaces/default/gadgets"
VERSION: dict[str, Any] = {
    "name": "v1", "served": True, "storage": True,
    "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object", "description": "What the gadget should be.", "required": ["color"], "properties": {
            "color": {"type": "string", "enum": ["red", "green"], "description": "The color of the gadget."},
            "replicas": {"type": "integer", "minimum": 0, "default": 1},
            "parts": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}},
        "status": {"type": "object", "properties": {
            "replicas": {"type": "integer"}, "selector": {"type": "string"}, "phase": {"type": "string"}}}}}},
    "subresources": {"status": {}, "scale": {
        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector"}},
    "selectableFields": [{"jsonPath": ".spec.color"}],
    "additionalPrinterColumns": [
        {"name": "Color", "type": "string", "jsonPath": ".spec.color"},
        {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}],
}


def definition(*versions: dict[str, Any], scope: str = "Namespaced") -> dict[str, Any]:
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "gadgets.example.com"},
            "spec": {"group": "example.com", "scope": scope, "versions": list(versions or (VERSION,)),
                     "names": {"plural": "gadgets", "kind": "Gadget", "shortNames": ["gd"], "categories": ["all"]}}}


def gadget(name: str = "one", /, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": name},
            "spec": {"color": "red", **spec}}


async def apply(cluster: Cluster, *objects: dict[str, Any]) -> str:
    """Apply one after the other: kubectl looks for the kinds of a file before it sends anything of it."""
    return "".join([(await cluster.kubectl("apply", "-f", "-", stdin=msgspec.json.encode(obj).decode())).out
                    for obj in objects])


@contextlib.asynccontextmanager
async def controllers(cluster: Cluster) -> AsyncIterator[None]:
    """Run every controller beside the server."""
    clock, ids = SystemClock(), SystemIds()
    supervisor = Supervisor(clock)
    caches = cache.SharedCaches(cluster.client, clock=clock, ids=ids, start=supervisor.start)
    for name, run in controllers_loop.build(cluster.client, caches, clock, ids, Settings()):
        supervisor.start(name, run)
    try:
        yield
    finally:
        await supervisor.stop()


async def until_gone(cluster: Cluster, path: str) -> None:
    async with asyncio.timeout(BOUND_SECONDS):
        while True:
            async with cluster.http.get(cluster.url + path) as answer:
                if answer.status == 404:
                    return
            await asyncio.sleep(0.05)


async def test_a_kind_is_served_with_the_next_request(cluster: Cluster) -> None:
    assert "created" in await apply(cluster, definition())
    assert "created" in await apply(cluster, gadget())
    await cluster.kubectl("wait", "--for=condition=established", "crd/gadgets.example.com", "--timeout=5s")
    stored = await cluster.request("GET", f"{GADGETS}/one", code=200)
    assert stored["spec"] == {"color": "red", "replicas": 1}
    assert stored["metadata"]["generation"] == 1
    table = (await cluster.kubectl("get", "gd", "-o", "wide")).out.split()
    assert table[:7] == ["NAME", "COLOR", "REPLICAS", "AGE", "one", "red", "1"]
    assert "gadget.example.com/one" in (await cluster.kubectl("get", "all", "-o", "name")).out
    assert "gadgets" in (await cluster.kubectl("api-resources", "--api-group=example.com")).out
    # What kubectl reads of the kind decides which patch it sends.
    assert await apply(cluster, gadget(replicas=2)) == "gadget.example.com/one configured\n"
    assert (await cluster.request("GET", f"{GADGETS}/one", code=200))["spec"] == {"color": "red", "replicas": 2}


async def test_what_the_schema_does_not_allow_is_refused_in_kubernetes_words(cluster: Cluster) -> None:
    await apply(cluster, definition())
    refused = await cluster.request("POST", GADGETS, gadget(color="blue", replicas="many"), code=422)
    causes = {cause["field"]: cause["message"] for cause in refused["details"]["causes"]}
    assert causes["spec.color"] == 'Unsupported value: "blue": supported values: "red", "green"'
    assert "must be of type integer" in causes["spec.replicas"]
    missing = await cluster.request("POST", GADGETS, {**gadget(), "spec": {}}, code=422)
    assert missing["details"]["causes"][0]["field"] == "spec.color"


async def test_unknown_fields_are_dropped_unless_the_schema_keeps_them(cluster: Cluster) -> None:
    await apply(cluster, definition())
    sent = gadget(colour="x", free={"anything": [1, {"deep": True}]}, parts=[{"name": "a", "odd": 1}])
    strict = await cluster.request("POST", GADGETS + "?fieldValidation=Strict", sent, code=400)
    assert 'unknown field "spec.colour"' in strict["message"]
    async with cluster.http.post(cluster.url + GADGETS + "?fieldValidation=Warn", data=msgspec.json.encode(sent),
                                 headers={"Content-Type": "application/json"}) as answer:
        warnings = " ".join(answer.headers.getall("Warning"))
        stored = msgspec.json.decode(await answer.read())
    assert 'spec.colour' in warnings
    assert 'spec.parts[0].odd' in warnings
    assert stored["spec"] == {"color": "red", "replicas": 1, "free": {"anything": [1, {"deep": True}]},
                              "parts": [{"name": "a"}]}


async def test_status_and_scale_are_subresources(cluster: Cluster) -> None:
    await apply(cluster, definition(), gadget())
    stored = await cluster.request("GET", f"{GADGETS}/one", code=200)
    ignored = await cluster.request("PUT", f"{GADGETS}/one", {**stored, "status": {"phase": "Forged"}}, code=200)
    assert "status" not in ignored
    changed = await cluster.request("PATCH", f"{GADGETS}/one/status", {"status": {"phase": "Ready", "replicas": 3},
                                                                       "spec": {"color": "green"}}, code=200,
                                    headers={"Content-Type": "application/merge-patch+json"})
    assert (changed["status"]["phase"], changed["spec"]["color"], changed["metadata"]["generation"]) == (
        "Ready", "red", 1)
    await cluster.kubectl("scale", "gadget/one", "--replicas=4")
    found = await cluster.request("GET", f"{GADGETS}/one/scale", code=200)
    assert (found["spec"], found["status"]) == ({"replicas": 4}, {"replicas": 3})
    assert (await cluster.request("GET", f"{GADGETS}/one", code=200))["metadata"]["generation"] == 2


async def test_patches_are_those_custom_resources_take(cluster: Cluster) -> None:
    await apply(cluster, definition(), gadget())
    refused = await cluster.request("PATCH", f"{GADGETS}/one", {"spec": {"color": "green"}}, code=415,
                                    headers={"Content-Type": "application/strategic-merge-patch+json"})
    assert "application/merge-patch+json" in refused["message"]
    await cluster.kubectl("patch", "gadget", "one", "--type=merge", "-p", '{"spec":{"color":"green"}}')
    await cluster.kubectl("patch", "gadget", "one", "--type=json", "-p",
                          '[{"op":"replace","path":"/spec/replicas","value":7}]')
    assert (await cluster.request("GET", f"{GADGETS}/one", code=200))["spec"] == {"color": "green", "replicas": 7}


async def test_selectors_explain_and_watch_work(cluster: Cluster) -> None:
    await apply(cluster, definition(), gadget("one"), gadget("two", color="green"))
    assert (await cluster.kubectl("get", "gd", "--field-selector=spec.color=green", "-o", "name")).out.split() == [
        "gadget.example.com/two"]
    assert "The color of the gadget." in (await cluster.kubectl("explain", "gadget.spec.color")).out
    assert "replicas" in (await cluster.kubectl("explain", "gadget", "--recursive")).out
    revision = (await cluster.request("GET", GADGETS, code=200))["metadata"]["resourceVersion"]
    async with cluster.http.get(f"{cluster.url}{GADGETS}?watch=true&resourceVersion={revision}") as stream:
        await cluster.request("DELETE", f"{GADGETS}/one", code=200)
        event = msgspec.json.decode(await stream.content.readline())
    assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "one")


async def test_several_versions_show_the_same_objects(cluster: Cluster) -> None:
    older = {**VERSION, "name": "v1beta1", "storage": False, "deprecated": True}
    await apply(cluster, definition(VERSION, older), gadget())
    async with cluster.http.get(cluster.url + GADGETS.replace("v1", "v1beta1")) as answer:
        found = msgspec.json.decode(await answer.read())
        assert "example.com/v1beta1 Gadget is deprecated" in answer.headers["Warning"]
    assert (found["apiVersion"], found["items"][0]["apiVersion"]) == ("example.com/v1beta1", "example.com/v1beta1")
    group = await cluster.request("GET", "/apis/example.com", code=200)
    assert [version["version"] for version in group["versions"]] == ["v1", "v1beta1"]
    stored = await cluster.request("GET", f"{DEFINITIONS}/gadgets.example.com", code=200)
    assert stored["status"]["storedVersions"] == ["v1"]


async def test_what_was_stored_in_an_older_version_is_shown_in_the_one_asked_for(cluster: Cluster) -> None:
    await apply(cluster, definition(), gadget())
    first, newer = {**VERSION, "storage": False}, {**VERSION, "name": "v2"}
    await apply(cluster, definition(first, newer))
    paths = {f"example.com/{version}": GADGETS.replace("v1", version) for version in ("v1", "v2")}

    async def versions() -> set[str]:
        found = set()
        for wanted, path in paths.items():
            one = await cluster.request("GET", f"{path}/one", code=200)
            every = await cluster.request("GET", path, code=200)
            async with cluster.http.get(f"{cluster.url}{path}?watch=true&timeoutSeconds=1") as stream:
                seen = msgspec.json.decode(await stream.content.readline())["object"]
            assert {each["apiVersion"] for each in (one, *every["items"], seen)} == {wanted}
            found.add(one["metadata"]["uid"])
        return found

    (uid,) = await versions()
    patched = await cluster.request("PATCH", f"{paths['example.com/v2']}/one", {"spec": {"color": "green"}}, code=200,
                                    headers={"Content-Type": "application/merge-patch+json"})
    assert (patched["apiVersion"], patched["metadata"]["uid"]) == ("example.com/v2", uid)
    assert await versions() == {uid}


async def test_a_name_that_is_taken_is_not_accepted(cluster: Cluster) -> None:
    await apply(cluster, definition())
    other = definition()
    other["metadata"]["name"] = "others.example.com"
    other["spec"]["names"] = {"plural": "others", "singular": "other", "kind": "Gadget"}
    await apply(cluster, other)
    found = await cluster.request("GET", f"{DEFINITIONS}/others.example.com", code=200)
    states = {each["type"]: (each["status"], each["reason"]) for each in found["status"]["conditions"]}
    assert states["NamesAccepted"] == ("False", "KindConflict")
    assert states["Established"][0] == "False"
    await cluster.request("GET", "/apis/example.com/v1/others", code=404)


async def test_a_definition_takes_its_objects_along(cluster: Cluster) -> None:
    async with controllers(cluster):
        await apply(cluster, definition(), gadget("one"), gadget("two"))
        await cluster.kubectl("delete", "crd", "gadgets.example.com", "--timeout=10s")
        await cluster.request("GET", GADGETS, code=404)
        await apply(cluster, definition())
        assert (await cluster.request("GET", GADGETS, code=200))["items"] == []


async def test_owners_of_custom_kinds_are_followed(cluster: Cluster) -> None:
    async with controllers(cluster):
        await apply(cluster, definition(), gadget())
        owner = await cluster.request("GET", f"{GADGETS}/one", code=200)
        reference = {"apiVersion": "example.com/v1", "kind": "Gadget", "name": "one", "uid": owner["metadata"]["uid"]}
        owned = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
        await cluster.request("POST", "/api/v1/namespaces/default/configmaps", owned, code=201)
        part = {**gadget("part"), "metadata": {"name": "part", "ownerReferences": [reference]}}
        await cluster.request("POST", GADGETS, part, code=201)
        await cluster.kubectl("delete", "gadget", "one")
        await until_gone(cluster, "/api/v1/namespaces/default/configmaps/owned")
        await until_gone(cluster, f"{GADGETS}/part")


async def test_a_namespace_takes_custom_objects_along(cluster: Cluster) -> None:
    async with controllers(cluster):
        await apply(cluster, definition())
        await cluster.kubectl("create", "namespace", "going")
        await cluster.request("POST", GADGETS.replace("default", "going"), gadget(), code=201)
        await cluster.kubectl("delete", "namespace", "going", "--timeout=10s")
        assert (await cluster.request("GET", "/apis/example.com/v1/gadgets", code=200))["items"] == []


async def test_a_cluster_wide_kind_has_no_namespaces(cluster: Cluster) -> None:
    await apply(cluster, definition(scope="Cluster"))
    await cluster.request("POST", "/apis/example.com/v1/gadgets", gadget(), code=201)
    await cluster.request("GET", GADGETS, code=404)


async def test_custom_objects_are_there_after_a_change_of_the_schema(cluster: Cluster) -> None:
    await apply(cluster, definition(), gadget(free={"kept": 1}))
    changed = msgspec.json.decode(msgspec.json.encode(VERSION))
    del changed["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["free"]
    changed["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"] = {"type": "integer", "default": 3}
    await apply(cluster, definition(changed))
    await cluster.kubectl("annotate", "gadget", "one", "seen=yes")
    assert (await cluster.request("GET", f"{GADGETS}/one", code=200))["spec"] == {
        "color": "red", "replicas": 1, "size": 3}


@pytest.mark.parametrize("metadata", [{"name": "x", "labels": 5}, {"name": "x", "labels": {"a b": "c"}}, []])
async def test_metadata_is_checked_as_for_every_kind(cluster: Cluster, metadata: Any) -> None:
    await apply(cluster, definition())
    async with cluster.http.post(cluster.url + GADGETS, data=msgspec.json.encode({**gadget(), "metadata": metadata}),
                                 headers={"Content-Type": "application/json"}) as answer:
        assert answer.status in (400, 422)


@pytest.mark.parametrize("depth", [300, 600, 900, 5000])
async def test_deep_nesting_is_refused_or_stored_and_never_a_fault(cluster: Cluster, depth: int) -> None:
    await apply(cluster, definition())
    body = ('{"apiVersion":"example.com/v1","kind":"Gadget","metadata":{"name":"deep"},"spec":{"color":"red","free":'
            + '{"a":' * depth + "1" + "}" * depth + "}}").encode()
    async with cluster.http.post(cluster.url + GADGETS, data=body,
                                 headers={"Content-Type": "application/json"}) as answer:
        assert answer.status in (201, 400), await answer.text()
        if answer.status == 201:
            await cluster.request("GET", f"{GADGETS}/deep", code=200)


async def test_rules_that_are_not_evaluated_are_named(cluster: Cluster) -> None:
    ruled = msgspec.json.decode(msgspec.json.encode(VERSION))
    spec = ruled["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["x-kubernetes-validations"] = [{"rule": "self.replicas > 0"}]
    ran = await cluster.kubectl("create", "-f", "-", stdin=msgspec.json.encode(definition(ruled)).decode())
    assert "stored, but not evaluated" in ran.err
