from __future__ import annotations

import msgspec
import pytest

from edge.api import core, discovery, meta
from edge.bridge import inbox, publications, reported, sequence, surroundings
from edge.bus import messages
from tests.fakes.clock import START

replace = msgspec.structs.replace
CIDR = "10.244.0.0/16"


def condition(kind: str, status: str, **more: str) -> meta.Condition:
    return meta.Condition(type=kind, status=status, **more)  # type: ignore[arg-type]


def report(*conditions: meta.Condition, **more: object) -> messages.ReportedNode:
    status = core.NodeStatus(conditions=conditions, node_info=core.NodeSystemInfo(architecture="arm64",
                                                                                  operating_system="linux"))
    return messages.ReportedNode(boot_id="b", sequence=1, status=status, **more)  # type: ignore[arg-type]


def registered(*conditions: meta.Condition) -> core.Node:
    (action,) = reported.node("node-1", report(*conditions), None, (), CIDR, START)
    assert isinstance(action, reported.CreateNode)
    return action.node


def test_a_new_node_gets_labels_taints_and_the_lowest_free_range() -> None:
    taint = core.Taint(key="k", effect="NoSchedule")
    (action,) = reported.node("node-1", report(labels={"board": "4b"}, taints=(taint,)), None,
                              ("10.244.0.0/24", "10.244.2.0/24"), CIDR, START)
    assert isinstance(action, reported.CreateNode)
    assert action.node.spec.pod_cidr == "10.244.1.0/24"
    assert action.node.spec.taints == (taint,)
    assert action.node.metadata.labels == {
        "board": "4b", "kubernetes.io/hostname": "node-1", "kubernetes.io/arch": "arm64", "kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "arm64", "beta.kubernetes.io/os": "linux"}


def test_no_range_is_left() -> None:
    assert reported.free_range(("10.244.0.0/24", "10.244.1.0/24"), "10.244.0.0/23") == ""


def test_the_same_report_again_changes_nothing() -> None:
    ready = condition("Ready", "True", last_heartbeat_time="2030-01-01T00:00:00Z")
    later = replace(ready, last_heartbeat_time="2030-01-01T00:00:10Z")
    assert reported.node("node-1", report(later), registered(ready), (), CIDR, START) == ()


def test_a_change_of_a_condition_is_written_with_the_time_of_the_change() -> None:
    known = registered(condition("Ready", "True", last_transition_time="2029-01-01T00:00:00Z"),
                       condition("Other", "True", last_transition_time="2029-01-01T00:00:00Z"))
    (action,) = reported.node("node-1", report(condition("Ready", "False")), known, (), CIDR, START)
    assert isinstance(action, reported.UpdateNodeStatus)
    found = {c.type: (c.status, c.last_transition_time) for c in action.node.status.conditions}
    assert found == {"Ready": ("False", "2030-01-01T00:00:00Z"), "Other": ("True", "2029-01-01T00:00:00Z")}


def test_labels_of_others_stay_and_taints_are_given_once() -> None:
    known = registered()
    known = replace(known, metadata=replace(known.metadata, labels=known.metadata.labels | {"mine": "1"}))
    actions = reported.node("node-1", report(labels={"board": "5"}, taints=(core.Taint(key="late"),)), known, (),
                            CIDR, START)
    (action,) = actions
    assert isinstance(action, reported.UpdateNode)
    assert action.node.metadata.labels["mine"] == "1"
    assert action.node.metadata.labels["board"] == "5"
    assert action.node.spec.taints == ()


def test_a_lost_node_is_unknown_once() -> None:
    known = registered(condition("Ready", "True"), condition("DiskPressure", "False"))
    gone = reported.lost(known, "gone", START)
    assert gone is not None
    assert {c.type: c.status for c in gone.status.conditions} == {"Ready": "Unknown", "DiskPressure": "Unknown"}
    assert reported.is_unknown(gone)
    assert reported.lost(gone, "gone", START) is None


def bound(phase: str = "", **metadata: object) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default", uid="u1", **metadata),  # type: ignore[arg-type]
                    spec=core.PodSpec(node_name="node-1"),
                    status=core.PodStatus(phase=phase, qos_class="BestEffort", conditions=(
                        condition("PodScheduled", "True"),)))


def said(phase: str, *, terminated: bool = False, uid: str = "u1") -> messages.ReportedPod:
    return messages.ReportedPod(boot_id="b", sequence=1, uid=uid, namespace="default", name="web",
                                status=core.PodStatus(phase=phase), terminated=terminated)


def test_a_pods_status_keeps_what_the_server_knows() -> None:
    action = reported.pod("node-1", said("Running"), bound("Pending"), START)
    assert isinstance(action, reported.UpdatePodStatus)
    assert action.pod.status.phase == "Running"
    assert action.pod.status.qos_class == "BestEffort"
    assert [c.type for c in action.pod.status.conditions] == ["PodScheduled"]
    assert isinstance(reported.pod("node-1", said("Running"), action.pod, START), reported.Ignore)


def test_a_deleted_pod_goes_when_its_node_says_that_nothing_is_left() -> None:
    deleted = bound("Running", deletion_timestamp="2030-01-01T00:00:00Z")
    gone = reported.pod("node-1", said("Failed", terminated=True), deleted, START)
    assert isinstance(gone, reported.DeletePod)
    assert (gone.namespace, gone.name, gone.uid) == ("default", "web", "u1")
    # How it ended is told once more before it goes, unless that is known.
    assert gone.last is not None
    assert gone.last.status.phase == "Failed"
    known = bound("Failed", deletion_timestamp="2030-01-01T00:00:00Z")
    assert reported.pod("node-1", said("Failed", terminated=True), known, START) == reported.DeletePod(
        "default", "web", "u1")
    assert not isinstance(reported.pod("node-1", said("Running", terminated=False), deleted, START),
                          reported.DeletePod)


def test_a_pod_that_is_not_being_deleted_is_never_deleted_by_a_report() -> None:
    action = reported.pod("node-1", said("Failed", terminated=True), bound("Running"), START)
    assert isinstance(action, reported.UpdatePodStatus)


@pytest.mark.parametrize(("sender", "message", "existing"), [
    ("node-2", said("Running"), bound()), ("node-1", said("Running", uid="u2"), bound()),
    ("node-1", said("Running"), None), ("node-1", said("Running"), bound("Succeeded")),
    ("node-2", said("Failed", terminated=True), bound(deletion_timestamp="2030-01-01T00:00:00Z")),
])
def test_reports_that_are_ignored(sender: str, message: messages.ReportedPod, existing: core.Pod | None) -> None:
    assert isinstance(reported.pod(sender, message, existing, START), reported.Ignore)


def test_an_event_is_about_the_senders_own() -> None:
    event = messages.ReportedEvent(boot_id="b", sequence=1, uid="u1", namespace="default", name="web",
                                   reason="Pulled", message="m")
    about = reported.involved("node-1", event, bound(), "")
    assert isinstance(about, meta.ObjectReference)
    assert (about.kind, about.name) == ("Pod", "web")
    assert isinstance(reported.involved("node-2", event, bound(), ""), reported.Ignore)
    assert isinstance(reported.involved("node-1", event, None, ""), reported.Ignore)


def test_a_lease_is_made_and_renewed() -> None:
    made = reported.lease("node-1", None, START)
    assert made.spec.renew_time == "2030-01-01T00:00:00.000000Z"
    assert reported.lease("node-1", made, START.replace(second=10)).spec.acquire_time == made.spec.acquire_time


def test_late_and_repeated_messages_are_recognized() -> None:
    known = sequence.Sequences()
    assert known.accept("n", "t", "boot-1", 5) == ""
    assert known.accept("n", "t", "boot-1", 5) != ""
    assert known.accept("n", "t", "boot-1", 4) != ""
    assert known.accept("n", "other", "boot-1", 4) == ""
    assert known.accept("n", "t", "boot-2", 1) == ""
    assert known.accept("n", "t", "boot-1", 9) != ""
    assert known.accept("m", "t", "boot-1", 1) == ""
    # It connects once more: two machines have one identity, and none of them is over.
    known.revive("n", "boot-1")
    known.revive("unknown", "boot-1")
    assert known.accept("n", "t", "boot-1", 10) == ""
    assert known.accept("n", "t", "boot-2", 2) != ""


def test_the_inbox_keeps_the_newest_of_each_sort_in_order() -> None:
    box: inbox.Inbox[str, int] = inbox.Inbox()
    for sort, value in (("state", 1), ("node", 2), ("state", 3)):
        box.put("n", sort, value)
    taken = box.take()
    assert taken is not None
    assert list(taken[1].items()) == [("node", 2), ("state", 3)]


def test_the_inbox_hands_a_key_to_one_worker_at_a_time() -> None:
    box: inbox.Inbox[str, int] = inbox.Inbox()
    box.put("a", "s", 1)
    assert box.take() == ("a", {"s": 1})
    box.put("a", "s", 2)
    assert box.take() is None
    box.put_back("a", "s", 1)
    assert box.done("a")
    assert box.take() == ("a", {"s": 2})
    assert not box.done("a")


def test_the_inbox_is_bounded() -> None:
    box: inbox.Inbox[str, int] = inbox.Inbox(most=3)
    for number in range(5):
        box.put("a", str(number), number)
    assert box.take() == ("a", {"2": 2, "3": 3, "4": 4})
    assert box.dropped == 2


def test_what_an_earlier_run_left_behind_is_looked_at() -> None:
    state = publications.Publications()
    topic = publications.topic_of(publications.PodKey("node-1", "u1"))
    assert state.seen(topic)
    assert state.take() == [publications.PodKey("node-1", "u1")]
    assert not state.seen(topic)
    assert not state.seen("edge/v1/nodes/node-1/heartbeat")


@pytest.mark.parametrize("key", [publications.PodKey("n", "u"), publications.IndexKey("n"),
                                 publications.ServiceKey("default", "web")])
def test_keys_and_topics_stand_for_each_other(key: publications.Key) -> None:
    assert publications.key_of(publications.topic_of(key)) == key


def test_a_registered_node_cannot_take_a_role_or_another_key() -> None:
    known = registered()
    claims = {"node-role.kubernetes.io/control-plane": "", "node-restriction.kubernetes.io/secure": "yes",
              "x.node-restriction.kubernetes.io/a": "b", "board": "5"}
    (action,) = reported.node("node-1", report(labels=claims, annotations={"edge.io/key": "mine", "note": "n"}), known,
                              (), CIDR, START)
    assert isinstance(action, reported.UpdateNode)
    assert action.node.metadata.labels == known.metadata.labels | {"board": "5"}
    assert action.node.metadata.annotations == {"note": "n"}


def test_a_renamed_machine_keeps_its_roles_and_takes_none() -> None:
    old = core.Node(metadata=meta.ObjectMeta(name="node-1", labels={
        "node-role.kubernetes.io/gpu": "", "x.node-restriction.kubernetes.io/a": "b", "board": "4"}))
    claims = {"node-role.kubernetes.io/control-plane": "", "node-restriction.kubernetes.io/secure": "yes", "board": "5"}
    (action,) = reported.node("kitchen", report(labels=claims), None, (), CIDR, START, before=(old,))
    assert isinstance(action, reported.CreateNode)
    found = action.node.metadata.labels
    assert {key: value for key, value in found.items() if "node-r" in key or key == "board"} == {
        "node-role.kubernetes.io/gpu": "", "x.node-restriction.kubernetes.io/a": "b", "board": "5"}
    assert found["kubernetes.io/hostname"] == "kitchen"


def test_what_is_no_address_or_amount_never_gets_into_the_api() -> None:
    bad = report()
    bad = replace(bad, status=replace(
        bad.status, capacity={"cpu": "4", "memory": "much", "gold": "-1"}, allocatable={"cpu": "x"},
        addresses=(core.NodeAddress(type="InternalIP", address="not one; reboot"),
                   core.NodeAddress(type="InternalIP", address="10.0.0.2"),
                   core.NodeAddress(type="Hostname", address="node-1"))))
    (action,) = reported.node("node-1", bad, None, (), CIDR, START)
    assert isinstance(action, reported.CreateNode)
    status = action.node.status
    assert (status.capacity, status.allocatable) == ({"cpu": "4"}, {})
    assert [entry.address for entry in status.addresses] == ["10.0.0.2", "node-1"]

    pod = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="d", uid="u"), spec=core.PodSpec(node_name="node-1"))
    said = messages.ReportedPod(boot_id="b", sequence=1, uid="u", namespace="d", name="p", status=core.PodStatus(
        phase="Running", pod_ip="; reboot", host_ip="fe80::1",
        pod_ips=(core.PodIP(ip="x"), core.PodIP(ip="10.244.1.2"))))
    changed = reported.pod("node-1", said, pod, START)
    assert isinstance(changed, reported.UpdatePodStatus)
    found = changed.pod.status
    assert (found.pod_ip, found.host_ip, [entry.ip for entry in found.pod_ips]) == ("10.244.1.2", "", ["10.244.1.2"])


def test_one_bad_address_does_not_reach_the_routes_and_rules_of_all() -> None:
    def node(name: str, address: str, pod_cidr: str) -> core.Node:
        return core.Node(metadata=meta.ObjectMeta(name=name), spec=core.NodeSpec(pod_cidr=pod_cidr),
                         status=core.NodeStatus(addresses=(core.NodeAddress(type="InternalIP", address=address),)))

    cluster = surroundings.cluster((node("a", "not one", "10.244.0.0/24"), node("b", "10.0.0.2", "x")),
                                   surroundings.Network())
    assert [(each.address, each.pod_cidr) for each in cluster.nodes] == [("", "10.244.0.0/24"), ("10.0.0.2", "")]

    ingress = (core.LoadBalancerIngress(ip="} flush ruleset"), core.LoadBalancerIngress(ip="10.0.0.9"))
    service = core.Service(
        metadata=meta.ObjectMeta(name="s", namespace="d"),
        spec=core.ServiceSpec(cluster_ip="10.96.0.7", ports=(core.ServicePort(name="a", port=80),)),
        status=core.ServiceStatus(load_balancer=core.LoadBalancerStatus(ingress=ingress)))
    piece = discovery.EndpointSlice(ports=(discovery.EndpointPort(name="a", port=8080),), endpoints=(
        discovery.Endpoint(addresses=("fe80::1",)), discovery.Endpoint(addresses=("10.244.0.3",))))
    found = surroundings.service(service, (piece,))
    assert found.load_balancer_ips == ("10.0.0.9",)
    assert found.ports[0].backends == (("10.244.0.3", 8080),)
    assert [each.address for each in found.endpoints] == ["10.244.0.3"]
