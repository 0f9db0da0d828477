"""Nobody gives what he does not have."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edge.api import certificates, coordination, core, errors, meta, rbac, scheme
from edge.apiserver.admit import Attributes, Plugin
from edge.apiserver.authenticate import User
from edge.apiserver.authorize import Authorizer
from edge.apiserver.escalation import Escalation
from edge.apiserver.node_authorizer import NodeAuthorizer
from edge.apiserver.node_restriction import NodeRestriction
from edge.apiserver.rbac import Index
from edge.apiserver.signer_rights import SignerRights
from edge.apiserver.write import Write

JANE, ROOT = User("jane", ("dev", "system:authenticated")), User("root", ("system:masters",))
GET_PODS = rbac.PolicyRule(verbs=("get",), api_groups=("",), resources=("pods",))
GET_NODES = rbac.PolicyRule(verbs=("get",), api_groups=("",), resources=("nodes",))
EVERYTHING = rbac.PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",))
EVERY_PATH = rbac.PolicyRule(verbs=("*",), non_resource_urls=("*",))


def may(verb: str, resource: str, *names: str) -> rbac.PolicyRule:
    return rbac.PolicyRule(verbs=(verb,), api_groups=(rbac.GROUP,), resources=(resource,), resource_names=names)


def plugin(*held: rbac.PolicyRule, dangling: bool = False) -> Escalation:
    """Return the plugin in a cluster where jane holds some rules in `team`, and a few roles are there to be given."""
    roles = {"held": held, "pods": (GET_PODS,), "nodes": (GET_NODES,)}
    ref = rbac.RoleRef(kind="ClusterRole", name="gone")
    jane = (rbac.Subject(kind="User", name="jane"),)
    given = rbac.RoleBinding(metadata=meta.ObjectMeta(name="b", namespace="team"), subjects=jane,
                             role_ref=replace(ref, name="held"))
    index = Index(
        cluster_roles=[rbac.ClusterRole(metadata=meta.ObjectMeta(name=name), rules=rules)
                       for name, rules in roles.items()],
        bindings=[given, *([replace(given, role_ref=ref)] if dangling else [])])
    return Escalation(Authorizer(lambda: index, NodeAuthorizer(lambda namespace, name: None, lambda namespace: ())))


def role(*rules: rbac.PolicyRule) -> rbac.Role:
    return rbac.Role(metadata=meta.ObjectMeta(name="r", namespace="team"), rules=rules)


def binding(name: str, kind: str = "ClusterRole") -> rbac.RoleBinding:
    return rbac.RoleBinding(metadata=meta.ObjectMeta(name="x", namespace="team"), role_ref=rbac.RoleRef(
        api_group=rbac.GROUP, kind=kind, name=name))


async def write(of: Plugin, obj: meta.Object, user: User = JANE, old: meta.Object | None = None) -> None:
    request = Attributes(operation="UPDATE" if old else "CREATE", resource=scheme.of_type(type(obj)),
                               namespace=obj.metadata.namespace, name=obj.metadata.name, write=Write(user=user),
                               obj=obj, old=old)
    assert await of.admit(request) is obj
    await of.validate(request)


async def test_a_role_may_hold_what_its_writer_holds() -> None:
    await write(plugin(GET_PODS), role(GET_PODS))
    await write(plugin(GET_PODS), role())
    await write(plugin(), role(EVERYTHING), ROOT)


async def test_more_is_refused_in_kubernetes_words() -> None:
    with pytest.raises(errors.Forbidden) as caught:
        await write(plugin(GET_PODS), role(GET_PODS, GET_NODES, may("delete", "roles", "r")))
    assert caught.value.message == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "jane" (groups=["dev" "system:authenticated"]) is '
        "attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}\n'
        '{APIGroups:["rbac.authorization.k8s.io"], Resources:["roles"], ResourceNames:["r"], Verbs:["delete"]}')
    assert caught.value.details == {"name": "r", "group": rbac.GROUP, "kind": "roles"}


async def test_what_could_not_be_looked_at_is_said() -> None:
    with pytest.raises(errors.Forbidden, match=r'; resolution errors: \[clusterrole\.rbac.* "gone" not found\]$'):
        await write(plugin(dangling=True), role(GET_PODS))


async def test_the_verb_escalate_lifts_it() -> None:
    await write(plugin(may("escalate", "roles")), role(EVERYTHING))
    await write(plugin(may("escalate", "roles", "r")), role(EVERYTHING))
    with pytest.raises(errors.Forbidden):
        await write(plugin(may("escalate", "roles", "other")), role(EVERYTHING))


async def test_a_binding_may_give_what_its_writer_holds() -> None:
    await write(plugin(GET_PODS), binding("pods"))
    for allowed in (may("bind", "clusterroles"), may("bind", "clusterroles", "nodes")):
        await write(plugin(allowed), binding("nodes"))
    with pytest.raises(errors.Forbidden, match="not currently held"):
        await write(plugin(GET_PODS, may("bind", "roles")), binding("nodes"))
    with pytest.raises(errors.NotFound, match=r'clusterroles.rbac.authorization.k8s.io "gone" not found'):
        await write(plugin(), binding("gone"))
    with pytest.raises(errors.NotFound, match=r'^roles.rbac.authorization.k8s.io "pods" not found'):
        await write(plugin(), binding("pods", "Role"))
    await write(plugin(), binding("gone"), ROOT)


async def test_what_one_has_in_a_namespace_does_not_count_for_the_cluster() -> None:
    everywhere = rbac.ClusterRoleBinding(metadata=meta.ObjectMeta(name="x"), role_ref=binding("pods").role_ref)
    with pytest.raises(errors.Forbidden):
        await write(plugin(GET_PODS), everywhere)


async def test_collecting_rules_is_for_administrators() -> None:
    collecting = rbac.ClusterRole(metadata=meta.ObjectMeta(name="r"), aggregation_rule=rbac.AggregationRule())
    plain = replace(collecting, aggregation_rule=None)
    for new, old in ((collecting, None), (plain, collecting), (collecting, plain)):
        with pytest.raises(errors.Forbidden, match="must have cluster-admin privileges to use the aggregationRule"):
            await write(plugin(EVERYTHING, EVERY_PATH), new, old=old)
        await write(plugin(), new, ROOT, old)


async def test_the_garbage_collectors_fields_may_always_be_written() -> None:
    old = role(EVERYTHING)
    released = replace(old, metadata=replace(old.metadata, finalizers=("a/b",)))
    await write(plugin(), old, old=released)
    with pytest.raises(errors.Forbidden):
        await write(plugin(), replace(released, metadata=replace(released.metadata, labels={"a": "b"})), old=old)


def test_only_roles_and_bindings_are_looked_at() -> None:
    judge = plugin()
    assert judge.concerns(scheme.of_type(rbac.Role), "CREATE", "")
    assert not judge.concerns(scheme.of_type(rbac.Role), "DELETE", "")
    assert not judge.concerns(scheme.of_type(core.Pod), "CREATE", "")


async def test_a_node_makes_its_own_lease_only() -> None:
    node = User("system:node:node-1", ("system:nodes",))

    def lease(name: str, namespace: str = "kube-node-lease") -> coordination.Lease:
        return coordination.Lease(metadata=meta.ObjectMeta(name=name, namespace=namespace))

    await write(NodeRestriction(), lease("node-1"), node)
    await write(NodeRestriction(), lease("node-2"), ROOT)
    await write(NodeRestriction(), lease("node-2", "default"), node)
    with pytest.raises(errors.Forbidden, match="with the same name as the requesting node"):
        await write(NodeRestriction(), lease("node-2"), node)
    assert NodeRestriction().concerns(scheme.of_type(coordination.Lease), "CREATE", "")
    assert not NodeRestriction().concerns(scheme.of_type(core.Pod), "CREATE", "")


async def test_only_who_has_a_signer_decides_about_its_requests_and_signs_them() -> None:
    asked = certificates.CertificateSigningRequest(
        metadata=meta.ObjectMeta(name="c"), spec=certificates.CertificateSigningRequestSpec(signer_name="edge.io/node"))
    signed = replace(asked, status=certificates.CertificateSigningRequestStatus(certificate="x"))

    async def judge(subresource: str, new: meta.Object, *rules: rbac.PolicyRule, user: User = JANE) -> None:
        binding = rbac.ClusterRoleBinding(subjects=(rbac.Subject(kind="User", name="jane"),),
                                          role_ref=rbac.RoleRef(kind="ClusterRole", name="r"))
        index = Index(cluster_roles=[rbac.ClusterRole(metadata=meta.ObjectMeta(name="r"), rules=rules)],
                      cluster_bindings=[binding])
        judge = SignerRights(Authorizer(lambda: index, NodeAuthorizer(lambda space, name: None, lambda space: ())))
        await judge.validate(Attributes(
            operation="UPDATE", resource=scheme.of_type(type(asked)), namespace="", name="c", obj=new, old=asked,
            write=Write(user=user, subresource=subresource)))

    def rule(verb: str, name: str) -> rbac.PolicyRule:
        return rbac.PolicyRule(verbs=(verb,), api_groups=("certificates.k8s.io",), resources=("signers",),
                               resource_names=(name,))

    for name in ("edge.io/node", "edge.io/*"):
        await judge("approval", asked, rule("approve", name))
        await judge("status", signed, rule("sign", name))
    await judge("status", asked)
    await judge("approval", asked, user=ROOT)
    with pytest.raises(errors.Forbidden, match='user not permitted to approve requests'):
        await judge("approval", asked, rule("approve", "edge.io/other"), rule("sign", "edge.io/node"))
    with pytest.raises(errors.Forbidden, match="user not permitted to sign requests"):
        await judge("status", signed, rule("approve", "edge.io/node"))
