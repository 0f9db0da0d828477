"""CustomResourceDefinitions of apiextensions.k8s.io/v1beta1 become those of v1, and back.

The old version had one schema, one set of subresources and columns for all versions, spelled the columns' paths
`JSONPath`, and kept fields that no schema names unless told otherwise (`preserveUnknownFields`).
https://kubernetes.io/docs/reference/using-api/deprecation-guide/#customresourcedefinition-v122
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_PER_VERSION = {"validation": "schema", "subresources": "subresources",
                "additionalPrinterColumns": "additionalPrinterColumns", "selectableFields": "selectableFields"}
"""What stood beside the versions -> what it is called inside each of them."""


def definition_in(api_version: str, obj: Json) -> None:
    """Turn a definition of v1beta1 into one of v1, in place; what has a wrong type is left to the decoder."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if not spec.get("scope"):
        spec["scope"] = "Namespaced"
    if spec.get("preserveUnknownFields") is None:
        spec["preserveUnknownFields"] = True
    first = spec.pop("version", None)
    if not spec.get("versions") and first:
        spec["versions"] = [{"name": first, "served": True, "storage": True}]
    for old, new in _PER_VERSION.items():
        value = spec.pop(old, None)
        if value is not None:
            for version in _structs(spec, "versions"):
                if version.get(new) is None:
                    version[new] = value
    for version in _structs(spec, "versions"):
        _rename(version, "JSONPath", "jsonPath")
    _webhook_in(spec)


def definition_out(api_version: str, obj: Json) -> None:
    """Turn a definition of v1 into one of v1beta1, in place."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    spec["preserveUnknownFields"] = bool(spec.get("preserveUnknownFields"))
    versions = _structs(spec, "versions")
    for version in versions:
        _rename(version, "jsonPath", "JSONPath")
    if versions:
        spec["version"] = versions[0].get("name", "")
    for old, new in _PER_VERSION.items():
        values = [version.get(new) for version in versions]
        if values and values[0] is not None and all(value == values[0] for value in values):
            spec[old] = values[0]
            for version in versions:
                version.pop(new)
    _webhook_out(spec)


def _webhook_in(spec: Json) -> None:
    conversion = spec.get("conversion")
    if not isinstance(conversion, dict):
        return
    config = conversion.pop("webhookClientConfig", None)
    versions = conversion.pop("conversionReviewVersions", None)
    if conversion.get("strategy") == "Webhook":
        versions = versions or ["v1beta1"]
    if config is not None or versions is not None:
        webhook = {"clientConfig": config, "conversionReviewVersions": versions}
        conversion["webhook"] = {key: value for key, value in webhook.items() if value is not None}


def _webhook_out(spec: Json) -> None:
    conversion = spec.get("conversion")
    webhook = conversion.pop("webhook", None) if isinstance(conversion, dict) else None
    if isinstance(conversion, dict) and isinstance(webhook, dict):
        for new, old in (("clientConfig", "webhookClientConfig"),
                         ("conversionReviewVersions", "conversionReviewVersions")):
            if new in webhook:
                conversion[old] = webhook[new]


def _rename(version: Json, old: str, new: str) -> None:
    """Rename the field of a path in each column; columns that versions share are not touched twice."""
    columns = version.get("additionalPrinterColumns")
    if isinstance(columns, list):
        version["additionalPrinterColumns"] = [
            {new if key == old else key: value for key, value in column.items()} if isinstance(column, dict) else column
            for column in columns]


def _structs(parent: Json, key: str) -> list[Json]:
    items = parent.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
