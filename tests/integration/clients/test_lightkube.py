"""Lightkube: typed and generic resources, both of its clients, server-side apply as its main way of writing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import lightkube
import pytest
import yaml
from lightkube import codecs, operators
from lightkube.core.exceptions import ApiError, ConditionError
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.models.apps_v1 import DeploymentCondition, DeploymentSpec, DeploymentStatus
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod, Service, ServiceAccountToken
from lightkube.types import CascadeType, PatchType, on_error_retry

from tests.integration.clients import every_kind
from tests.integration.clients.blocking import in_thread
from tests.integration.conftest import Cluster

BOOKS = Path(__file__).parents[2] / "e2e" / "manifests" / "books"
Board: Any = create_namespaced_resource("example.com", "v1", "Board", "boards")


@pytest.fixture
def kube(cluster: Cluster) -> Iterator[Any]:
    """The blocking client; everything it gets is decoded at once."""
    with lightkube.Client(lightkube.KubeConfig.from_file(cluster.kubeconfig), trust_env=False, lazy=False,
                          field_manager="tests") as client:
        yield client


@pytest.fixture
async def waiting(cluster: Cluster) -> AsyncIterator[Any]:
    """The asynchronous client."""
    async with lightkube.AsyncClient(lightkube.KubeConfig.from_file(cluster.kubeconfig), trust_env=False,
                                     field_manager="tests") as client:
        yield client


@contextlib.contextmanager
def refused(reason: str) -> Iterator[None]:
    """Expect an error with that reason in its Status."""
    with pytest.raises(ApiError) as caught:
        yield
    assert caught.value.status.reason == reason


def deployment(image: str = "nginx:1", replicas: int | None = None) -> Deployment:
    """Return a deployment of lightkube's models."""
    return Deployment(
        metadata=ObjectMeta(name="web", namespace="default"),
        spec=DeploymentSpec(
            replicas=replicas, selector=LabelSelector(matchLabels={"app": "web"}), template=PodTemplateSpec(
                metadata=ObjectMeta(labels={"app": "web"}),
                spec=PodSpec(containers=[Container(name="web", image=image)]))))


def config_map(name: str, **labels: str) -> ConfigMap:
    """Return a config map."""
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", labels=labels), data={"color": "blue"})


@pytest.mark.parametrize("manifest", every_kind.MANIFESTS, ids=lambda m: f"{m['apiVersion']}-{m['kind']}")
@in_thread
def test_a_kind_is_applied_twice_and_deleted(kube: Any, manifest: dict[str, Any]) -> None:
    namespaced = every_kind.resource_of(manifest).namespaced
    place = {"namespace": "default"} if namespaced else {}
    metadata = {**manifest["metadata"], **place, "labels": {"color": "blue"}}
    wanted: Any = codecs.from_dict({**manifest, "metadata": metadata})
    made = kube.apply(wanted)
    assert [(entry.manager, entry.operation) for entry in made.metadata.managedFields] == [("tests", "Apply")]
    again = kube.apply(wanted)
    if manifest["kind"] != "APIService":  # the server writes into its status whether it can be reached
        assert again.metadata.resourceVersion == made.metadata.resourceVersion
        assert kube.get(type(wanted), wanted.metadata.name, **place).to_dict() == again.to_dict()
    assert wanted.metadata.name in {one.metadata.name for one in kube.list(type(wanted), **place)}
    kube.delete(type(wanted), wanted.metadata.name, **place)


@in_thread
def test_appliers_conflict_and_force(kube: Any) -> None:
    kube.apply(deployment("nginx:1", replicas=1))
    with pytest.raises(ApiError) as conflict:
        kube.apply(deployment("nginx:2"), field_manager="others")
    assert conflict.value.status.code == 409
    assert 'conflict with "tests"' in str(conflict.value.status.message)
    forced = kube.apply(deployment("nginx:2"), field_manager="others", force=True)
    assert (forced.spec.replicas, forced.spec.template.spec.containers[0].image) == (1, "nginx:2")
    given_up = kube.apply(deployment("nginx:2"), force=True)
    assert given_up.spec.replicas == 1


@in_thread
def test_dry_runs_leave_nothing(kube: Any) -> None:
    assert kube.apply(deployment(), dry_run=True).metadata.uid
    kube.create(config_map("a"), dry_run=True)
    with refused("NotFound"):
        kube.get(Deployment, "web", namespace="default")
    assert list(kube.list(ConfigMap, labels={"kubernetes.io/nothing": operators.not_exists()},
                          fields={"metadata.name": "a"})) == []


@in_thread
def test_every_patch_type(kube: Any) -> None:
    kube.create(deployment(replicas=1))

    def patched(body: Any, how: PatchType) -> Any:
        return kube.patch(Deployment, "web", body, namespace="default", patch_type=how)

    env = [{"name": "web", "env": [{"name": "COLOR", "value": "blue"}]}]
    made = patched({"spec": {"template": {"spec": {"containers": env}}}}, PatchType.STRATEGIC)
    assert (made.spec.template.spec.containers[0].image, made.spec.template.spec.containers[0].env[0].value) == (
        "nginx:1", "blue")
    assert patched({"spec": {"replicas": None}}, PatchType.MERGE).spec.replicas == 1
    assert patched([{"op": "add", "path": "/spec/paused", "value": True}], PatchType.JSON).spec.paused
    named = kube.set(Deployment, "web", namespace="default", labels={"color": "blue"}, annotations={"note": "x"})
    assert (named.metadata.labels, named.metadata.annotations["note"]) == ({"color": "blue"}, "x")


@in_thread
def test_status_and_scale(kube: Any) -> None:
    made = kube.create(deployment(replicas=2))
    made.status = DeploymentStatus(readyReplicas=2, replicas=2)
    status: Any = Deployment.Status
    kube.replace(status(metadata=made.metadata, spec=made.spec, status=made.status))
    kube.patch(status, "web", {"status": {"unavailableReplicas": 1}}, namespace="default")
    found = kube.get(Deployment, "web", namespace="default").status
    assert (found.readyReplicas, found.unavailableReplicas) == (2, 1)
    scale = kube.get(Deployment.Scale, "web", namespace="default")
    assert (scale.spec.replicas, scale.status.selector) == (2, "app=web")
    kube.replace(Deployment.Scale(metadata=scale.metadata, spec=ScaleSpec(replicas=5)), "web", namespace="default")
    kube.patch(Deployment.Scale, "web", {"spec": {"replicas": 6}}, namespace="default")
    assert kube.get(Deployment, "web", namespace="default").spec.replicas == 6


@in_thread
def test_lists_come_in_chunks_and_by_selectors(kube: Any) -> None:
    for number in range(5):
        kube.create(config_map(f"map-{number}", even=str(number % 2 == 0).lower(), n=str(number)))
    names = [one.metadata.name for one in kube.list(ConfigMap, labels={"n": operators.exists()}, chunk_size=2)]
    assert names == [f"map-{number}" for number in range(5)]
    left = kube.list(ConfigMap, namespace=lightkube.ALL_NS, labels={"n": operators.not_in(["0", "1"]), "even": "true"})
    assert [one.metadata.name for one in left] == ["map-2", "map-4"]
    kube.deletecollection(ConfigMap, namespace="default", dry_run=True)
    assert list(kube.list(ConfigMap))
    kube.deletecollection(ConfigMap, namespace="default")
    assert list(kube.list(ConfigMap)) == []


@in_thread
def test_custom_resources(kube: Any) -> None:
    schema = {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"replicas": {"type": "integer", "maximum": 9}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {
        "status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}}
    kube.apply(CustomResourceDefinition.from_dict({
        "metadata": {"name": "boards.example.com"}, "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "boards", "kind": "Board"},
            "versions": [version]}}))
    kube.wait(CustomResourceDefinition, "boards.example.com", for_conditions=["Established"])
    board = Board(metadata={"name": "pi", "namespace": "default"}, spec={"replicas": 1})
    assert kube.apply(board)["metadata"]["managedFields"][0]["manager"] == "tests"
    with pytest.raises(ApiError) as invalid:
        kube.apply(Board(metadata={"name": "pi", "namespace": "default"}, spec={"replicas": 10}))
    assert (invalid.value.status.code, invalid.value.status.reason) == (422, "Invalid")
    kube.patch(Board.Status, "pi", {"status": {"up": True}}, namespace="default", patch_type=PatchType.MERGE)
    kube.patch(Board.Scale, "pi", {"spec": {"replicas": 3}}, namespace="default", patch_type=PatchType.MERGE)
    found = kube.get(Board, "pi", namespace="default")
    assert (found["spec"], found["status"]) == ({"replicas": 3}, {"up": True})
    kube.delete(Board, "pi", namespace="default", cascade=CascadeType.FOREGROUND)
    assert kube.get(Board, "pi", namespace="default")["metadata"]["finalizers"] == ["foregroundDeletion"]


def loaded(file: Path) -> list[Any]:
    """Return a file's objects; kinds in versions that lightkube has no models of become generic resources."""
    raw = [each for each in yaml.safe_load_all(file.read_text()) if each]
    for each in raw:
        group, _, version = each["apiVersion"].rpartition("/")
        if version != "v1":
            resource = every_kind.resource_of(each)
            define = create_namespaced_resource if resource.namespaced else create_global_resource
            define(group, version, each["kind"], resource.plural)
    return [codecs.from_dict(each) for each in raw]


@pytest.mark.parametrize("file", sorted(BOOKS.glob("*.yaml")), ids=lambda file: file.stem)
@in_thread
def test_a_manifest_of_the_books_is_applied_twice(kube: Any, file: Path) -> None:
    for wanted in loaded(file):
        place = {}
        if every_kind.resource_of(wanted.to_dict()).namespaced:
            place = {"namespace": wanted.metadata.namespace or "default"}
            kube.apply(Namespace(metadata=ObjectMeta(name=place["namespace"])))
        made = kube.apply(wanted, **place)
        again = kube.apply(wanted, **place)
        assert (made.kind, made.apiVersion) == (wanted.kind, wanted.apiVersion)
        assert made.metadata.resourceVersion == again.metadata.resourceVersion


@in_thread
def test_a_token(kube: Any) -> None:
    asked = ServiceAccountToken.from_dict({
        "metadata": {"namespace": "default"}, "spec": {"audiences": [], "expirationSeconds": 600}})
    with refused("NotFound"):
        kube.create(asked, "default", namespace="default")
    kube.create(codecs.from_dict({"apiVersion": "v1", "kind": "ServiceAccount",
                                  "metadata": {"name": "robot", "namespace": "default"}}))
    made = kube.create(asked, "robot", namespace="default")
    assert made.status.token.count(".") == 2


async def test_the_asynchronous_client_watches_and_waits(waiting: Any) -> None:
    await waiting.create(deployment())
    seen = []
    async for kind, found in waiting.watch(Deployment, fields={"metadata.name": "web"}, server_timeout=1,
                                           on_error=on_error_retry):
        seen.append(kind)
        match len(seen):
            case 1:
                await waiting.patch(Deployment, "web", {"metadata": {"labels": {"color": "blue"}}})
            case 2:
                assert found.metadata.labels == {"color": "blue"}
                available = DeploymentCondition(type="Available", status="True")
                await waiting.patch(Deployment.Status, "web", {"status": {"conditions": [available.to_dict()]}})
            case 3:
                break
    assert seen == ["ADDED", "MODIFIED", "MODIFIED"]
    reached = await waiting.wait(Deployment, "web", for_conditions=["Available"])
    assert reached.metadata.name == "web"
    with pytest.raises(ConditionError):
        await waiting.wait(Deployment, "web", for_conditions=["Never"], raise_for_conditions=["Available"])
    await waiting.delete(Deployment, "web")
    with refused("NotFound"):
        await waiting.get(Deployment, "web")
    assert [one async for one in waiting.list(Deployment)] == []


async def test_the_asynchronous_client_sees_a_pod_go(cluster: Cluster, waiting: Any) -> None:
    await waiting.create(Pod(metadata=ObjectMeta(name="web"), spec=PodSpec(
        containers=[Container(name="main", image="nginx")])))
    await waiting.create(codecs.from_dict({"apiVersion": "v1", "kind": "Service", "metadata": {
        "name": "web", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}))
    assert (await waiting.get(Service, "web")).spec.clusterIP
    async for kind, _ in waiting.watch(Pod, fields={"metadata.name": "web"}):
        if kind == "ADDED":
            await waiting.delete(Pod, "web", grace_period=0)
        elif kind == "DELETED":
            break
    with refused("NotFound"):
        await waiting.delete(Pod, "web")
