"""What the server serves, in the words of discovery: `/api`, `/apis`, resource lists, aggregated discovery, `/version`.

Pure functions of the registry (and of whatever custom resources the caller adds to it).
https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

import platform as machine
from collections.abc import Iterable, Sequence
from typing import Any

from edge.api.custom import CustomResource
from edge.api.scheme import Resource

KUBERNETES = "1.32.0"
"""The release of Kubernetes whose API this is."""

_STATUS_VERBS = ("get", "patch", "update")
_PROXY_VERBS = ("create", "delete", "get", "patch", "update")

# (plural, subresource) or subresource -> group, version, kind, verbs. An empty kind is the resource's own.
_SUBRESOURCES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "status": ("", "", "", _STATUS_VERBS),
    "scale": ("autoscaling", "v1", "Scale", _STATUS_VERBS),
    "approval": ("", "", "", _STATUS_VERBS),
    "ephemeralcontainers": ("", "", "", _STATUS_VERBS),
    "resize": ("", "", "", _STATUS_VERBS),
    "finalize": ("", "", "", ("update",)),
    "log": ("", "", "", ("get",)),
    "binding": ("", "v1", "Binding", ("create",)),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ("create",)),
    "pods/exec": ("", "v1", "PodExecOptions", ("create", "get")),
    "pods/attach": ("", "v1", "PodAttachOptions", ("create", "get")),
    "pods/portforward": ("", "v1", "PodPortForwardOptions", ("create", "get")),
    "pods/proxy": ("", "v1", "PodProxyOptions", _PROXY_VERBS),
    "services/proxy": ("", "v1", "ServiceProxyOptions", _PROXY_VERBS),
    "nodes/proxy": ("", "v1", "NodeProxyOptions", _PROXY_VERBS),
}


def split(api_version: str) -> tuple[str, str]:
    """Return group and version of `apps/v1`; the group of `v1` is empty."""
    group, _, version = api_version.rpartition("/")
    return group, version


def subresource(resource: Resource, name: str, api_version: str = "") -> tuple[str, str, str, tuple[str, ...]]:
    """Return group, version and kind of a subresource's body, and its verbs."""
    group, version, kind, verbs = (_SUBRESOURCES.get(f"{resource.plural}/{name}") or _SUBRESOURCES.get(name)
                                   or ("", "", "", _STATUS_VERBS))
    if not kind:
        group, version = split(api_version or resource.api_version)
        kind = resource.kind
    return group, version, kind, verbs


def served(resources: Iterable[Resource]) -> dict[str, dict[str, list[Resource]]]:
    """Return group -> version -> resources, current versions before old ones.

    The groups that only old versions live in come last, so that `kubectl get ingress` finds today's.
    """
    groups: dict[str, dict[str, list[Resource]]] = {}
    known = tuple(resources)
    for resource in known:
        for name in resource.versions if isinstance(resource, CustomResource) else (resource.version,):
            groups.setdefault(resource.group, {}).setdefault(name, []).append(resource)
    for resource in known:
        for old in resource.old_versions:
            group, version = split(old)
            groups.setdefault(group, {}).setdefault(version, []).append(resource)
    return groups


def api_versions() -> dict[str, Any]:
    """Return the answer of `/api`."""
    return {"kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}]}


def group_list(resources: Sequence[Resource]) -> dict[str, Any]:
    """Return the answer of `/apis`."""
    groups = [_group(name, versions) for name, versions in served(resources).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(resources: Sequence[Resource], name: str) -> dict[str, Any] | None:
    """Return the answer of `/apis/<group>`, or None for a group that is not served."""
    versions = served(resources).get(name)
    if not name or versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def _group(name: str, versions: Iterable[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resource_list(resources: Sequence[Resource], group_name: str, version: str) -> dict[str, Any] | None:
    """Return the answer of `/api/v1` or `/apis/<group>/<version>`, or None when that is not served."""
    members = served(resources).get(group_name, {}).get(version)
    if members is None:
        return None
    group_version = f"{group_name}/{version}" if group_name else version
    items: list[dict[str, Any]] = []
    for resource in sorted(members, key=lambda member: member.plural):
        items.append(_resource(resource, group_version))
        items.extend(_subresource(resource, name, group_version) for name in sorted(resource.subresources))
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": items}


def _resource(resource: Resource, group_version: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": resource.plural, "singularName": resource.singular,
                             "namespaced": resource.namespaced, "kind": resource.kind, "verbs": list(resource.verbs)}
    return entry | _nicknames(resource, group_version)


def _nicknames(resource: Resource, group_version: str) -> dict[str, Any]:
    """Short names and categories belong to the current version alone: clients would list an object twice."""
    if group_version != resource.api_version and not isinstance(resource, CustomResource):
        return {}
    names = {"shortNames": list(resource.short_names), "categories": list(resource.categories)}
    return {key: value for key, value in names.items() if value}


def _subresource(resource: Resource, name: str, group_version: str) -> dict[str, Any]:
    group_name, version, kind, verbs = subresource(resource, name, group_version)
    entry: dict[str, Any] = {"name": f"{resource.plural}/{name}", "singularName": "",
                             "namespaced": resource.namespaced, "kind": kind, "verbs": list(verbs)}
    if (group_name, version) != split(group_version):
        entry |= {"group": group_name, "version": version}
    return entry


def aggregated(resources: Sequence[Resource], *, core: bool, version: str = "v2") -> dict[str, Any]:
    """Return the aggregated answer of `/api` (`core`) or `/apis`.

    Args:
        resources: what is served.
        core: whether the core group is asked for, or all the others.
        version: `v2` or `v2beta1` of apidiscovery.k8s.io; both have this shape.
    """
    items = []
    for name, versions in served(resources).items():
        if core != (not name):
            continue
        metadata: dict[str, Any] = {"name": name} if name else {}
        items.append({"metadata": metadata | {"creationTimestamp": None},
                      "versions": [_aggregated_version(name, each, members) for each, members in versions.items()]})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {},
            "items": items}


def _aggregated_version(group_name: str, version: str, members: list[Resource]) -> dict[str, Any]:
    group_version = f"{group_name}/{version}" if group_name else version
    listed = []
    for resource in sorted(members, key=lambda member: member.plural):
        entry: dict[str, Any] = {
            "resource": resource.plural,
            "responseKind": {"group": group_name, "version": version, "kind": resource.kind},
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "singularResource": resource.singular, "verbs": list(resource.verbs),
        } | _nicknames(resource, group_version)
        below = [_aggregated_subresource(resource, name, group_version) for name in sorted(resource.subresources)]
        listed.append(entry | ({"subresources": below} if below else {}))
    return {"version": version, "resources": listed, "freshness": "Current"}


def _aggregated_subresource(resource: Resource, name: str, group_version: str) -> dict[str, Any]:
    group_name, version, kind, verbs = subresource(resource, name, group_version)
    return {"subresource": name, "responseKind": {"group": group_name, "version": version, "kind": kind},
            "verbs": list(verbs)}


def wants_aggregated(accept: str) -> str:
    """Return `v2` or `v2beta1` when an Accept header asks for aggregated discovery that way, else an empty string.

    The first acceptable entry of the header wins, as clients order them by preference.
    """
    for entry in accept.split(","):
        media, *rest = (part.strip() for part in entry.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        if media != "application/json":
            continue
        if parameters.get("as") == "APIGroupDiscoveryList" and parameters.get("g") == "apidiscovery.k8s.io":
            version = parameters.get("v", "")
            if version in ("v2", "v2beta1"):
                return version
        elif "as" not in parameters:
            return ""
    return ""


def aggregated_content_type(version: str) -> str:
    """Return the Content-Type of an aggregated answer; clients look at its parameters."""
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def issuer(address: str, algorithms: Sequence[str]) -> dict[str, Any]:
    """Return the answer of `/.well-known/openid-configuration`."""
    return {"issuer": address, "jwks_uri": f"{address}/openid/v1/jwks", "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": list(algorithms)}


def version(edge_version: str) -> dict[str, str]:
    """Return the answer of `/version`: the Kubernetes release we speak, and our own version behind the plus."""
    major, minor, _ = KUBERNETES.split(".")
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine.machine(), machine.machine() or "unknown")
    return {"major": major, "minor": minor, "gitVersion": f"v{KUBERNETES}+edge.{edge_version}",
            "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "", "compiler": "cpython", "platform": f"linux/{architecture}"}
