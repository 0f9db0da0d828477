"""What is wrong is named at its field, in Kubernetes' words."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from edge.api import apps, codec, core, defaults, meta, scheme, validation
from edge.api.certificates import CertificateSigningRequest
from edge.api.coordination import Lease
from edge.api.discovery import EndpointSlice

SUBDOMAIN = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
             "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
             r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")

POD: dict[str, Any] = {"metadata": {"name": "web"}, "spec": {
    "containers": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 80}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
    "volumes": [{"name": "data", "emptyDir": {}}]}}
DEPLOYMENT: dict[str, Any] = {"metadata": {"name": "web"}, "spec": {
    "selector": {"matchLabels": {"app": "web"}},
    "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}}}
SERVICE: dict[str, Any] = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}}


def read(kind: type[meta.Object], raw: dict[str, Any]) -> meta.Object:
    return defaults.apply(codec.decode(scheme.of_type(kind), raw))


def problems(kind: type[meta.Object], raw: dict[str, Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(read(kind, raw))]


def changed(raw: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with one field set: `spec.containers.0.name`."""
    result = copy.deepcopy(raw)
    *parents, last = path.split(".")
    place: Any = result
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    place[last] = value
    return result


@pytest.mark.parametrize(("kind", "raw"), [(core.Pod, POD), (apps.Deployment, DEPLOYMENT), (core.Service, SERVICE),
                                           (apps.ReplicaSet, DEPLOYMENT), (apps.DaemonSet, DEPLOYMENT)])
def test_good_objects_have_no_problems(kind: type[meta.Object], raw: dict[str, Any]) -> None:
    assert problems(kind, raw) == []
    assert validation.update(read(kind, raw), read(kind, raw)) == ()


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("metadata.name", "Web", f'metadata.name: Invalid value: "Web": {SUBDOMAIN}'),
    ("metadata.name", "", "metadata.name: Required value: name or generateName is required"),
    ("metadata.labels", {"a b": ""}, 'metadata.labels: Invalid value: "a b": name part must consist of'),
    ("metadata.labels", {"a": "b c"}, 'metadata.labels: Invalid value: "b c": a valid label must be'),
    ("metadata.annotations", {"a": "x" * 262145},
     "metadata.annotations: Too long: may not be more than 262144 bytes"),
    ("spec.containers", [], "spec.containers: Required value"),
    ("spec.containers.0.name", "", "spec.containers[0].name: Required value"),
    ("spec.containers.0.name", "a.b", 'spec.containers[0].name: Invalid value: "a.b": a lowercase RFC 1123 label must'),
    ("spec.containers.0.image", "", "spec.containers[0].image: Required value"),
    ("spec.containers.0.image", " web", 'spec.containers[0].image: Invalid value: " web": must not have leading'),
    ("spec.containers.0.imagePullPolicy", "always", 'spec.containers[0].imagePullPolicy: Unsupported value: "always": '
     'supported values: "Always", "IfNotPresent", "Never"'),
    ("spec.containers.0.ports", [{}], "spec.containers[0].ports[0].containerPort: Required value"),
    ("spec.containers.0.ports", [{"containerPort": 70000}], "spec.containers[0].ports[0].containerPort: Invalid value: "
     "70000: must be between 1 and 65535, inclusive"),
    ("spec.containers.0.ports", [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}],
     'spec.containers[0].ports[1].name: Duplicate value: "a"'),
    ("spec.containers.0.ports", [{"containerPort": 1, "protocol": "tcp"}],
     'spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'),
    ("spec.containers.0.ports", [{"containerPort": 1, "name": "a-very-long-port-name"}],
     'spec.containers[0].ports[0].name: Invalid value: "a-very-long-port-name": must be no more than 15 characters'),
    ("spec.containers.0.env", [{"value": "x"}], "spec.containers[0].env[0].name: Required value"),
    ("spec.containers.0.env", [{"name": "A=B"}], 'spec.containers[0].env[0].name: Invalid value: "A=B": a valid'),
    ("spec.containers.0.env", [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}],
     'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "spec.x": supported values: "meta'),
    ("spec.containers.0.env", [{"name": "A", "valueFrom": {}}],
     'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of'),
    ("spec.containers.0.volumeMounts.0.name", "other", 'spec.containers[0].volumeMounts[0].name: Not found: "other"'),
    ("spec.containers.0.volumeMounts.0.mountPath", "", "spec.containers[0].volumeMounts[0].mountPath: Required value"),
    ("spec.containers.0.volumeMounts.0.mountPropagation", "Bidirectional",
     "spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is available "
     "only to privileged containers"),
    ("spec.containers.0.volumeMounts.0.subPath", "../x", "spec.containers[0].volumeMounts[0].subPath: Invalid value: "
     "\"../x\": must not contain '..'"),
    ("spec.containers.0.resources", {"limits": {"cpu": "lots"}}, "spec.containers[0].resources.limits[cpu]: Invalid "
     'value: "lots": quantities must match the regular expression'),
    ("spec.containers.0.resources", {"limits": {"cpu": 1}, "requests": {"cpu": 2}}, "spec.containers[0].resources."
     'requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
    ("spec.containers.0.resources", {"requests": {"memory": "-1"}}, "spec.containers[0].resources.requests[memory]: "
     'Invalid value: "-1": must be greater than or equal to 0'),
    ("spec.containers.0.resources", {"requests": {"ram": "1"}}, "spec.containers[0].resources.requests[ram]: Invalid "
     'value: "ram": must be a standard resource type or fully qualified'),
    ("spec.containers.0.livenessProbe", {}, "spec.containers[0].livenessProbe: Required value: must specify a handler"),
    ("spec.containers.0.livenessProbe", {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}},
     "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"),
    ("spec.containers.0.livenessProbe", {"httpGet": {"port": 0}}, "spec.containers[0].livenessProbe.httpGet.port: "
     "Invalid value: 0: must be between 1 and 65535, inclusive"),
    ("spec.containers.0.livenessProbe", {"exec": {"command": ["a"]}, "successThreshold": 2},
     "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"),
    ("spec.initContainers", [{"name": "web", "image": "x"}], 'spec.initContainers[0].name: Duplicate value: "web"'),
    ("spec.initContainers", [{"name": "i", "image": "x", "livenessProbe": {"tcpSocket": {"port": 1}}}],
     "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Al"),
    ("spec.volumes.0.name", "Data", 'spec.volumes[0].name: Invalid value: "Data": a lowercase RFC 1123 label must'),
    ("spec.volumes.0.hostPath", {"path": "/x"}, "spec.volumes[0].emptyDir: Forbidden: may not specify more than 1"),
    ("spec.restartPolicy", "Often", 'spec.restartPolicy: Unsupported value: "Often": supported values: '
     '"Always", "OnFailure", "Never"'),
    ("spec.tolerations", [{"operator": "Equal"}], 'spec.tolerations[0].operator: Invalid value: "Equal": operator '),
    ("spec.tolerations", [{"key": "a", "effect": "No"}], 'spec.tolerations[0].effect: Unsupported value: "No": '),
    ("spec.nodeSelector", {"a b": "c"}, 'spec.nodeSelector: Invalid value: "a b": name part must'),
    ("spec.dnsPolicy", "None", "spec.dnsConfig: Required value: must provide at least one DNS nameserver"),
    ("spec.securityContext", {"runAsUser": -1}, "spec.securityContext.runAsUser: Invalid value: -1: must be between 0"),
])
def test_pods(path: str, value: Any, expected: str) -> None:
    found = problems(core.Pod, changed(POD, path, value))

    assert [line for line in found if line.startswith(expected)], found


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("spec.replicas", -1, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    ("spec.replicas", 2**40, "spec.replicas: Invalid value: 1099511627776: must be less than or equal to 2147483647"),
    ("spec.selector", None, "spec.selector: Required value"),
    ("spec.selector", {}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
    ("spec.selector.matchLabels", {"app": "x"}, 'spec.template.metadata.labels: Invalid value: {"app":"web"}: '
     "`selector` does not match template `labels`"),
    ("spec.template.spec.restartPolicy", "Never", 'spec.template.spec.restartPolicy: Unsupported value: "Never": '
     'supported values: "Always"'),
    ("spec.strategy", {"type": "Blue"}, 'spec.strategy.type: Unsupported value: "Blue": supported values: "Recreate", '
     '"RollingUpdate"'),
    ("spec.strategy", {"type": "Recreate", "rollingUpdate": {}}, "spec.strategy.rollingUpdate: Forbidden: may not be "
     "specified when strategy `type` is 'Recreate'"),
    ("spec.strategy", {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}, "spec.strategy.rollingUpdate."
     "maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"),
    ("spec.strategy", {"rollingUpdate": {"maxSurge": "lots"}}, "spec.strategy.rollingUpdate.maxSurge: Invalid value: "
     '"lots": a valid percent string must be'),
    ("spec.minReadySeconds", 600, "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySec"),
])
def test_deployments(path: str, value: Any, expected: str) -> None:
    found = problems(apps.Deployment, changed(DEPLOYMENT, path, value))

    assert [line for line in found if line.startswith(expected)], found


@pytest.mark.parametrize(("path", "value", "expected"), [
    ("metadata.name", "1web", 'metadata.name: Invalid value: "1web": a DNS-1035 label must consist of'),
    ("spec.ports", [], "spec.ports: Required value"),
    ("spec.ports", [{"port": 80}, {"port": 81}], "spec.ports[0].name: Required value"),
    ("spec.ports", [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}], "spec.ports[1]: Duplicate value: "),
    ("spec.ports", [{"port": 0}], "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
    ("spec.ports", [{"port": 1, "nodePort": 30000}], "spec.ports[0].nodePort: Forbidden: may not be used when `type` "
     "is 'ClusterIP'"),
    ("spec.ports", [{"port": 1, "targetPort": "UPPER"}], 'spec.ports[0].targetPort: Invalid value: "UPPER": must'),
    ("spec.type", "Magic", 'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", '
     '"LoadBalancer", "NodePort"'),
    ("spec.type", "ExternalName", "spec.externalName: Required value"),
    ("spec.clusterIP", "x", 'spec.clusterIPs[0]: Invalid value: "x": must be empty, \'None\', or a valid IP address'),
    ("spec.sessionAffinity", "Cookie", 'spec.sessionAffinity: Unsupported value: "Cookie": '),
])
def test_services(path: str, value: Any, expected: str) -> None:
    found = problems(core.Service, changed(SERVICE, path, value))

    assert [line for line in found if line.startswith(expected)], found


@pytest.mark.parametrize(("kind", "raw", "expected"), [
    (core.ConfigMap, {"data": {"a b": ""}}, 'data[a b]: Invalid value: "a b": a valid config key must consist of'),
    (core.ConfigMap, {"data": {"a": ""}, "binaryData": {"a": ""}}, 'data[a]: Invalid value: "a": duplicate of key'),
    (core.ConfigMap, {"data": {"a": "x" * 1048577}}, ": Too long: may not be more than 1048576 bytes"),
    (core.Secret, {"data": {"a": "s3cret!"}}, 'data[a]: Invalid value: "<secret contents redacted>": illegal base64'),
    (core.Secret, {"type": "kubernetes.io/tls"}, "data[tls.crt]: Required value"),
    (core.Secret, {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{"}},
     'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input'),
    (core.Namespace, {"metadata": {"name": "a.b"}}, 'metadata.name: Invalid value: "a.b": a lowercase RFC 1123 label'),
    (core.Node, {"spec": {"taints": [{"key": "a", "effect": "Go"}]}}, 'spec.taints[0].effect: Unsupported value: "Go"'),
    (core.Node, {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}] * 2}}, "spec.taints[1]: Duplicate value: "),
    (core.Endpoints, {"subsets": [{"addresses": [{"ip": "x"}]}]}, 'subsets[0].addresses[0].ip: Invalid value: "x"'),
    (EndpointSlice, {"endpoints": [{"addresses": []}]}, "addressType: Required value"),
    (Lease, {"spec": {"leaseDurationSeconds": 0}}, "spec.leaseDurationSeconds: Invalid value: 0: must be greater"),
    (CertificateSigningRequest, {"spec": {"request": "eA=="}}, "spec.signerName: Required value"),
    (apps.ControllerRevision, {"revision": 1}, "data: Required value: data is mandatory"),
    (core.Event, {"metadata": {"name": "e", "namespace": "a"}, "involvedObject": {"namespace": "b"}},
     'involvedObject.namespace: Invalid value: "b": does not match event.namespace'),
])
def test_other_kinds(kind: type[meta.Object], raw: dict[str, Any], expected: str) -> None:
    found = problems(kind, {"metadata": {"name": "x"}, **raw})

    assert [line for line in found if line.startswith(expected)], found
    assert "s3cret" not in str(found)


def changes(kind: type[meta.Object], old: dict[str, Any], new: dict[str, Any], subresource: str = "") -> list[str]:
    causes = validation.update(read(kind, new), read(kind, old), subresource)
    return [f"{cause.field}: {cause.message}" for cause in causes]


def test_of_a_pod_only_a_little_may_change() -> None:
    allowed = changed(changed(POD, "spec.containers.0.image", "web:2"), "metadata.labels", {"a": "b"})
    tolerant = changed(POD, "spec.tolerations", [{"key": "a", "operator": "Exists"}])
    moved = changed(POD, "spec.nodeName", "node-1")

    assert changes(core.Pod, POD, allowed) == []
    assert changes(core.Pod, POD, tolerant) == []
    assert changes(core.Pod, tolerant, POD)[0].startswith("spec.tolerations: Forbidden: ")
    assert changes(core.Pod, POD, moved)[0].startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,")
    assert changes(core.Pod, POD, moved)[0].endswith("changed: nodeName")
    assert changes(core.Pod, POD, moved, "binding") == []
    assert ("spec.containers: Forbidden: pod updates may not add or remove containers"
            in changes(core.Pod, POD, changed(POD, "spec.containers", [])))


def test_ephemeral_containers_are_only_added() -> None:
    debug = changed(POD, "spec.ephemeralContainers", [{"name": "debug", "image": "x:1"}])
    other = changed(POD, "spec.ephemeralContainers", [{"name": "debug", "image": "x:2"}])

    assert changes(core.Pod, POD, debug, "ephemeralcontainers") == []
    assert "may not be changed" in changes(core.Pod, debug, other, "ephemeralcontainers")[0]
    assert "may not be removed" in changes(core.Pod, debug, POD, "ephemeralcontainers")[0]


def test_selectors_types_and_addresses_stay() -> None:
    selector = changed(changed(DEPLOYMENT, "spec.selector.matchLabels", {"app": "b"}),
                       "spec.template.metadata.labels", {"app": "b"})
    ours = changed(SERVICE, "spec.clusterIP", "10.96.0.10")

    assert changes(apps.Deployment, DEPLOYMENT, selector) == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable']
    assert changes(core.Secret, {"metadata": {"name": "a"}}, {"metadata": {"name": "a"}, "type": "x/y"}) == [
        'type: Invalid value: "x/y": field is immutable']
    assert changes(core.Service, ours, changed(SERVICE, "spec.clusterIP", "10.96.0.11")) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.11"]: may not change once set']
    assert changes(core.Service, SERVICE, ours) == []


def test_what_is_immutable_for_good() -> None:
    old = {"metadata": {"name": "a"}, "data": {"a": "1"}, "immutable": True}

    assert changes(core.ConfigMap, old, {**old, "data": {"a": "2"}, "immutable": False}) == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set"]


def test_no_finalizer_is_added_to_a_dying_object() -> None:
    old = {"metadata": {"name": "a", "deletionTimestamp": "2017-09-20T12:00:00Z", "finalizers": ["edge.io/a"]}}
    new = changed(old, "metadata.finalizers", ["edge.io/a", "edge.io/b"])

    assert changes(core.ConfigMap, old, new)[0].startswith(
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted")
    assert changes(core.ConfigMap, old, changed(old, "metadata.finalizers", [])) == []


def test_secrets_stay_secret() -> None:
    hidden = base64.b64encode(b"hunter2").decode()
    old = {"metadata": {"name": "a"}, "data": {"p": hidden}, "immutable": True}

    assert hidden not in str(changes(core.Secret, old, {**old, "data": {"p": "AAAA"}}))
