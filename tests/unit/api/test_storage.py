"""The storage.k8s.io group: defaults, what is wrong, what may change, the version before."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import codec, defaults, meta, scheme, storage, validation

CLASS: dict[str, Any] = {"metadata": {"name": "default"}, "provisioner": "kubernetes.io/azure-disk"}
ATTACHMENT: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {
    "attacher": "csi.example.com", "nodeName": "node-1", "source": {"persistentVolumeName": "pv"}}}
NODE: dict[str, Any] = {"metadata": {"name": "node-1"}, "spec": {"drivers": [
    {"name": "csi.example.com", "nodeID": "n", "topologyKeys": ["topology.example.com/rack"],
     "allocatable": {"count": 4}}]}}
DRIVER: dict[str, Any] = {"metadata": {"name": "csi.example.com"}}
CAPACITY: dict[str, Any] = {"metadata": {"name": "c", "namespace": "default"}, "storageClassName": "fast",
                            "capacity": "1024Mi", "nodeTopology": {"matchLabels": {"rack": "a"}}}


def read(kind: type[meta.Object], raw: dict[str, Any]) -> Any:
    return defaults.apply(codec.decode(scheme.of_type(kind), raw))


def problems(kind: type[meta.Object], raw: dict[str, Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(read(kind, raw))]


def changes(kind: type[meta.Object], new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.update(read(kind, new), read(kind, old))]


def attachment(**spec: Any) -> dict[str, Any]:
    return {**ATTACHMENT, "spec": {**ATTACHMENT["spec"], **spec}}


@pytest.mark.parametrize(("kind", "raw"), [
    (storage.StorageClass, CLASS), (storage.VolumeAttachment, ATTACHMENT), (storage.CSINode, NODE),
    (storage.CSIDriver, DRIVER), (storage.CSIStorageCapacity, CAPACITY)])
def test_good_objects_have_no_problems_and_defaults_are_stable(kind: type[meta.Object], raw: dict[str, Any]) -> None:
    made = read(kind, raw)

    assert problems(kind, raw) == []
    assert defaults.apply(made) == made
    assert changes(kind, raw, raw) == []


@pytest.mark.parametrize("kind", ["StorageClass", "VolumeAttachment", "CSINode", "CSIDriver", "CSIStorageCapacity"])
def test_the_version_before_is_served_too(kind: str) -> None:
    resource = scheme.of_kind("storage.k8s.io/v1beta1", kind)
    assert resource is not None
    sent = {"apiVersion": "storage.k8s.io/v1beta1", "kind": kind, "metadata": {"name": "x"}}

    stored = scheme.convert_in("storage.k8s.io/v1beta1", sent)
    assert stored == {**sent, "apiVersion": "storage.k8s.io/v1"}
    assert scheme.convert_out("storage.k8s.io/v1beta1", stored) == sent


def test_a_class_makes_volumes_at_once_and_deletes_them() -> None:
    made = read(storage.StorageClass, {**CLASS, "metadata": {
        "name": "default", "annotations": {"storageclass.beta.kubernetes.io/is-default-class": "true"},
        "labels": {"kubernetes.io/cluster-service": "true"}}})

    assert (made.reclaim_policy, made.volume_binding_mode) == ("Delete", "Immediate")
    assert made.metadata.annotations == {"storageclass.beta.kubernetes.io/is-default-class": "true"}


@pytest.mark.parametrize(("more", "expected"), [
    ({"provisioner": ""}, ["provisioner: Required value"]),
    ({"reclaimPolicy": "Recycle"}, [
        'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"']),
    ({"volumeBindingMode": "Later"}, [
        'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"']),
    ({"parameters": {"": "x"}}, ['parameters: Invalid value: "": field can not be empty.']),
    ({"parameters": {str(number): "" for number in range(513)}}, [
        "parameters: Too long: may not be more than 512 bytes"]),
    ({"parameters": {"x": "y" * 262144}}, ["parameters: Too long: may not be more than 262144 bytes"]),
    ({"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": []}]}]}, [
        "allowedTopologies[0].matchLabelExpressions[0].values: Required value"]),
    ({"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": ["a", "a"]}]}]}, [
        'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"']),
    ({"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": [order]}]} for order in "aa"]}, [
        'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""']),
])
def test_what_is_wrong_with_a_class_is_named(more: dict[str, Any], expected: list[str]) -> None:
    assert problems(storage.StorageClass, CLASS | more) == expected


def test_a_class_stays_what_its_volumes_were_made_by() -> None:
    other = CLASS | {"parameters": {"a": "b"}, "provisioner": "x.io/y", "reclaimPolicy": "Retain",
                     "volumeBindingMode": "WaitForFirstConsumer"}

    assert changes(storage.StorageClass, other, CLASS) == [
        "parameters: Forbidden: updates to parameters are forbidden.",
        "provisioner: Forbidden: updates to provisioner are forbidden.",
        "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
        'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable']
    assert changes(storage.StorageClass, CLASS | {"allowVolumeExpansion": True}, CLASS) == []


@pytest.mark.parametrize(("spec", "expected"), [
    ({"source": {}}, ["spec.source: Required value: must specify exactly one of inlineVolumeSpec and "
                      "persistentVolumeName"]),
    ({"source": {"persistentVolumeName": ""}}, [
        "spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName"]),
    ({"source": {"inlineVolumeSpec": {"accessModes": ["ReadWriteOnce"], "nfs": {"server": "s", "path": "/p"}}}}, [
        "spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes"]),
    ({"source": {"inlineVolumeSpec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1"},
                                      "csi": {"driver": "d", "volumeHandle": "h"}, "storageClassName": "c",
                                      "volumeMode": "Block", "persistentVolumeReclaimPolicy": "Delete"}}}, [
        "spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes",
        "spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of "
        "inline volumes",
        "spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline "
        "volumes",
        "spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the "
        "context of inline volumes"]),
])
def test_what_is_wrong_with_an_attachment_is_named(spec: dict[str, Any], expected: list[str]) -> None:
    assert problems(storage.VolumeAttachment, attachment(**spec)) == expected


def test_an_attachment_cannot_change_and_its_errors_have_a_length() -> None:
    changed = changes(storage.VolumeAttachment, attachment(nodeName="node-2"), ATTACHMENT)
    long = read(storage.VolumeAttachment, {**ATTACHMENT, "status": {"attachError": {"message": "x" * 1025}}})

    assert len(changed) == 1
    assert changed[0].startswith("spec: Invalid value: ")
    assert changed[0].endswith(": field is immutable")
    assert [cause.field for cause in validation.update(long, long, "status")] == ["status.attachError.message"]


def test_drivers_of_a_node_are_judged_and_stay() -> None:
    driver = NODE["spec"]["drivers"][0]
    twice = {**NODE, "spec": {"drivers": [driver, {**driver, "nodeID": "x" * 193, "topologyKeys": ["a", "a"]}]}}

    assert problems(storage.CSINode, twice) == [
        f'spec.drivers[1].nodeID: Invalid value: "{"x" * 193}": must be 192 characters or less',
        'spec.drivers[1].name: Duplicate value: "csi.example.com"',
        'spec.drivers[1]: Duplicate value: "a"']
    changed = {**NODE, "spec": {"drivers": [{**driver, "nodeID": "m"}]}}
    assert changes(storage.CSINode, changed, NODE)[0].endswith(": field is immutable")
    assert changes(storage.CSINode, {**NODE, "spec": {"drivers": []}}, NODE) == []


def test_a_driver_gets_its_defaults_and_stays() -> None:
    spec = read(storage.CSIDriver, DRIVER).spec

    assert (spec.attach_required, spec.pod_info_on_mount, spec.storage_capacity) == (True, False, False)
    assert (spec.fs_group_policy, spec.volume_lifecycle_modes) == ("ReadWriteOnceWithFSType", ("Persistent",))
    assert changes(storage.CSIDriver, DRIVER | {"spec": {"attachRequired": False, "volumeLifecycleModes": [
        "Ephemeral"], "podInfoOnMount": True}}, DRIVER) == [
        "spec.attachedRequired: Invalid value: false: field is immutable",
        'spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable']


def test_what_is_wrong_with_a_driver_is_named() -> None:
    assert problems(storage.CSIDriver, DRIVER | {"spec": {
        "fsGroupPolicy": "Some", "volumeLifecycleModes": ["Eternal"],
        "tokenRequests": [{"audience": "a", "expirationSeconds": 5}, {"audience": "a"}]}}) == [
        'spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", "ReadWriteOnceWithFSType"',
        "spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes",
        'spec.tokenRequests[1].audience: Duplicate value: "a"',
        'spec.volumeLifecycleModes: Unsupported value: "Eternal": supported values: "Persistent", "Ephemeral"']


def test_room_is_an_amount_of_one_class_and_place() -> None:
    assert read(storage.CSIStorageCapacity, CAPACITY).capacity == "1Gi"
    assert problems(storage.CSIStorageCapacity, CAPACITY | {"capacity": "-1"}) == [
        'capacity: Invalid value: "-1": must be greater than or equal to 0']
    assert [line.partition(":")[0] for line in changes(
        storage.CSIStorageCapacity, CAPACITY | {"storageClassName": "slow", "nodeTopology": None, "capacity": "2"},
        CAPACITY)] == ["nodeTopology", "storageClassName"]
