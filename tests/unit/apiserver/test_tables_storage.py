"""Tables of volumes, claims, classes, controllers and quotas show what `kubectl get` shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from edge.api import codec, components, scheme
from edge.apiserver import selection, tables

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
META = {"name": "x", "namespace": "default", "creationTimestamp": "2026-01-02T11:00:00Z"}
BETA = "volume.beta.kubernetes.io/storage-class"
STORAGE = "storage.k8s.io"


def row(group: str, plural: str, obj: dict[str, Any]) -> dict[str, Any]:
    resource = scheme.find(group, "v1", plural)
    assert resource is not None
    made = tables.table(resource, [{"metadata": META} | obj], NOW)
    assert all(column["description"].endswith(".") for column in made["columnDefinitions"])
    shown = zip(made["columnDefinitions"], made["rows"][0]["cells"], strict=True)
    return {("+" if column["priority"] else "") + column["name"]: cell for column, cell in shown}


def test_a_volume() -> None:
    assert row("", "persistentvolumes", {"spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"], "storageClassName": "fast",
        "persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem",
        "claimRef": {"namespace": "default", "name": "database"}}, "status": {"phase": "Bound"}}) == {
        "Name": "x", "Capacity": "1Gi", "Access Modes": "RWO,RWX", "Reclaim Policy": "Retain", "Status": "Bound",
        "Claim": "default/database", "StorageClass": "fast", "VolumeAttributesClass": "<unset>", "Reason": "",
        "Age": "60m", "+VolumeMode": "Filesystem"}


def test_a_claim_that_waits_and_one_that_is_bound() -> None:
    waiting = row("", "persistentvolumeclaims", {
        "metadata": META | {"annotations": {BETA: "default"}}, "status": {"phase": "Pending"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}})
    cells = [waiting[name] for name in ("Status", "Volume", "Capacity", "Access Modes", "StorageClass")]
    assert cells == ["Pending", "", "", "", "default"]
    bound = row("", "persistentvolumeclaims", {"spec": {
        "volumeName": "v", "storageClassName": "fast", "volumeMode": "Block"}, "status": {
        "phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany"]}})
    assert bound == {"Name": "x", "Status": "Bound", "Volume": "v", "Capacity": "1Gi", "Access Modes": "ROX",
                     "StorageClass": "fast", "VolumeAttributesClass": "<unset>", "Age": "60m", "+VolumeMode": "Block"}


def test_the_annotation_of_a_class_wins_even_when_it_is_empty() -> None:
    shown = row("", "persistentvolumes", {"metadata": META | {"annotations": {BETA: ""}},
                                          "spec": {"storageClassName": "fast"}})
    assert shown["StorageClass"] == ""


def test_what_is_being_deleted_is_terminating() -> None:
    for plural in ("persistentvolumes", "persistentvolumeclaims"):
        shown = row("", plural, {"metadata": META | {"deletionTimestamp": META["creationTimestamp"]},
                                 "status": {"phase": "Bound"}})
        assert shown["Status"] == "Terminating"


def test_a_default_class() -> None:
    for note in ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"):
        assert row(STORAGE, "storageclasses", {
            "metadata": META | {"annotations": {note: "true"}}, "provisioner": "p", "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate"}) == {
            "Name": "x (default)", "Provisioner": "p", "ReclaimPolicy": "Delete", "VolumeBindingMode": "Immediate",
            "AllowVolumeExpansion": "false", "Age": "60m"}


def test_drivers_and_what_they_do() -> None:
    assert row(STORAGE, "csidrivers", {"spec": {
        "attachRequired": False, "podInfoOnMount": True, "volumeLifecycleModes": ["Persistent", "Ephemeral"],
        "tokenRequests": [{"audience": "a"}, {"audience": "b"}]}}) == {
        "Name": "x", "AttachRequired": False, "PodInfoOnMount": True, "StorageCapacity": False, "TokenRequests": "a,b",
        "RequiresRepublish": False, "Modes": "Persistent,Ephemeral", "Age": "60m"}
    bare = row(STORAGE, "csidrivers", {})
    assert (bare["AttachRequired"], bare["TokenRequests"], bare["Modes"]) == (True, "<unset>", "<none>")
    assert row(STORAGE, "csinodes", {"spec": {"drivers": [{"name": "d"}]}}) == {"Name": "x", "Drivers": 1, "Age": "60m"}
    assert row(STORAGE, "csistoragecapacities", {"storageClassName": "fast"}) == {
        "Name": "x", "StorageClassName": "fast", "Capacity": "<unset>"}
    assert row(STORAGE, "volumeattachments", {
        "spec": {"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "v"}},
        "status": {"attached": True}}) == {
        "Name": "x", "Attacher": "d", "PV": "v", "Node": "n", "Attached": True, "Age": "60m"}


def test_a_replication_controller_and_a_template() -> None:
    template = {"metadata": {"labels": {"app": "web", "a": "b"}}, "spec": {"containers": [
        {"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}}
    assert row("", "replicationcontrollers", {
        "spec": {"replicas": 3, "selector": {"ver": "1", "app": "web"}, "template": template},
        "status": {"replicas": 2, "readyReplicas": 1}}) == {
        "Name": "x", "Desired": 3, "Current": 2, "Ready": 1, "Age": "60m", "+Containers": "c,d", "+Images": "i,j",
        "+Selector": "app=web,ver=1"}
    assert row("", "podtemplates", {"template": template}) == {
        "Name": "x", "Containers": "c,d", "Images": "i,j", "Pod Labels": "a=b,app=web"}


def test_limits_and_quotas() -> None:
    assert row("", "limitranges", {}) == {"Name": "x", "Created At": "2026-01-02T11:00:00Z"}
    assert row("", "resourcequotas", {"status": {
        "hard": {"pods": "10", "limits.cpu": "4", "cpu": "2", "limits.memory": "1Gi"},
        "used": {"pods": "3", "limits.cpu": "500m"}}}) == {
        "Name": "x", "Request": "cpu: 0/2, pods: 3/10", "Limit": "limits.cpu: 500m/4, limits.memory: 0/1Gi",
        "Age": "60m"}


def test_components_of_the_control_plane() -> None:
    resource = scheme.of_type(components.ComponentStatus)
    found = components.component_statuses({"scheduler": "", "controller-manager": "it hangs", "etcd-0": ""})
    made = tables.table(resource, [codec.to_dict(one) for one in found], NOW)

    assert [column["name"] for column in made["columnDefinitions"]] == ["Name", "Status", "Message", "Error"]
    assert [one["cells"] for one in made["rows"]] == [
        ["scheduler", "Healthy", "ok", ""], ["controller-manager", "Unhealthy", "", "it hangs"],
        ["etcd-0", "Healthy", '{"health": "true"}', ""]]


def test_controllers_are_selected_by_the_pods_they_have() -> None:
    resource = scheme.find("", "v1", "replicationcontrollers")
    assert resource is not None
    chosen = selection.parse(resource, "", "status.replicas=2")

    assert chosen.matches(b'{"metadata":{"name":"a"},"status":{"replicas":2}}')
    assert not chosen.matches(b'{"metadata":{"name":"a"},"status":{"replicas":0}}')


def test_broken_objects_are_shown_all_the_same() -> None:
    for resource in scheme.resources():
        made = tables.table(resource, [{"metadata": META, "spec": [], "status": "?", "conditions": 3}], NOW)
        assert made["rows"][0]["cells"]
