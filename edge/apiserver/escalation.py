"""Keeps people from giving rights they do not have: what a role or a binding gives, its writer must hold already.

The verbs `escalate` on roles and `bind` on the role of a binding lift that. It is looked at between what admission
changes and validation, as in Kubernetes.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from __future__ import annotations

from typing import TypeGuard

from msgspec.structs import replace

from edge.api import errors, meta, rbac, rbac_rules, scheme
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.authenticate import MASTERS_GROUP, User
from edge.apiserver.authorize import Authorizer
from edge.apiserver.paths import ResourceRequest

_AGGREGATES = "must have cluster-admin privileges to use the aggregationRule"
Binding = rbac.RoleBinding | rbac.ClusterRoleBinding
AnyRole = rbac.Role | rbac.ClusterRole


class Escalation(Plugin):
    """Judges writes of roles and bindings."""

    name = "RBACEscalation"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        """Return whether this is a write of a role or a binding."""
        return resource.group == rbac.GROUP and operation in ("CREATE", "UPDATE")

    async def admit(self, request: Attributes) -> meta.Object | None:
        """Return the object as it is. Raises errors.Forbidden when it gives more than its writer has."""
        user, obj = request.write.user, request.obj
        if MASTERS_GROUP in user.groups or _only_collected(obj, request.old):
            return obj
        if _is_role(obj):
            self._check_role(request, user, obj)
        elif isinstance(obj, rbac.RoleBinding | rbac.ClusterRoleBinding):
            self._check_binding(request, user, obj)
        return obj

    async def validate(self, request: Attributes) -> None:
        """Look again at what is to be stored: a webhook may have changed it after the first look."""
        await self.admit(request)

    def _check_role(self, request: Attributes, user: User, role: AnyRole) -> None:
        resource, namespace = request.resource, request.namespace
        if self._may(user, "escalate", resource.plural, namespace, request.name):
            return
        if problem := self._lacks(user, namespace, role.rules):
            raise _forbidden(request, problem)
        if any(_collects(each) for each in (role, request.old)) \
                and self._lacks(user, namespace, rbac_rules.EVERYTHING):
            raise _forbidden(request, _AGGREGATES)

    def _check_binding(self, request: Attributes, user: User, binding: Binding) -> None:
        ref, namespace = binding.role_ref, request.namespace
        plural = "roles" if ref.kind == rbac.ROLE else "clusterroles"
        if self._may(user, "bind", plural, namespace, ref.name):
            return
        rules = self._authorizer.rules().role_rules(ref, namespace)
        if rules is None:
            raise errors.not_found(f"{plural}.{rbac.GROUP}", ref.name)
        if problem := self._lacks(user, namespace, rules):
            raise _forbidden(request, problem)

    def _may(self, user: User, verb: str, plural: str, namespace: str, name: str) -> bool:
        return self._authorizer.allowed(user, ResourceRequest(
            verb=verb, group=rbac.GROUP, version="v1", resource=plural, namespace=namespace, name=name)).allowed

    def _lacks(self, user: User, namespace: str, wanted: rbac_rules.Rules) -> str:
        """Return what is wrong when the user does not hold all of the rules, else nothing."""
        held, problem = self._authorizer.rules_of(user, namespace)
        lacking = rbac_rules.missing(held, wanted)
        if not lacking:
            return ""
        lines = "\n".join(sorted({rbac_rules.line(rule) for rule in lacking}))
        text = (f'user "{user.name}" (groups={rbac_rules.listed(user.groups)}) is attempting to grant RBAC permissions '
                f"not currently held:\n{lines}")
        return f"{text}; resolution errors: [{problem}]" if problem else text


def _is_role(obj: meta.Object | None) -> TypeGuard[AnyRole]:
    return isinstance(obj, rbac.Role | rbac.ClusterRole)


def _collects(obj: meta.Object | None) -> bool:
    return isinstance(obj, rbac.ClusterRole) and obj.aggregation_rule is not None


def _only_collected(new: meta.Object | None, old: meta.Object | None) -> bool:
    """Return whether a write only lets the object go: its owners and finalizers, which the garbage collector writes."""
    if new is None or old is None:
        return False
    kept = old.metadata
    return replace(new, metadata=replace(new.metadata, owner_references=kept.owner_references,
                                         finalizers=kept.finalizers, managed_fields=kept.managed_fields,
                                         resource_version=kept.resource_version)) == old


def _forbidden(request: Attributes, why: str) -> errors.Forbidden:
    resource = request.resource
    details = {"name": request.name, "group": resource.group, "kind": resource.plural}
    return errors.Forbidden(f'{resource.group_resource} "{request.name}" is forbidden: {why}', details=details)
