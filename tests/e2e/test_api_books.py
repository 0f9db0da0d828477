"""Chapters about kinds that are kept and shown, and not yet acted on; and what the books' commands print."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import IMAGE, Within

BOOKS = Path(__file__).with_name("manifests") / "books"


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def said(here: Within, *argv: str) -> list[tuple[str, str]]:
    """Return kind/name and the last word of each line."""
    return [(line.split()[0], line.split()[-1]) for line in here.kubectl(*argv).splitlines()]


@pytest.mark.parametrize(("chapter", "objects"), [
    ("mysql", ["persistentvolume/database", "persistentvolumeclaim/database", "replicaset.extensions/mysql",
               "service/mysql"]),
    ("default-class", ["storageclass.storage.k8s.io/default", "persistentvolumeclaim/my-claim"]),
    ("mongo", ["configmap/mongo-init", "service/mongo", "statefulset.apps/mongo"]),
    ("jobs", ["job.batch/oneshot", "job.batch/parallel", "replicaset.extensions/queue", "service/queue",
              "job.batch/consumers"]),
    ("of-their-time", ["ingress.extensions/shop", "cronjob.batch/nightly", "poddisruptionbudget.policy/kuard",
                       "networkpolicy.extensions/front", "role.rbac.authorization.k8s.io/pod-reader",
                       "rolebinding.rbac.authorization.k8s.io/read-pods"]),
])
def test_manifests_apply_as_they_are_printed(here: Within, chapter: str, objects: list[str]) -> None:
    manifest = str(BOOKS / f"{chapter}.yaml")
    try:
        assert said(here, "apply", "-f", manifest) == [(name, "created") for name in objects]
        again = said(here, "apply", "-f", manifest)
        assert [name for name, _ in again] == objects
        assert {how for _, how in again} <= {"unchanged", "configured"}
        assert len(here.get("-f", manifest)["items"]) == len(objects)
        assert here.try_kubectl("describe", "-f", manifest).stderr.replace("Warning:", "").count("rror") == 0
    finally:
        here.kubectl("delete", "-f", manifest)


def test_applications_of_the_last_chapter(rack: Rack) -> None:
    """They name the namespace themselves."""
    manifest = str(BOOKS / "applications.yaml")
    try:
        rack.kubectl("apply", "-f", manifest)
        value = rack.kubectl("get", "deployment", "parse-server", "-o",
                             "jsonpath={.spec.template.spec.containers[0].env[0].value}")
        assert value == "mongodb://mongo-0.mongo:27017,mongo-1.mongo:27017,mongo-2.mongo:27017/dev?replicaSet=rs0"
        volumes = rack.get("statefulset", "redis")["spec"]["template"]["spec"]["volumes"]
        assert {each["name"]: set(each) - {"name"} for each in volumes} == {"config": {"configMap"},
                                                                           "data": {"emptyDir"}}
    finally:
        rack.kubectl("delete", "-f", manifest)


def test_storage_as_the_chapter_shows_it(here: Within) -> None:
    here.kubectl("apply", "-f", str(BOOKS / "default-class.yaml"))
    here.kubectl("apply", "-f", str(BOOKS / "mysql.yaml"))
    try:
        until(lambda: here.kubectl("get", "pv", "database", "--no-headers").split()[:5]
              == ["database", "1Gi", "RWX", "Retain", "Bound"], 15, "the volume is not bound")
        assert here.kubectl("get", "pvc", "my-claim", "--no-headers").split()[:3] == ["my-claim", "Pending", "default"]
        assert "storageclass.storage.k8s.io/default (default)" in here.kubectl("get", "sc,pv")
        # A claim without a word about its class gets the default one, as since the book's time.
        here.apply({"kind": "PersistentVolumeClaim", "metadata": {"name": "plain"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
        assert here.path("pvc/plain", ".spec.storageClassName") == "default"
        assert "Server:    192.168.0.1" in here.kubectl("describe", "pv", "database")
        assert "Used By:       mysql-" in here.kubectl("describe", "pvc", "database")
    finally:
        for chapter in ("mysql", "default-class"):
            here.kubectl("delete", "-f", str(BOOKS / f"{chapter}.yaml"))


def test_jobs_and_stateful_sets_are_kept_and_shown(here: Within) -> None:
    here.kubectl("apply", "-f", str(BOOKS / "jobs.yaml"), "-f", str(BOOKS / "mongo.yaml"))
    rows = {line.split()[0]: line for line in here.kubectl("get", "jobs", "--no-headers").splitlines()}
    assert "0/1 " in rows["oneshot"]
    assert "0/10 " in rows["parallel"]
    assert "0/1 of 5 " in rows["consumers"]
    uid = here.path("job/oneshot", ".metadata.uid")
    described = here.kubectl("describe", "jobs", "oneshot")
    for words in (f"Selector:         batch.kubernetes.io/controller-uid={uid}", "Parallelism:      1",
                  "Completions:      1", "job-name=oneshot"):
        assert words in described, described
    assert here.kubectl("get", "sts", "mongo", "--no-headers").split()[:2] == ["mongo", "0/3"]
    assert here.path("sts/mongo", ".spec.volumeClaimTemplates[0].spec.resources.requests.storage") == "100Gi"
    deleted = here.kubectl("delete", "rs,svc,job", "-l", "chapter=jobs")
    assert deleted.count(" deleted") == 5


def test_autoscale(here: Within) -> None:
    here.kubectl("apply", "-f", str(BOOKS / "kuard-rs.yaml"))
    assert here.kubectl("autoscale", "rs", "kuard", "--min=2", "--max=5", "--cpu-percent=80") \
        == "horizontalpodautoscaler.autoscaling/kuard autoscaled\n"
    row = here.kubectl("get", "hpa", "--no-headers").split()
    assert row[:2] == ["kuard", "ReplicaSet/kuard"]
    assert row[-4:-2] == ["2", "5"]
    assert here.path("horizontalpodautoscalers.v1.autoscaling/kuard", ".spec.targetCPUUtilizationPercentage") == "80"
    assert "( current / target )" in here.kubectl("describe", "hpa", "kuard")


def test_the_commands_of_the_chapter_about_clusters(rack: Rack) -> None:
    result = rack.try_kubectl("get", "componentstatuses")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["NAME", "STATUS", "MESSAGE", "ERROR"]
    assert {row[0]: row[1] for row in rows[1:]} == {
        "scheduler": "Healthy", "controller-manager": "Healthy", "etcd-0": "Healthy"}
    assert "Warning: v1 ComponentStatus is deprecated in v1.19+" in result.stderr
    text = rack.kubectl("describe", "nodes", "node-1")
    for words in ("beta.kubernetes.io/arch=", "MemoryPressure", "KubeletReady", "Capacity:", "Allocatable:",
                  "System Info:", "Container Runtime Version:  podman://", "PodCIDR:                      10.244.",
                  "Non-terminated Pods:", "Allocated resources:", "cpu  ", "memory  "):
        assert words in text, text
    for what in ("daemonSets", "deployments"):
        assert rack.try_kubectl("get", what, "--namespace=kube-system").stderr \
            == "No resources found in kube-system namespace.\n"
    assert "kubernetes" in rack.kubectl("get", "services", "--all-namespaces")


def test_cluster_info_dump(rack: Rack, tmp_path: Path) -> None:
    """Nodes, and of each namespace all that runs, with its logs."""
    rack.kubectl("cluster-info", "dump", f"--output-directory={tmp_path}")
    assert '"kind": "NodeList"' in (tmp_path / "nodes.json").read_text()
    assert {path.name for path in (tmp_path / "default").glob("*.json")} == {
        "daemonsets.json", "deployments.json", "events.json", "pods.json", "replicasets.json",
        "replication-controllers.json", "services.json"}
    logs = list((tmp_path / "default").glob("hello-*/logs.txt"))
    assert any("serving on port 8080" in path.read_text() for path in logs)


def test_the_ghost_is_reached_through_the_api(here: Within) -> None:
    """`/api/v1/namespaces/NAMESPACE/services/NAME/proxy/`, which `kubectl proxy` passes on."""
    here.kubectl("create", "deployment", "ghost", f"--image={IMAGE}", "--port=8080")
    here.kubectl("expose", "deployments", "ghost", "--port=2368", "--target-port=8080")
    here.kubectl("rollout", "status", "deployment/ghost", "--timeout=30s")
    path = f"/api/v1/namespaces/{here.namespace}/services/ghost"
    until(lambda: here.path("endpoints/ghost", ".subsets[0].addresses[0].ip"), 5, "no endpoint")
    for name in ("", ":2368"):
        assert here.rack.kubectl("get", "--raw", f"{path}{name}/proxy/").startswith("hello from ghost-")
    assert "NotFound" in here.rack.try_kubectl("get", "--raw", f"{path}s/proxy/").stderr


def test_explain_every_kind(rack: Rack) -> None:
    """Also the kinds that nobody acts on: kubectl reads it from the API's own description."""
    for what, words in (("statefulset.spec.serviceName", "FIELD: serviceName <string>"),
                        ("job.spec.completions", "FIELD: completions <integer>"),
                        ("ingress.spec.rules.http.paths", "-required-"), ("pvc.spec", "storageClassName\t<string>"),
                        ("hpa", "VERSION:    v2"), ("role.rules", "verbs\t<[]string> -required-"),
                        ("crd.spec.names", "shortNames\t<[]string>"), ("pdb.spec", "minAvailable\t<IntOrString>")):
        assert words in rack.kubectl("explain", what), what
    assert "VERSION:    v1beta1" in rack.kubectl("explain", "ingress", "--api-version=extensions/v1beta1")
