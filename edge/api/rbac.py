"""The rbac.authorization.k8s.io group: what roles allow, and who has them.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource

GROUP = "rbac.authorization.k8s.io"
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
"""Annotation: "false" keeps the server from mending a default role or binding at its start."""
SERVICE_ACCOUNT, USER, USER_GROUP = "ServiceAccount", "User", "Group"
ROLE, CLUSTER_ROLE = "Role", "ClusterRole"


class PolicyRule(meta.Struct):
    """Allows verbs on resources, or on paths that are no resource."""

    verbs: Annotated[tuple[str, ...], doc(
        "What is allowed, such as get or create; * allows everything.", list_type="atomic", required=True)] = ()
    api_groups: Annotated[tuple[str, ...], doc(
        "Groups of the resources; empty text is the core group, * is every group.", list_type="atomic")] = ()
    resources: Annotated[tuple[str, ...], doc(
        "Plural names; pods/log is a subresource, */scale is scale of everything, * is everything.",
        list_type="atomic")] = ()
    resource_names: Annotated[tuple[str, ...], doc(
        "The only objects this is about; empty means all.", list_type="atomic")] = ()
    non_resource_urls: Annotated[tuple[str, ...], doc(
        "Paths that are no resource, such as /healthz; a * at the end stands for any rest. ClusterRoles only.",
        list_type="atomic")] = ()


class Role(meta.Object):
    """What is allowed in one namespace."""

    rules: Annotated[tuple[PolicyRule, ...], doc(
        "What is allowed; each rule adds to the others.", list_type="atomic")] = meta.written(tuple)


class AggregationRule(meta.Struct):
    """Which ClusterRoles another one takes its rules from."""

    cluster_role_selectors: Annotated[tuple[meta.LabelSelector, ...], doc(
        "A ClusterRole that matches any of them gives its rules.", list_type="atomic")] = ()


class ClusterRole(meta.Object):
    """What is allowed in the whole cluster, or in every namespace it is bound in."""

    rules: Annotated[tuple[PolicyRule, ...], doc(
        "What is allowed; filled in by the server when there is an aggregationRule.",
        list_type="atomic")] = meta.written(tuple)
    aggregation_rule: Annotated[AggregationRule | None, doc(
        "Makes the server collect the rules from other ClusterRoles.")] = None


class Subject(meta.Struct):
    """Whom a binding is for."""

    kind: Annotated[str, doc("User, Group or ServiceAccount.", required=True)] = ""
    api_group: Annotated[str, doc(
        "rbac.authorization.k8s.io for users and groups, empty for service accounts; the default.")] = ""
    name: Annotated[str, doc("Name of the subject.", required=True)] = ""
    namespace: Annotated[str, doc("Namespace of a service account.")] = ""


class RoleRef(meta.Struct):
    """The role a binding gives; cannot change."""

    api_group: Annotated[str, doc("Always rbac.authorization.k8s.io.", required=True)] = ""
    kind: Annotated[str, doc("Role or ClusterRole.", required=True)] = ""
    name: Annotated[str, doc("Name of the role.", required=True)] = ""


class RoleBinding(meta.Object):
    """Gives a Role, or a ClusterRole within one namespace, to subjects."""

    subjects: Annotated[tuple[Subject, ...], doc("Whom it is given to.", list_type="atomic")] = ()
    role_ref: Annotated[RoleRef, doc("What is given; cannot change.", required=True)] = meta.written(RoleRef)


class ClusterRoleBinding(meta.Object):
    """Gives a ClusterRole in the whole cluster to subjects."""

    subjects: Annotated[tuple[Subject, ...], doc("Whom it is given to.", list_type="atomic")] = ()
    role_ref: Annotated[RoleRef, doc("The ClusterRole that is given; cannot change.",
                                     required=True)] = meta.written(RoleRef)


_OLD = (f"{GROUP}/v1beta1",)

RESOURCES = (
    Resource(group=GROUP, version="v1", kind="ClusterRoleBinding", plural="clusterrolebindings",
             type=ClusterRoleBinding, namespaced=False, old_versions=_OLD),
    Resource(group=GROUP, version="v1", kind="ClusterRole", plural="clusterroles", type=ClusterRole, namespaced=False,
             old_versions=_OLD),
    Resource(group=GROUP, version="v1", kind="RoleBinding", plural="rolebindings", type=RoleBinding,
             old_versions=_OLD),
    Resource(group=GROUP, version="v1", kind="Role", plural="roles", type=Role, old_versions=_OLD),
)
