"""Tables show what `kubectl get` shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge.api import scheme
from edge.apiserver import tables
from edge.apiserver.tables import duration

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
META = {"name": "x", "namespace": "default", "creationTimestamp": "2026-01-02T11:00:00Z"}


def ago(**spans: int) -> str:
    return (NOW - timedelta(**spans)).strftime("%Y-%m-%dT%H:%M:%SZ")


def row(group: str, plural: str, obj: dict[str, Any], *, wide: bool = False) -> dict[str, Any]:
    resource = scheme.find(group, "v1", plural)
    assert resource is not None
    made = tables.table(resource, [{"metadata": META} | obj], NOW)
    shown = zip(made["columnDefinitions"], made["rows"][0]["cells"], strict=True)
    return {column["name"]: cell for column, cell in shown if wide or not column["priority"]}


def pod(status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **metadata: Any) -> tuple[Any, ...]:
    shown = row("", "pods", {"metadata": META | metadata, "status": status or {}, "spec": {
        "containers": [{"name": "a"}, {"name": "b"}]} | (spec or {})})
    return shown["Ready"], shown["Status"], shown["Restarts"]


RUNNING = {"ready": True, "state": {"running": {"startedAt": ago(minutes=5)}}}


def waiting(reason: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason}}}


def ended(**terminated: Any) -> dict[str, Any]:
    return {"state": {"terminated": terminated}}


def containers(*statuses: dict[str, Any], phase: str = "Running", **more: Any) -> dict[str, Any]:
    return {"phase": phase, "containerStatuses": list(statuses)} | more


@pytest.mark.parametrize(("seconds", "shown"), [
    (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (150, "2m30s"), (599, "9m59s"),
    (600, "10m"), (10799, "179m"), (10800, "3h"), (11460, "3h11m"), (28800, "8h"), (172799, "47h"), (172800, "2d"),
    (187200, "2d4h"), (691200, "8d"), (63071999, "729d"), (63072000, "2y"), (66528000, "2y40d"), (252288000, "8y"),
    (259200000, "8y")])
def test_ages_are_kubectls(seconds: int, shown: str) -> None:
    assert duration.human(seconds) == shown


def test_an_age_without_a_time_is_unknown() -> None:
    for nothing in (None, "", "yesterday", 5):
        assert duration.since(nothing, NOW) == "<unknown>"
    assert duration.since("2026-01-02T11:59:18.123456Z", NOW) == "41s"
    assert duration.since("2026-01-02T11:59:00", NOW) == "60s"


@pytest.mark.parametrize(("status", "shown"), [
    ({"phase": "Pending"}, ("0/2", "Pending", "0")),
    (containers(RUNNING, RUNNING), ("2/2", "Running", "0")),
    (containers(RUNNING, waiting("ContainerCreating"), phase="Pending"), ("1/2", "ContainerCreating", "0")),
    (containers(waiting("CrashLoopBackOff") | {
        "restartCount": 3, "lastState": {"terminated": {"finishedAt": ago(minutes=5)}}}, RUNNING),
     ("1/2", "CrashLoopBackOff", "3 (5m ago)")),
    (containers(ended(reason="Completed"), ended(reason="Completed"), phase="Succeeded"), ("0/2", "Completed", "0")),
    (containers(ended(reason="Completed"), RUNNING, conditions=[{"type": "Ready", "status": "True"}]),
     ("1/2", "Running", "0")),
    (containers(ended(reason="Completed"), RUNNING), ("1/2", "NotReady", "0")),
    (containers(ended(reason="Error", exitCode=1), RUNNING, phase="Failed"), ("1/2", "Error", "0")),
    (containers(ended(exitCode=3), RUNNING), ("1/2", "ExitCode:3", "0")),
    (containers(ended(signal=9, exitCode=137), RUNNING), ("1/2", "Signal:9", "0")),
    ({"phase": "Failed", "reason": "Evicted"}, ("0/2", "Evicted", "0")),
    ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
     ("0/2", "SchedulingGated", "0")),
])
def test_pod_status_says_what_matters_most(status: dict[str, Any], shown: tuple[str, str, str]) -> None:
    assert pod(status) == shown


@pytest.mark.parametrize(("statuses", "shown"), [
    ([{"name": "i"}, {"name": "j"}], ("0/2", "Init:0/2", "0")),
    ([{"name": "i"} | ended(reason="Completed"), {"name": "j"} | waiting("PodInitializing")], ("0/2", "Init:1/2", "0")),
    ([{"name": "i", "restartCount": 2} | waiting("CrashLoopBackOff"), {"name": "j"}],
     ("0/2", "Init:CrashLoopBackOff", "2")),
    ([{"name": "i"} | ended(reason="Error", exitCode=1), {"name": "j"}], ("0/2", "Init:Error", "0")),
    ([{"name": "i"} | ended(exitCode=2), {"name": "j"}], ("0/2", "Init:ExitCode:2", "0")),
    ([{"name": "i", "restartCount": 4} | ended(), {"name": "j"} | ended()], ("0/2", "PodInitializing", "0")),
])
def test_init_containers_are_counted(statuses: list[dict[str, Any]], shown: tuple[str, str, str]) -> None:
    status = containers(waiting("PodInitializing"), waiting("PodInitializing"), phase="Pending",
                        initContainerStatuses=statuses)
    assert pod(status, {"initContainers": [{"name": "i"}, {"name": "j"}]}) == shown


def test_a_sidecar_counts_as_a_container() -> None:
    status = containers(RUNNING, RUNNING, initContainerStatuses=[
        {"name": "s", "started": True, "restartCount": 1} | RUNNING])
    assert pod(status, {"initContainers": [{"name": "s", "restartPolicy": "Always"}]}) == ("3/3", "Running", "1")


def test_a_pod_that_is_deleted_is_terminating_or_lost() -> None:
    assert pod(containers(RUNNING, RUNNING), deletionTimestamp=ago(seconds=1))[1] == "Terminating"
    assert pod({"phase": "Running", "reason": "NodeLost"}, deletionTimestamp=ago(seconds=1))[1] == "Unknown"
    assert pod({"phase": "Succeeded"}, deletionTimestamp=ago(seconds=1))[1] == "Succeeded"


def test_wide_pods_show_where_they_are() -> None:
    shown = row("", "pods", {"spec": {"nodeName": "n1", "readinessGates": [{"conditionType": "g"}]}, "status": {
        "podIP": "10.244.0.2", "conditions": [{"type": "g", "status": "True"}]}}, wide=True)
    assert (shown["IP"], shown["Node"], shown["Nominated Node"], shown["Readiness Gates"], shown["Age"]) == (
        "10.244.0.2", "n1", "<none>", "1/1", "60m")


@pytest.mark.parametrize(("spec", "status", "external", "ports"), [
    ({"clusterIP": "10.96.0.1", "ports": [{"port": 443, "protocol": "TCP"}]}, {}, "<none>", "443/TCP"),
    ({"type": "NodePort", "externalIPs": ["1.1.1.1", "2.2.2.2"], "ports": [
        {"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]}, {}, "1.1.1.1,2.2.2.2",
     "80:30080/TCP,53/UDP"),
    ({"type": "LoadBalancer"}, {}, "<pending>", "<none>"),
    ({"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"ip": "192.168.1.5"}, {"hostname": "h"}]}},
     "192.168.1.5,h", "<none>"),
    ({"type": "ExternalName", "externalName": "example.org"}, {}, "example.org", "<none>"),
])
def test_services(spec: dict[str, Any], status: dict[str, Any], external: str, ports: str) -> None:
    shown = row("", "services", {"spec": spec, "status": status})
    assert (shown["External-IP"], shown["Port(s)"]) == (external, ports)
    assert shown["Type"] == spec.get("type", "ClusterIP")


def test_workloads() -> None:
    template = {"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}}
    spec = {"replicas": 3, "template": template, "selector": {
        "matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["2", "1"]}]}}
    status = {"replicas": 3, "readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}
    shown = row("apps", "deployments", {"spec": spec, "status": status}, wide=True)
    assert list(shown.values()) == ["x", "2/3", 3, 1, "60m", "c,d", "i,j", "a=b,k in (1,2)"]
    assert list(row("apps", "replicasets", {"spec": spec, "status": status}).values()) == ["x", 3, 3, 2, "60m"]
    daemon = {"desiredNumberScheduled": 4, "currentNumberScheduled": 4, "numberReady": 3, "updatedNumberScheduled": 2,
              "numberAvailable": 1}
    assert list(row("apps", "daemonsets", {"spec": {"template": template}, "status": daemon}).values()) == [
        "x", 4, 4, 3, 2, 1, "<none>", "60m"]
    assert list(row("apps", "deployments", {}).values()) == ["x", "0/1", 0, 0, "60m"]
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": True}
    owned = META | {"ownerReferences": [owner]}
    assert row("apps", "controllerrevisions", {"metadata": owned, "revision": 7})["Controller"] == "daemonset.apps/d"


def test_nodes() -> None:
    roles = {"node-role.kubernetes.io/master": "", "node-role.kubernetes.io/control-plane": ""}
    node = {"metadata": META | {"labels": roles},
            "spec": {"unschedulable": True},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.32.0"},
                       "addresses": [{"type": "Hostname", "address": "n"},
                                     {"type": "InternalIP", "address": "10.0.0.1"}]}}
    shown = row("", "nodes", node, wide=True)
    assert list(shown.values()) == ["x", "Ready,SchedulingDisabled", "control-plane,master", "60m", "v1.32.0",
                                    "10.0.0.1", "<none>", "<unknown>", "<unknown>", "<unknown>"]
    assert row("", "nodes", {})["Status"] == "Unknown"
    lost = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    assert row("", "nodes", lost)["Status"] == "NotReady"


def test_endpoints_and_slices() -> None:
    subset = {"addresses": [{"ip": f"10.0.0.{n}"} for n in range(4)], "ports": [{"port": 80}]}
    assert row("", "endpoints", {"subsets": [subset]})["Endpoints"] == "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 1 more..."
    assert row("", "endpoints", {})["Endpoints"] == "<none>"
    sliced = row("discovery.k8s.io", "endpointslices", {
        "addressType": "IPv4", "ports": [{"port": 80}, {}], "endpoints": [{"addresses": ["10.0.0.1"]}]})
    assert (sliced["Ports"], sliced["Endpoints"]) == ("80,*", "10.0.0.1")
    assert row("discovery.k8s.io", "endpointslices", {})["Ports"] == "<unset>"


def test_configuration_and_identity() -> None:
    assert row("", "configmaps", {"data": {"a": "1"}, "binaryData": {"b": ""}})["Data"] == 2
    assert list(row("", "secrets", {"data": {"a": "1"}, "type": "kubernetes.io/tls"}).values()) == [
        "x", "kubernetes.io/tls", 1, "60m"]
    assert row("", "namespaces", {"status": {"phase": "Terminating"}})["Status"] == "Terminating"
    assert row("coordination.k8s.io", "leases", {"spec": {"holderIdentity": "n1"}})["Holder"] == "n1"
    request = {"spec": {"signerName": "edge.io/node", "username": "u", "expirationSeconds": 3600},
               "status": {"conditions": [{"type": "Approved"}], "certificate": "YWJj"}}
    assert list(row("certificates.k8s.io", "certificatesigningrequests", request).values()) == [
        "x", "60m", "edge.io/node", "u", "60m", "Approved,Issued"]
    assert row("certificates.k8s.io", "certificatesigningrequests", {})["Condition"] == "Pending"


def test_events() -> None:
    event = {"involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"}, "type": "Normal",
             "reason": "Pulled", "message": "pulled\n", "source": {"component": "edge-agent", "host": "n1"}, "count": 3,
             "firstTimestamp": ago(minutes=20), "lastTimestamp": ago(seconds=30)}
    assert list(row("", "events", event).values()) == ["30s", "Normal", "Pulled", "pod/p", "pulled"]
    wide = row("", "events", event, wide=True)
    assert (wide["Subobject"], wide["Source"], wide["First Seen"], wide["Count"]) == (
        "spec.containers{c}", "edge-agent, n1", "20m", 3)


def test_rows_carry_what_was_asked_for() -> None:
    resource = scheme.find("", "v1", "configmaps")
    assert resource is not None
    obj = {"metadata": META, "data": {"a": "b"}}
    made = tables.table(resource, [obj], NOW, metadata={"resourceVersion": "7"})
    assert (made["kind"], made["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert made["metadata"] == {"resourceVersion": "7"}
    assert made["rows"][0]["object"] == {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                                         "metadata": META}
    assert tables.table(resource, [obj], NOW, include_object="Object")["rows"][0]["object"] == obj
    assert "object" not in tables.table(resource, [obj], NOW, include_object="None")["rows"][0]
    assert tables.table(resource, [], NOW, header=False)["columnDefinitions"] == []


@pytest.mark.parametrize("resource", scheme.resources(), ids=lambda resource: str(resource.group_resource))
def test_every_kind_has_a_cell_for_each_column_whatever_the_object_holds(resource: scheme.Resource) -> None:
    odd: list[dict[str, Any]] = [
        {}, {"metadata": None, "spec": [], "status": 5},
        {"spec": {"ports": [None, {"port": "x"}], "clusterIPs": 5, "containers": {}, "initContainers": [3]},
         "status": {"conditions": [5], "containerStatuses": [{}], "certificate": "\N{BULLET}"},
         "subsets": 1, "endpoints": [{"addresses": 7}], "data": [], "involvedObject": 1}]
    made = tables.table(resource, odd, NOW)
    assert len(made["rows"]) == 3
    for each in made["rows"]:
        assert len(each["cells"]) == len(made["columnDefinitions"])
