"""Rules that every type of the API keeps: defaults, descriptions, wire names, merge keys that exist."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest

from edge.api import authentication, autoscaling, codec, core, meta, policy, scheme


def reachable() -> list[type[meta.Struct]]:
    found: dict[type[meta.Struct], None] = {}
    todo: list[type[meta.Struct]] = [resource.type for resource in scheme.resources()]
    todo += [core.Binding, policy.Eviction, autoscaling.Scale, authentication.TokenRequest]
    while todo:
        kind = todo.pop()
        if kind not in found:
            found[kind] = None
            todo += [field.struct for field in codec.field_types(kind).values() if field.struct is not None]
    return list(found)


def described(hint: Any) -> msgspec.Meta:
    assert get_origin(hint) is Annotated, hint
    return next(one for one in get_args(hint)[1:] if isinstance(one, msgspec.Meta))


@pytest.mark.parametrize("kind", reachable(), ids=lambda kind: kind.__name__)
def test_every_type_is_documented_and_complete(kind: type[meta.Struct]) -> None:
    assert kind.__doc__
    assert kind() == msgspec.convert({}, type=kind)
    for field in msgspec.structs.fields(kind):
        mark = described(field.type)
        assert mark.description is not None
        assert mark.description.endswith((".", ")")), f"{kind.__name__}.{field.name}"
        inner = codec.field_types(kind)[field.encode_name].struct
        for key in ((mark.extra or {}).get("mergeKey"), *(mark.extra or {}).get("listMapKeys", ())):
            if key and inner is not None:
                assert key in codec.field_types(inner)


def test_there_are_the_types_a_pod_needs() -> None:
    assert len(reachable()) > 140


@pytest.mark.parametrize(("kind", "names"), [
    (core.PodSpec, {"hostIPC", "hostPID", "setHostnameAsFQDN", "dnsConfig", "enableServiceLinks", "hostUsers"}),
    (core.PodStatus, {"hostIP", "hostIPs", "podIP", "podIPs", "qosClass"}),
    (core.NodeSpec, {"podCIDR", "podCIDRs", "providerID", "externalID"}),
    (core.NodeSystemInfo, {"machineID", "systemUUID", "bootID", "osImage", "kubeProxyVersion"}),
    (core.ServiceSpec, {"clusterIP", "clusterIPs", "externalIPs", "loadBalancerIP", "ipFamilies", "ipFamilyPolicy"}),
    (core.Volume, {"downwardAPI", "iscsi", "nfs", "scaleIO", "storageos", "awsElasticBlockStore", "hostPath"}),
    (core.Container, {"livenessProbe", "stdinOnce", "tty", "envFrom", "volumeDevices", "workingDir"}),
    (core.ContainerStatus, {"containerID", "imageID", "lastState", "restartCount"}),
    (meta.ManagedFieldsEntry, {"fieldsV1", "fieldsType"}),
])
def test_wire_names(kind: type[meta.Struct], names: set[str]) -> None:
    assert names <= set(codec.field_types(kind))


def test_merge_keys_of_the_lists_people_patch() -> None:
    marks = {field.encode_name: described(field.type).extra or {} for field in msgspec.structs.fields(core.Container)}

    assert marks["env"]["mergeKey"] == "name"
    assert marks["ports"]["mergeKey"] == "containerPort"
    assert marks["ports"]["listMapKeys"] == ("containerPort", "protocol")
    assert marks["volumeMounts"]["mergeKey"] == "mountPath"
    assert marks["command"] == {"listType": "atomic"}
