"""The real kubectl with volumes, claims, classes, quotas and replication controllers."""

from __future__ import annotations

import json

from tests.integration.conftest import Cluster

VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: database, labels: {volume: my-volume}}
spec:
  accessModes: [ReadWriteMany]
  capacity: {storage: 1Gi}
  nfs: {server: 192.168.0.1, path: "/exports"}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: database}
spec:
  accessModes: [ReadWriteMany]
  resources: {requests: {storage: 1Gi}}
  selector: {matchLabels: {volume: my-volume}}
"""
OLD_CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: my-claim, annotations: {volume.beta.kubernetes.io/storage-class: default}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Gi}}
"""
CLASS = """
apiVersion: storage.k8s.io/v1beta1
kind: StorageClass
metadata:
  name: default
  annotations: {storageclass.beta.kubernetes.io/is-default-class: "true"}
  labels: {kubernetes.io/cluster-service: "true"}
provisioner: kubernetes.io/azure-disk
"""
CONTROLLER = """
apiVersion: v1
kind: ReplicationController
metadata: {name: web}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""
LIMITS = """
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: [{type: Container, max: {cpu: "2"}, defaultRequest: {cpu: 100m}}]}
"""
TEMPLATE = """
apiVersion: v1
kind: PodTemplate
metadata: {name: web}
template:
  metadata: {labels: {app: web}}
  spec: {containers: [{name: web, image: nginx}]}
"""
DRIVERS = """
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: nfs.csi.k8s.io}
spec: {attachRequired: false}
---
apiVersion: storage.k8s.io/v1
kind: CSINode
metadata: {name: node-1}
spec: {drivers: [{name: nfs.csi.k8s.io, nodeID: node-1}]}
---
apiVersion: storage.k8s.io/v1
kind: CSIStorageCapacity
metadata: {name: rack}
storageClassName: default
capacity: 1024Mi
---
apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: there}
spec: {attacher: nfs.csi.k8s.io, nodeName: node-1, source: {persistentVolumeName: database}}
"""
MERGE = {"Content-Type": "application/merge-patch+json"}


async def shown(cluster: Cluster, *arguments: str) -> list[list[str]]:
    """Return the words of each line that `kubectl get` prints."""
    return [line.split() for line in (await cluster.kubectl("get", *arguments)).out.splitlines()]


async def test_a_volume_and_its_claim(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=VOLUME)
    assert (await cluster.kubectl("apply", "-f", "-", stdin=VOLUME)).out == "persistentvolume/database unchanged\n"
    await cluster.kubectl("create", "-f", "-", stdin=CLAIM)
    header, row = await shown(cluster, "pv", "-o", "wide")
    assert " ".join(header) == ("NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS "
                                "VOLUMEATTRIBUTESCLASS REASON AGE VOLUMEMODE")
    assert row[:5] == ["database", "1Gi", "RWX", "Retain", "Pending"]
    assert row[-1] == "Filesystem"
    header, row = await shown(cluster, "pvc", "-o", "wide")
    assert " ".join(header) == ("NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE "
                                "VOLUMEMODE")
    assert row[:3] == ["database", "Pending", "<unset>"]
    described = (await cluster.kubectl("describe", "pv", "database")).out
    assert "Server:    192.168.0.1" in described
    assert "Status:        Pending" in (await cluster.kubectl("describe", "pvc", "database")).out
    # No controller runs here that would see that nobody uses them.
    for kind in ("pv", "pvc"):
        assert " deleted" in (await cluster.kubectl("delete", kind, "database", "--wait=false")).out
        assert (await shown(cluster, kind))[1][{"pv": 4, "pvc": 1}[kind]] == "Terminating"
        await cluster.kubectl("patch", kind, "database", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        assert not (await cluster.kubectl("get", kind)).out


async def test_new_volumes_and_claims_are_protected(cluster: Cluster) -> None:
    await cluster.kubectl("create", "-f", "-", stdin=VOLUME + "---" + CLAIM)
    for kind, finalizer in (("pv", "kubernetes.io/pv-protection"), ("pvc", "kubernetes.io/pvc-protection")):
        made = json.loads((await cluster.kubectl("get", kind, "database", "-o", "json")).out)
        assert made["metadata"]["finalizers"] == [finalizer]


async def test_a_claim_that_selects_its_volume_gets_no_default_class(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=CLASS + "---" + CLAIM)
    selector = "  selector: {matchLabels: {volume: my-volume}}\n"
    plain = CLAIM.replace("name: database", "name: plain").replace(selector, "")
    await cluster.kubectl("create", "-f", "-", stdin=plain)
    found = json.loads((await cluster.kubectl("get", "pvc", "-o", "json")).out)["items"]
    assert {each["metadata"]["name"]: each["spec"].get("storageClassName") for each in found} == {
        "database": None, "plain": "default"}


async def test_the_status_of_a_claim_is_written_apart(cluster: Cluster) -> None:
    await cluster.kubectl("create", "-f", "-", stdin=CLAIM)
    path = "/api/v1/namespaces/default/persistentvolumeclaims/database"
    await cluster.request("PATCH", path, {"spec": {"volumeName": "database"}}, code=200, headers=MERGE)
    bound = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"]}
    await cluster.request("PATCH", f"{path}/status", {"status": bound, "spec": {"volumeName": "other"}}, code=200,
                          headers=MERGE)
    assert (await shown(cluster, "pvc"))[1][:5] == ["database", "Bound", "database", "1Gi", "RWX"]
    ran = await cluster.kubectl("patch", "pvc", "database", "-p", '{"spec":{"accessModes":["ReadWriteOnce"]}}', code=1)
    assert ("spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName "
            "for bound claims") in ran.err
    grown = '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}'
    ran = await cluster.kubectl("patch", "pvc", "database", "-p", grown, code=1)
    assert "the storageclass that provisions the pvc must support resize" in ran.err


async def test_a_class_of_an_old_book_and_a_claim_that_names_it_by_annotation(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=CLASS + "---" + OLD_CLAIM)
    header, row = await shown(cluster, "sc")
    assert " ".join(header) == "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE"
    assert row[:5] == ["default", "(default)", "kubernetes.io/azure-disk", "Delete", "Immediate"]
    assert (await shown(cluster, "pvc"))[1][:3] == ["my-claim", "Pending", "default"]
    claim = json.loads((await cluster.kubectl("get", "pvc", "my-claim", "-o", "json")).out)
    assert "storageClassName" not in claim["spec"]
    assert claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"] == "default"
    await cluster.request("GET", "/apis/storage.k8s.io/v1beta1/storageclasses/default", code=200)
    ran = await cluster.kubectl("patch", "sc", "default", "-p", '{"provisioner":"other"}', code=1)
    assert "provisioner: Forbidden: updates to provisioner are forbidden." in ran.err
    assert "IsDefaultClass:  Yes" in (await cluster.kubectl("describe", "sc", "default")).out


async def test_a_replication_controller(cluster: Cluster) -> None:
    await cluster.kubectl("create", "-f", "-", stdin=CONTROLLER)
    header, row = await shown(cluster, "rc", "-o", "wide")
    assert header == ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row[:4] == ["web", "2", "0", "0"]
    assert row[-3:] == ["web", "nginx", "app=web"]
    assert (await cluster.kubectl("scale", "rc", "web", "--replicas=5")).out == "replicationcontroller/web scaled\n"
    scale = await cluster.request("GET", "/api/v1/namespaces/default/replicationcontrollers/web/scale", code=200)
    assert scale["spec"] == {"replicas": 5}
    assert scale["status"]["selector"] == "app=web"
    found = json.loads((await cluster.kubectl("get", "rc", "web", "-o", "json")).out)
    assert (found["metadata"]["labels"], found["metadata"]["generation"]) == ({"app": "web"}, 2)
    assert "replicationcontroller/web" in (await cluster.kubectl("get", "all")).out
    assert "Selector:     app=web" in (await cluster.kubectl("describe", "rc", "web")).out
    assert (await shown(cluster, "rc", "--field-selector", "status.replicas=0"))[1][0] == "web"
    await cluster.kubectl("delete", "rc", "web")
    await cluster.kubectl("create", "-f", "-", stdin=TEMPLATE)
    header, row = await shown(cluster, "podtemplates")
    assert " ".join(header) == "NAME CONTAINERS IMAGES POD LABELS"
    assert row == ["web", "web", "nginx", "app=web"]


async def test_limits_and_quotas(cluster: Cluster) -> None:
    await cluster.kubectl("create", "-f", "-", stdin=LIMITS)
    header, row = await shown(cluster, "limits")
    assert " ".join(header) == "NAME CREATED AT"
    assert row[1].endswith("Z")
    assert "100m" in (await cluster.kubectl("describe", "limits", "limits")).out
    await cluster.kubectl("create", "quota", "room", "--hard=pods=10,limits.cpu=4", "--scopes=NotTerminating")
    path = "/api/v1/namespaces/default/resourcequotas/room/status"
    await cluster.request("PATCH", path, {"status": {"hard": {"pods": "10", "limits.cpu": "4"}, "used": {
        "pods": "3", "limits.cpu": "500m"}}}, code=200, headers=MERGE)
    header, row = await shown(cluster, "quota")
    assert header == ["NAME", "REQUEST", "LIMIT", "AGE"]
    assert row[:5] == ["room", "pods:", "3/10", "limits.cpu:", "500m/4"]
    described = (await cluster.kubectl("describe", "quota", "room")).out
    assert [line.split() for line in described.splitlines() if line.startswith("pods")] == [["pods", "3", "10"]]
    ran = await cluster.kubectl("create", "quota", "bad", "--hard=cpus=1", code=1)
    assert "must be a standard resource for quota" in ran.err
    ran = await cluster.kubectl("patch", "quota", "room", "-p", '{"spec":{"scopes":["Terminating"]}}', code=1)
    assert 'spec.scopes: Invalid value: ["Terminating"]: field is immutable' in ran.err


async def test_drivers(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=DRIVERS)
    assert (await shown(cluster, "csidrivers"))[1][:3] == ["nfs.csi.k8s.io", "false", "false"]
    assert (await shown(cluster, "csinodes"))[1][:2] == ["node-1", "1"]
    assert (await shown(cluster, "csistoragecapacities"))[1] == ["rack", "default", "1Gi"]
    await cluster.request("PATCH", "/apis/storage.k8s.io/v1/volumeattachments/there/status",
                          {"status": {"attached": True}}, code=200, headers=MERGE)
    assert (await shown(cluster, "volumeattachments"))[1][:5] == [
        "there", "nfs.csi.k8s.io", "database", "node-1", "true"]
    await cluster.kubectl("delete", "csidriver/nfs.csi.k8s.io", "csinode/node-1", "volumeattachment/there")


async def test_every_field_is_explained(cluster: Cluster) -> None:
    for path in ("pv.spec.csi", "pvc.status", "rc.spec", "quota.spec.scopeSelector", "limits.spec.limits",
                 "podtemplates.template", "csidrivers.spec", "volumeattachments.spec.source"):
        assert "FIELDS:" in (await cluster.kubectl("explain", path)).out, path
    for path in ("sc.provisioner", "pv.spec.persistentVolumeReclaimPolicy", "csinodes.spec.drivers.nodeID"):
        assert "DESCRIPTION:" in (await cluster.kubectl("explain", path)).out, path


async def test_bad_volumes_are_refused_with_their_fields(cluster: Cluster) -> None:
    ran = await cluster.kubectl("create", "-f", "-", stdin=VOLUME.replace("ReadWriteMany", "Everything"), code=1)
    assert 'The PersistentVolume "database" is invalid: spec.accessModes: Unsupported value: "Everything"' in ran.err
    ran = await cluster.kubectl("create", "-f", "-", "--validate=false", stdin=VOLUME.replace("[ReadWriteMany]", "3"),
                                code=1)
    assert "cannot unmarshal number into Go struct field" in ran.err
    ran = await cluster.kubectl("create", "-f", "-", stdin=VOLUME.replace("nfs:", "nfsx:"), code=1)
    assert 'unknown field "spec.nfsx"' in ran.err
