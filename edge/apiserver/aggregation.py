"""Decides which group versions other servers answer for, what they are told of a request, and what discovery shows.

https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.api import errors
from edge.api.apiregistration import APIService
from edge.apiserver import endpoints
from edge.apiserver.authenticate import User, shown_header

GroupVersion = tuple[str, str]
MOST_RESOURCES = 1000
_HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
               "trailer", "transfer-encoding", "upgrade"}
_OURS = {"host", "authorization", "expect", "content-length", "audit-id"}
_OUR_PREFIXES = ("x-remote-", "impersonate-")
_TOKEN = frozenset("!#$&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""What a header's name may have; the percent sign escapes everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The server that answers for one version of one group."""

    group: str
    version: str
    namespace: str
    service: str
    port: int
    ca_bundle: str = ""
    insecure: bool = False
    priority: tuple[int, int] = (0, 0)
    """Of the group, and of the version in it; higher comes first."""

    @property
    def path(self) -> str:
        """Where its discovery document is."""
        return f"/apis/{self.group}/{self.version}"

    @property
    def server_name(self) -> str:
        """The name its certificate has to carry."""
        return endpoints.server_name(self.namespace, self.service)


def backends(services: Iterable[APIService]) -> dict[GroupVersion, Backend]:
    """Return who answers for which group version, as far as that is not this server."""
    return {(found.spec.group, found.spec.version): Backend(
        group=found.spec.group, version=found.spec.version, namespace=found.spec.service.namespace,
        service=found.spec.service.name, port=found.spec.service.port or endpoints.HTTPS_PORT,
        ca_bundle=found.spec.ca_bundle, insecure=found.spec.insecure_skip_tls_verify,
        priority=(found.spec.group_priority_minimum, found.spec.version_priority))
        for found in services if found.spec.service is not None and found.spec.group}


def of_path(path: str) -> GroupVersion | None:
    """Return the group version that a path below `/apis/` or `/openapi/v3/apis/` is of."""
    parts = path.removeprefix("/openapi/v3").split("/")
    return (parts[2], parts[3]) if len(parts) > 3 and parts[0] == "" and parts[1] == "apis" else None


def is_document(path: str) -> bool:
    """Return whether a path is that of a group version itself: what is below are resources, and rights to them.

    A slash that was written as %2F must not turn a resource into a document, which everybody may read.
    """
    return len(path.removeprefix("/openapi/v3").removesuffix("/").split("/")) == 4


# --- what a backend is told

def request_headers(headers: Iterable[tuple[str, str]], user: User, address: str) -> list[tuple[str, str]]:
    """Return the headers a request goes on with: whose it is stands in ours, which nobody else can set.

    Raises errors.BadRequest when the user's name cannot stand in a header.
    """
    sent = list(headers)
    own = {name.strip().lower() for key, value in sent if key.lower() == "connection" for name in value.split(",")}
    kept = [(name, shown_header(name, value)) for name, value in sent
            if not _dropped(name) and name.lower() not in own and name.lower() != "x-forwarded-for"]
    forwarded = [value for name, value in sent if name.lower() == "x-forwarded-for"]
    if address:
        forwarded.append(address)
    return [*kept, *([("X-Forwarded-For", ", ".join(forwarded))] if forwarded else []), *identity_headers(user)]


def _dropped(name: str) -> bool:
    # Some servers take an underscore for a dash.
    bare = name.lower().replace("_", "-")
    return bare in _HOP_BY_HOP or bare in _OURS or bare.startswith(_OUR_PREFIXES)


def identity_headers(user: User) -> list[tuple[str, str]]:
    """Return the headers that tell a backend whose request it is. Raises errors.BadRequest."""
    found = [("X-Remote-User", user.name)]
    if user.uid:
        found.append(("X-Remote-Uid", user.uid))
    found += [("X-Remote-Group", group) for group in user.groups]
    found += [(f"X-Remote-Extra-{_escaped(key)}", value) for key, values in user.extra.items() for value in values]
    if any(not text.isprintable() for pair in found for text in pair):
        raise errors.BadRequest("the user's name, groups or extra fields have letters that no header can carry")
    return found


def _escaped(key: str) -> str:
    return "".join(chr(byte) if chr(byte) in _TOKEN else f"%{byte:02X}" for byte in key.encode())


def response_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers of a backend's answer that go on to the client."""
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP | {"audit-id"}]


# --- what discovery shows

@dataclass(frozen=True, slots=True)
class Served:
    """One aggregated group version, as far as it is known."""

    group: str
    version: str
    priority: tuple[int, int]
    resources: tuple[Mapping[str, Any], ...] = ()
    """Its resources in the form of aggregated discovery."""
    fresh: bool = False
    """Whether its server answered when it was last asked."""
    openapi: str = ""
    """Where its OpenAPI v3 document is, with the hash that changes with it; "" when it has none."""


def by_priority(served: Iterable[Served]) -> tuple[Served, ...]:
    """Return group versions in the order discovery lists them."""
    found = list(served)
    of_group = {each.group: max(other.priority[0] for other in found if other.group == each.group) for each in found}
    return tuple(sorted(found, key=lambda each: (-of_group[each.group], each.group, -each.priority[1], each.version)))


def with_groups(document: Mapping[str, Any], served: Sequence[Served]) -> dict[str, Any]:
    """Return the answer of `/apis` with the aggregated groups."""
    groups = {found["name"]: found for found in document["groups"]}
    for each in served:
        groups[each.group] = _with_version(groups.get(each.group, {"name": each.group, "versions": []}), each)
    return {**document, "groups": list(groups.values())}


def with_versions(document: Mapping[str, Any] | None, served: Sequence[Served], group: str) -> dict[str, Any] | None:
    """Return the answer of `/apis/<group>` with the aggregated versions; None when the group has none at all."""
    found: Mapping[str, Any] | None = document
    empty = {"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": []}
    for each in served:
        if each.group == group:
            found = _with_version(found or empty, each)
    return None if found is None else dict(found)


def _with_version(group: Mapping[str, Any], each: Served) -> dict[str, Any]:
    entry = {"groupVersion": f"{each.group}/{each.version}", "version": each.version}
    versions = [*group["versions"], *([entry] if entry not in group["versions"] else [])]
    return {**group, "versions": versions, "preferredVersion": group.get("preferredVersion", versions[0])}


def with_discovery(document: Mapping[str, Any], served: Sequence[Served]) -> dict[str, Any]:
    """Return the aggregated answer of `/apis` with the aggregated groups."""
    items = {found["metadata"]["name"]: found for found in document["items"]}
    for each in served:
        found = items.get(each.group) or {"metadata": {"name": each.group, "creationTimestamp": None}, "versions": []}
        entry: dict[str, Any] = {"version": each.version, "resources": list(each.resources),
                                 "freshness": "Current" if each.fresh else "Stale"}
        items[each.group] = {**found, "versions": [*found["versions"], entry]}
    return {**document, "items": list(items.values())}


def resources_of(document: Any, group: str, version: str) -> tuple[Mapping[str, Any], ...] | None:
    """Return the resources of an APIResourceList in the form of aggregated discovery; None when it is none.

    Only what is well-formed is taken over: one odd entry of one backend must not spoil everybody's discovery.
    """
    if not isinstance(document, dict) or document.get("kind") != "APIResourceList":
        return None
    listed = document.get("resources")
    entries = [entry for entry in listed[:MOST_RESOURCES] if _well_formed(entry)] if isinstance(listed, list) else []
    found: dict[str, dict[str, Any]] = {}
    for entry in sorted(entries, key=lambda entry: str(entry["name"]).count("/")):
        plural, _, subresource = entry["name"].partition("/")
        kind = {"group": entry.get("group") or group, "version": entry.get("version") or version,
                "kind": entry["kind"]}
        if not subresource:
            found[plural] = {
                "resource": plural, "responseKind": kind, "scope": "Namespaced" if entry["namespaced"] else "Cluster",
                "singularResource": entry.get("singularName") or "", "verbs": entry["verbs"],
                **{key: entry[key] for key in ("shortNames", "categories") if entry.get(key)}}
        elif plural in found:
            found[plural].setdefault("subresources", []).append(
                {"subresource": subresource, "responseKind": kind, "verbs": entry["verbs"]})
    return tuple(found.values())


def _well_formed(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    texts = all(isinstance(entry.get(key, ""), str) for key in ("name", "kind", "singularName", "group", "version"))
    lists = all(_texts(entry.get(key, [])) for key in ("verbs", "shortNames", "categories"))
    return texts and lists and bool(entry.get("name")) and bool(entry.get("kind")) and "verbs" in entry \
        and isinstance(entry.get("namespaced"), bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def openapi_address(index: Any, group: str, version: str) -> str:
    """Return where a backend's OpenAPI v3 index says that the document of a group version is; "" when it does not."""
    path = f"apis/{group}/{version}"
    paths = index.get("paths") if isinstance(index, dict) else None
    entry = paths.get(path) if isinstance(paths, dict) else None
    address = entry.get("serverRelativeURL") if isinstance(entry, dict) else None
    fits = isinstance(address, str) and address.startswith(f"/openapi/v3/{path}") and len(address) < 512 \
        and address.isprintable()
    return address if fits and isinstance(address, str) else ""
