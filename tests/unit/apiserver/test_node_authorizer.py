"""What nodes may do over HTTP."""

from __future__ import annotations

import pytest

from edge.api import core, meta
from edge.apiserver.authenticate import User
from edge.apiserver.node_authorizer import NodeAuthorizer, node_of, used_by
from edge.apiserver.paths import Options, ResourceRequest

REQUESTS, CERTIFICATES = "certificatesigningrequests", "certificates.k8s.io"
SPEC = core.PodSpec(
    service_account_name="robot", node_name="node-1",
    image_pull_secrets=(meta.LocalObjectReference(name="registry"),),
    containers=(core.Container(
        name="c", env=(core.EnvVar(name="A", value_from=core.EnvVarSource(
            secret_key_ref=core.SecretKeySelector(name="password", key="k"))),),
        env_from=(core.EnvFromSource(config_map_ref=core.ConfigMapEnvSource(name="settings")),)),),
    init_containers=(core.Container(name="i", env=(core.EnvVar(name="B", value_from=core.EnvVarSource(
        config_map_key_ref=core.ConfigMapKeySelector(name="init", key="k"))),)),),
    volumes=(core.Volume(name="v", secret=core.SecretVolumeSource(secret_name="certificate")),
             core.Volume(name="w", config_map=core.ConfigMapVolumeSource(name="files")),
             core.Volume(name="x", persistent_volume_claim=core.PersistentVolumeClaimVolumeSource(claim_name="disk")),
             core.Volume(name="y", projected=core.ProjectedVolumeSource(sources=(
                 core.VolumeProjection(secret=core.SecretProjection(name="joined")),)))))
PODS = {"mine": core.Pod(metadata=meta.ObjectMeta(name="mine", namespace="default"), spec=SPEC),
        "other": core.Pod(metadata=meta.ObjectMeta(name="other", namespace="default"), spec=core.PodSpec(
            node_name="node-2", service_account_name="default",
            volumes=(core.Volume(name="v", secret=core.SecretVolumeSource(secret_name="theirs")),)))}
NODES = NodeAuthorizer(lambda namespace, name: PODS.get(name),
                       lambda namespace: PODS.values() if namespace == "default" else ())


def request(verb: str, resource: str, name: str = "", *, group: str = "", fields: str = "",
            namespace: str = "default") -> ResourceRequest:
    plural, _, subresource = resource.partition("/")
    return ResourceRequest(verb=verb, group=group, version="v1", resource=plural, name=name, namespace=namespace,
                           subresource=subresource, options=Options(field_selector=fields))


@pytest.mark.parametrize(("asked", "want"), [
    (request("get", "nodes", "node-1"), True), (request("get", "nodes/status", "node-1"), True),
    (request("watch", "nodes", "node-1"), True), (request("patch", "nodes", "node-1"), False),
    (request("patch", "nodes/status", "node-1"), False), (request("get", "nodes/proxy", "node-1"), False),
    (request("delete", "nodes", "node-1"), False), (request("get", "nodes", "node-2"), False),
    (request("list", "nodes"), False),
    (request("list", "pods", fields="spec.nodeName=node-1"), True),
    (request("watch", "pods", fields="status.phase=Running,spec.nodeName==node-1"), True),
    (request("list", "pods", fields="spec.nodeName=node-12"), False),
    (request("list", "pods", fields=r"status.phase!=x\,spec.nodeName=node-1"), False),
    (request("get", "pods", "other", fields="spec.nodeName=node-1"), False),
    (request("list", "pods", fields="spec.nodeName!=node-1"), False), (request("list", "pods"), False),
    (request("get", "pods", "mine"), True), (request("get", "pods", "other"), False),
    (request("get", "pods", "gone"), False), (request("get", "pods/exec", "mine"), False),
    (request("create", "pods"), False), (request("delete", "pods", "mine"), False),
    *((request("get", "secrets", name), True) for name in ("registry", "password", "certificate", "joined")),
    *((request("get", "configmaps", name), True) for name in ("settings", "init", "files")),
    (request("get", "persistentvolumeclaims", "disk"), True), (request("get", "secrets", "theirs"), False),
    (request("get", "secrets", "settings"), False), (request("get", "secrets", ""), False),
    (request("list", "secrets", "registry"), False), (request("update", "secrets", "registry"), False),
    (request("get", "secrets", "registry", namespace="other"), False),
    (request("get", "serviceaccounts", "robot"), True), (request("get", "serviceaccounts", "default"), False),
    (request("create", "serviceaccounts/token", "robot"), True),
    (request("create", "serviceaccounts/token", "default"), False), (request("create", "serviceaccounts"), False),
    (request("create", REQUESTS, group=CERTIFICATES), True), (request("get", REQUESTS, "x", group=CERTIFICATES), True),
    (request("list", REQUESTS, group=CERTIFICATES), False),
    (request("update", f"{REQUESTS}/approval", "x", group=CERTIFICATES), False),
    *((request(verb, "leases", "node-1", group="coordination.k8s.io", namespace="kube-node-lease"), True)
      for verb in ("get", "create", "update", "patch", "delete")),
    (request("list", "leases", group="coordination.k8s.io", namespace="kube-node-lease"), False),
    (request("get", "leases", "node-2", group="coordination.k8s.io", namespace="kube-node-lease"), False),
    (request("get", "leases", "node-1", group="coordination.k8s.io"), False),
    (request("create", "events"), False), (request("list", "services"), False),
])
def test_rules(asked: ResourceRequest, want: bool) -> None:
    assert NODES.allowed("node-1", asked).allowed is want


@pytest.mark.parametrize(("asked", "reason"), [
    (request("list", "nodes"), "node 'node-1' cannot read all nodes, only its own Node object"),
    (request("get", "nodes", "node-2"), "node 'node-1' cannot read 'node-2', only its own Node object"),
    (request("list", "pods"), "can only list/watch pods with spec.nodeName field selector"),
    (request("get", "secrets", "theirs"), "no relationship found between node 'node-1' and this object"),
    (request("list", "secrets"), "can only get individual resources of this type"),
    (request("delete", "serviceaccounts", "robot"), "can only create tokens for individual service accounts"),
])
def test_reasons_are_those_of_kubernetes(asked: ResourceRequest, reason: str) -> None:
    assert NODES.allowed("node-1", asked).reason == reason


def test_a_pod_that_uses_nothing() -> None:
    assert used_by(core.Pod()) == set()


@pytest.mark.parametrize(("user", "node"), [
    (User("system:node:n", ("system:nodes",)), "n"), (User("system:node:n"), ""), (User("n", ("system:nodes",)), ""),
    (User("system:node:", ("system:nodes",)), "")])
def test_a_node_has_both_name_and_group(user: User, node: str) -> None:
    assert node_of(user) == node
