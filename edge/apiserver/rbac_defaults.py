"""The roles and bindings that are there from the first start on, and how they are mended at later ones.

They are those of Kubernetes as far as their part is here. At each start what is missing of them is added; what
somebody added stays, and the annotation rbac.authorization.kubernetes.io/autoupdate=false keeps hands off.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from edge.api import meta, rbac, rbac_rules
from edge.apiserver import rbac_default_roles as roles

_BINDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "cluster-admin": ((rbac.USER_GROUP, "system:masters"),),
    "system:basic-user": ((rbac.USER_GROUP, "system:authenticated"),),
    "system:discovery": ((rbac.USER_GROUP, "system:authenticated"),),
    "system:kube-controller-manager": ((rbac.USER, "system:kube-controller-manager"),),
    "system:kube-dns": ((rbac.SERVICE_ACCOUNT, "kube-dns"),),
    "system:kube-scheduler": ((rbac.USER, "system:kube-scheduler"),),
    "system:monitoring": ((rbac.USER_GROUP, "system:monitoring"),),
    # In Kubernetes the installer makes this one: whoever has a bootstrap token may ask for a certificate.
    "system:node-bootstrapper": ((rbac.USER_GROUP, "system:bootstrappers"),),
    "system:node-proxier": ((rbac.USER, "system:kube-proxy"),),
    "system:public-info-viewer": ((rbac.USER_GROUP, "system:authenticated"),
                                  (rbac.USER_GROUP, "system:unauthenticated")),
    "system:service-account-issuer-discovery": ((rbac.USER_GROUP, "system:serviceaccounts"),),
    "system:volume-scheduler": ((rbac.USER, "system:kube-scheduler"),),
}
"""ClusterRole -> who has it; the binding is called like the role."""
_READER = "extension-apiserver-authentication-reader"
_READERS = ((rbac.USER, "system:kube-controller-manager"), (rbac.USER, "system:kube-scheduler"))

Kind = rbac.Role | rbac.ClusterRole | rbac.RoleBinding | rbac.ClusterRoleBinding
_T = TypeVar("_T")


def cluster_roles() -> tuple[rbac.ClusterRole, ...]:
    """Return the default ClusterRoles; those that collect rules have already done so."""
    made = [rbac.ClusterRole(metadata=_metadata(name), rules=rules) for name, rules in roles.CLUSTER_ROLES.items()]
    made += [rbac.ClusterRole(metadata=_metadata(name, labels=(to,)), rules=rules)
             for (name, to), rules in roles.PARTS.items()]
    for name, to in roles.AGGREGATED.items():
        selector = meta.LabelSelector(match_labels={roles.label(name): "true"})
        role = rbac.ClusterRole(metadata=_metadata(name, labels=(to,) if to else ()),
                                aggregation_rule=rbac.AggregationRule(cluster_role_selectors=(selector,)))
        made.append(replace(role, rules=rbac_rules.aggregated(role, made)))
    return tuple(made)


def defaults() -> tuple[Kind, ...]:
    """Return everything that is to be there."""
    given = [rbac.ClusterRoleBinding(metadata=_metadata(name), role_ref=_ref(rbac.CLUSTER_ROLE, name),
                                     subjects=_subjects(subjects)) for name, subjects in _BINDINGS.items()]
    return (*cluster_roles(), *given,
            rbac.Role(metadata=_metadata(_READER, "kube-system"), rules=roles.AUTHENTICATION_READER),
            rbac.RoleBinding(metadata=_metadata(f"system::{_READER}", "kube-system"),
                             role_ref=_ref(rbac.ROLE, _READER), subjects=_subjects(_READERS)))


def mended(wanted: Kind, found: Kind) -> Kind | None:
    """Return what is stored with what it lacks added; None when it lacks nothing or is not to be touched.

    A binding of another role cannot be mended: it would have to be made anew, which is left to people.
    """
    if found.metadata.annotations.get(rbac.AUTO_UPDATE) == "false":
        return None
    metadata = replace(found.metadata, labels={**wanted.metadata.labels, **found.metadata.labels},
                       annotations={**wanted.metadata.annotations, **found.metadata.annotations})
    made = _completed(wanted, replace(found, metadata=metadata))
    return None if made == found else made


def _completed(wanted: Kind, found: Kind) -> Kind | None:
    if isinstance(wanted, rbac.ClusterRole) and wanted.aggregation_rule and isinstance(found, rbac.ClusterRole):
        return _with_selectors(found, wanted.aggregation_rule)
    if isinstance(wanted, rbac.Role | rbac.ClusterRole) and isinstance(found, rbac.Role | rbac.ClusterRole):
        return replace(found, rules=(*found.rules, *rbac_rules.missing(found.rules, wanted.rules)))
    if isinstance(wanted, rbac.RoleBinding | rbac.ClusterRoleBinding) \
            and isinstance(found, rbac.RoleBinding | rbac.ClusterRoleBinding) and wanted.role_ref == found.role_ref:
        return replace(found, subjects=_merged(found.subjects, wanted.subjects))
    return None


def _with_selectors(role: rbac.ClusterRole, wanted: rbac.AggregationRule) -> rbac.ClusterRole:
    known = role.aggregation_rule.cluster_role_selectors if role.aggregation_rule else ()
    return replace(role, aggregation_rule=rbac.AggregationRule(
        cluster_role_selectors=_merged(known, wanted.cluster_role_selectors)))


def _merged(found: tuple[_T, ...], wanted: Iterable[_T]) -> tuple[_T, ...]:
    return (*found, *(each for each in wanted if each not in found))


def _metadata(name: str, namespace: str = "", *, labels: tuple[str, ...] = ()) -> meta.ObjectMeta:
    return meta.ObjectMeta(
        name=name, namespace=namespace, annotations={rbac.AUTO_UPDATE: "true"},
        labels={"kubernetes.io/bootstrapping": "rbac-defaults"} | {roles.label(to): "true" for to in labels})


def _ref(kind: str, name: str) -> rbac.RoleRef:
    return rbac.RoleRef(api_group=rbac.GROUP, kind=kind, name=name)


def _subjects(given: Iterable[tuple[str, str]]) -> tuple[rbac.Subject, ...]:
    return tuple(rbac.Subject(kind=kind, name=name, namespace="kube-system") if kind == rbac.SERVICE_ACCOUNT
                 else rbac.Subject(kind=kind, name=name, api_group=rbac.GROUP) for kind, name in given)
