"""Completes and judges custom objects by the schema of the version they are written in.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

from typing import Any

from edge.api import custom, structural_defaults, structural_pruning, structural_validation
from edge.api.errors import Cause


def completed(resource: custom.CustomResource, api_version: str,
              raw: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return an object as it is stored, pruned and with its defaults, and the paths of the fields that were dropped."""
    stored = {**raw, "apiVersion": resource.api_version, "kind": resource.kind}
    version = resource.version_of(api_version)
    if version is None or version.schema is None:
        return stored, ()
    pruned, dropped = structural_pruning.prune(version.schema, stored)
    return structural_defaults.default(version.schema, pruned), dropped


def causes(resource: custom.CustomResource, api_version: str, obj: custom.Custom,
           old: custom.Custom | None = None) -> tuple[Cause, ...]:
    """Return what the schema finds wrong with an object."""
    version = resource.version_of(api_version)
    if version is None or version.schema is None:
        return ()
    return structural_validation.validate(version.schema, custom.flat(obj), None if old is None else custom.flat(old))
