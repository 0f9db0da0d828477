"""PersistentVolumes and PersistentVolumeClaims: every source, what they get by default, what may change."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from edge.api import codec, core, defaults, meta, scheme, validation

VOLUME: dict[str, Any] = {"metadata": {"name": "database", "creationTimestamp": "2026-01-02T11:00:00Z"}, "spec": {
    "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}}}
NFS = {"nfs": {"server": "192.168.0.1", "path": "/exports"}}
CLAIM: dict[str, Any] = {"metadata": {"name": "database"}, "spec": {
    "accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}},
    "selector": {"matchLabels": {"volume": "my-volume"}}}}
BETA = "volume.beta.kubernetes.io/storage-class"
ON_A_NODE = {"nodeAffinity": {"required": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1"]}]}]}}}
SECRET = {"name": "s", "namespace": "kube-system"}
SOURCES: dict[str, dict[str, Any]] = {
    "hostPath": {"path": "/data", "type": "Directory"},
    "local": {"path": "/mnt/disk", "fsType": "ext4"},
    "nfs": {"server": "192.168.0.1", "path": "/exports", "readOnly": True},
    "csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": "h", "nodePublishSecretRef": SECRET,
            "volumeAttributes": {"share": "/exports"}},
    "iscsi": {"targetPortal": "10.0.0.1", "iqn": "iqn.2001-04.com.example:storage.disk1", "lun": 0,
              "chapAuthSession": True, "secretRef": {"name": "chap"}},
    "fc": {"targetWWNs": ["500a0982991b8dc5"], "lun": 2},
    "rbd": {"monitors": ["10.0.0.1:6789"], "image": "foo", "secretRef": SECRET},
    "cephfs": {"monitors": ["10.0.0.1:6789"], "path": "/x"},
    "glusterfs": {"endpoints": "cluster", "path": "vol", "endpointsNamespace": "storage"},
    "awsElasticBlockStore": {"volumeID": "vol-1", "partition": 1},
    "gcePersistentDisk": {"pdName": "disk", "fsType": "ext4"},
    "azureDisk": {"diskName": "d", "diskURI": "https://a.blob.core.windows.net/c/d.vhd"},
    "azureFile": {"secretName": "s", "shareName": "share"},
    "cinder": {"volumeID": "v", "secretRef": SECRET},
    "flexVolume": {"driver": "example.com/lvm", "options": {"size": "1G"}},
    "flocker": {"datasetName": "data"},
    "vsphereVolume": {"volumePath": "[ds] disk.vmdk", "storagePolicyID": "p"},
    "quobyte": {"registry": "a:1,b:2", "volume": "v"},
    "portworxVolume": {"volumeID": "v"},
    "scaleIO": {"gateway": "https://g", "system": "s", "secretRef": SECRET, "volumeName": "v"},
    "storageos": {"volumeName": "v", "secretRef": {"name": "s", "namespace": "n"}},
    "photonPersistentDisk": {"pdID": "p"},
}


def read(kind: type[meta.Object], raw: dict[str, Any]) -> Any:
    return defaults.apply(codec.decode(scheme.of_type(kind), raw))


def volume(spec: dict[str, Any], **more: Any) -> Any:
    return read(core.PersistentVolume, {**VOLUME, "spec": {**VOLUME["spec"], **spec}, **more})


def claim(spec: dict[str, Any], *, status: dict[str, Any] | None = None, note: str = "") -> Any:
    metadata = {"name": "database", "annotations": {BETA: note} if note else {}}
    return read(core.PersistentVolumeClaim, {"metadata": metadata, "spec": {**CLAIM["spec"], **spec},
                                             "status": status or {}})


def problems(obj: meta.Object) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(obj)]


def changes(new: meta.Object, old: meta.Object) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.update(new, old)]


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_is_known_whole_and_fine(source: str) -> None:
    raw = {**VOLUME, "spec": {**VOLUME["spec"], source: SOURCES[source], **(ON_A_NODE if source == "local" else {})}}

    assert codec.unknown_fields(core.PersistentVolume, raw) == ()
    made = read(core.PersistentVolume, copy.deepcopy(raw))
    assert problems(made) == []
    assert defaults.apply(made) == made
    shown = codec.to_dict(made)["spec"][source]
    written = {key: value for key, value in SOURCES[source].items() if value != 0}
    assert shown.items() >= written.items()


@pytest.mark.parametrize("source", SOURCES)
def test_an_empty_source_is_incomplete(source: str) -> None:
    assert problems(volume({source: {}, **ON_A_NODE}))[0].startswith("spec."), source


def test_a_volume_is_kept_and_pending_at_first() -> None:
    made = volume(NFS)

    assert made.spec.persistent_volume_reclaim_policy == "Retain"
    assert made.spec.volume_mode == "Filesystem"
    assert made.status.phase == "Pending"
    assert made.status.last_phase_transition_time == "2026-01-02T11:00:00Z"
    assert made.metadata.finalizers == ()


def test_old_disks_get_their_defaults() -> None:
    disk = volume({"azureDisk": SOURCES["azureDisk"]}).spec.azure_disk

    assert (disk.caching_mode, disk.kind, disk.fs_type, disk.read_only) == ("ReadWrite", "Shared", "ext4", False)
    assert volume({"rbd": SOURCES["rbd"]}).spec.rbd.pool == "rbd"
    assert volume({"iscsi": SOURCES["iscsi"]}).spec.iscsi.iscsi_interface == "default"
    assert volume({"scaleIO": SOURCES["scaleIO"]}).spec.scale_io.storage_mode == "ThinProvisioned"


@pytest.mark.parametrize(("spec", "expected"), [
    ({}, ["spec: Required value: must specify a volume type"]),
    ({**NFS, "hostPath": {"path": "/x"}}, ["spec.nfs: Forbidden: may not specify more than 1 volume type"]),
    ({**NFS, "accessModes": []}, ["spec.accessModes: Required value"]),
    ({**NFS, "accessModes": ["Read"]}, [
        'spec.accessModes: Unsupported value: "Read": supported values: "ReadOnlyMany", "ReadWriteMany", '
        '"ReadWriteOnce", "ReadWriteOncePod"']),
    ({**NFS, "accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]}, [
        "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"]),
    ({**NFS, "capacity": {}}, ["spec.capacity: Required value",
                               'spec.capacity: Unsupported value: {}: supported values: "storage"']),
    ({**NFS, "capacity": {"storage": "0"}}, ['spec.capacity[storage]: Invalid value: "0": must be greater than zero']),
    ({**NFS, "capacity": {"storage": "much"}}, [
        "spec.capacity[storage]: Invalid value: \"much\": quantities must match the regular expression "
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"]),
    ({**NFS, "persistentVolumeReclaimPolicy": "Burn"}, [
        'spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", '
        '"Retain"']),
    ({**NFS, "volumeMode": "Tape"}, [
        'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"']),
    ({"hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"}, [
        "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"]),
    ({"hostPath": {"path": "/a/../b"}}, ['spec.hostPath.path: Invalid value: "/a/../b": must not contain \'..\'']),
    ({"local": {"path": "/mnt"}}, ["spec.nodeAffinity: Required value: Local volume requires node affinity"]),
    ({**NFS, "nodeAffinity": {}}, ["spec.nodeAffinity.required: Required value: must specify required node "
                                   "constraints"]),
    ({**NFS, "nodeAffinity": {"required": {"nodeSelectorTerms": []}}}, [
        "spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term"]),
    ({"nfs": {"server": "s", "path": "exports"}}, [
        'spec.nfs.path: Invalid value: "exports": must be an absolute path']),
    ({"csi": {"driver": "d"}}, ["spec.csi.volumeHandle: Required value"]),
    ({"iscsi": {**SOURCES["iscsi"], "iqn": "disk1", "lun": 300, "secretRef": None}}, [
        'spec.iscsi.iqn: Invalid value: "disk1": must be valid format',
        "spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive",
        "spec.iscsi.secretRef: Required value"]),
    ({"fc": {"targetWWNs": ["w"], "wwids": ["i"]}}, [
        'spec.fc.targetWWNs: Invalid value: ["w"]: targetWWNs and wwids can not be specified simultaneously',
        "spec.fc.lun: Required value: lun is required if targetWWNs is specified"]),
    ({"flexVolume": {"driver": "d", "options": {"kubernetes.io/x": "y"}}}, [
        'spec.flexVolume.options[kubernetes.io/x]: Invalid value: "kubernetes.io/x": kubernetes.io and k8s.io '
        "namespaces are reserved"]),
    ({"gcePersistentDisk": {"pdName": "d", "partition": 256}}, [
        "spec.persistentDisk.partition: Invalid value: 256: must be between 0 and 255, inclusive"]),
    ({"azureDisk": {"diskName": "d", "diskURI": "u", "kind": "Managed"}}, [
        'spec.azureDisk.diskURI: Unsupported value: "u": supported values: "/subscriptions/{sub-id}/resourcegroups/'
        '{group-name}/providers/microsoft.compute/disks/{disk-id}"']),
    ({"flocker": {"datasetName": "a", "datasetUUID": "b"}}, [
        'spec.flocker: Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously']),
    ({"quobyte": {"registry": "nowhere", "volume": "v"}}, [
        'spec.quobyte.registry: Invalid value: "nowhere": must be a host:port pair or multiple pairs separated by '
        "commas"]),
])
def test_what_is_wrong_with_a_volume_is_named(spec: dict[str, Any], expected: list[str]) -> None:
    assert problems(volume(spec)) == expected


def test_a_volume_keeps_its_source_its_mode_and_its_place() -> None:
    old = volume({**NFS, **ON_A_NODE})

    assert changes(volume({**NFS, **ON_A_NODE, "persistentVolumeReclaimPolicy": "Delete",
                           "claimRef": {"namespace": "default", "name": "c"}}), old) == []
    assert changes(volume({"nfs": {"server": "other", "path": "/exports"}, **ON_A_NODE}), old) == [
        "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n"
        '- nfs: {"server":"192.168.0.1","path":"/exports"}\n+ nfs: {"server":"other","path":"/exports"}']
    assert changes(volume({**NFS, **ON_A_NODE, "volumeMode": "Block"}), old) == [
        'volumeMode: Invalid value: "Block": field is immutable']
    assert [line.partition(":")[0] for line in changes(volume(NFS), old)] == ["nodeAffinity"]
    assert changes(volume({**NFS, **ON_A_NODE}), volume(NFS)) == []


def test_a_driver_may_be_given_a_secret_for_growing_later() -> None:
    csi = SOURCES["csi"]
    later = {"csi": {**csi, "controllerExpandSecretRef": SECRET}}

    assert changes(volume(later), volume({"csi": csi})) == []
    assert len(changes(volume({"csi": {**csi, "volumeHandle": "other"}}), volume({"csi": csi}))) == 1


def test_a_claim_is_pending_and_keeps_its_class_open() -> None:
    made = claim({}, note="default")

    assert made.status.phase == "Pending"
    assert made.spec.volume_mode == "Filesystem"
    assert made.spec.storage_class_name is None
    assert made.metadata.annotations == {BETA: "default"}
    assert made.metadata.finalizers == ()
    assert problems(made) == []
    assert claim({"storageClassName": ""}).spec.storage_class_name == ""


def test_both_names_of_a_claims_content_say_the_same() -> None:
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}

    assert codec.to_dict(claim({"dataSource": source}).spec.data_source_ref) == source
    assert codec.to_dict(claim({"dataSourceRef": source}).spec.data_source) == source
    assert problems(claim({"dataSource": source, "dataSourceRef": {**source, "name": "t"}})) == [
        'spec: Invalid value: "spec.dataSource": must match dataSourceRef']
    assert problems(claim({"dataSource": {"kind": "Pod", "name": "p"}}))[0] == (
        'spec.dataSource: Invalid value: "Pod": must be \'PersistentVolumeClaim\' when referencing the default '
        "apiGroup")


@pytest.mark.parametrize(("spec", "expected"), [
    ({"accessModes": []}, ["spec.accessModes: Required value: at least 1 access mode is required"]),
    ({"resources": {}}, ["spec.resources[storage]: Required value"]),
    ({"resources": {"requests": {"storage": "-1"}}}, [
        'spec.resources[storage]: Invalid value: "-1": must be greater than zero']),
    ({"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}, [
        'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator']),
    ({"volumeMode": "Tape"}, [
        'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"']),
])
def test_what_is_wrong_with_a_claim_is_named(spec: dict[str, Any], expected: list[str]) -> None:
    assert problems(claim(spec)) == expected


def test_a_claim_is_bound_once_and_then_stays() -> None:
    assert changes(claim({"volumeName": "v"}), claim({})) == []
    refused = changes(claim({"volumeName": "w"}), claim({"volumeName": "v"}))

    assert refused == [
        "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName "
        'for bound claims\n- volumeName: "v"\n+ volumeName: "w"']


def test_only_a_bound_claim_grows_and_none_shrinks() -> None:
    bound = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    more, less = ({"resources": {"requests": {"storage": amount}}} for amount in ("2Gi", "512Mi"))

    assert changes(claim(more, status=bound), claim({}, status=bound)) == []
    assert [line.partition(":")[0] for line in changes(claim(more), claim({}))] == ["spec"]
    assert changes(claim(less, status=bound), claim({}, status=bound)) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]
    # An enlargement that failed may be taken back to anything above what there is.
    assert changes(claim(more, status=bound),
                   claim({"resources": {"requests": {"storage": "3Gi"}}}, status=bound)) == []


def test_a_class_may_be_named_once_and_the_annotation_moves_to_the_field() -> None:
    named, other = {"storageClassName": "fast"}, {"storageClassName": "slow"}

    assert changes(claim(named), claim({})) == []
    assert changes(claim(named), claim({}, note="fast")) == []
    assert changes(claim(named, note="fast"), claim({}, note="fast")) == []
    assert [line.partition(":")[0] for line in changes(claim(other, note="fast"), claim({}, note="fast"))] == ["spec"]
    assert [line.partition(":")[0] for line in changes(claim(other), claim(named))] == ["spec"]
    assert changes(claim({}, note="slow"), claim({}, note="fast")) == [
        f'metadata.annotations.{BETA}: Invalid value: "slow": field is immutable']


def test_the_status_of_a_claim_is_judged() -> None:
    made = claim({}, status={"capacity": {"storage": "-1Gi"}, "allocatedResources": {"cpu": "1", "storage": "2Gi"},
                             "allocatedResourceStatuses": {"storage": "Dreaming"}})

    assert [f"{cause.field}: {cause.message}" for cause in validation.update(made, made, "status")] == [
        "status.capacity[storage]: Invalid value: -1073741824: must be a valid resource quantity",
        'status.allocatedResourceStatus: Unsupported value: "storage": supported values: '
        '"ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", '
        '"NodeResizePending"',
        'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"']
