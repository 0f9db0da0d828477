"""The less common parts of a pod are kept, and what is wrong with them is named."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from edge.api import apps, codec, core, defaults, meta, scheme, validation

Json = dict[str, Any]
POD: Json = {"metadata": {"name": "web", "namespace": "default"}, "spec": {
    "containers": [{"name": "web", "image": "web:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
    "volumes": [{"name": "data", "emptyDir": {}}]}}
EVERYTHING: Json = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {
        "os": {"name": "linux"}, "hostUsers": False, "setHostnameAsFQDN": True, "preemptionPolicy": "Never",
        "overhead": {"memory": "10Mi"}, "schedulingGates": [{"name": "example.com/wait"}],
        "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}],
        "readinessGates": [{"conditionType": "example.com/up"}],
        "securityContext": {
            "appArmorProfile": {"type": "Localhost", "localhostProfile": "k8s"}, "seLinuxChangePolicy": "Recursive",
            "seccompProfile": {"type": "RuntimeDefault"}, "supplementalGroupsPolicy": "Strict",
            "fsGroupChangePolicy": "OnRootMismatch", "sysctls": [{"name": "net.core.somaxconn", "value": "1"}],
            "windowsOptions": {"gmsaCredentialSpec": "x", "runAsUserName": "u", "hostProcess": False}},
        "initContainers": [{"name": "side", "image": "a", "restartPolicy": "Always"}],
        "containers": [{
            "name": "web", "image": "web:1",
            "resources": {"claims": [{"name": "gpu", "request": "one"}]},
            "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
            "securityContext": {"procMount": "Unmasked", "windowsOptions": {"gmsaCredentialSpecName": "n"}},
            "volumeMounts": [{"name": "image", "mountPath": "/i", "readOnly": True,
                              "recursiveReadOnly": "IfPossible"}],
            "volumeDevices": [{"name": "disk", "devicePath": "/dev/x"}]}],
        "volumes": [
            {"name": "image", "image": {"reference": "data:1"}},
            {"name": "disk", "ephemeral": {"volumeClaimTemplate": {"spec": {"volumeMode": "Block"}}}},
            {"name": "trust", "projected": {"sources": [{"clusterTrustBundle": {
                "signerName": "example.com/ca", "labelSelector": {}, "path": "ca.pem", "optional": True}}]}},
            {"name": "ebs", "awsElasticBlockStore": {"volumeID": "v", "partition": 1}},
            {"name": "azd", "azureDisk": {"diskName": "d", "diskURI": "u"}},
            {"name": "azf", "azureFile": {"secretName": "s", "shareName": "n"}},
            {"name": "ceph", "cephfs": {"monitors": ["m"], "secretRef": {"name": "s"}}},
            {"name": "cinder", "cinder": {"volumeID": "v"}},
            {"name": "fc", "fc": {"targetWWNs": ["w"], "lun": 0}},
            {"name": "flocker", "flocker": {"datasetUUID": "u"}},
            {"name": "gce", "gcePersistentDisk": {"pdName": "p"}},
            {"name": "gluster", "glusterfs": {"endpoints": "e", "path": "p"}},
            {"name": "photon", "photonPersistentDisk": {"pdID": "p"}},
            {"name": "portworx", "portworxVolume": {"volumeID": "v"}},
            {"name": "quobyte", "quobyte": {"registry": "r", "volume": "v"}},
            {"name": "rbd", "rbd": {"monitors": ["m"], "image": "i"}},
            {"name": "scaleio", "scaleIO": {"gateway": "g", "system": "s", "volumeName": "v",
                                            "secretRef": {"name": "s"}}},
            {"name": "storageos", "storageos": {"volumeName": "v"}},
            {"name": "vsphere", "vsphereVolume": {"volumePath": "p", "storagePolicyID": "s"}}]}}


def read(raw: Json) -> core.Pod:
    obj = defaults.apply(codec.decode(scheme.of_type(core.Pod), raw))
    assert isinstance(obj, core.Pod)
    return obj


def problems(obj: meta.Object) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(obj)]


def changed(raw: Json, path: str, value: Any) -> Json:
    result = copy.deepcopy(raw)
    *parents, last = path.split(".")
    place: Any = result
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    place[last] = value
    return result


def missing(sent: Any, kept: Any) -> list[str]:
    """Return the paths of what was sent and did not come back."""
    if isinstance(sent, dict):
        return [f".{key}{rest}" for key, value in sent.items()
                for rest in (missing(value, kept[key]) if isinstance(kept, dict) and key in kept else ["!"])]
    if isinstance(sent, list):
        return [f"[{index}]{rest}" for index, value in enumerate(sent) for rest in missing(value, kept[index])]
    return [] if sent == kept else [f"={kept}"]


def test_nothing_a_manifest_says_is_dropped() -> None:
    obj = read(EVERYTHING)

    assert codec.unknown_fields(core.Pod, EVERYTHING) == ()
    assert missing(EVERYTHING, codec.to_dict(obj)) == []
    assert problems(obj) == []
    assert defaults.apply(obj) == obj


def test_volumes_of_storage_systems_get_their_defaults() -> None:
    volumes = {volume["name"]: volume for volume in codec.to_dict(read(EVERYTHING))["spec"]["volumes"]}

    assert volumes["rbd"]["rbd"] == {"monitors": ["m"], "image": "i", "pool": "rbd", "user": "admin",
                                     "keyring": "/etc/ceph/keyring"}
    assert volumes["azd"]["azureDisk"]["cachingMode"] == "ReadWrite"
    assert volumes["scaleio"]["scaleIO"]["fsType"] == "xfs"
    assert volumes["image"]["image"]["pullPolicy"] == "IfNotPresent"
    claim = read(changed(POD, "spec.volumes", [{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]))
    assert codec.to_dict(claim)["spec"]["volumes"][0]["ephemeral"]["volumeClaimTemplate"]["spec"] == {
        "volumeMode": "Filesystem"}


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("spec.os", {"name": "plan9"}, 'spec.os.name: Unsupported value: "plan9": supported values: "linux", "windows"'),
    ("spec.preemptionPolicy", "Ever", 'spec.preemptionPolicy: Unsupported value: "Ever": supported values: "Never"'),
    ("spec.schedulingGates", [{"name": "a"}, {"name": "a"}], 'spec.schedulingGates[1].name: Duplicate value: "a"'),
    ("spec.schedulingGates", [{"name": "a b"}], 'spec.schedulingGates[0]: Invalid value: "a b": name part must'),
    ("spec.readinessGates", [{"conditionType": ""}], 'spec.readinessGates[0].conditionType: Invalid value: ""'),
    ("spec.resourceClaims", [{"name": "a"}],
     'spec.resourceClaims[0]: Invalid value: {"name":"a"}: must specify one of: `resourceClaimName`, '
     "`resourceClaimTemplateName`"),
    ("spec.containers.0.resources.claims", [{"name": "a"}],
     'spec.containers[0].resources.claims[0]: Not found: "a"'),
    ("spec.securityContext.sysctls", [{"name": "A"}], 'spec.securityContext.sysctls[0].name: Invalid value: "A": must'),
    ("spec.securityContext.sysctls", [{"name": "a.b"}, {"name": "a.b"}],
     'spec.securityContext.sysctls[1].name: Duplicate value: "a.b"'),
    ("spec.securityContext.seccompProfile", {"type": "Localhost"},
     "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is"),
    ("spec.containers.0.securityContext.seccompProfile", {"type": "Localhost", "localhostProfile": "../x"},
     'spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid value: "../x": must not contain'),
    ("spec.securityContext.appArmorProfile", {"type": "Unconfined", "localhostProfile": "x"},
     'spec.securityContext.appArmorProfile.localhostProfile: Invalid value: "x": can only be set when AppArmor type is '
     "Localhost"),
    ("spec.securityContext.fsGroupChangePolicy", "Never",
     'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always"'),
    ("spec.containers.0.securityContext.procMount", "Unmasked",
     'spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use'),
    ("spec.containers.0.resizePolicy", [{"resourceName": "disk", "restartPolicy": "NotRequired"}],
     'spec.containers[0].resizePolicy[0].resourceName: Unsupported value: "disk": supported values: "cpu", "memory"'),
    ("spec.containers.0.volumeDevices", [{"name": "data", "devicePath": "/dev/x"}],
     'spec.containers[0].volumeDevices[0].name: Invalid value: "data": can only use volume source type of'),
    ("spec.containers.0.volumeMounts.0.recursiveReadOnly", "Enabled",
     "spec.containers[0].volumeMounts[0].recursiveReadOnly: Forbidden: may only be specified when readOnly is true"),
    ("spec.topologySpreadConstraints", [{"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway",
                                         "minDomains": 2}],
     "spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable="
     "DoNotSchedule, not ScheduleAnyway"),
    ("spec.ephemeralContainers", [{"name": "look", "image": "a"}],
     "spec.ephemeralContainers: Forbidden: cannot be set on create"),
    ("spec.volumes", [{"name": "data", "image": {}}], "spec.volumes[0].image.reference: Required value"),
    ("spec.volumes", [{"name": "data", "ephemeral": {}}],
     "spec.volumes[0].ephemeral.volumeClaimTemplate: Required value"),
    ("spec.volumes", [{"name": "data", "rbd": {"image": "i"}}], "spec.volumes[0].rbd.monitors: Required value"),
    ("spec.volumes", [{"name": "data", "projected": {"sources": [{"clusterTrustBundle": {"path": "a"}}]}}],
     "spec.volumes[0].projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be"),
])
def test_what_is_wrong(path: str, value: Any, expected: str) -> None:
    found = problems(read(changed(POD, path, value)))

    assert len(found) == 1, found
    assert found[0].startswith(expected)


def test_a_pod_of_its_own_users_shares_nothing_with_the_node() -> None:
    spec = {**POD["spec"], "hostUsers": False, "hostNetwork": True, "hostPID": True}

    assert problems(read({**POD, "spec": spec})) == [
        "spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false",
        "spec.hostPID: Forbidden: when `pod.Spec.HostUsers` is false"]


def test_ephemeral_containers_may_not_have_what_needs_a_pod_of_its_own() -> None:
    look = {"name": "look", "image": "a", "ports": [{"containerPort": 1}], "targetContainerName": "gone",
            "livenessProbe": {"exec": {"command": ["a"]}}}
    causes = validation.update(read(changed(POD, "spec.ephemeralContainers", [look])), read(POD), "ephemeralcontainers")

    assert [f"{cause.field}: {cause.message}" for cause in causes] == [
        "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
        "spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container",
        'spec.ephemeralContainers[0].targetContainerName: Not found: "gone"']


def test_templates_have_no_ephemeral_containers() -> None:
    raw = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
        "metadata": {"labels": {"a": "b"}},
        "spec": {**POD["spec"], "ephemeralContainers": [{"name": "look", "image": "a"}]}}}}

    assert problems(defaults.apply(codec.decode(scheme.of_type(apps.Deployment), raw))) == [
        "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"]


def test_the_places_of_a_gated_pod_may_be_narrowed() -> None:
    gated = changed(POD, "spec.schedulingGates", [{"name": "wait"}])
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}
    narrowed = changed(changed(gated, "spec.nodeSelector", {"disk": "ssd"}), "spec.affinity", affinity)

    assert validation.update(read(narrowed), read(gated)) == ()
    assert validation.update(read(POD), read(gated)) == ()
    refused = validation.update(read(changed(POD, "spec.nodeSelector", {"disk": "ssd"})), read(POD))
    assert [cause.field for cause in refused] == ["spec"]
    added = validation.update(read(gated), read(POD))
    assert added[0].message == "Forbidden: only deletion is allowed, but found new scheduling gate 'wait'"


def test_only_the_seconds_of_a_toleration_may_change() -> None:
    def tolerating(seconds: int, key: str = "a") -> core.Pod:
        return read(changed(POD, "spec.tolerations", [{"key": key, "operator": "Exists", "effect": "NoExecute",
                                                       "tolerationSeconds": seconds}]))

    assert validation.update(tolerating(20), tolerating(10)) == ()
    assert [cause.field for cause in validation.update(tolerating(10, "b"), tolerating(10))] == ["spec.tolerations"]
