"""Whatever kind of patch is sent to the real server, the object becomes the one that was meant."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.integration.conftest import Cluster
from tests.properties import differences, objects
from tests.properties.effort import examples
from tests.properties.objects import Json

MEDIA = {"json": "application/json-patch+json", "merge": "application/merge-patch+json",
         "strategic": "application/strategic-merge-patch+json"}
LABELS = st.dictionaries(st.sampled_from(("a", "b", "example.com/c")), st.sampled_from(("", "x", "y")), max_size=3)
PORTS = st.lists(st.sampled_from((80, 81, 82)), unique=True, max_size=3)
CONTAINER: st.SearchStrategy[Json] = st.fixed_dictionaries({"image": st.sampled_from(("i:1", "i:2"))}, optional={
    "args": st.lists(st.sampled_from("xyz"), max_size=2),
    "env": st.dictionaries(st.sampled_from("ABC"), st.sampled_from("12"), max_size=3).map(
        lambda values: [{"name": name, "value": value} for name, value in values.items()]),
    "ports": PORTS.map(lambda ports: [{"containerPort": port} for port in ports])})


def named(item: st.SearchStrategy[Json], fewest: int) -> st.SearchStrategy[list[Json]]:
    """Draw a list of items with names, in any order."""
    return st.dictionaries(st.sampled_from("abc"), item, min_size=fewest, max_size=3).map(
        lambda items: [{**made, "name": name} for name, made in items.items()])


VOLUMES: tuple[Json, ...] = ({"emptyDir": {}}, {"emptyDir": {"medium": "Memory"}}, {"hostPath": {"path": "/x"}})
POD: st.SearchStrategy[Json] = st.fixed_dictionaries({"containers": named(CONTAINER, 1)}, optional={
    "volumes": named(st.sampled_from(VOLUMES), 0),
    "nodeSelector": LABELS, "tolerations": st.lists(st.sampled_from(({"operator": "Exists"}, {
        "key": "a", "operator": "Equal", "value": "b"})), max_size=2)})
DEPLOYMENT = st.builds(lambda pod, replicas, strategy: {
    "replicas": replicas, "strategy": {"type": strategy}, "selector": {"matchLabels": {"app": "web"}},
    "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod}}, POD, st.integers(0, 3),
    st.sampled_from(("Recreate", "RollingUpdate")))
SERVICE = st.builds(lambda ports, selector: {"clusterIP": "None", "selector": selector, "ports": [
    {"name": f"p{port}", "port": port} for port in ports]}, PORTS, LABELS)
BACKEND = st.builds(lambda name, port: {"service": {"name": name, "port": {"number": port}}}, st.sampled_from("ab"),
                    st.integers(80, 82))
INGRESS = st.builds(lambda backend, rules: {"defaultBackend": backend, "rules": [
    {"host": f"{host}.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": each}]}}
    for host, each in rules.items()]}, BACKEND, st.dictionaries(st.sampled_from("ab"), BACKEND, max_size=2))
BUDGET = st.builds(lambda selector, amount: {"selector": {"matchLabels": selector}, "minAvailable": amount}, LABELS,
                   st.sampled_from((0, 1, "50%")))
NODE = st.fixed_dictionaries({}, optional={
    "unschedulable": st.just(True), "taints": st.lists(st.sampled_from("ab"), unique=True, max_size=2).map(
        lambda keys: [{"key": key, "effect": "NoSchedule"} for key in keys])})
FREE = st.recursive(st.booleans() | st.integers(-1, 1) | st.sampled_from(("", "x")), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.sampled_from(("a", "b/c", "d~e")), inner, max_size=3), max_leaves=8)
WIDGET = st.dictionaries(st.sampled_from(("a", "b/c", "d~e")), FREE, max_size=3)
KINDS: dict[str, tuple[str, str, st.SearchStrategy[Json]]] = {
    "apis/apps/v1/namespaces/default/deployments": ("apps/v1", "Deployment", DEPLOYMENT),
    "api/v1/namespaces/default/services": ("v1", "Service", SERVICE),
    "apis/networking.k8s.io/v1/namespaces/default/ingresses": ("networking.k8s.io/v1", "Ingress", INGRESS),
    "apis/policy/v1/namespaces/default/poddisruptionbudgets": ("policy/v1", "PodDisruptionBudget", BUDGET),
    "api/v1/nodes": ("v1", "Node", NODE),
    "apis/example.com/v1/namespaces/default/widgets": ("example.com/v1", "Widget", WIDGET)}
OBJECTS = st.sampled_from(sorted(KINDS)).flatmap(lambda path: st.tuples(
    st.just(path), *(st.builds(lambda spec, labels, kind=KINDS[path]: {
        "apiVersion": kind[0], "kind": kind[1], "metadata": {"labels": labels, "annotations": labels}, "spec": spec},
        KINDS[path][2], LABELS) for _ in range(2))))
DEFINITION: Json = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
             "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                 "type": "object", "properties": {"spec": {
                     "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}]}}


OURS = ("labels", "annotations")


def written(obj: Json) -> Json:
    """Return the part of an object that a person writes."""
    return {"spec": obj.get("spec", {}), "metadata": {key: obj["metadata"][key] for key in OURS
                                                      if key in obj["metadata"]}}


def meant(old: Json, new: Json) -> Json:
    """Return an object with what a person wrote of another one."""
    head = {key: value for key, value in old["metadata"].items() if key not in OURS}
    return {**old, "spec": written(new)["spec"], "metadata": head | written(new)["metadata"]}


async def made(cluster: Cluster, path: str, obj: Json, name: str) -> Json:
    obj = {**obj, "metadata": {**obj["metadata"], "name": name}}
    done: Json = await cluster.request("POST", f"/{path}", obj, code=201)
    return done


async def test_a_patch_makes_one_object_another(cluster: Cluster) -> None:
    await cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION, code=201)
    loop = asyncio.get_running_loop()
    count = iter(range(1_000_000))

    def finish(work: Coroutine[Any, Any, None]) -> None:
        """Run on the loop of the server, from the thread that hypothesis works in."""
        asyncio.run_coroutine_threadsafe(work, loop).result(60)

    async def becomes(path: str, old: Json, new: Json, how: str, choose: differences.Choose) -> None:
        number = next(count)
        before = await made(cluster, path, old, f"x{number}")
        wanted = meant(before, await made(cluster, path, new, f"y{number}"))
        kind = cluster.server.service.catalog.of_kind(new["apiVersion"], new["kind"])
        assert kind is not None
        if how == "strategic" and new["kind"] == "Widget":
            how = "merge"  # nobody can know how a custom kind merges
        body: Any = differences.merge_patch(before, wanted)
        if how == "strategic":
            body = differences.strategic_patch(kind.type, before, wanted, choose)
        elif how == "json":
            body = differences.json_patch(before, wanted, choose)
        here = f"/{path}/x{number}"
        patched = await cluster.request("PATCH", here, body, code=200, headers={"Content-Type": MEDIA[how]})
        assert await cluster.request("GET", here, code=200) == patched
        assert objects.same(written(patched), written(wanted)), objects.missing(written(wanted), written(patched))
        again = await cluster.request("PATCH", here, {}, code=200, headers={"Content-Type": MEDIA["merge"]})
        assert again == patched, "a patch that says nothing changed something"

    @examples(60)
    @given(OBJECTS, st.sampled_from(sorted(MEDIA)), st.randoms(use_true_random=True))
    def check(pair: tuple[str, Json, Json], how: str, random: Any) -> None:
        path, old, new = pair
        finish(becomes(path, old, new, how, random.randrange))

    await asyncio.to_thread(check)
