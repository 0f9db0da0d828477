"""Which mirror pods follow from what a node says it runs by itself."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edge.api import core, meta, mirror_pods
from edge.bridge import mirrors, reported
from edge.bus import messages
from tests.fakes.clock import START

NODE = core.Node(metadata=meta.ObjectMeta(name="node-1", uid="n1"))


def static(name: str = "web-node-1", uid: str = "s1", namespace: str = "default", **spec: object) -> core.Pod:
    return core.Pod(spec=core.PodSpec(containers=(core.Container(name="c", image="i"),), node_name="node-1",
                                      **spec),  # type: ignore[arg-type]
                    metadata=meta.ObjectMeta(
                        name=name, namespace=namespace, uid=uid, labels={"app": "web"}, annotations={
                            mirror_pods.HASH: uid, mirror_pods.SEEN: "2026-01-01T00:00:00Z", "mine": "kept"}))


def mirror(pod: core.Pod | None = None, node: core.Node = NODE, **metadata: str) -> core.Pod:
    (made,) = mirrors.wanted(node, (pod or static(),)).pods.values()
    return replace(made, metadata=replace(made.metadata, **{"uid": "api-1", **metadata}))


def planned(existing: tuple[core.Pod, ...], *pods: core.Pod) -> list[str]:
    return [f"create {each.pod.metadata.name}" if isinstance(each, mirrors.Create) else f"delete {each.uid}"
            for each in mirrors.plan(mirrors.wanted(NODE, pods), NODE, existing)]


def test_a_mirror_pod_says_what_it_is_and_whose() -> None:
    (made,) = mirrors.wanted(NODE, (static(),)).pods.values()
    assert made.metadata.annotations == {
        mirror_pods.SOURCE: "file", mirror_pods.HASH: "s1", mirror_pods.MIRROR: "s1",
        mirror_pods.SEEN: "2026-01-01T00:00:00Z", "mine": "kept"}
    assert made.metadata.owner_references == (meta.OwnerReference(
        api_version="v1", kind="Node", name="node-1", uid="n1", controller=True),)
    assert (made.metadata.uid, made.metadata.labels, made.spec.node_name) == ("", {"app": "web"}, "node-1")


def test_it_is_bound_to_the_node_that_told_of_it_whatever_it_says() -> None:
    foreign = replace(static(), spec=replace(static().spec, node_name="node-2"))
    (made,) = mirrors.wanted(NODE, (foreign,)).pods.values()
    assert made.spec.node_name == "node-1"


@pytest.mark.parametrize(("pod", "problem"), [
    (static("web-node-2"), "its name does not end with that of its node"),
    (static("web"), "its name does not end with that of its node"),
    (static(namespace=""), "its name does not end with that of its node"),
    (static(uid=""), "its uid is none"), (static(uid="a/b"), "its uid is none"),
    (static(uid="u" * 64), "its uid is none"),
    (static(service_account_name="admin"), "a static pod may not refer to serviceaccounts"),
    (static(image_pull_secrets=(meta.LocalObjectReference(name="x"),)), "a static pod may not refer to secrets"),
    (replace(static(), metadata=replace(static().metadata, annotations={"a": "x" * 600_000})), "are too large"),
])
def test_what_a_node_may_not_have_shown(pod: core.Pod, problem: str) -> None:
    found = mirrors.wanted(NODE, (pod,))
    assert found.pods == {}
    (said,) = found.refused.values()
    assert problem in said


def test_too_many() -> None:
    found = mirrors.wanted(NODE, [static(f"p{n}-node-1", f"s{n}") for n in range(mirror_pods.MOST + 1)])
    assert len(found.pods) == mirror_pods.MOST
    assert list(found.refused) == ["default/p110-node-1"]
    flood = mirrors.wanted(NODE, [static(f"p{n}", f"s{n}") for n in range(10 * mirror_pods.MOST)])
    assert len(flood.refused) == mirror_pods.MOST


class TestPlan:
    def test_a_new_one(self) -> None:
        assert planned((), static()) == ["create web-node-1"]

    def test_again_is_nothing(self) -> None:
        assert planned((mirror(),), static()) == []

    def test_one_whose_file_is_gone(self) -> None:
        assert planned((mirror(),)) == ["delete api-1"]

    def test_another_uid_is_another_pod(self) -> None:
        assert planned((mirror(),), static(uid="s2")) == ["delete api-1"]
        assert planned((), static(uid="s2")) == ["create web-node-1"]

    def test_the_first_of_two_states_stays_while_it_ends(self) -> None:
        assert planned((mirror(),), static(), static(uid="s2")) == []

    def test_one_that_somebody_deleted_goes_at_once(self) -> None:
        assert planned((mirror(deletion_timestamp="2026-01-01T00:00:00Z"),), static()) == ["delete api-1"]

    def test_one_of_a_node_that_was_registered_anew(self) -> None:
        before = replace(NODE, metadata=replace(NODE.metadata, uid="old"))
        assert planned((mirror(node=before),), static()) == ["delete api-1"]

    def test_another_pod_of_that_name_stays_and_is_waited_for(self) -> None:
        other = replace(mirror(), metadata=replace(mirror().metadata, annotations={}))
        assert planned((other,), static()) == []
        assert planned((other,)) == []


class TestReports:
    REPORT = messages.ReportedPod(boot_id="b", sequence=1, uid="s1", namespace="default", name="web-node-1",
                                  status=core.PodStatus(phase="Running"))

    def test_the_status_is_that_of_the_mirror_pod(self) -> None:
        action = reported.pod("node-1", self.REPORT, mirror(), START)
        assert isinstance(action, reported.UpdatePodStatus)
        assert (action.pod.metadata.uid, action.pod.status.phase) == ("api-1", "Running")

    def test_another_node_cannot_speak_of_it(self) -> None:
        assert isinstance(reported.pod("node-2", self.REPORT, mirror(), START), reported.Ignore)

    def test_another_uid_is_another_pod(self) -> None:
        assert reported.pod("node-1", replace(self.REPORT, uid="s2"), mirror(), START) == reported.Ignore("no such pod")

    def test_an_event_is_about_the_uid_on_the_node(self) -> None:
        """As in Kubernetes, where `kubectl describe` looks for the events of a mirror pod by that uid."""
        about = mirrors.about("s1", "spec.containers{c}", (static(),))
        assert about == meta.ObjectReference(kind="Pod", api_version="v1", namespace="default", name="web-node-1",
                                             uid="s1", field_path="spec.containers{c}")
        assert mirrors.about("s2", "", (static(),)) is None
