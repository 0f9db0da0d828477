"""Turns Ingresses of networking.k8s.io/v1beta1 and extensions/v1beta1 into those of v1 and back.

The old versions name a backend by `serviceName` and `servicePort`, call the default one `backend`, and a path without a
type is left to the controller. What is of a wrong type stays for the decoder to name.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def to_stored(api_version: str, obj: Json) -> None:
    """Change an Ingress of an old version into the stored one, in place."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if spec.get("backend") is not None:
        spec["defaultBackend"] = _backend_in(spec["backend"])
    spec.pop("backend", None)
    for path in _paths(spec):
        if path.get("pathType") is None:
            path["pathType"] = "ImplementationSpecific"
        if "backend" in path:
            path["backend"] = _backend_in(path["backend"])


def from_stored(api_version: str, obj: Json) -> None:
    """Change a stored Ingress into one of an old version, in place."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if spec.get("defaultBackend") is not None:
        spec["backend"] = _backend_out(spec["defaultBackend"])
    spec.pop("defaultBackend", None)
    for path in _paths(spec):
        if "backend" in path:
            path["backend"] = _backend_out(path["backend"])


def _backend_in(backend: Any) -> Any:
    if not isinstance(backend, dict) or not {"serviceName", "servicePort"} & set(backend):
        return backend
    rest = {key: value for key, value in backend.items() if key not in ("serviceName", "servicePort")}
    name, port = backend.get("serviceName"), backend.get("servicePort")
    if not name and port in (None, 0):  # an Ingress whose backend is a resource may carry an empty port
        return rest
    service: Json = {"name": "" if name is None else name}
    if isinstance(port, str):
        service["port"] = {"name": port}
    elif port is not None:
        service["port"] = {"number": port}
    return {**rest, "service": service}


def _backend_out(backend: Any) -> Any:
    service = backend.get("service") if isinstance(backend, dict) else None
    if not isinstance(service, dict):
        return backend
    shown = {key: value for key, value in backend.items() if key != "service"}
    port = service.get("port")
    port = port if isinstance(port, dict) else {}
    return {**shown, "serviceName": service.get("name", ""), "servicePort": port.get("name") or port.get("number", 0)}


def _paths(spec: Json) -> list[Json]:
    found: list[Json] = []
    for rule in _structs(spec.get("rules")):
        http = rule.get("http")
        if isinstance(http, dict):
            found += _structs(http.get("paths"))
    return found


def _structs(items: Any) -> list[Json]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
