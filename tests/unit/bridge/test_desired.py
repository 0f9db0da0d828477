from __future__ import annotations

import msgspec

from edge.api import core, discovery, meta, topology
from edge.bridge import desired, surroundings
from edge.bus import messages

replace = msgspec.structs.replace


def pod(**spec: object) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name="web", namespace="default", uid="u1", resource_version="7"),
                    spec=msgspec.convert({"nodeName": "node-1", **spec}, core.PodSpec))


def config(name: str, **data: str) -> core.ConfigMap:
    return core.ConfigMap(metadata=meta.ObjectMeta(name=name, namespace="default", resource_version="3"), data=data)


def test_references_are_found_wherever_a_pod_may_name_them() -> None:
    found = desired.references(pod(
        volumes=[{"name": "a", "configMap": {"name": "c1"}}, {"name": "b", "secret": {"secretName": "s1"}},
                 {"name": "c", "projected": {"sources": [{"configMap": {"name": "c2"}}, {"secret": {"name": "s2"}},
                                                         {"downwardAPI": {}}]}},
                 {"name": "d", "emptyDir": {}}],
        initContainers=[{"name": "i", "envFrom": [{"configMapRef": {"name": "c3"}}, {"secretRef": {"name": "s3"}}]}],
        containers=[{"name": "c", "env": [
            {"name": "A", "value": "x"}, {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c4", "key": "k"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s4", "key": "k"}}}]}],
        imagePullSecrets=[{"name": "s5"}]))
    assert found.config_maps == {"c1", "c2", "c3", "c4"}
    assert found.secrets == {"s1", "s2", "s3", "s4", "s5"}


def test_status_and_resource_version_do_not_change_the_revision() -> None:
    one = desired.pod_message(pod(), {"c": config("c", a="1")}, {})
    touched = replace(pod(), status=core.PodStatus(phase="Running"),
                      metadata=replace(pod().metadata, resource_version="9"))
    newer = replace(config("c", a="1"), metadata=meta.ObjectMeta(name="c", namespace="default", resource_version="8"))
    assert desired.pod_message(touched, {"c": newer}, {}) == one
    assert one.pod.status == core.PodStatus()


def with_status(old: core.Pod, **status: object) -> core.Pod:
    return replace(old, status=core.PodStatus(**status))  # type: ignore[arg-type]


def test_of_a_pods_status_a_node_hears_only_that_it_is_over() -> None:
    living = with_status(pod(), phase="Running", pod_ip="10.244.1.2", start_time="2030-01-01T00:00:00Z")
    assert not desired.concerns_node(pod(), living)
    over = with_status(living, phase="Failed", reason="Evicted", message="low", start_time="2030-01-01T00:00:00Z")
    assert desired.concerns_node(living, over)
    told = desired.pod_message(over, {}, {})
    assert told.revision != desired.pod_message(living, {}, {}).revision
    assert told.pod.status == core.PodStatus(phase="Failed", reason="Evicted", message="low",
                                             start_time="2030-01-01T00:00:00Z")
    # What its node reports of it afterwards is no news for it.
    later = replace(over, status=replace(over.status, pod_ip="", container_statuses=(core.ContainerStatus(name="c"),)))
    assert not desired.concerns_node(over, later)
    assert desired.pod_message(later, {}, {}) == told


def test_a_node_hears_what_others_say_of_readiness_gates() -> None:
    gated = pod(readinessGates=[{"conditionType": "example/gate"}])
    before = with_status(gated, conditions=(meta.Condition(type="Ready", status="False"),))
    assert not desired.concerns_node(gated, before)
    given = meta.Condition(type="example/gate", status="True", last_transition_time="2030-01-01T00:00:00Z", reason="So")
    after = with_status(gated, conditions=(meta.Condition(type="Ready", status="True"), given))
    assert desired.concerns_node(before, after)
    assert desired.pod_message(after, {}, {}).pod.status.conditions == (
        meta.Condition(type="example/gate", status="True"),)


def test_everything_a_node_acts_on_changes_the_revision() -> None:
    base = desired.pod_message(pod(), {"c": config("c", a="1")}, {}).revision
    deleted = replace(pod(), metadata=replace(pod().metadata, deletion_timestamp="2030-01-01T00:00:00Z",
                                              deletion_grace_period_seconds=30))
    revisions = {base, desired.pod_message(pod(), {"c": config("c", a="2")}, {}).revision,
                 desired.pod_message(pod(), {}, {}).revision,
                 desired.pod_message(deleted, {"c": config("c", a="1")}, {}).revision,
                 desired.pod_message(pod(hostNetwork=True), {"c": config("c", a="1")}, {}).revision,
                 desired.pod_message(pod(), {"c": config("c", a="1")}, {}, token="t").revision}
    assert len(revisions) == 6


def test_the_order_of_labels_does_not_change_the_revision() -> None:
    one, other = ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})
    revisions = {desired.pod_message(replace(pod(), metadata=replace(pod().metadata, labels=labels)), {}, {}).revision
                 for labels in (one, other)}
    assert len(revisions) == 1


def test_a_change_of_status_alone_does_not_concern_the_node() -> None:
    assert desired.concerns_node(None, pod())
    assert not desired.concerns_node(pod(), replace(pod(), status=core.PodStatus(phase="Running")))
    assert desired.concerns_node(pod(), pod(hostNetwork=True))


def test_the_pods_word_about_its_token_goes_before_the_accounts() -> None:
    account = core.ServiceAccount(automount_service_account_token=False)
    assert desired.wants_token(pod(), core.ServiceAccount())
    assert not desired.wants_token(pod(), account)
    assert desired.wants_token(pod(automountServiceAccountToken=True), account)
    assert not desired.wants_token(pod(), None)


def test_tokens_are_renewed_without_a_new_revision() -> None:
    base = desired.pod_message(pod(), {}, {})
    held = desired.pod_message(pod(), {}, {}, tokens=(messages.PodToken("", 3607, "t"),))
    assert held.revision == base.revision
    assert held.tokens[0].token == "t"
    assert "'t'" not in repr(held)


def service(**spec: object) -> core.Service:
    return core.Service(metadata=meta.ObjectMeta(name="web", namespace="default"),
                        spec=msgspec.convert({"clusterIP": "10.96.0.7", **spec}, core.ServiceSpec))


def slice_of(*endpoints: dict[str, object], port: int = 8080, name: str = "http") -> discovery.EndpointSlice:
    return msgspec.convert({"endpoints": list(endpoints), "ports": [{"name": name, "port": port}]},
                           discovery.EndpointSlice)


def test_a_service_has_the_ready_backends_of_each_port() -> None:
    made = surroundings.service(
        service(ports=[{"name": "http", "port": 80, "nodePort": 30080}, {"name": "other", "port": 81}]),
        [slice_of({"addresses": ["10.244.1.2"], "nodeName": "node-1", "conditions": {"ready": True}},
                  {"addresses": ["10.244.1.3"], "conditions": {"ready": False}},
                  {"addresses": ["10.244.1.4"]}, {"addresses": []})])
    assert made.ports[0].backends == (("10.244.1.2", 8080), ("10.244.1.4", 8080))
    assert made.ports[0].node_port == 30080
    assert made.ports[1].backends == ()
    assert [entry.ready for entry in made.endpoints] == [True, False, True]


def test_a_service_may_publish_what_is_not_ready() -> None:
    made = surroundings.service(
        service(ports=[{"name": "http", "port": 80}], publishNotReadyAddresses=True),
        [slice_of({"addresses": ["10.244.1.3"], "conditions": {"ready": False}})])
    assert made.ports[0].backends == (("10.244.1.3", 8080),)


def test_endpoints_kept_by_hand_serve_where_there_are_no_slices() -> None:
    endpoints = msgspec.convert({"subsets": [{"addresses": [{"ip": "192.0.2.1"}],
                                              "notReadyAddresses": [{"ip": "192.0.2.2"}],
                                              "ports": [{"name": "http", "port": 9}]}]}, core.Endpoints)
    made = surroundings.service(service(ports=[{"name": "http", "port": 80}]), [], endpoints)
    assert made.ports[0].backends == (("192.0.2.1", 9),)


def test_affinity_and_load_balancer_addresses() -> None:
    assert surroundings.service(service(sessionAffinity="ClientIP"), []).session_affinity_seconds == 10800
    timed = service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}})
    assert surroundings.service(timed, []).session_affinity_seconds == 60
    balanced = msgspec.convert({"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.200"}, {"hostname": "x"}]}}},
                               core.Service)
    assert surroundings.service(balanced, []).load_balancer_ips == ("10.0.0.200",)


def test_the_cluster_lists_nodes_in_order() -> None:
    nodes = [msgspec.convert({"metadata": {"name": name}, "spec": {"podCIDR": cidr},
                              "status": {"addresses": [{"type": "Hostname", "address": name},
                                                       {"type": "InternalIP", "address": address}]}}, core.Node)
             for name, cidr, address in (("b", "10.244.1.0/24", "10.0.0.3"), ("a", "10.244.0.0/24", "10.0.0.2"))]
    assert surroundings.cluster(nodes, surroundings.Network()).nodes == (
        topology.Node(name="a", address="10.0.0.2", pod_cidr="10.244.0.0/24"),
        topology.Node(name="b", address="10.0.0.3", pod_cidr="10.244.1.0/24"))
