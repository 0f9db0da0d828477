"""Fields of a pod and resources of its containers, as text."""

from __future__ import annotations

import pytest

from edge.agent import downward
from edge.agent.surroundings import Surroundings
from edge.api import core, meta

AROUND = Surroundings(node_name="node-1", node_address="10.0.0.2", cpu_milli=3500, memory_bytes=1 << 30,
                      storage_bytes=10 << 30)
POD = core.Pod(
    metadata=meta.ObjectMeta(name="p", namespace="shop", uid="u", labels={"app.kubernetes.io/name": "x"},
                             annotations={"odd": 'tab\there "quoted" back\\slash\nünï\x01\u200b', "it's": "['y']"}),
    spec=core.PodSpec(service_account_name="robot", init_containers=(core.Container(name="first"),), containers=(
        core.Container(name="c", resources=core.ResourceRequirements(
            limits={"memory": "100M", "hugepages-2Mi": "4Mi", "cpu": "0"},
            requests={"cpu": "1500m", "ephemeral-storage": "1Gi"})), core.Container(name="bare"))))


@pytest.mark.parametrize(("path", "value"), [
    ("metadata.name", "p"), ("metadata.namespace", "shop"), ("metadata.uid", "u"),
    ("metadata.labels['app.kubernetes.io/name']", "x"), ("metadata.labels['none']", ""),
    ("metadata.annotations['it's']", "['y']"), ("metadata.labels", 'app.kubernetes.io/name="x"'),
    ("metadata.annotations",
     'it\'s="[\'y\']"\nodd="tab\\there \\"quoted\\" back\\\\slash\\nünï\\x01\\u200b"'),
    ("spec.nodeName", "node-1"), ("spec.serviceAccountName", "robot"), ("status.hostIP", "10.0.0.2"),
    ("status.hostIPs", "10.0.0.2"), ("status.podIP", "10.244.1.5"), ("status.podIPs", "10.244.1.5"),
])
def test_fields(path: str, value: str) -> None:
    assert downward.field(POD, path, "10.244.1.5", AROUND) == value


@pytest.mark.parametrize("path", ["spec.hostname", "metadata.labels['x'", "metadata.ownerReferences['x']", ""])
def test_unknown_fields(path: str) -> None:
    with pytest.raises(downward.UnknownFieldError, match="unsupported fieldPath"):
        downward.field(POD, path, "10.244.1.5", AROUND)


@pytest.mark.parametrize(("container", "name", "divisor", "value"), [
    ("c", "limits.memory", "", "100000000"), ("c", "limits.memory", "1Mi", "96"),
    ("c", "limits.memory", "0", "100000000"),
    ("c", "requests.memory", "1M", "100"), ("c", "requests.cpu", "", "2"), ("c", "requests.cpu", "1m", "1500"),
    ("c", "limits.cpu", "", "4"), ("c", "limits.cpu", "1m", "3500"), ("c", "requests.ephemeral-storage", "1Gi", "1"),
    ("c", "limits.ephemeral-storage", "1Gi", "10"), ("c", "limits.hugepages-2Mi", "1Mi", "4"),
    ("bare", "limits.hugepages-2Mi", "", "0"), ("bare", "limits.memory", "1Gi", "1"), ("bare", "requests.cpu", "", "0"),
    ("first", "limits.cpu", "", "4"),
])
def test_resources_are_divided_and_rounded_up(container: str, name: str, divisor: str, value: str) -> None:
    assert downward.resource(downward.container(POD, container), name, divisor, AROUND) == value


@pytest.mark.parametrize("name", ["limits.gpu", "memory", "usage.cpu", "limits."])
def test_unknown_resources(name: str) -> None:
    with pytest.raises(downward.UnknownFieldError, match="unsupported container resource"):
        downward.resource(downward.container(POD, "c"), name, "", AROUND)


def test_an_unknown_container() -> None:
    with pytest.raises(downward.UnknownFieldError, match="container none not found"):
        downward.container(POD, "none")
