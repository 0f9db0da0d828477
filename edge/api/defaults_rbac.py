"""What bindings leave out: the groups of their subjects and of their role."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from edge.api import rbac

_B = TypeVar("_B", rbac.RoleBinding, rbac.ClusterRoleBinding)


def binding(obj: _B) -> _B:
    """Return the binding with every API group filled in."""
    ref = obj.role_ref
    if not ref.api_group:
        ref = replace(ref, api_group=rbac.GROUP)
    return replace(obj, role_ref=ref, subjects=tuple(_subject(subject) for subject in obj.subjects))


def _subject(subject: rbac.Subject) -> rbac.Subject:
    if subject.api_group or subject.kind not in (rbac.USER, rbac.USER_GROUP):
        return subject
    return replace(subject, api_group=rbac.GROUP)
