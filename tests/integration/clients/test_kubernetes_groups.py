"""The official Python client: discovery, custom objects, reviews, the dynamic client, informers, leader election."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, dynamic, informer, watch
from kubernetes.client import ApiClient, ApiException
from kubernetes.dynamic import exceptions as dynamic_exceptions
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock

from tests.integration.clients.blocking import in_thread

WATCH_SECONDS = 20
BOARD = {"apiVersion": "example.com/v1", "kind": "Board", "metadata": {"name": "pi-1"}, "spec": {"cores": 4}}


def definition(cores_at_most: int = 8) -> dict[str, Any]:
    """Return a custom kind with a schema, a scale and a status."""
    schema = {"type": "object", "properties": {
        "spec": {"type": "object", "required": ["cores"], "properties": {
            "cores": {"type": "integer", "minimum": 1, "maximum": cores_at_most},
            "replicas": {"type": "integer", "default": 1}}},
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "phase": {"type": "string"}}}}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "boards.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced",
                     "names": {"plural": "boards", "singular": "board", "kind": "Board", "shortNames": ["brd"]},
                     "versions": [{"name": "v1", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": schema},
                                   "subresources": {"status": {}, "scale": {
                                       "specReplicasPath": ".spec.replicas",
                                       "statusReplicasPath": ".status.replicas"}}}]}}


@contextlib.contextmanager
def dynamic_client(api: ApiClient, tmp_path: Path) -> Iterator[Any]:
    """Return a client that knows kinds from discovery alone; its cache of them stays in this test."""
    yield dynamic.DynamicClient(api, cache_file=str(tmp_path / "discovery.json"))


@in_thread
def test_versions_and_groups(api: ApiClient) -> None:
    version = client.VersionApi(api).get_code()
    assert (version.major, version.minor) == ("1", "32")
    assert version.git_version.startswith("v1.32.")
    groups = {group.name: group.preferred_version.version for group in client.ApisApi(api).get_api_versions().groups}
    assert (groups["apps"], groups["autoscaling"], groups["batch"]) == ("v1", "v2", "v1")
    assert client.CoreApi(api).get_api_versions().versions == ["v1"]
    for group in (client.AppsV1Api, client.BatchV1Api, client.PolicyV1Api, client.NetworkingV1Api, client.StorageV1Api,
                  client.CoordinationV1Api, client.SchedulingV1Api, client.RbacAuthorizationV1Api, client.CoreV1Api,
                  client.ApiextensionsV1Api, client.AutoscalingV2Api, client.DiscoveryV1Api, client.NodeV1Api):
        listed = group(api).get_api_resources()
        assert listed.kind == "APIResourceList"
        assert all(one.kind and one.verbs for one in listed.resources)
    assert client.AppsApi(api).get_api_group().preferred_version.group_version == "apps/v1"
    assert client.WellKnownApi(api).get_service_account_issuer_open_id_configuration(_preload_content=False).data


@in_thread
def test_custom_objects(api: ApiClient) -> None:
    client.ApiextensionsV1Api(api).create_custom_resource_definition(definition())
    boards, place = client.CustomObjectsApi(api), ("example.com", "v1", "default", "boards")
    made = boards.create_namespaced_custom_object(*place, BOARD)
    assert made["spec"] == {"cores": 4, "replicas": 1}
    with pytest.raises(ApiException) as invalid:
        boards.create_namespaced_custom_object(*place, {**BOARD, "metadata": {"name": "b"}, "spec": {"cores": 99}})
    assert (invalid.value.status, "spec.cores" in str(invalid.value.body)) == (422, True)
    boards.patch_namespaced_custom_object(*place, "pi-1", {"spec": {"cores": 2}})
    with pytest.raises(ApiException) as stale:
        boards.replace_namespaced_custom_object(*place, "pi-1", made)
    assert stale.value.status == 409
    boards.patch_namespaced_custom_object_status(*place, "pi-1", {"status": {"phase": "Up"}, "spec": {"cores": 7}})
    found = boards.get_namespaced_custom_object(*place, "pi-1")
    assert (found["spec"]["cores"], found["status"]) == (2, {"phase": "Up"})
    boards.patch_namespaced_custom_object_scale(*place, "pi-1", {"spec": {"replicas": 3}})
    assert boards.get_namespaced_custom_object_scale(*place, "pi-1")["spec"] == {"replicas": 3}
    assert [one["metadata"]["name"] for one in boards.list_cluster_custom_object(
        "example.com", "v1", "boards")["items"]] == ["pi-1"]
    watcher = watch.Watch()
    for event in watcher.stream(boards.list_namespaced_custom_object, *place, timeout_seconds=WATCH_SECONDS):
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "pi-1")
        watcher.stop()
    assert boards.delete_namespaced_custom_object(*place, "pi-1")["status"] == "Success"
    assert boards.delete_collection_namespaced_custom_object(*place)["items"] == []


@in_thread
def test_reviews(api: ApiClient) -> None:
    access, rbac = client.AuthorizationV1Api(api), client.RbacAuthorizationV1Api(api)
    asked = client.V1ResourceAttributes(namespace="default", verb="get", resource="pods")

    def allowed(user: str) -> bool:
        return bool(access.create_subject_access_review(client.V1SubjectAccessReview(
            spec=client.V1SubjectAccessReviewSpec(user=user, resource_attributes=asked))).status.allowed)

    assert access.create_self_subject_access_review(client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=asked))).status.allowed
    assert not allowed("jane")
    rbac.create_namespaced_role("default", client.V1Role(
        metadata=client.V1ObjectMeta(name="reader"),
        rules=[client.V1PolicyRule(api_groups=[""], resources=["pods"], verbs=["get", "list"])]))
    rbac.create_namespaced_role_binding("default", client.V1RoleBinding(
        metadata=client.V1ObjectMeta(name="readers"),
        role_ref=client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="reader"),
        subjects=[client.RbacV1Subject(kind="User", name="jane", api_group="rbac.authorization.k8s.io")]))
    assert allowed("jane")
    local = access.create_namespaced_local_subject_access_review("default", client.V1LocalSubjectAccessReview(
        spec=client.V1SubjectAccessReviewSpec(user="jane", resource_attributes=asked)))
    assert local.status.allowed
    rules = access.create_self_subject_rules_review(client.V1SelfSubjectRulesReview(
        spec=client.V1SelfSubjectRulesReviewSpec(namespace="default")))
    assert any(rule.verbs == ["*"] for rule in rules.status.resource_rules)


@in_thread
def test_the_dynamic_client(api: ApiClient, tmp_path: Path) -> None:
    with dynamic_client(api, tmp_path) as everything:
        deployments = everything.resources.get(api_version="apps/v1", kind="Deployment")
        wanted: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
            "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}}}
        applied = deployments.server_side_apply(wanted, namespace="default", field_manager="tests")
        assert applied.metadata.managedFields[0].manager == "tests"
        wanted["spec"]["replicas"] = 3
        deployments.patch({"spec": {"replicas": 2}}, name="web", namespace="default", field_manager="person")
        with pytest.raises(dynamic_exceptions.ConflictError):
            deployments.server_side_apply(wanted, namespace="default", field_manager="tests")
        forced = deployments.server_side_apply(wanted, namespace="default", field_manager="tests", force_conflicts=True)
        assert forced.spec.replicas == 3
        assert deployments.status.get(name="web", namespace="default").kind == "Deployment"
        assert deployments.scale.get(name="web", namespace="default").spec.replicas == 3
        listed = deployments.get(namespace="default", label_selector="!color")
        assert [one.metadata.name for one in listed.items] == ["web"]
        for event in deployments.watch(namespace="default", name="web", timeout=WATCH_SECONDS):
            if event["type"] == "ADDED":
                deployments.delete(name="web", namespace="default")
            else:
                assert event["type"] == "DELETED"
                break
        with pytest.raises(dynamic_exceptions.NotFoundError):
            deployments.get(name="web", namespace="default")


@in_thread
def test_the_dynamic_client_finds_a_kind_that_came_later(api: ApiClient, tmp_path: Path) -> None:
    with dynamic_client(api, tmp_path) as everything:
        with pytest.raises(dynamic_exceptions.ResourceNotFoundError):
            everything.resources.get(api_version="example.com/v1", kind="Board")
        definitions = everything.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
        definitions.create(body=definition())
        boards = everything.resources.get(api_version="example.com/v1", kind="Board")
        assert (boards.namespaced, boards.short_names) == (True, ["brd"])
        assert boards.create(body=BOARD, namespace="default").spec.replicas == 1
        kinds = {(one.group_version, one.kind) for one in everything.resources.search()
                 if hasattr(one, "kind")}
        assert {("v1", "Pod"), ("example.com/v1", "Board"), ("autoscaling/v2", "HorizontalPodAutoscaler")} <= kinds


@in_thread
def test_an_informer_keeps_up(api: ApiClient) -> None:
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map("default", {"metadata": {"name": "before"}})
    reached, seen = threading.Event(), []

    def note(kind: str, name: str) -> None:
        seen.append((kind, name))
        if (kind, name) == ("DELETED", "after"):
            reached.set()

    kept = informer.SharedInformer(core.list_namespaced_config_map, namespace="default")
    listed = threading.Event()
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        kept.add_event_handler(kind, lambda obj, kind=kind: note(kind, obj.metadata.name))
    kept.add_event_handler("ADDED", lambda obj: listed.set())
    kept.start()
    assert listed.wait(WATCH_SECONDS)
    core.create_namespaced_config_map("default", {"metadata": {"name": "after"}})
    core.patch_namespaced_config_map("after", "default", {"data": {"color": "blue"}})
    core.delete_namespaced_config_map("after", "default")
    assert reached.wait(WATCH_SECONDS)
    kept.stop()
    assert seen == [("ADDED", "before"), ("ADDED", "after"), ("MODIFIED", "after"), ("DELETED", "after")]
    assert [one.metadata.name for one in kept.cache.list()] == ["before"]


@in_thread
def test_one_leader_is_elected(api: ApiClient) -> None:
    def candidate(name: str) -> Any:
        with_default_settings = ConfigMapLock("lock", "default", name)
        with_default_settings.api_instance = client.CoreV1Api(api)
        return leaderelection.LeaderElection(electionconfig.Config(
            with_default_settings, lease_duration=17, renew_deadline=15, retry_period=5,
            onstarted_leading=lambda: None, onstopped_leading=None))

    first, second = candidate("first"), candidate("second")
    assert [first.try_acquire_or_renew(), second.try_acquire_or_renew(), first.try_acquire_or_renew()] == [
        True, False, True]


@in_thread
def test_a_lease_is_taken_by_its_revision(api: ApiClient) -> None:
    leases = client.CoordinationV1Api(api)
    made = leases.create_namespaced_lease("kube-system", {
        "metadata": {"name": "leader"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15,
                                                 "acquireTime": "2026-01-02T03:04:05.123456Z"}})
    assert made.spec.acquire_time.microsecond == 123456
    made.spec.holder_identity = "b"
    taken = leases.replace_namespaced_lease("leader", "kube-system", made)
    assert (taken.spec.holder_identity, taken.spec.acquire_time.microsecond) == ("b", 123456)
    with pytest.raises(ApiException) as late:
        leases.replace_namespaced_lease("leader", "kube-system", made)
    assert late.value.status == 409


@in_thread
def test_jobs_and_autoscalers_of_typed_models(api: ApiClient) -> None:
    batch, scaling = client.BatchV1Api(api), client.AutoscalingV2Api(api)
    template = client.V1PodTemplateSpec(spec=client.V1PodSpec(
        restart_policy="Never", containers=[client.V1Container(name="main", image="busybox", command=["true"])]))
    job = batch.create_namespaced_job("default", client.V1Job(
        metadata=client.V1ObjectMeta(generate_name="once-"),
        spec=client.V1JobSpec(template=template, backoff_limit=2, ttl_seconds_after_finished=60)))
    assert job.metadata.name.startswith("once-")
    assert (job.spec.completions, job.spec.parallelism, job.spec.completion_mode) == (1, 1, "NonIndexed")
    assert job.spec.selector.match_labels["batch.kubernetes.io/controller-uid"] == job.metadata.uid
    paused = batch.create_namespaced_cron_job("default", client.V1CronJob(
        metadata=client.V1ObjectMeta(name="nightly"), spec=client.V1CronJobSpec(
            schedule="0 3 * * *", time_zone="Europe/Berlin", suspend=True,
            job_template=client.V1JobTemplateSpec(spec=client.V1JobSpec(template=template)))))
    assert (paused.spec.concurrency_policy, paused.spec.suspend) == ("Allow", True)
    target = client.V2CrossVersionObjectReference(api_version="apps/v1", kind="Deployment", name="web")
    made = scaling.create_namespaced_horizontal_pod_autoscaler("default", client.V2HorizontalPodAutoscaler(
        metadata=client.V1ObjectMeta(name="web"),
        spec=client.V2HorizontalPodAutoscalerSpec(scale_target_ref=target, max_replicas=4)))
    assert (made.spec.min_replicas, made.spec.metrics[0].resource.target.average_utilization) == (1, 80)
    old = client.AutoscalingV1Api(api).read_namespaced_horizontal_pod_autoscaler("web", "default")
    assert (old.spec.max_replicas, old.spec.target_cpu_utilization_percentage) == (4, 80)


@in_thread
def test_events_in_both_groups(api: ApiClient) -> None:
    about = client.V1ObjectReference(api_version="v1", kind="Pod", name="web", namespace="default")
    noticed = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    client.CoreV1Api(api).create_namespaced_event("default", client.CoreV1Event(
        metadata=client.V1ObjectMeta(name="old"), involved_object=about, event_time=noticed, action="Pulling",
        reporting_component="example.com/kubelet", reporting_instance="node-1", reason="Pulled", message="it is here",
        type="Normal", count=2))
    new = client.EventsV1Api(api).read_namespaced_event("old", "default")
    assert (new.note, new.regarding.name, new.deprecated_count) == ("it is here", "web", 2)
    assert (new.reporting_controller, new.event_time) == ("example.com/kubelet", noticed)


@in_thread
def test_a_condition_without_a_message_fits_the_model(api: ApiClient) -> None:
    policy = client.PolicyV1Api(api)
    policy.create_namespaced_pod_disruption_budget("default", client.V1PodDisruptionBudget(
        metadata=client.V1ObjectMeta(name="web"), spec=client.V1PodDisruptionBudgetSpec(
            min_available="50%", selector=client.V1LabelSelector(match_labels={"app": "web"}))))
    policy.patch_namespaced_pod_disruption_budget_status("web", "default", {"status": {"conditions": [{
        "type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "",
        "lastTransitionTime": "2026-01-02T03:04:05Z"}]}})
    status = policy.read_namespaced_pod_disruption_budget("web", "default").status
    assert (status.conditions[0].message, status.disruptions_allowed) == ("", 0)
