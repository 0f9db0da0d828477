"""Manifests as books of 2017 print them: old API groups, defaults of their time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import Within

BOOKS = Path(__file__).with_name("manifests") / "books"


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def test_a_deployment_of_extensions_v1beta1(here: Within) -> None:
    """No selector, no apps group: it is what `kubectl create` of that time was given, and `apply` and `scale` go on."""
    manifest = str(BOOKS / "kuard-deployment.yaml")
    assert here.kubectl("apply", "-f", manifest).split()[0] in ("deployment.apps/kuard", "deployment.extensions/kuard")
    here.kubectl("rollout", "status", "deployment/kuard", "--timeout=30s")
    today = here.get("deployments.v1.apps", "kuard")
    assert today["apiVersion"] == "apps/v1"
    assert today["spec"]["selector"] == {"matchLabels": {"run": "kuard"}}
    for version in ("v1beta1.extensions", "v1beta1.apps", "v1beta2.apps"):
        old = here.get(f"deployments.{version}", "kuard")
        name, _, group = version.partition(".")
        assert old["apiVersion"] == f"{group}/{name}"
        assert old["spec"]["template"] == today["spec"]["template"]
        assert old["metadata"]["uid"] == today["metadata"]["uid"]
    assert "unchanged" in here.kubectl("apply", "-f", manifest)
    here.kubectl("scale", "deployment", "kuard", "--replicas=3")
    here.kubectl("rollout", "status", "deployment/kuard", "--timeout=30s")
    assert len(here.rack.ready_pods("run=kuard", here.namespace)) == 3
    here.kubectl("delete", "-f", manifest)
    until(lambda: here.kubectl("get", "rs,pods", "-o", "name") == "", 40, "something is left")


def test_an_nginx_deployment_of_apps_v1beta1(here: Within) -> None:
    here.kubectl("apply", "-f", str(BOOKS / "nginx-deployment.yaml"))
    here.kubectl("rollout", "status", "deployment/nginx", "--timeout=30s")
    found = here.get("deployments.v1beta1.apps", "nginx")
    assert found["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    assert here.kubectl("rollout", "history", "deployment/nginx").splitlines()[2].split(maxsplit=1) \
        == ["1", "Update to 1.9.10"]


def test_a_replica_set_of_extensions_v1beta1(here: Within) -> None:
    here.kubectl("apply", "-f", str(BOOKS / "kuard-rs.yaml"))
    here.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=1", "rs/kuard", "--timeout=20s")
    text = here.kubectl("describe", "rs", "kuard")
    assert "Selector:     app=kuard,version=2" in text or "app=kuard,version=2" in text
    here.kubectl("scale", "rs", "kuard", "--replicas=4")
    here.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=4", "rs/kuard", "--timeout=30s")
    owner = here.kubectl("get", "pods", "-o", "jsonpath={.items[0].metadata.ownerReferences[0].name}")
    assert owner == "kuard"
    here.kubectl("delete", "rs", "kuard", "--cascade=orphan")
    assert len(here.kubectl("get", "pods", "-o", "name").split()) == 4


def test_a_daemon_set_of_extensions_v1beta1(here: Within) -> None:
    """One on each worker, then only on nodes with a label."""
    here.kubectl("apply", "-f", str(BOOKS / "fluentd.yaml"))
    here.kubectl("wait", "--for=jsonpath={.status.numberReady}=3", "daemonset/fluentd", "--timeout=30s")
    assert here.path("daemonsets.v1.apps/fluentd", ".spec.updateStrategy.type") == "OnDelete"  # as it was then
    nodes = here.kubectl("get", "pods", "-l", "app=fluentd", "-o", "jsonpath={.items[*].spec.nodeName}").split()
    assert sorted(nodes) == ["node-1", "node-2", "node-3"]
    assert "Desired Number of Nodes Scheduled: 3" in here.kubectl("describe", "daemonset", "fluentd")
    here.kubectl("label", "nodes", "node-2", "ssd=true")
    try:
        here.kubectl("apply", "-f", str(BOOKS / "nginx-fast-storage.yaml"))
        until(lambda: here.kubectl("get", "pods", "-l", "app=nginx", "-o", "jsonpath={.items[*].spec.nodeName}")
              == "node-2", 15, "not on node-2")
        here.kubectl("label", "nodes", "node-1", "ssd=true")
        until(lambda: len(here.rack.ready_pods("app=nginx", here.namespace)) == 2, 15, "not on node-1")
    finally:
        here.kubectl("label", "nodes", "node-1", "node-2", "ssd-")
    until(lambda: not here.rack.pods("app=nginx", here.namespace), 20, "still there without the label")


def test_a_pod_with_everything_of_the_book(here: Within) -> None:
    """Ports, probes, resources and a host volume, and the Service of the same chapter."""
    here.kubectl("apply", "-f", str(BOOKS / "kuard-pod-full.yaml"))
    here.until_ready("kuard", seconds=40)
    text = here.kubectl("describe", "pod", "kuard")
    for words in ("http-get http://:8080/healthy delay=5s timeout=1s period=10s",
                  "http-get http://:8080/ready delay=", "cpu:     1", "memory:  256Mi", "Type:          HostPath"):
        assert words in text, text
    assert here.sh("kuard", "ls -d /data") == "/data\n"
    here.kubectl("expose", "pod", "kuard", "--type=NodePort", "--port=8080")
    until(lambda: here.path("endpoints/kuard", ".subsets[0].addresses[0].ip"), 5, "no endpoint")


def test_a_config_map_as_files_variables_and_arguments(here: Within, tmp_path: Path) -> None:
    """The three ways of the chapter, and an update that running programs see."""
    sample = tmp_path / "my-config.txt"
    sample.write_text("# This is a sample config file\nparameter1 = value1\n")
    literals = ("--from-literal=extra-param=extra-value", "--from-literal=another-param=another-value")
    here.kubectl("create", "configmap", "my-config", f"--from-file={sample}", *literals)
    here.kubectl("apply", "-f", str(BOOKS / "kuard-config.yaml"))
    here.until_ready("kuard-config")
    assert here.sh("kuard-config", "echo $ANOTHER_PARAM") == "another-value\n"
    until(lambda: here.kubectl("logs", "kuard-config") == "started with extra-value\n", 5, "no argument")
    assert here.sh("kuard-config", "ls /config").split() == ["another-param", "extra-param", "my-config.txt"]
    assert "..data" in here.sh("kuard-config", "ls -a /config")
    sample.write_text("parameter1 = value2\n")
    made = here.kubectl("create", "configmap", "my-config", f"--from-file={sample}", *literals, "--dry-run=client",
                        "-o", "yaml")
    here.kubectl("replace", "-f", "-", text=made)
    until(lambda: here.sh("kuard-config", "cat /config/my-config.txt") == "parameter1 = value2\n", 20, "not updated")
    assert here.path("pod/kuard-config", ".status.containerStatuses[0].restartCount") == "0"


def test_a_secret_as_files_in_memory(here: Within, tmp_path: Path) -> None:
    for name in ("kuard.crt", "kuard.key"):
        (tmp_path / name).write_text(f"the text of {name}\n")
    here.kubectl("create", "secret", "generic", "kuard-tls", f"--from-file={tmp_path / 'kuard.crt'}",
                 f"--from-file={tmp_path / 'kuard.key'}")
    text = here.kubectl("describe", "secrets", "kuard-tls")
    assert "kuard.crt:  22 bytes" in text
    assert "the text" not in text
    here.kubectl("apply", "-f", str(BOOKS / "kuard-secret.yaml"))
    here.until_ready("kuard-tls")
    assert here.sh("kuard-tls", "cat /tls/kuard.key") == "the text of kuard.key\n"
    assert " /tls tmpfs ro" in here.sh("kuard-tls", "cat /proc/mounts")
    assert "touch" in here.sh("kuard-tls", "touch /tls/x 2>&1 || true")


def test_services_of_the_book(here: Within) -> None:
    """An ExternalName, and a Service without a selector whose Endpoints a person writes."""
    here.kubectl("apply", "-f", str(BOOKS / "services.yaml"))
    rows = {line.split()[0]: line.split() for line in here.kubectl("get", "services", "--no-headers").splitlines()}
    assert rows["external-database"][1:4] == ["ExternalName", "<none>", "database.company.com"]
    assert rows["external-ip-database"][1] == "ClusterIP"
    assert here.path("endpoints/external-ip-database", ".subsets[0].addresses[0].ip") == "192.168.0.1"
    assert rows["mongo"][2] == "None"


def test_the_groups_of_the_time_are_discovered(rack: Rack) -> None:
    found = rack.kubectl("api-versions").split()
    assert {"extensions/v1beta1", "apps/v1beta1", "apps/v1beta2", "apps/v1"} <= set(found)
    assert "FIELDS:" in rack.kubectl("explain", "replicaset", "--api-version=extensions/v1beta1")
