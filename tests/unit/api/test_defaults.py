"""What a manifest leaves out is filled in, once and for all."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api import apps, codec, core, defaults, meta, scheme
from edge.api import defaults_pods as of_pods


def read(kind: type[meta.Object], raw: dict[str, Any]) -> dict[str, Any]:
    obj = codec.decode(scheme.of_type(kind), raw)
    filled = defaults.apply(obj)
    assert defaults.apply(filled) == filled
    return codec.to_dict(filled)


def test_a_small_pod() -> None:
    raw = {"spec": {"containers": [{"name": "a", "image": "web", "ports": [{"containerPort": 80}],
                                    "readinessProbe": {"httpGet": {"port": 80}},
                                    "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
                                    "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                                    "resources": {"limits": {"cpu": 1, "memory": "1024Mi"}, "requests": {"cpu": 0.1}}}],
                    "volumes": [{"name": "e"}, {"name": "c", "configMap": {"name": "c"}},
                                {"name": "s", "secret": {"secretName": "s", "defaultMode": 256}}]}}

    assert read(core.Pod, raw) == {
        "spec": {
            "containers": [{
                "name": "a", "image": "web", "imagePullPolicy": "Always",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "readinessProbe": {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, "timeoutSeconds": 1,
                                   "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
                "lifecycle": {"preStop": {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}}},
                "env": [{"name": "N", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}],
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
            "volumes": [{"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c", "defaultMode": 420}},
                        {"name": "s", "secret": {"secretName": "s", "defaultMode": 256}}],
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30,
            "securityContext": {}, "schedulerName": "default-scheduler", "enableServiceLinks": True},
        "status": {"phase": "Pending"}}


@pytest.mark.parametrize(("image", "policy"), [
    ("web", "Always"), ("web:latest", "Always"), ("web:1", "IfNotPresent"), ("host:5000/web", "Always"),
    ("host:5000/web:1", "IfNotPresent"), ("web@sha256:abc", "IfNotPresent"), ("web:latest@sha256:abc", "IfNotPresent"),
    ("", "Always"),
])
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert of_pods.pull_policy(image) == policy


def test_what_is_given_stays() -> None:
    raw = {"spec": {"replicas": 0, "revisionHistoryLimit": 0, "progressDeadlineSeconds": 5,
                    "strategy": {"type": "Recreate"},
                    "template": {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                                          "enableServiceLinks": False}}}}
    spec = read(apps.Deployment, raw)["spec"]

    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (0, 0, 5)
    assert spec["strategy"] == {"type": "Recreate"}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 0
    assert spec["template"]["spec"]["enableServiceLinks"] is False


def test_controllers() -> None:
    deployment = read(apps.Deployment, {})["spec"]
    daemon_set = read(apps.DaemonSet, {"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 0}}}})["spec"]

    assert deployment["replicas"] == 1
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert (deployment["revisionHistoryLimit"], deployment["progressDeadlineSeconds"]) == (10, 600)
    assert daemon_set["updateStrategy"] == {
        "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    assert read(apps.ReplicaSet, {})["spec"]["replicas"] == 1


def test_services() -> None:
    plain = read(core.Service, {"spec": {"ports": [{"port": 80}]}})["spec"]
    named = read(core.Service, {"spec": {"type": "LoadBalancer", "sessionAffinity": "ClientIP",
                                         "ports": [{"port": 80, "targetPort": "http"}]}})["spec"]

    assert plain == {"ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}], "type": "ClusterIP",
                     "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}
    assert named["ports"] == [{"protocol": "TCP", "port": 80, "targetPort": "http"}]
    assert named["externalTrafficPolicy"] == "Cluster"
    assert named["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert read(core.Service, {"spec": {"type": "ExternalName"}})["spec"] == {
        "type": "ExternalName", "sessionAffinity": "None"}


def test_plain_texts_of_a_secret_go_into_its_data() -> None:
    secret = read(core.Secret, {"data": {"a": "YQ==", "b": "YQ=="}, "stringData": {"b": "geheim ü"}})

    assert secret["type"] == "Opaque"
    assert "stringData" not in secret
    assert secret["data"]["a"] == "YQ=="
    assert base64.b64decode(secret["data"]["b"]).decode() == "geheim ü"


def test_a_namespace_knows_its_name() -> None:
    assert read(core.Namespace, {"metadata": {"name": "test"}}) == {
        "metadata": {"name": "test", "labels": {"kubernetes.io/metadata.name": "test"}},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def test_quantities_that_are_none_are_left_to_validation() -> None:
    raw = {"spec": {"containers": [{"resources": {"limits": {"cpu": "lots"}}}]}}

    assert read(core.Pod, raw)["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "lots"}


_QUANTITIES = st.dictionaries(st.sampled_from(["cpu", "memory"]), st.sampled_from(["1", "0.5", "1024Mi", 2, "bad", ""]))


@given(limits=_QUANTITIES, requests=_QUANTITIES, image=st.text(max_size=20), grace=st.none() | st.integers(-5, 60),
       policy=st.sampled_from(["", "Never"]), host=st.booleans(), medium=st.sampled_from([None, "", "Memory"]))
def test_applying_twice_changes_nothing(limits: dict[str, Any], requests: dict[str, Any], image: str,
                                        grace: int | None, policy: str, host: bool, medium: str | None) -> None:
    volume = core.Volume(name="v", empty_dir=None if medium is None else core.EmptyDirVolumeSource(medium=medium))
    pod = core.Pod(spec=core.PodSpec(
        volumes=(volume,), restart_policy=policy, termination_grace_period_seconds=grace, host_network=host,
        containers=(core.Container(name="a", image=image, ports=(core.ContainerPort(container_port=1),),
                                   resources=core.ResourceRequirements(limits=limits, requests=requests)),)))
    once = defaults.apply(pod)

    assert defaults.apply(once) == once
    assert codec.decode_bytes(scheme.of_type(core.Pod), codec.encode(once)) == once
