"""Everything kubectl reads: get in all its forms, describe, explain, discovery, events."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import IMAGE, Within, container, pod

TEMPLATE = {"metadata": {"labels": {"app": "shop", "tier": "front"}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container(name="shop")]}}
SELECTOR = {"matchLabels": {"app": "shop"}}


@pytest.fixture(scope="module")
def here(rack: Rack) -> Iterator[Within]:
    """A namespace with one of everything."""
    rack.kubectl("create", "namespace", "shop")
    made = Within(rack, "shop")
    made.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "labels": {"app": "shop"}},
         "spec": {"replicas": 2, "selector": SELECTOR, "template": TEMPLATE}},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
         "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": {
             "metadata": {"labels": {"app": "agent"}},
             "spec": {"terminationGracePeriodSeconds": 0, "containers": [container(name="agent")]}}}},
        {"kind": "Service", "metadata": {"name": "shop"},
         "spec": {"selector": {"app": "shop"}, "ports": [{"name": "web", "port": 80, "targetPort": 8080}]}},
        {"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "green"}},
        {"kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"password": "hidden"}})
    made.kubectl("rollout", "status", "deployment/shop", "--timeout=30s")
    made.kubectl("rollout", "status", "daemonset/agent", "--timeout=30s")
    yield made
    rack.kubectl("delete", "namespace", "shop", "--wait=false")


def table(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip()]


def test_version_and_cluster_info(rack: Rack) -> None:
    version = json.loads(rack.kubectl("version", "-o", "json"))["serverVersion"]
    assert (version["major"], version["minor"]) == ("1", "32")
    assert "Kubernetes control plane" in rack.kubectl("cluster-info")
    assert rack.kubectl("get", "--raw", "/healthz") == "ok"
    assert json.loads(rack.kubectl("get", "--raw", "/api"))["versions"] == ["v1"]
    assert "kubernetes-admin" in rack.kubectl("auth", "whoami")
    assert rack.kubectl("auth", "can-i", "create", "pods") == "yes\n"


def test_api_resources(rack: Rack) -> None:
    rows = table(rack.kubectl("api-resources"))
    assert ["pods", "po", "v1", "true", "Pod"] in rows
    assert ["pods", "metrics.k8s.io/v1beta1", "true", "PodMetrics"] in rows
    assert ["nodes", "no", "v1", "false", "Node"] in rows
    assert ["statefulsets", "sts", "apps/v1", "true", "StatefulSet"] in rows
    assert ["customresourcedefinitions", "crd,crds", "apiextensions.k8s.io/v1", "false",
            "CustomResourceDefinition"] in rows
    assert {"deployments", "daemonsets", "replicasets", "services", "configmaps", "secrets", "namespaces", "endpoints",
            "endpointslices", "events", "serviceaccounts", "leases", "certificatesigningrequests", "jobs", "cronjobs",
            "ingresses", "networkpolicies", "storageclasses", "roles", "clusterrolebindings", "resourcequotas",
            "limitranges", "poddisruptionbudgets", "horizontalpodautoscalers", "priorityclasses",
            "validatingwebhookconfigurations", "apiservices"} <= {row[0] for row in rows}
    assert "watch" in rack.kubectl("api-resources", "-o", "wide", "--namespaced=false")
    assert {"v1", "apps/v1", "apps/v1beta1", "extensions/v1beta1"} <= set(rack.kubectl("api-versions").split())


def test_get_tables(here: Within) -> None:
    header, *rows = table(here.kubectl("get", "pods", "-l", "app=shop"))
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [row[1:4] for row in rows] == [["1/1", "Running", "0"]] * 2
    assert table(here.kubectl("get", "pods", "-o", "wide"))[0][5:] == [
        "IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    assert table(here.kubectl("get", "deployments"))[1][:4] == ["shop", "2/2", "2", "2"]
    assert table(here.kubectl("get", "deployments", "-o", "wide"))[1][5:] == ["shop", IMAGE, "app=shop"]
    assert table(here.kubectl("get", "daemonsets"))[1][:7] == ["agent", "3", "3", "3", "3", "3", "<none>"]
    assert table(here.kubectl("get", "services"))[0] == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert table(here.kubectl("get", "services"))[1][4] == "80/TCP"
    assert table(here.kubectl("get", "configmaps", "settings"))[1][1] == "1"
    assert table(here.kubectl("get", "secrets"))[1][:3] == ["keys", "Opaque", "1"]
    nodes = {row[0]: row for row in table(here.kubectl("get", "nodes", "-o", "wide"))}
    assert nodes["master"][2] == "control-plane,master"
    assert nodes["node-1"][1:3] == ["Ready", "<none>"]
    assert nodes["node-1"][-1].startswith("podman://")
    everything = here.kubectl("get", "all")
    for name in ("pod/shop-", "pod/agent-", "service/shop", "deployment.apps/shop", "replicaset.apps/shop-",
                 "daemonset.apps/agent"):
        assert name in everything


def test_get_by_selector(here: Within) -> None:
    names = here.kubectl("get", "pods", "-o", "name").split()
    shop = [name for name in names if name.startswith("pod/shop-")]
    assert (len(names), len(shop)) == (5, 2)
    for selector in ("app=shop", "app==shop", "app!=agent", "app in (shop,other)", "tier", "app notin (agent)",
                     "app=shop,tier=front"):
        assert here.kubectl("get", "pods", "-o", "name", "-l", selector).split() == shop, selector
    assert here.kubectl("get", "pods", "-o", "name", "-l", "!tier").split() == sorted(set(names) - set(shop))
    node = here.path(shop[0], ".spec.nodeName")
    found = here.kubectl("get", "pods", "-o", "name", "--field-selector", f"spec.nodeName={node},status.phase=Running")
    assert shop[0] in found.split()
    assert here.kubectl("get", "pods", "-o", "name", "--field-selector", "status.phase!=Running") == ""
    assert "app=shop" in here.kubectl("get", "pods", "--show-labels")
    assert table(here.kubectl("get", "pods", "-L", "app"))[0][-1] == "APP"
    assert "field label not supported" in here.fails("get", "pods", "--field-selector", "spec.nothing=1")
    assert "shop" in here.rack.kubectl("get", "pods", "-A")


def test_output_forms(here: Within) -> None:
    assert here.get("deployment", "shop")["spec"]["replicas"] == 2
    assert "kind: Deployment" in here.kubectl("get", "deployment", "shop", "-o", "yaml")
    assert here.kubectl("get", "deployment,service", "-o", "name").split() == ["deployment.apps/shop", "service/shop"]
    assert here.kubectl("get", "pods", "-l", "app=shop", "-o", "jsonpath={.items[*].spec.containers[*].name}") \
        == "shop shop"
    columns = "custom-columns=NAME:.metadata.name,KIND:.kind"
    assert table(here.kubectl("get", "service", "shop", "-o", columns)) == [["NAME", "KIND"], ["shop", "Service"]]
    assert here.kubectl("get", "deployment", "shop", "-o", "go-template={{.spec.replicas}}") == "2"
    sort = here.kubectl("get", "pods", "--sort-by=.spec.nodeName", "-o", "custom-columns=N:.spec.nodeName").split()[1:]
    assert sort == sorted(sort)


def test_get_watches(here: Within) -> None:
    here.kubectl("delete", "pod", "seen", "--ignore-not-found")
    process = subprocess.Popen([here.rack.kubectl_program, "-n", here.namespace, "get", "pods", "-w", "-l", "app=seen"],
                               stdout=subprocess.PIPE, text=True, env=here.rack.environment)
    try:
        here.apply(pod("seen", container("trap 'exit 0' TERM; while true; do sleep 0.1; done"),
                       terminationGracePeriodSeconds=5))
        here.until_ready("seen")
        here.kubectl("delete", "pod", "seen")
    finally:
        until(lambda: "seen" not in here.kubectl("get", "pods", "-o", "name"), 10, "pod is still there")
        process.terminate()
        text = process.communicate(timeout=10)[0]
    header, *rows = table(text)
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    statuses = list(dict.fromkeys(row[2] for row in rows))
    assert statuses[0] in ("Pending", "ContainerCreating")
    assert "Running" in statuses
    assert statuses[-1] in ("Terminating", "Error", "Completed")
    assert not re.search("<invalid>", text)


def test_describe(here: Within) -> None:
    deployment = here.kubectl("describe", "deployment", "shop")
    for line in ("Selector:               app=shop", "StrategyType:           RollingUpdate",
                 "Replicas:               2 desired | 2 updated | 2 total | 2 available | 0 unavailable",
                 "RollingUpdateStrategy:  25% max unavailable, 25% max surge", "OldReplicaSets:  <none>",
                 "  Available      True    MinimumReplicasAvailable", "  Progressing    True    NewReplicaSetAvailable",
                 "ScalingReplicaSet", "from 0 to 2"):
        assert line in deployment, deployment
    sets = here.kubectl("describe", "rs", "-l", "app=shop")
    for line in ("Controlled By:  Deployment/shop", "Replicas:       2 current / 2 desired",
                 "Pods Status:    2 Running / 0 Waiting / 0 Succeeded / 0 Failed", "SuccessfulCreate"):
        assert line in sets, sets
    daemon = here.kubectl("describe", "ds", "agent")
    for line in ("Desired Number of Nodes Scheduled: 3", "Number of Nodes Misscheduled: 0",
                 "Pods Status:  3 Running / 0 Waiting / 0 Succeeded / 0 Failed", "SuccessfulCreate"):
        assert line in daemon, daemon
    service = here.kubectl("describe", "service", "shop")
    for line in ("Type:                     ClusterIP", "IP Families:              IPv4", "IP Family Policy:",
                 "Port:                     web  80/TCP", "TargetPort:               8080/TCP", ":8080"):
        assert line in service, service
    config = here.kubectl("describe", "configmap", "settings")
    assert "color:\n----\ngreen" in config
    assert "password:  6 bytes" in here.kubectl("describe", "secret", "keys")
    assert "hidden" not in here.kubectl("describe", "secret", "keys")
    assert "Status:       Active" in here.rack.kubectl("describe", "namespace", "shop")
    assert 'pods "none" not found' in here.fails("describe", "pod", "none")


def test_describe_node(here: Within) -> None:
    text = here.kubectl("describe", "node", "node-1")
    words = " ".join(text.split())
    for line in ("Unschedulable: false", " HolderIdentity: node-1", "kubernetes.io/hostname=node-1",
                 " Ready True ", " MemoryPressure False", "InternalIP: 10.0.0.2", "PodCIDR:",
                 "Non-terminated Pods:", "Allocated resources:", " cpu ", "Container Runtime Version: podman://"):
        assert line in words, text
    assert "node-role.kubernetes.io/master:NoSchedule" in here.kubectl("describe", "node", "master")


def test_explain(rack: Rack) -> None:
    text = rack.kubectl("explain", "pod.spec.containers.livenessProbe")
    assert "FIELD: livenessProbe <Probe>" in text
    assert "initialDelaySeconds\t<integer>" in text
    text = rack.kubectl("explain", "deployment", "--recursive")
    assert "GROUP:      apps" in text
    assert "maxSurge\t<IntOrString>" in text
    assert "GROUP:      extensions" in rack.kubectl("explain", "deployment", "--api-version=extensions/v1beta1")
    assert 'field "nothing" does not exist' in rack.try_kubectl("explain", "pod.nothing").stderr


def test_events(here: Within) -> None:
    text = here.kubectl("events", "--for", "deployment/shop")
    assert "Scaled up replica set shop-" in text
    name = here.kubectl("get", "pods", "-l", "app=shop", "-o", "jsonpath={.items[0].metadata.name}")
    found = here.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o",
                         "jsonpath={.items[*].reason}").split()
    assert found == ["Scheduled", "Pulled", "Created", "Started"]
    assert "Scheduled" in here.kubectl("get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}")


def test_errors_read_as_in_kubernetes(here: Within) -> None:
    assert here.fails("get", "pod", "none") == 'Error from server (NotFound): pods "none" not found\n'
    assert 'the server doesn\'t have a resource type "nothings"' in here.fails("get", "nothings")
    assert 'deployments.apps "none" not found' in here.fails("scale", "deployment", "none", "--replicas=1")
    assert here.try_kubectl("get", "pods", "-l", "none=none").stderr == "No resources found in shop namespace.\n"
