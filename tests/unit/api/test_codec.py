"""JSON in and out: wire names, nulls, unknown fields, and errors in Kubernetes' words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.api import apps, codec, core, discovery, errors, scheme

PODS = scheme.of_type(core.Pod)
DEPLOYMENTS = scheme.of_type(apps.Deployment)
TEMPLATE = "spec.template.spec.containers"


def pod(raw: dict[str, Any]) -> core.Pod:
    decoded = codec.decode(PODS, raw)
    assert isinstance(decoded, core.Pod)
    return decoded


def in_container(fields: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [fields]}}}}


def test_a_full_pod_comes_back_as_it_was() -> None:
    raw = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "uid": "1", "ownerReferences": [{"uid": "2"}]},
        "spec": {
            "containers": [{"name": "web", "envFrom": [{"configMapRef": {"name": "c"}}], "tty": True,
                            "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                            "livenessProbe": {"httpGet": {"port": "http"}},
                            "securityContext": {"seLinuxOptions": {"level": "s0"}, "runAsUser": 0},
                            "resources": {"limits": {"cpu": 0.5, "memory": "64Mi"}}}],
            "volumes": [{"name": "a", "downwardAPI": {}},
                        {"name": "b", "scaleIO": {"gateway": "g", "sslEnabled": True}},
                        {"name": "c", "hostPath": {"path": "/x"}},
                        {"name": "d", "awsElasticBlockStore": {"volumeID": "v"}}],
            "hostPID": True, "hostIPC": True, "setHostnameAsFQDN": False, "dnsConfig": {"options": [{"name": "ndots"}]},
            "hostAliases": [{"ip": "10.0.0.1"}], "overhead": {"cpu": "1m"}, "enableServiceLinks": False,
        },
        "status": {"podIP": "10.244.0.2", "podIPs": [{"ip": "10.244.0.2"}], "hostIPs": [{"ip": "10.0.0.2"}],
                   "qosClass": "Burstable", "startTime": "2017-09-20T12:00:00Z",
                   "containerStatuses": [{"name": "web", "ready": False, "restartCount": 0, "image": "", "imageID": "",
                                          "containerID": "podman://1",
                                          "state": {"terminated": {"exitCode": 0}}}]},
    }

    assert codec.to_dict(pod(raw)) == raw
    assert json.loads(codec.encode(codec.decode_bytes(PODS, json.dumps(raw).encode()))) == raw
    assert codec.unknown_fields(core.Pod, raw) == ()


def test_absent_stays_absent_but_what_clients_expect_is_written() -> None:
    assert codec.encode(core.Pod()) == b"{}"
    assert codec.to_dict(core.ContainerStatus(name="a")) == {
        "name": "a", "ready": False, "restartCount": 0, "image": "", "imageID": ""}
    assert codec.to_dict(core.ContainerStateTerminated()) == {"exitCode": 0}
    assert codec.to_dict(apps.ReplicaSetStatus()) == {"replicas": 0}
    assert codec.to_dict(discovery.EndpointSlice()) == {"endpoints": []}
    assert codec.to_dict(core.DaemonEndpoint(port=10250)) == {"Port": 10250}


def test_null_is_the_same_as_absent() -> None:
    raw = {"metadata": {"creationTimestamp": None, "labels": None, "name": None},
           "spec": {"containers": None, "nodeName": None}, "status": None}

    assert pod(raw) == core.Pod()
    assert codec.decode_bytes(PODS, json.dumps(raw).encode()) == core.Pod()


@pytest.mark.parametrize(("raw", "words"), [
    ({"spec": {"replicas": "3"}}, "string into Go struct field DeploymentSpec.spec.replicas of type int32"),
    (in_container({"ports": [{"containerPort": "x"}]}),
     f"string into Go struct field ContainerPort.{TEMPLATE}.ports.containerPort of type int32"),
    ({"spec": {"template": {"spec": {"containers": {}}}}},
     f"object into Go struct field PodSpec.{TEMPLATE} of type []v1.Container"),
    ({"metadata": {"labels": {"a.b/c": 1}}}, "number into Go struct field ObjectMeta.metadata.labels of type string"),
    ({"metadata": {"labels": []}}, "array into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
    (in_container({"command": [True]}), f"bool into Go struct field Container.{TEMPLATE}.command of type string"),
    ({"spec": 3}, "number into Go struct field Deployment.spec of type v1.DeploymentSpec"),
])
def test_a_wrong_type_is_told_in_the_words_of_go(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        codec.decode(DEPLOYMENTS, raw)

    assert caught.value.message == (
        f'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal {words}')


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"3", b"null", b'"text"', b"\xff\xfe",
                                  b'{"spec": {"containers": [3]}}'])
def test_broken_bytes_are_a_bad_request(data: bytes) -> None:
    with pytest.raises(errors.BadRequest):
        codec.decode_bytes(PODS, data)


def test_unknown_fields_are_found_where_they_are() -> None:
    raw = {"spec": {"containerz": [], "containers": [{"name": "a"}, {"imagee": "b", "env": [{"x": 1}]}],
                    "nodeSelector": {"free": "names"}, "volumes": [{"rbd": {"kept": 1}}]},
           "metadata": {"annotations": {"any": "thing"}, "nam": "x"}}

    assert codec.unknown_fields(core.Pod, raw) == (
        "spec.containerz", "spec.containers[1].imagee", "spec.containers[1].env[0].x", "spec.volumes[0].rbd.kept",
        "metadata.nam")
    assert codec.unknown_fields(core.Pod, {"spec": {"containers": "text"}}) == ()
