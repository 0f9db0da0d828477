"""One manifest of every kind that is stored: the table behind the tests that visit all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edge.api import scheme

MANIFESTS: tuple[dict[str, Any], ...] = tuple(
    yaml.safe_load_all((Path(__file__).parents[2] / "cases" / "manifests" / "every-kind.yaml").read_text()))


def resource_of(manifest: dict[str, Any]) -> scheme.Resource:
    """Return what the registry knows of a manifest's kind."""
    resource = scheme.of_kind(manifest["apiVersion"], manifest["kind"])
    assert resource is not None
    return resource


def collection(manifest: dict[str, Any]) -> str:
    """Return the path a manifest is posted to."""
    api_version, resource = manifest["apiVersion"], resource_of(manifest)
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    return f"{root}/namespaces/default/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"
