"""Bodies Go clients send as protobuf: kinds whose versions have other numbers, and fields that belong to a parent."""

from __future__ import annotations

import pytest

from edge.api import errors
from edge.apiserver import protobuf


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return bytes((number << 3, value))
    data = value.encode() if isinstance(value, str) else value
    assert len(data) < 128
    return bytes((number << 3 | 2, len(data))) + data


def body(api_version: str, kind: str, message: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, message)


REFERENCE = field(1, field(1, "Deployment") + field(2, "web"))
TARGET = {"kind": "Deployment", "name": "web"}


def test_an_autoscaler_has_the_numbers_of_its_version() -> None:
    v1 = protobuf.decode(body("autoscaling/v1", "HorizontalPodAutoscaler",
                              field(2, REFERENCE + field(3, 5) + field(4, 80))))
    assert v1["spec"] == {"scaleTargetRef": TARGET, "maxReplicas": 5, "targetCPUUtilizationPercentage": 80}

    metric = field(1, "Resource") + field(4, field(1, "cpu") + field(2, field(1, "Utilization") + field(4, 80)))
    v2 = protobuf.decode(body("autoscaling/v2", "HorizontalPodAutoscaler",
                              field(2, REFERENCE + field(3, 5) + field(4, metric))))
    assert v2["spec"]["metrics"] == [{"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]


def test_a_version_whose_numbers_are_not_known_is_refused() -> None:
    with pytest.raises(errors.UnsupportedMediaType):
        protobuf.decode(body("autoscaling/v2beta1", "HorizontalPodAutoscaler", b""))


def test_a_whole_pod_and_what_later_versions_say_of_it() -> None:
    eye = field(1, field(1, "eye") + field(2, "busybox")) + field(2, "main")
    spec = field(2, field(1, "main")) + bytes((34 << 3 & 127 | 2 | 128, 34 >> 4, len(eye))) + eye
    generation = bytes((17 << 3 & 127 | 128, 17 >> 4, 5))
    pod = protobuf.decode(body("v1", "Pod", field(1, field(1, "web")) + field(2, spec)
                               + field(3, field(1, "") + generation)))
    assert pod == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "status": {"phase": ""}, "spec": {
        "containers": [{"name": "main"}],
        "ephemeralContainers": [{"name": "eye", "image": "busybox", "targetContainerName": "main"}]}}


def test_fields_without_a_name_belong_to_their_parent() -> None:
    volume = field(1, "keys") + field(2, field(6, field(1, "secret")))
    key = field(1, field(1, "settings")) + field(2, "color")
    container = field(1, "main") + field(7, field(1, "COLOR") + field(3, field(3, key)))
    template = field(6, field(2, field(1, volume) + field(2, container)))
    pod = protobuf.decode(body("batch/v1", "Job", field(2, template)))["spec"]["template"]["spec"]

    assert pod["volumes"] == [{"name": "keys", "secret": {"secretName": "secret"}}]
    assert pod["containers"][0]["env"] == [
        {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}}]
