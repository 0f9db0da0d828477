"""Turns objects of older API versions into the stored ones and back.

The manifests of 2017 say `extensions/v1beta1` or `apps/v1beta1`. They lean on what those versions filled in: a
selector taken from the template's labels, one pod at a time in a rolling update, every old revision kept.
Such values are written into the object here, so that the rest of the system knows one version only.
https://kubernetes.io/docs/reference/using-api/deprecation-guide/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.api import (
    conversion_apiextensions,
    conversion_autoscalers,
    conversion_budgets,
    conversion_ingress,
    conversion_statefulsets,
)

Json = dict[str, Any]

_UNLIMITED = 2**31 - 1
_SELECTOR_FROM_TEMPLATE = {"extensions/v1beta1", "apps/v1beta1"}
_HOSTNAME, _ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
_EVENT_NAMES = {  # events.k8s.io/v1 -> core/v1
    "regarding": "involvedObject", "note": "message", "reportingController": "reportingComponent",
    "deprecatedSource": "source", "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp", "deprecatedCount": "count",
}


def to_stored(api_version: str, stored_version: str, obj: Json) -> Json:
    """Return a copy of an object, sent as `api_version`, in the version it is stored in."""
    if api_version == stored_version:
        return {**obj, "apiVersion": stored_version}
    converted: Json = _copied(obj)
    converted["apiVersion"] = stored_version
    convert = _TO_STORED.get(str(obj.get("kind", "")))
    if convert is not None:
        convert(api_version, converted)
    return converted


def from_stored(api_version: str, obj: Json) -> Json:
    """Return a copy of a stored object as `api_version` shows it."""
    shown: Json = _copied(obj)
    shown["apiVersion"] = api_version
    convert = _FROM_STORED.get(str(obj.get("kind", "")))
    if convert is not None:
        convert(api_version, shown)
    return shown


def _copied(value: Any) -> Any:
    """Return a copy in which nothing stands in two places, as an alias of YAML does: what changes, changes once."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _deployment(api_version: str, obj: Json) -> None:
    spec = _section(obj, "spec")
    _select_by_template(api_version, spec)
    spec.pop("rollbackTo", None)
    if api_version == "extensions/v1beta1":
        _default(spec, "revisionHistoryLimit", _UNLIMITED)
        _default(spec, "progressDeadlineSeconds", _UNLIMITED)
    elif api_version == "apps/v1beta1":
        _default(spec, "revisionHistoryLimit", 2)
    strategy = _section(spec, "strategy")
    _default(strategy, "type", "RollingUpdate")
    if api_version in _SELECTOR_FROM_TEMPLATE and strategy["type"] == "RollingUpdate":
        rolling = _section(strategy, "rollingUpdate")
        share: int | str = 1 if api_version == "extensions/v1beta1" else "25%"
        _default(rolling, "maxUnavailable", share)
        _default(rolling, "maxSurge", share)


def _replica_set(api_version: str, obj: Json) -> None:
    _select_by_template(api_version, _section(obj, "spec"))


def _daemon_set(api_version: str, obj: Json) -> None:
    spec = _section(obj, "spec")
    _select_by_template(api_version, spec)
    spec.pop("templateGeneration", None)
    if api_version == "extensions/v1beta1":
        _default(_section(spec, "updateStrategy"), "type", "OnDelete")


def _select_by_template(api_version: str, spec: Json) -> None:
    """Give the spec the selector that the oldest versions derived from the template's labels."""
    if api_version not in _SELECTOR_FROM_TEMPLATE:
        return
    selector = spec.get("selector")
    if isinstance(selector, dict) and (selector.get("matchLabels") or selector.get("matchExpressions")):
        return
    template = spec.get("template")
    metadata = template.get("metadata") if isinstance(template, dict) else None
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if isinstance(labels, dict) and labels:
        spec["selector"] = {"matchLabels": dict(labels)}


def _event_in(api_version: str, obj: Json) -> None:
    for new, old in _EVENT_NAMES.items():
        if new in obj:
            obj[old] = obj.pop(new)


def _event_out(api_version: str, obj: Json) -> None:
    for new, old in _EVENT_NAMES.items():
        if old in obj:
            obj[new] = obj.pop(old)
    obj.setdefault("eventTime", None)  # clients of this version expect the key


def _signing_request_in(api_version: str, obj: Json) -> None:
    _default(_section(obj, "spec"), "signerName", "kubernetes.io/legacy-unknown")
    status = obj.get("status")
    if isinstance(status, dict):
        for condition in _structs(status, "conditions"):
            _default(condition, "status", "True")


def _endpoint_slice_in(api_version: str, obj: Json) -> None:
    for endpoint in _structs(obj, "endpoints"):
        topology = endpoint.pop("topology", None)
        if not isinstance(topology, dict):
            continue
        if topology.get(_ZONE):
            endpoint["zone"] = topology.pop(_ZONE)
        if endpoint.get("nodeName") and topology.get(_HOSTNAME) == endpoint["nodeName"]:
            del topology[_HOSTNAME]  # it could be another host than the node, so that only the same one is left out
        if topology:
            endpoint["deprecatedTopology"] = topology


def _endpoint_slice_out(api_version: str, obj: Json) -> None:
    for endpoint in _structs(obj, "endpoints"):
        topology = endpoint.pop("deprecatedTopology", {})
        if endpoint.get("nodeName"):
            topology.setdefault(_HOSTNAME, endpoint["nodeName"])
        if endpoint.get("zone"):
            topology[_ZONE] = endpoint.pop("zone")
        if topology:
            endpoint["topology"] = topology


def _section(parent: Json, key: str) -> Json:
    """Return the mapping below `key`, made when it is absent; something of a wrong type is left to the decoder."""
    if parent.get(key) is None:
        parent[key] = {}
    section = parent[key]
    return section if isinstance(section, dict) else {}


def _structs(parent: Json, key: str) -> list[Json]:
    items = parent.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _default(section: Json, key: str, value: object) -> None:
    if section.get(key) is None:
        section[key] = value


_TO_STORED: dict[str, Callable[[str, Json], None]] = {
    "CustomResourceDefinition": conversion_apiextensions.definition_in,
    "Deployment": _deployment, "ReplicaSet": _replica_set, "DaemonSet": _daemon_set, "Event": _event_in,
    "EndpointSlice": _endpoint_slice_in, "Ingress": conversion_ingress.to_stored,
    "CertificateSigningRequest": _signing_request_in,
    "StatefulSet": conversion_statefulsets.stateful_set, "PodDisruptionBudget": conversion_budgets.budget_in,
    "HorizontalPodAutoscaler": conversion_autoscalers.autoscaler_in,
}
_FROM_STORED: dict[str, Callable[[str, Json], None]] = {
    "CustomResourceDefinition": conversion_apiextensions.definition_out,
    "Event": _event_out, "EndpointSlice": _endpoint_slice_out,
    "Ingress": conversion_ingress.from_stored, "PodDisruptionBudget": conversion_budgets.budget_out,
    "HorizontalPodAutoscaler": conversion_autoscalers.autoscaler_out,
}
