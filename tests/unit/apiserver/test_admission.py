"""What admission adds, keeps and refuses; what a delete does; what services are given."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from edge.api import apps, core, errors, meta, scheme
from edge.apiserver import admission, admission_kinds, allocate, binding, deletion
from edge.apiserver.admission import O
from edge.apiserver.authenticate import User

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PODS = scheme.of_type(core.Pod)
REPLACE = msgspec.structs.replace


def make_pod(**spec: object) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default"),
                    spec=REPLACE(core.PodSpec(containers=(core.Container(name="a", image="x"),)), **spec))


def create(obj: meta.Object, suffix: str = "abcde") -> meta.Object:
    resource = scheme.of_type(type(obj))
    complete = admission_kinds.settled(admission.prepare(resource, obj, admission.Creation(
        now=NOW, uid="u1", suffix=suffix, user=User("jane"))))
    admission.judge_new(resource, complete)
    return complete


def update(resource: scheme.Resource, new: O, old: O, subresource: str = "") -> O:
    return admission.judge_change(resource, admission.merge(resource, new, old, subresource), old, subresource)


def created(pod: core.Pod) -> core.Pod:
    found = create(pod)
    assert isinstance(found, core.Pod)
    return found


def test_a_new_object_gets_an_identity() -> None:
    pod = created(REPLACE(make_pod(), metadata=meta.ObjectMeta(
        generate_name="x" * 70, namespace="default", uid="forged", deletion_timestamp="2020-01-01T00:00:00Z")))
    assert pod.metadata.name == "x" * 58 + "abcde"
    assert (pod.metadata.uid, pod.metadata.creation_timestamp) == ("u1", "2030-01-01T00:00:00Z")
    assert pod.metadata.deletion_timestamp is None


def test_a_new_pod_is_completed() -> None:
    own = core.Toleration(key="node.kubernetes.io/not-ready", operator="Exists", effect="NoExecute")
    pod = created(REPLACE(make_pod(tolerations=(own,)), status=core.PodStatus(phase="Running")))
    assert (pod.status.phase, pod.status.qos_class, pod.spec.priority) == ("Pending", "BestEffort", 0)
    assert pod.spec.service_account_name == "default"
    assert [(each.key, each.toleration_seconds) for each in pod.spec.tolerations] == [
        ("node.kubernetes.io/not-ready", None), ("node.kubernetes.io/unreachable", 10)]


def test_a_revision_or_no_name_is_refused() -> None:
    with pytest.raises(errors.BadRequest, match="resourceVersion should not be set"):
        create(REPLACE(make_pod(), metadata=meta.ObjectMeta(name="a", resource_version="5")))
    with pytest.raises(errors.Invalid, match="name or generateName is required"):
        create(REPLACE(make_pod(), metadata=meta.ObjectMeta()))


def test_main_resource_and_status_do_not_touch_each_other() -> None:
    old = created(make_pod())
    new = REPLACE(old, metadata=REPLACE(old.metadata, labels={"a": "b"}, creation_timestamp=None),
                  status=core.PodStatus(phase="Running"))
    main = update(PODS, new, old)
    assert (main.status.phase, main.metadata.labels) == ("Pending", {"a": "b"})
    assert main.metadata.creation_timestamp == old.metadata.creation_timestamp
    status = update(PODS, new, old, "status")
    assert (status.status.phase, status.metadata.labels) == ("Running", {})
    with pytest.raises(errors.Conflict, match="UID in precondition: other, UID in object meta: u1"):
        update(PODS, REPLACE(new, metadata=REPLACE(new.metadata, uid="other")), old)


def test_generations_count_changes_of_the_spec() -> None:
    resource = scheme.of_type(apps.Deployment)
    labels = {"app": "web"}
    template = core.PodTemplateSpec(metadata=meta.ObjectMeta(labels=labels), spec=make_pod().spec)
    old = create(apps.Deployment(metadata=meta.ObjectMeta(name="web", namespace="default"), spec=apps.DeploymentSpec(
        selector=meta.LabelSelector(match_labels=labels), template=template)))
    assert isinstance(old, apps.Deployment)
    assert old.metadata.generation == 1
    labelled = REPLACE(old, metadata=REPLACE(old.metadata, labels=labels))
    assert update(resource, labelled, old).metadata.generation == 1
    scaled = REPLACE(old, spec=REPLACE(old.spec, replicas=5))
    assert update(resource, scaled, old).metadata.generation == 2


def decide(pod: meta.Object, **options: object) -> deletion.Outcome:
    return deletion.decide(pod, options_of(**options), NOW)


def test_grace_periods_are_bounded() -> None:
    pod = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="d"), spec=core.PodSpec(node_name="n"))
    for asked, want in ((-5, 1), (10**15, deletion.LONGEST_GRACE_SECONDS)):
        outcome = decide(pod, grace_period_seconds=asked)
        assert isinstance(outcome, deletion.Mark)
        assert outcome.obj.metadata.deletion_grace_period_seconds == want


def options_of(**options: object) -> deletion.DeleteOptions:
    return deletion.DeleteOptions(**options)  # type: ignore[arg-type]


def test_pods_that_may_run_are_given_time() -> None:
    pod = created(make_pod())
    assert isinstance(decide(pod), deletion.Remove)
    bound = REPLACE(pod, spec=REPLACE(pod.spec, node_name="n"))
    outcome = decide(bound)
    assert isinstance(outcome, deletion.Mark)
    assert outcome.obj.metadata.deletion_timestamp == "2030-01-01T00:00:30Z"
    assert isinstance(decide(outcome.obj), deletion.Keep)
    assert isinstance(decide(outcome.obj, grace_period_seconds=60), deletion.Keep)
    sooner = decide(outcome.obj, grace_period_seconds=5)
    assert isinstance(sooner, deletion.Mark)
    assert sooner.obj.metadata.deletion_grace_period_seconds == 5
    assert isinstance(decide(bound, grace_period_seconds=0), deletion.Remove)
    done = REPLACE(bound, status=REPLACE(bound.status, phase="Succeeded"))
    assert isinstance(decide(done), deletion.Remove)


@pytest.mark.parametrize(("policy", "before", "after"), [
    ("", ("a.io/b",), ("a.io/b",)), ("Orphan", (), ("orphan",)), ("Foreground", ("orphan",), ("foregroundDeletion",)),
    ("Background", ("foregroundDeletion", "a.io/b"), ("a.io/b",))])
def test_policies_are_finalizers(policy: str, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    config = core.ConfigMap(metadata=meta.ObjectMeta(name="a", finalizers=before))
    outcome = decide(config, propagation_policy=policy)
    assert isinstance(outcome, deletion.Mark)
    assert outcome.obj.metadata.finalizers == after
    assert not deletion.finished(outcome.obj)


def test_a_pod_is_bound_once() -> None:
    wanted = core.Binding(target=meta.ObjectReference(name="node-1"))
    pod = binding.bound(created(make_pod()), wanted, NOW)
    assert pod.spec.node_name == "node-1"
    assert [(each.type, each.status) for each in pod.status.conditions] == [("PodScheduled", "True")]
    with pytest.raises(errors.Conflict, match='pod web is already assigned to node "node-1"'):
        binding.bound(pod, wanted, NOW)


def make_service(name: str = "web", *ports: core.ServicePort, **spec: object) -> core.Service:
    return core.Service(metadata=meta.ObjectMeta(name=name), spec=REPLACE(core.ServiceSpec(
        type="ClusterIP", ports=ports or (core.ServicePort(port=80),)), **spec))


def test_services_are_given_addresses_and_ports() -> None:
    first = allocate.allocate(make_service(), allocate.Used())
    assert first.spec.cluster_ip == "10.96.1.0"
    second = allocate.allocate(make_service(type="NodePort"), allocate.used([first]))
    assert (second.spec.cluster_ip, second.spec.ports[0].node_port) == ("10.96.1.1", 30086)
    both = make_service("dns", core.ServicePort(name="u", port=53, protocol="UDP"),
                        core.ServicePort(name="t", port=53, protocol="TCP"), type="NodePort", cluster_ip="10.96.0.10")
    ports = allocate.allocate(both, allocate.used([first, second])).spec.ports
    assert [port.node_port for port in ports] == [30087, 30087]
    headless = allocate.allocate(make_service(cluster_ip="None"), allocate.Used())
    assert headless.spec.cluster_ips == ("None",)
    assert allocate.allocate(make_service(type="ExternalName"), allocate.Used()).spec.cluster_ip == ""


@pytest.mark.parametrize(("service", "words"), [
    (make_service(cluster_ip="10.96.1.0"), "failed to allocate IP 10.96.1.0: provided IP is already allocated"),
    (make_service(cluster_ip="10.0.0.1"), "provided IP is not in the valid range"),
    (make_service("a", core.ServicePort(port=1, node_port=30080), type="NodePort"),
     r"spec.ports\[0\].nodePort: Invalid value: 30080: provided port is already allocated"),
    (make_service("a", core.ServicePort(port=1, node_port=80), type="NodePort"),
     "provided port is not in the valid range. The range of valid ports is 30000-32767")])
def test_what_is_taken_is_refused(service: core.Service, words: str) -> None:
    with pytest.raises(errors.Invalid, match=words):
        allocate.allocate(service, allocate.Used(frozenset({"10.96.1.0"}), frozenset({30080})))
