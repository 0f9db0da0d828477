"""Every kind through the typed models of the official Python client, from its creation to its end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from kubernetes import client, watch

from edge.api import scheme
from tests.integration.clients.blocking import in_thread
from tests.integration.clients.every_kind import MANIFESTS, resource_of

WATCH_SECONDS = 20


def snake(kind: str) -> str:
    """Return a kind as the client spells it in method names."""
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()


def group_class(api_version: str) -> str:
    """Return the name of the client's class for a group and version."""
    group, _, version = api_version.rpartition("/")
    words = (group.removesuffix(".k8s.io") or "core").split(".")
    return "".join(word.capitalize() for word in words) + version.capitalize() + "Api"


class Methods:
    """The client's methods for one kind, whatever their names."""

    def __init__(self, api: client.ApiClient, manifest: dict[str, Any]) -> None:
        self._group = getattr(client, group_class(manifest["apiVersion"]))(api)
        namespaced = resource_of(manifest).namespaced
        self._scope = "namespaced_" if namespaced else ""
        self._where = {"namespace": "default"} if namespaced else {}
        self._kind = snake(manifest["kind"])
        self.name = manifest["metadata"]["name"]

    def call(self, verb: str, *arguments: Any, **named: Any) -> Any:
        """Call such as `replace_namespaced_pod`."""
        return getattr(self._group, f"{verb}_{self._scope}{self._kind}")(*arguments, **self._where, **named)

    def one(self, verb: str, **named: Any) -> Any:
        """Call a method that takes the object's name."""
        return self.call(verb, name=self.name, **named)

    def watch(self, since: str) -> Any:
        """Return an iterator of the events of this object."""
        listing = getattr(self._group, f"list_{self._scope}{self._kind}")
        return watch.Watch().stream(listing, **self._where, resource_version=since, timeout_seconds=WATCH_SECONDS,
                                    field_selector=f"metadata.name={self.name}")


def test_the_table_has_every_kind_that_is_stored() -> None:
    stored = {(r.api_version, r.kind) for r in scheme.resources() if not r.virtual}
    assert stored <= {(m["apiVersion"], m["kind"]) for m in MANIFESTS}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: f"{m['apiVersion']}-{m['kind']}")
@in_thread
def test_a_kind_from_creation_to_end(api: client.ApiClient, manifest: dict[str, Any]) -> None:
    kind = Methods(api, manifest)
    since = kind.call("list").metadata.resource_version
    made = kind.call("create", body=manifest)
    assert (made.kind, made.metadata.name) == (manifest["kind"], kind.name)
    assert made.metadata.uid
    assert made.metadata.creation_timestamp.tzinfo is not None

    read = kind.one("read")
    assert (read.metadata.uid, getattr(read, "spec", None)) == (made.metadata.uid, getattr(made, "spec", None))
    assert made.metadata.uid in {item.metadata.uid for item in kind.call("list").items}
    if manifest["kind"] == "APIService":
        wait_for_status(kind, since)
    patched = kind.one("patch", body={"metadata": {"labels": {"color": "blue"}}})
    assert patched.metadata.labels["color"] == "blue"
    assert [item.metadata.name for item in kind.call("list", label_selector="color=blue").items] == [kind.name]
    patched.metadata.annotations = {**(patched.metadata.annotations or {}), "note": "replaced"}
    replaced = kind.one("replace", body=patched)
    assert replaced.metadata.annotations["note"] == "replaced"
    assert int(replaced.metadata.resource_version) > int(patched.metadata.resource_version)
    with pytest.raises(client.ApiException) as stale:
        kind.one("replace", body=patched)
    assert stale.value.status == 409

    remove(api, kind)
    with pytest.raises(client.ApiException) as gone:
        kind.one("read")
    assert gone.value.status == 404
    seen = []
    for event in kind.watch(since):
        assert type(event["object"]) is type(made)
        seen.append(event["type"])
        if event["type"] == "DELETED":
            break
    assert seen[0] == "ADDED"
    assert seen[-1] == "DELETED"
    assert set(seen[1:-1]) == {"MODIFIED"}


def wait_for_status(kind: Methods, since: str) -> None:
    """Wait until the server has said in the status whether it can reach another server."""
    for event in kind.watch(since):
        if event["object"].status is not None:
            break


def remove(api: client.ApiClient, kind: Methods) -> None:
    """Delete the object; finalizers are taken off, for no controller is there to do so."""
    kind.one("delete")
    found = [item for item in kind.call("list").items if item.metadata.name == kind.name]
    if not found:
        return
    assert found[0].metadata.deletion_timestamp is not None
    if isinstance(found[0], client.V1Namespace):
        found[0].spec.finalizers = []
        client.CoreV1Api(api).replace_namespace_finalize(kind.name, found[0])
    else:
        assert found[0].metadata.finalizers
        kind.one("patch", body={"metadata": {"finalizers": None}})
