"""Which operations a resource has on which paths, for OpenAPI v2 and v3.

kubectl looks for the operation whose group, version and kind match (`x-kubernetes-group-version-kind`) and asks its
parameters whether the server knows `dryRun`, `fieldManager`, `fieldValidation` and `force`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge.api import custom
from edge.api.scheme import Resource
from edge.apiserver import discovery
from edge.apiserver import openapi_schemas as schemas

Operation = dict[str, Any]

_STRATEGIC = "application/strategic-merge-patch+json"
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", _STRATEGIC, "application/apply-patch+yaml")
_PARAMETERS: dict[str, tuple[str, str]] = {
    "allowWatchBookmarks": ("boolean", "Send a bookmark from time to time during a watch."),
    "continue": ("string", "Token of the previous page."),
    "dryRun": ("string", "All: check everything and change nothing."),
    "fieldManager": ("string", "Name of the client, for managed fields."),
    "fieldSelector": ("string", "Restrict the objects by their fields."),
    "fieldValidation": ("string", "What to do about unknown or repeated fields: Ignore, Warn or Strict."),
    "force": ("boolean", "Server-side apply: take over fields other managers own."),
    "gracePeriodSeconds": ("integer", "Seconds to stop in; 0 deletes at once."),
    "labelSelector": ("string", "Restrict the objects by their labels."),
    "limit": ("integer", "The most objects of one page."),
    "orphanDependents": ("boolean", "Old form of propagationPolicy."),
    "pretty": ("string", "Indent the answer for people."),
    "propagationPolicy": ("string", "Orphan, Background or Foreground."),
    "resourceVersion": ("string", "Revision to read at, or to watch from."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant: Exact or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Begin a watch with the objects there are."),
    "timeoutSeconds": ("integer", "Seconds after which a list or watch ends."),
    "watch": ("boolean", "Stream changes instead of listing."),
}
_LIST = ("allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
         "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch")
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")


@dataclass(frozen=True, slots=True)
class _Verb:
    """How an API verb looks in OpenAPI."""

    method: str
    action: str
    """The value of `x-kubernetes-action`."""
    word: str
    """The beginning of the operation's id."""
    parameters: tuple[str, ...]
    body: str = ""
    """`object`, `patch`, `options` or nothing."""


_VERBS = {
    "list": _Verb("get", "list", "list", _LIST),
    "create": _Verb("post", "post", "create", _WRITE, "object"),
    "deletecollection": _Verb("delete", "deletecollection", "deleteCollection", (*_DELETE, *_LIST[1:]), "options"),
    "get": _Verb("get", "get", "read", ()),
    "update": _Verb("put", "put", "replace", _WRITE, "object"),
    "patch": _Verb("patch", "patch", "patch", (*_WRITE, "force"), "patch"),
    "delete": _Verb("delete", "delete", "delete", _DELETE, "options"),
}
_ON_COLLECTION = ("list", "create", "deletecollection")
_ON_ITEM = ("get", "update", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Paths:
    """Writes the paths of one group version; the schemas they use are collected on the way."""

    schemas: schemas.Schemas
    v3: bool

    def of(self, resource: Resource, group: str, version: str) -> dict[str, Any]:
        """Return path -> operations of one resource, its subresources included."""
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        scope = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
        collection, item = f"{scope}/{resource.plural}", f"{scope}/{resource.plural}/{{name}}"
        gvk = (group, version, resource.kind)
        target = _Target(resource, group, version, gvk)
        result = {collection: self._operations(target, _ON_COLLECTION, resource.verbs),
                  item: self._operations(target, _ON_ITEM, resource.verbs)}
        if resource.namespaced and "list" in resource.verbs:
            everywhere = _Target(resource, group, version, gvk, everywhere=True)
            result[f"{root}/{resource.plural}"] = self._operations(everywhere, ("list",), resource.verbs)
        group_version = f"{group}/{version}" if group else version
        for name in resource.subresources:
            *kind, verbs = discovery.subresource(resource, name, group_version)
            below = _Target(resource, group, version, (str(kind[0]), str(kind[1]), str(kind[2])), subresource=name)
            result[f"{item}/{name}"] = self._operations(below, ("create", *_ON_ITEM), verbs)
        return {path: operations | {"parameters": self._path_parameters(path)}
                for path, operations in result.items() if operations}

    def _operations(self, target: _Target, names: tuple[str, ...], allowed: tuple[str, ...]) -> dict[str, Any]:
        return {_VERBS[name].method: self._operation(target, _VERBS[name]) for name in names if name in allowed}

    def _operation(self, target: _Target, verb: _Verb) -> Operation:
        group, version, kind = target.gvk
        answer = self._answer(target, verb)
        operation: Operation = {
            "tags": [f"{target.group.split('.')[0] or 'core'}_{target.version}"],
            "description": target.sentence(verb), "operationId": target.operation_id(verb),
            "parameters": [self._parameter(name) for name in sorted((*verb.parameters, "pretty"))],
            "x-kubernetes-action": "connect" if target.connects else verb.action,
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
        }
        codes = {"post": ("200", "201", "202"), "put": ("200", "201"), "patch": ("200", "201"),
                 "delete": ("200", "202")}.get(verb.method, ("200",))
        words = {"200": "OK", "201": "Created", "202": "Accepted"}
        if self.v3:
            operation["responses"] = {code: {"description": words[code], "content": {
                "application/json": {"schema": answer}}} for code in codes}
            if verb.body:
                media = _patches(target.resource) if verb.body == "patch" else ("*/*",)
                operation["requestBody"] = {"required": verb.body != "options",
                                            "content": {each: {"schema": self._body(target, verb)} for each in media}}
            return operation
        operation["produces"] = ["application/json"]
        operation["consumes"] = list(_patches(target.resource)) if verb.body == "patch" else ["*/*"]
        operation["responses"] = {code: {"description": words[code], "schema": answer} for code in codes}
        if verb.body:
            operation["parameters"].append({"name": "body", "in": "body", "required": verb.body != "options",
                                            "schema": self._body(target, verb)})
        return operation

    def _answer(self, target: _Target, verb: _Verb) -> dict[str, Any]:
        if target.connects:
            return {"type": "string"}
        if verb.action == "list":
            return self.schemas.listing(target.resource, target.group, target.version)
        if verb.action == "deletecollection" or (verb.action == "delete" and not target.resource.returns_deleted):
            return self.schemas.fixed(f"{schemas.META}.Status", schemas.STATUS)
        return self._object(target)

    def _body(self, target: _Target, verb: _Verb) -> dict[str, Any]:
        if verb.body == "patch":
            return self.schemas.fixed(f"{schemas.META}.Patch", schemas.PATCH)
        if verb.body == "options":
            return self.schemas.fixed(f"{schemas.META}.DeleteOptions", schemas.DELETE_OPTIONS)
        return self._object(target)

    def _object(self, target: _Target) -> dict[str, Any]:
        """Return the schema of what is read or written: the resource itself, or the body of a subresource."""
        group, version, kind = target.gvk
        if kind == target.resource.kind:
            return self.schemas.top(target.resource, target.group, target.version)
        gvk = [{"group": group, "version": version, "kind": kind}]
        return self.schemas.fixed(f"{schemas.package(group, version)}.{kind}",
                                  schemas.OBJECT | {"x-kubernetes-group-version-kind": gvk})

    def _parameter(self, name: str) -> dict[str, Any]:
        kind, text = _PARAMETERS[name]
        parameter: dict[str, Any] = {"name": name, "in": "query", "description": text}
        return parameter | ({"schema": {"type": kind, "uniqueItems": True}} if self.v3
                            else {"type": kind, "uniqueItems": True})

    def _path_parameters(self, path: str) -> list[dict[str, Any]]:
        found = []
        for name, text in (("name", "Name of the object."), ("namespace", "Namespace of the object.")):
            if f"{{{name}}}" in path:
                parameter: dict[str, Any] = {"name": name, "in": "path", "description": text, "required": True}
                found.append(parameter | ({"schema": {"type": "string", "uniqueItems": True}} if self.v3
                                          else {"type": "string", "uniqueItems": True}))
        return found


@dataclass(frozen=True, slots=True)
class _Target:
    """What an operation is about."""

    resource: Resource
    group: str
    version: str
    gvk: tuple[str, str, str]
    subresource: str = ""
    everywhere: bool = False

    @property
    def connects(self) -> bool:
        """Whether the operation opens a stream or passes a request through."""
        return self.subresource in ("exec", "attach", "portforward", "proxy")

    def sentence(self, verb: _Verb) -> str:
        what = f"{self.subresource} of the {self.resource.kind}" if self.subresource else self.resource.kind
        return f"{verb.word} {what}" if verb.action != "list" else f"list or watch {self.resource.plural}"

    def operation_id(self, verb: _Verb) -> str:
        stem = (self.group.split(".")[0] or "core").capitalize() + self.version.capitalize()
        scope = "Namespaced" if self.resource.namespaced and not self.everywhere else ""
        word = "connect" + verb.method.capitalize() if self.connects else verb.word
        tail = "ForAllNamespaces" if self.everywhere else self.subresource.capitalize()
        return f"{word}{stem}{scope}{self.resource.kind}{tail}"


def _patches(resource: Resource) -> tuple[str, ...]:
    """Return the patches a kind takes; kubectl sends what it reads here."""
    custom_kind = isinstance(resource, custom.CustomResource)
    return tuple(media for media in _PATCHES if not custom_kind or media != _STRATEGIC)
