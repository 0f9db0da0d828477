"""The official Python client: what its users do all day, against the real server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, utils, watch
from kubernetes.client import ApiClient, ApiException

from tests.integration.clients.blocking import in_thread
from tests.integration.conftest import Cluster

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "blue"}}
WATCH_SECONDS = 20


@contextlib.contextmanager
def refused(code: int, reason: str) -> Iterator[dict[str, Any]]:
    """Expect an error whose body is a Status; it is in the yielded dict afterwards."""
    status: dict[str, Any] = {}
    with pytest.raises(ApiException) as caught:
        yield status
    assert caught.value.body is not None
    status.update(json.loads(caught.value.body))
    assert (caught.value.status, status["kind"], status["status"]) == (code, "Status", "Failure")
    assert (status["code"], status["reason"]) == (code, reason)


def deployment(name: str = "web", replicas: int = 2) -> client.V1Deployment:
    """Return a deployment made of the client's own models."""
    container = client.V1Container(name="web", image="nginx:1", ports=[client.V1ContainerPort(container_port=80)],
                                   resources=client.V1ResourceRequirements(requests={"cpu": "100m"}))
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels={"app": name}),
                                        spec=client.V1PodSpec(containers=[container]))
    return client.V1Deployment(
        api_version="apps/v1", kind="Deployment", metadata=client.V1ObjectMeta(name=name, labels={"app": name}),
        spec=client.V1DeploymentSpec(replicas=replicas, template=template,
                                     selector=client.V1LabelSelector(match_labels={"app": name})))


def pod(name: str, **spec: Any) -> client.V1Pod:
    """Return a pod made of the client's own models."""
    return client.V1Pod(metadata=client.V1ObjectMeta(name=name, labels={"app": name}), spec=client.V1PodSpec(
        containers=[client.V1Container(name="main", image="nginx")], **spec))


@in_thread
def test_errors_are_statuses_in_exceptions(api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    with refused(404, "NotFound") as missing:
        core.read_namespaced_pod("nobody", "default")
    assert missing["message"] == 'pods "nobody" not found'
    assert missing["details"] == {"name": "nobody", "kind": "pods"}
    core.create_namespaced_config_map("default", CONFIG_MAP)
    with refused(409, "AlreadyExists"):
        core.create_namespaced_config_map("default", CONFIG_MAP)
    with refused(422, "Invalid") as invalid:
        core.create_namespaced_config_map("default", {"metadata": {"name": "Not_A_Name"}})
    assert invalid["details"]["causes"][0]["field"] == "metadata.name"
    with refused(400, "BadRequest"):
        core.list_namespaced_pod("default", field_selector="spec.color=blue")
    with refused(404, "NotFound"):
        core.create_namespaced_config_map("nowhere", CONFIG_MAP)


@in_thread
def test_a_stale_object_is_a_conflict(api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    first = core.create_namespaced_config_map("default", CONFIG_MAP)
    first.data = {"color": "red"}
    core.replace_namespaced_config_map("settings", "default", first)
    first.data = {"color": "green"}
    with refused(409, "Conflict") as conflict:
        core.replace_namespaced_config_map("settings", "default", first)
    assert "the object has been modified" in conflict["message"]
    first.metadata.resource_version = None
    assert core.replace_namespaced_config_map("settings", "default", first).data == {"color": "green"}


@in_thread
def test_pages_of_a_list(api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    for number in range(7):
        core.create_namespaced_config_map("default", {
            "metadata": {"name": f"page-{number}", "labels": {"page": "yes"}}})
    page = core.list_namespaced_config_map("default", limit=3, label_selector="page")
    names, remaining = [item.metadata.name for item in page.items], [page.metadata.remaining_item_count]
    while page.metadata._continue:
        page = core.list_namespaced_config_map("default", limit=3, label_selector="page",
                                               _continue=page.metadata._continue)
        names += [item.metadata.name for item in page.items]
        remaining.append(page.metadata.remaining_item_count)
    assert names == [f"page-{number}" for number in range(7)]
    assert remaining[-1] is None
    with refused(400, "BadRequest"):
        core.list_namespaced_config_map("default", limit=3, _continue="rubbish")


@in_thread
def test_selectors_and_all_namespaces(api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="other")))
    for namespace, name, color in (("default", "a", "blue"), ("default", "b", "red"), ("other", "c", "blue")):
        core.create_namespaced_pod(namespace, client.V1Pod(
            metadata=client.V1ObjectMeta(name=name, labels={"color": color}),
            spec=client.V1PodSpec(containers=[client.V1Container(name="main", image="nginx")])))

    def found(**selectors: str) -> list[str]:
        return [item.metadata.name for item in core.list_pod_for_all_namespaces(**selectors).items]

    assert found() == ["a", "b", "c"]
    assert found(label_selector="color=blue") == ["a", "c"]
    assert found(label_selector="color notin (blue)") == ["b"]
    assert found(label_selector="color in (blue, red)", field_selector="metadata.namespace=other") == ["c"]
    assert found(field_selector="metadata.name!=b,status.phase=Pending") == ["a", "c"]
    assert found(field_selector="spec.nodeName=elsewhere") == []


@in_thread
def test_every_patch_type(api: ApiClient) -> None:
    apps = client.AppsV1Api(api)
    apps.create_namespaced_deployment("default", deployment())

    def patched(body: Any, media: str) -> Any:
        return apps.patch_namespaced_deployment("web", "default", body, _content_type=media)

    sidecar = {"spec": {"template": {"spec": {"containers": [{"name": "log", "image": "busybox"}]}}}}
    made = patched(sidecar, "application/strategic-merge-patch+json")
    assert [one.name for one in made.spec.template.spec.containers] == ["log", "web"]
    made = patched(sidecar, "application/merge-patch+json")
    assert [one.name for one in made.spec.template.spec.containers] == ["log"]
    made = patched([{"op": "test", "path": "/spec/replicas", "value": 2},
                    {"op": "replace", "path": "/spec/replicas", "value": 4}], "application/json-patch+json")
    assert made.spec.replicas == 4
    with refused(422, "Invalid"):
        patched([{"op": "test", "path": "/spec/replicas", "value": 2}], "application/json-patch+json")
    with refused(415, "UnsupportedMediaType"):
        patched({}, "application/unheard-of+json")
    made = apps.patch_namespaced_deployment("web", "default", [{"op": "remove", "path": "/metadata/labels"}])
    assert made.metadata.labels is None


@in_thread
def test_a_server_side_apply(api: ApiClient) -> None:
    apps = client.AppsV1Api(api)
    wanted = api.sanitize_for_serialization(deployment())

    def apply(body: Any, manager: str, **named: Any) -> Any:
        return apps.patch_namespaced_deployment("web", "default", body, field_manager=manager,
                                                _content_type="application/apply-patch+yaml", **named)

    made = apply(wanted, "tests")
    assert [(entry.manager, entry.operation) for entry in made.metadata.managed_fields] == [("tests", "Apply")]
    wanted["spec"]["replicas"] = 5
    with refused(409, "Conflict") as conflict:
        apply(wanted, "others")
    assert conflict["details"]["causes"][0]["field"] == ".spec.replicas"
    assert apply(wanted, "others", force=True).spec.replicas == 5


@in_thread
def test_deletion_with_options(api: ApiClient) -> None:
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    made = core.create_namespaced_config_map("default", CONFIG_MAP)
    with refused(409, "Conflict"):
        core.delete_namespaced_config_map("settings", "default", body=client.V1DeleteOptions(
            preconditions=client.V1Preconditions(uid="somebody-else")))
    core.delete_namespaced_config_map("settings", "default", dry_run="All")
    gone = core.delete_namespaced_config_map("settings", "default", body=client.V1DeleteOptions(
        preconditions=client.V1Preconditions(uid=made.metadata.uid, resource_version=made.metadata.resource_version)))
    assert (gone.status, gone.details.name, gone.details.uid) == ("Success", "settings", made.metadata.uid)
    apps.create_namespaced_deployment("default", deployment())
    apps.delete_namespaced_deployment("web", "default", propagation_policy="Foreground")
    left = apps.read_namespaced_deployment("web", "default")
    assert left.metadata.finalizers == ["foregroundDeletion"]
    assert left.metadata.deletion_timestamp is not None
    with refused(422, "Invalid"):
        apps.delete_namespaced_deployment("web", "default", propagation_policy="Sideways")


@in_thread
def test_a_collection_is_deleted(api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    for name in ("a", "b", "c"):
        core.create_namespaced_config_map("default", {"metadata": {"name": name, "labels": {"name": name}}})
    core.delete_collection_namespaced_config_map("default", label_selector="name in (a, b)")
    left = core.list_namespaced_config_map("default", label_selector="name").items
    assert [one.metadata.name for one in left] == ["c"]


@in_thread
def test_scale(api: ApiClient) -> None:
    apps = client.AppsV1Api(api)
    apps.create_namespaced_deployment("default", deployment(replicas=2))
    scale = apps.read_namespaced_deployment_scale("web", "default")
    assert (scale.kind, scale.spec.replicas, scale.status.selector) == ("Scale", 2, "app=web")
    assert apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 3}}).spec.replicas == 3
    with refused(409, "Conflict"):
        apps.replace_namespaced_deployment_scale("web", "default", scale)
    scale = apps.read_namespaced_deployment_scale("web", "default")
    scale.spec.replicas = 0
    assert apps.replace_namespaced_deployment_scale("web", "default", scale).spec.replicas in (0, None)
    assert apps.read_namespaced_deployment("web", "default").spec.replicas == 0


@in_thread
def test_status_is_written_apart(api: ApiClient) -> None:
    apps = client.AppsV1Api(api)
    made = apps.create_namespaced_deployment("default", deployment())
    made.status = client.V1DeploymentStatus(replicas=9, ready_replicas=9, observed_generation=1)
    made.spec.replicas = 7
    assert apps.replace_namespaced_deployment_status("web", "default", made).status.ready_replicas == 9
    found = apps.read_namespaced_deployment_status("web", "default")
    assert (found.status.replicas, found.spec.replicas) == (9, 2)
    found.status, found.spec.replicas = None, 3
    found = apps.replace_namespaced_deployment("web", "default", found)
    assert (found.status.replicas, found.spec.replicas) == (9, 3)


@in_thread
def test_binding_and_eviction(api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    core.create_node(client.V1Node(metadata=client.V1ObjectMeta(name="node-1")))
    core.create_namespaced_pod("default", pod("web"))
    binding = client.V1Binding(metadata=client.V1ObjectMeta(name="web"),
                               target=client.V1ObjectReference(api_version="v1", kind="Node", name="node-1"))
    # The client expects a Binding and is answered with a Status, as by Kubernetes.
    core.create_namespaced_pod_binding("web", "default", binding, _preload_content=False)
    assert core.read_namespaced_pod("web", "default").spec.node_name == "node-1"
    core.create_namespaced_pod("default", pod("late"))
    binding.metadata.name = "late"
    core.create_namespaced_binding("default", binding, _preload_content=False)
    assert core.read_namespaced_pod("late", "default").spec.node_name == "node-1"
    with refused(409, "Conflict"):
        core.create_namespaced_pod_binding("late", "default", binding)
    core.create_namespaced_pod_eviction("web", "default", client.V1Eviction(metadata=client.V1ObjectMeta(name="web")))
    assert core.read_namespaced_pod("web", "default").metadata.deletion_timestamp is not None


@in_thread
def test_a_token_of_an_account_signs_in(api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    core.create_namespaced_service_account("default", client.V1ServiceAccount(
        metadata=client.V1ObjectMeta(name="robot")))
    asked = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=3600))
    made = core.create_namespaced_service_account_token("robot", "default", asked)
    assert made.status.expiration_timestamp is not None
    review = client.AuthenticationV1Api(api).create_token_review(
        client.V1TokenReview(spec=client.V1TokenReviewSpec(token=made.status.token)))
    assert review.status.authenticated
    assert review.status.user.username == "system:serviceaccount:default:robot"
    settings = client.Configuration()
    settings.host, settings.ssl_ca_cert = api.configuration.host, api.configuration.ssl_ca_cert
    settings.api_key = {"authorization": f"Bearer {made.status.token}"}
    with ApiClient(settings) as robot:
        me = client.AuthenticationV1Api(robot).create_self_subject_review(client.V1SelfSubjectReview())
        assert me.status.user_info.username == "system:serviceaccount:default:robot"
        with refused(403, "Forbidden"):
            client.CoreV1Api(robot).list_secret_for_all_namespaces()


@in_thread
def test_secrets_keep_bytes(api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    core.create_namespaced_secret("default", client.V1Secret(metadata=client.V1ObjectMeta(name="keys"), immutable=True,
                                                             string_data={"password": "håp"}))
    found = core.read_namespaced_secret("keys", "default")
    assert base64.b64decode(found.data["password"]).decode() == "håp"
    with refused(422, "Invalid"):
        core.patch_namespaced_secret("keys", "default", {"stringData": {"password": "new"}})


def watched(core: client.CoreV1Api, since: str | None, until: str) -> tuple[list[str], watch.Watch]:
    """Watch config maps until one of that name is seen; return all names, and the watch with its last revision."""
    watcher, seen = watch.Watch(), []
    for event in watcher.stream(core.list_namespaced_config_map, "default", resource_version=since,
                                timeout_seconds=WATCH_SECONDS):
        seen.append(event["object"].metadata.name)
        if seen[-1] == until:
            watcher.stop()
    return seen, watcher


async def test_a_watch_goes_on_where_it_was_and_after_its_revision_is_gone(cluster: Cluster, api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    thread = asyncio.to_thread

    async def create(name: str) -> None:
        await thread(core.create_namespaced_config_map, "default", {"metadata": {"name": name}})

    await create("a")
    await create("b")
    seen, watcher = await thread(watched, core, None, "b")
    assert seen == ["a", "b"]
    await create("c")
    assert (await thread(watched, core, watcher.resource_version, "c"))[0] == ["c"]
    await cluster.server.service.store.compact(0)
    with pytest.raises(ApiException) as expired:
        await thread(watched, core, watcher.resource_version, "c")
    assert expired.value.status == 410
    listed = await thread(core.list_namespaced_config_map, "default")
    await create("d")
    assert (await thread(watched, core, listed.metadata.resource_version, "d"))[0] == ["d"]


@in_thread
def test_manifests_of_a_file(api: ApiClient, tmp_path: Any) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [
        CONFIG_MAP, api.sanitize_for_serialization(deployment()),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}]}))
    utils.create_from_yaml(api, str(file))
    assert client.AppsV1Api(api).read_namespaced_deployment("web", "default").spec.replicas == 2
    assert client.CoreV1Api(api).read_namespaced_service("web", "default").spec.cluster_ip
    with pytest.raises(utils.FailToCreateError) as twice:
        utils.create_from_yaml(api, str(file))
    assert [error.status for error in twice.value.api_exceptions] == [409, 409, 409]
