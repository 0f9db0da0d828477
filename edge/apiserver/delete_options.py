"""Reads how something is to be deleted, from the query and the body of a request, and judges it in Kubernetes' words.

Kubernetes reads the query only when there is no body. Here both count, and the body is stronger: who asks for a dry run
in the query is not surprised.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/delete-options/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from edge.api import errors, meta
from edge.apiserver import write_options
from edge.apiserver.deletion import DeleteOptions
from edge.apiserver.paths import Options

BACKGROUND, FOREGROUND, ORPHAN = "Background", "Foreground", "Orphan"
KEPT_PODS = ("child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove "
             "them or set propagationPolicy=Orphan to suppress this warning")
_OLD_WORKLOADS = ("apps/v1beta1", "apps/v1beta2", "extensions/v1beta1")
_ORPHANING = {("v1", "ReplicationController"), ("batch/v1", "Job"), ("batch/v1beta1", "CronJob"),
              *((version, kind) for version in _OLD_WORKLOADS
                for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"))}
"""Versions of kinds that leave what they own alone if nothing is said, as they always have."""


class _Preconditions(meta.Struct):
    uid: str | None = None
    resource_version: str | None = None


class _Body(meta.Struct):
    """What a DeleteOptions says, null for what it leaves open."""

    api_version: str = ""
    kind: str = ""
    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    preconditions: _Preconditions | None = None
    dry_run: tuple[str, ...] | None = None


def read(query: Options, body: Mapping[str, Any], api_version: str, kind: str) -> DeleteOptions:
    """Return the options of a request for a kind in a version.

    Raises:
        errors.BadRequest: for another body, or values of the wrong type.
        errors.Invalid: for values that do not exist or do not go together.
    """
    if body.get("kind") not in (None, "", "DeleteOptions"):
        raise errors.BadRequest(f'{body["kind"]} in version "{body.get("apiVersion", "")}" cannot be handled as a '
                                "DeleteOptions: decoded object cannot be converted to DeleteOptions")
    try:
        sent = msgspec.convert(body, type=_Body)
    except msgspec.ValidationError as error:
        raise errors.BadRequest('DeleteOptions in version "v1" cannot be handled as a DeleteOptions: json: '
                                f"{error}") from error
    policy = sent.propagation_policy or query.propagation_policy
    orphan = query.orphan_dependents if sent.orphan_dependents is None else sent.orphan_dependents
    causes = (*_policy(policy, orphan), *write_options.dry_run(sent.dry_run or ()))
    if causes:
        raise errors.invalid("meta.k8s.io", "DeleteOptions", "", causes)
    if orphan is not None:
        policy = ORPHAN if orphan else BACKGROUND
    meant = sent.preconditions or _Preconditions()
    grace = query.grace_period_seconds if sent.grace_period_seconds is None else sent.grace_period_seconds
    return DeleteOptions(grace_period_seconds=grace, propagation_policy=policy, uid=meant.uid or "",
                         resource_version=meant.resource_version or "", dry_run=query.dry_run or bool(sent.dry_run),
                         otherwise_orphan=not policy and (api_version, kind) in _ORPHANING)


def warning(options: DeleteOptions, kind: str) -> str:
    """Return what somebody should be told who may not know what the deletion leaves behind; empty for others."""
    return KEPT_PODS if options.otherwise_orphan and kind == "Job" else ""


def _policy(policy: str, orphan: bool | None) -> tuple[errors.Cause, ...]:
    causes = []
    if policy and orphan is not None:
        causes.append(errors.Cause(reason="FieldValueInvalid", field="propagationPolicy",
                                   message=f'Invalid value: "{policy}": orphanDependents and deletionPropagation '
                                           "cannot be both set"))
    if policy not in ("", BACKGROUND, FOREGROUND, ORPHAN):
        causes.append(errors.Cause(reason="FieldValueNotSupported", field="propagationPolicy",
                                   message=f'Unsupported value: "{policy}": supported values: "Foreground", '
                                           '"Background", "Orphan", "nil"'))
    return tuple(causes)
