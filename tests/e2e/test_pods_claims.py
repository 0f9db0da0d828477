"""Claims and volumes as a person sees them: data outlives its pods, they follow it, and it ends with its claim."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NAME, ROOT, Rack, until
from tests.e2e.within import Within, container, pod

BOOK = ROOT / "tests/e2e/manifests/books/mysql.yaml"
MOUNT = [{"name": "data", "mountPath": "/data"}]
WRITES = container("date +%s%N >> /data/log; exec sleep 1000", volumeMounts=MOUNT)


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def claim(name: str = "data", *modes: str, size: str = "64Mi", **spec: Any) -> dict[str, Any]:
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": {
        "accessModes": list(modes) or ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}}


def uses(name: str = "data") -> list[dict[str, Any]]:
    return [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]


def volumes_of(machine: str) -> set[str]:
    """Return the names of the local volumes on a machine's card."""
    folder = Path(f"/var/lib/{NAME}-lab/machines/{machine}/data/volumes")
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def put_away(machine: str) -> set[str]:
    folder = Path(f"/var/lib/{NAME}-lab/machines/{machine}/data/volumes/.removed")
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def events(here: Within, about: str) -> dict[str, str]:
    """Return the message of each reason about an object of the namespace."""
    found = here.get("events", "--field-selector", f"involvedObject.name={about}")["items"]
    return {event["reason"]: event["message"] for event in found}


def until_told(here: Within, about: str, reason: str, message: str) -> None:
    """Wait until there is an event of that reason whose message has the words."""
    until(lambda: message in events(here, about).get(reason, ""), 15, f"{about}: {events(here, about)}")


def until_written(here: Within, writer: str, times: int) -> None:
    """Wait until the log of a writer has so many lines: one of each pod that wrote it."""
    until(lambda: len(here.sh(writer, "cat /data/log").splitlines()) == times, 10, "what was written is gone")


def phase(here: Within, name: str = "data") -> str:
    return here.path(f"pvc/{name}", ".status.phase")


def gone(here: Within, *what: str) -> bool:
    return "NotFound" in here.try_kubectl("get", *what).stderr


def test_the_rack_has_a_default_class(here: Within) -> None:
    header, row, *_ = here.kubectl("get", "sc").splitlines()
    assert " ".join(header.split()) == "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE"
    assert " ".join(row.split()).startswith(
        "local-path (default) edge.pi/local-path Delete WaitForFirstConsumer true ")


def test_data_outlives_its_pods_and_they_come_back_to_it(here: Within) -> None:
    here.apply(claim(), {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "keeper"}, "spec": {
        "replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": {"app": "keeper"}},
        "template": {"metadata": {"labels": {"app": "keeper"}}, "spec": {
            "terminationGracePeriodSeconds": 0, "containers": [WRITES], "volumes": uses()}}}})
    first = until(lambda: here.rack.ready_pods("app=keeper", here.namespace), 40, "the pod is not ready")[0]
    node = first["spec"]["nodeName"]
    volume = here.path("pvc/data", ".spec.volumeName")
    for number in range(2, 4):
        here.kubectl("delete", "pod", "-l", "app=keeper")
        here.rack.kubectl("cordon", "master")
        back = until(lambda: here.rack.ready_pods("app=keeper", here.namespace), 40, "no pod came back")[0]
        assert back["spec"]["nodeName"] == node
        name = back["metadata"]["name"]
        until_written(here, name, number)
    here.rack.kubectl("uncordon", "master")
    columns = here.kubectl("get", "pvc", "data", "--no-headers").split()
    assert columns[:6] == ["data", "Bound", volume, "64Mi", "RWO", "local-path"]
    columns = here.rack.kubectl("get", "pv", volume, "--no-headers").split()
    assert columns[:7] == [volume, "64Mi", "RWO", "Delete", "Bound", f"{here.namespace}/data", "local-path"]
    told = here.kubectl("describe", "pvc", "data")
    assert "Used By:       keeper-" in told
    assert "volume.kubernetes.io/selected-node: " + node in told
    assert "ProvisioningSucceeded" in told
    shown = here.rack.kubectl("describe", "pv", volume)
    assert f"kubernetes.io/hostname in [{node}]" in shown
    assert f"Path:  /var/lib/edge/volumes/{volume}" in shown
    assert volume in volumes_of(node)


def test_a_claim_in_use_waits_for_its_pod_and_then_its_data_is_put_away(here: Within) -> None:
    here.apply(claim(), pod("writer", WRITES, volumes=uses()))
    here.until_ready("writer", seconds=40)
    volume, node = here.path("pvc/data", ".spec.volumeName"), here.path("pod/writer", ".spec.nodeName")
    here.kubectl("delete", "pvc", "data", "--wait=false")
    assert here.kubectl("get", "pvc", "data", "--no-headers").split()[1] == "Terminating"
    assert here.sh("writer", "wc -l < /data/log").strip() == "1"
    here.apply(pod("late", WRITES, volumes=uses()))
    until_told(here, "late", "FailedScheduling", 'persistentvolumeclaim "data" is being deleted')
    here.kubectl("delete", "pod", "late", "writer")
    until(lambda: gone(here, "pvc", "data"), 20, "the claim stays")
    until(lambda: gone(here, "pv", volume), 20, "the volume stays")
    assert volume not in volumes_of(node)
    assert volume in put_away(node)


def test_the_data_of_a_node_that_is_away_goes_when_it_is_back(here: Within) -> None:
    here.apply(claim(), pod("writer", WRITES, volumes=uses(), nodeSelector={"kubernetes.io/hostname": "node-3"}))
    here.until_ready("writer", seconds=40)
    volume = here.path("pvc/data", ".spec.volumeName")
    here.rack.lab("power", "off", "node-3")
    try:
        here.kubectl("delete", "pod", "writer", "--force", "--grace-period=0")
        here.kubectl("delete", "pvc", "data", timeout=90)
        until(lambda: here.rack.get("pv", volume)["metadata"].get("deletionTimestamp"), 20, "the volume is not deleted")
        assert here.rack.kubectl("get", "pv", volume, "--no-headers").split()[4] == "Terminating"
        assert volume in volumes_of("node-3")
    finally:
        here.rack.lab("power", "on", "node-3")
    until(lambda: gone(here, "pv", volume), 60, "the volume stays")
    assert volume not in volumes_of("node-3")
    here.rack.until_back("node-3")


def test_the_books_database_has_its_volume_and_says_what_it_cannot_mount(here: Within) -> None:
    here.kubectl("apply", "-f", "-", text=BOOK.read_text().split("---\napiVersion: extensions")[0])
    try:
        until(lambda: phase(here, "database") == "Bound", 10, "the claim is not bound")
        assert here.rack.kubectl("get", "pv", "database", "--no-headers").split()[:6] == [
            "database", "1Gi", "RWX", "Retain", "Bound", f"{here.namespace}/database"]
        here.apply(pod("mysql", WRITES, volumes=uses("database")))
        reason = until(lambda: events(here, "mysql").get("FailedMount"), 60, "nothing is said of the mount")
        assert "MountVolume.SetUp failed for volume" in reason
        assert "192.168.0.1:/exports" in reason
        here.kubectl("delete", "pod", "mysql", timeout=90)
        here.kubectl("delete", "pvc", "database")
        until(lambda: here.rack.get("pv", "database")["status"]["phase"] == "Released", 10, "it is not released")
    finally:
        here.rack.try_kubectl("delete", "pv", "database", "--wait=false")
    until(lambda: gone(here, "pv", "database"), 20, "the volume stays")


def test_a_volume_of_a_path_keeps_what_is_in_it(here: Within) -> None:
    name = f"{here.namespace}-disk"
    here.apply({"kind": "PersistentVolume", "metadata": {"name": name, "labels": {"for": here.namespace}}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
        "hostPath": {"path": f"/tmp/{name}", "type": "DirectoryOrCreate"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-2"]}]}]}}}},
        claim(storageClassName="", selector={"matchLabels": {"for": here.namespace}}))
    try:
        for number in (1, 2):
            here.apply(pod("writer", WRITES, volumes=uses()))
            here.until_ready("writer", seconds=40)
            assert here.path("pod/writer", ".spec.nodeName") == "node-2"
            until_written(here, "writer", number)
            here.kubectl("delete", "pod", "writer")
        other = pod("elsewhere", WRITES, volumes=uses(), nodeSelector={"kubernetes.io/hostname": "node-1"})
        here.apply(other)
        told = until(lambda: events(here, "elsewhere").get("FailedScheduling"), 15, "nothing is said")
        assert "1 node(s) had volume node affinity conflict" in told
    finally:
        here.rack.shell("node-2", "rm", "-rf", f"/tmp/{name}")
        here.rack.try_kubectl("delete", "pv", name, "--wait=false")


def test_claims_that_wait_say_what_for(here: Within) -> None:
    here.apply(claim("idle"), claim("shared", "ReadWriteMany"), claim("none", storageClassName=""),
               claim("odd", storageClassName="nowhere"), pod("unbound", WRITES, volumes=uses("none")),
               pod("lost", WRITES, volumes=uses("nobody")))
    wanted = {"idle": ("WaitForFirstConsumer", "waiting for first consumer to be created before binding"),
              "shared": ("ProvisioningFailed", 'failed to provision volume with StorageClass "local-path": '
                         "ReadWriteMany is not supported: a volume of class local-path is a directory of one node; "
                         "only ReadWriteOnce and ReadWriteOncePod are"),
              "none": ("FailedBinding", "no persistent volumes available for this claim and no storage class is set"),
              "odd": ("ProvisioningFailed", 'storageclass.storage.k8s.io "nowhere" not found')}
    for name, (reason, message) in wanted.items():
        until_told(here, name, reason, message)
    until_told(here, "unbound", "FailedScheduling", "pod has unbound immediate PersistentVolumeClaims")
    until_told(here, "lost", "FailedScheduling", 'persistentvolumeclaim "nobody" not found')


def test_an_ephemeral_volume_lives_with_its_pod(here: Within) -> None:
    made = {"metadata": {"labels": {"app": "scratch"}}, "spec": claim()["spec"]}
    here.apply(pod("scratch", WRITES, volumes=[{"name": "data", "ephemeral": {"volumeClaimTemplate": made}}]))
    here.until_ready("scratch", seconds=40)
    assert phase(here, "scratch-data") == "Bound"
    assert here.path("pvc/scratch-data", ".metadata.labels.app") == "scratch"
    volume = here.path("pvc/scratch-data", ".spec.volumeName")
    here.kubectl("delete", "pod", "scratch")
    until(lambda: gone(here, "pv", volume), 30, "the volume stays")


def test_a_claim_grows(here: Within) -> None:
    here.apply(claim(), pod("writer", WRITES, volumes=uses()))
    here.until_ready("writer", seconds=40)
    here.kubectl("patch", "pvc", "data", "-p", json.dumps({"spec": {"resources": {"requests": {"storage": "1Gi"}}}}))
    until(lambda: here.path("pvc/data", ".status.capacity.storage") == "1Gi", 10, "the claim has not grown")
