"""Kinds of a person's own, with a small controller beside them: definitions, watches, owners, and the end of it all."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import Within, container

NAME = "websites.example.edge.test"


def definition(**spec: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object", "required": ["text"], "properties": {
            "text": {"type": "string", "maxLength": 40, "description": "What the site says."},
            "replicas": {"type": "integer", "minimum": 1, "maximum": 5, "default": 1}}},
        "status": {"type": "object", "properties": {"ready": {"type": "integer"}}}}}
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                                                 "statusReplicasPath": ".status.ready"}},
        "additionalPrinterColumns": [{"name": "Text", "type": "string", "jsonPath": ".spec.text"},
                                     {"name": "Ready", "type": "integer", "jsonPath": ".status.ready"}]}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": NAME},
            "spec": {"group": "example.edge.test", "scope": "Namespaced", "versions": [version],
                     "names": {"plural": "websites", "singular": "website", "kind": "Website", "shortNames": ["ws"],
                               "categories": ["all"]}, **spec}}


def website(name: str, text: str = "hello", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.edge.test/v1", "kind": "Website", "metadata": {"name": name},
            "spec": {"text": text, **spec}}


def deployment(site: dict[str, Any]) -> dict[str, Any]:
    """Return what the controller wants for a site: a Deployment that it owns."""
    meta, labels = site["metadata"], {"site": site["metadata"]["name"]}
    owner = {"apiVersion": site["apiVersion"], "kind": "Website", "name": meta["name"], "uid": meta["uid"],
             "controller": True, "blockOwnerDeletion": True}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
        "name": f"{meta['name']}-site", "namespace": meta["namespace"], "ownerReferences": [owner]},
        "spec": {"replicas": site["spec"]["replicas"], "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container()]}}}}


class Controller:
    """What a person's first controller is: `kubectl get --watch`, and for each event `kubectl apply`."""

    def __init__(self, here: Within) -> None:
        self._here = here
        self.seen: list[tuple[str, str]] = []
        self._watch = subprocess.Popen(
            [here.rack.kubectl_program, "-n", here.namespace, "get", "websites", "--watch", "--output-watch-events",
             "-o", "json"], env=here.rack.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        assert self._watch.stdout is not None
        decoder, text = json.JSONDecoder(), ""
        for line in self._watch.stdout:
            text += line
            try:
                event, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                continue
            text = text[end:].lstrip()
            self.seen.append((event["type"], event["object"]["metadata"]["name"]))
            if event["type"] != "DELETED" and "deletionTimestamp" not in event["object"]["metadata"]:
                self._here.try_kubectl("apply", "--server-side", "--field-manager=websites", "-f", "-",
                                       text=json.dumps(deployment(event["object"])))

    def stop(self) -> None:
        self._watch.terminate()
        self._watch.wait(10)
        self._thread.join(10)
        assert self._watch.stdout is not None
        self._watch.stdout.close()


@pytest.fixture(scope="module")
def here(rack: Rack) -> Iterator[Within]:
    rack.kubectl("create", "namespace", "sites")
    try:
        rack.kubectl("apply", "-f", "-", text=json.dumps(definition()))
        rack.kubectl("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=10s")
        yield Within(rack, "sites")
    finally:
        rack.kubectl("delete", "crd", NAME, "--ignore-not-found", "--wait=false")
        rack.kubectl("delete", "namespace", "sites", "--wait=false")


@pytest.fixture
def controller(here: Within) -> Iterator[Controller]:
    controller = Controller(here)
    yield controller
    controller.stop()


def apply(here: Within, *sites: dict[str, Any]) -> str:
    return here.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": sites}))


def test_kubectl_knows_the_kind_as_its_own(here: Within) -> None:
    assert apply(here, website("plain")) == "website.example.edge.test/plain created\n"
    assert apply(here, website("plain")) == "website.example.edge.test/plain unchanged\n"
    assert here.kubectl("get", "ws").split() == ["NAME", "TEXT", "READY", "plain", "hello"]
    assert here.path("website/plain", ".spec.replicas") == "1"
    assert "website.example.edge.test/plain" in here.kubectl("get", "all", "-o", "name")
    text = here.kubectl("explain", "website.spec")
    assert "What the site says." in text
    assert "replicas\t<integer>" in text
    assert "Text:      hello" in here.kubectl("describe", "website", "plain")
    here.kubectl("patch", "website", "plain", "--subresource=status", "--type=merge", "-p", '{"status": {"ready": 1}}')
    assert here.path("website/plain", ".status.ready") == "1"
    here.kubectl("label", "website", "plain", "tier=front")
    assert here.kubectl("get", "ws", "-l", "tier=front", "-o", "name") == "website.example.edge.test/plain\n"
    assert "scaled" in here.kubectl("scale", "website", "plain", "--replicas=2")
    here.kubectl("delete", "website", "plain")


def test_what_does_not_fit_the_schema_is_refused_with_the_place(here: Within) -> None:
    for wrong, words in (
            (website("w", replicas=9), "spec.replicas: Invalid value: 9: spec.replicas in body should be less than or "
                                       "equal to 5"),
            (website("w", text="x" * 41), "spec.text: Too long: may not be more than 40 bytes"),
            ({**website("w"), "spec": {}}, "spec.text: Required value"),
            (website("w", colour="red"), 'unknown field "spec.colour"'),
            (website("w", replicas="two"), 'spec.replicas: Invalid value: "string": spec.replicas in body must be of '
                                           'type integer: "string"')):
        assert words in here.fails("apply", "-f", "-", text=json.dumps(wrong))
    assert here.kubectl("get", "websites", "-o", "name") == ""


def test_a_controller_keeps_deployments_for_them_and_owners_take_them_along(
        here: Within, controller: Controller) -> None:
    apply(here, website("one"), website("two", replicas=2))
    until(lambda: here.kubectl("get", "deployments", "-o", "name").split() == [
        "deployment.apps/one-site", "deployment.apps/two-site"], 10, "the controller has done nothing")
    here.kubectl("rollout", "status", "deployment/two-site", "--timeout=30s")
    here.kubectl("scale", "website", "one", "--replicas=3")
    until(lambda: here.path("deployment/one-site", ".status.readyReplicas") == "3", 20, "not scaled along")
    here.kubectl("delete", "website", "one", "--cascade=foreground")
    # In the foreground the owner goes last.
    assert here.kubectl("get", "websites,deployments", "-o", "name").split() == [
        "website.example.edge.test/two", "deployment.apps/two-site"]
    until(lambda: ("DELETED", "one") in controller.seen, 5, "the watch does not tell of the end")
    here.kubectl("delete", "website", "two")
    until(lambda: here.kubectl("get", "deployments,rs,pods", "-o", "name") == "", 20, "what it owned is left")
    assert ("ADDED", "one") in controller.seen
    assert ("MODIFIED", "one") in controller.seen


def test_roles_name_the_kind(here: Within) -> None:
    here.kubectl("create", "role", "sites", "--verb=get,list", "--resource=websites.example.edge.test")
    here.kubectl("create", "rolebinding", "sites", "--role=sites", "--user=jane")
    assert here.kubectl("get", "websites", "--as=jane", "-o", "name") == ""
    assert 'cannot create resource "websites" in API group "example.edge.test"' in here.fails(
        "create", "--as=jane", "-f", "-", text=json.dumps(website("w")))


def test_a_second_version_is_served_beside_the_first(here: Within) -> None:
    apply(here, website("kept"))
    changed = definition()
    first = changed["spec"]["versions"][0]
    changed["spec"]["versions"] = [{**first, "storage": False}, {**first, "name": "v2", "storage": True}]
    here.rack.kubectl("apply", "-f", "-", text=json.dumps(changed))
    kept = until(lambda: here.get("websites.v2.example.edge.test", "kept"), 5, "no second version")
    assert kept["apiVersion"] == "example.edge.test/v2"
    assert here.get("websites.v1.example.edge.test", "kept")["metadata"]["uid"] == kept["metadata"]["uid"]
    assert set(json.loads(here.kubectl("get", "crd", NAME, "-o", "jsonpath={.status.storedVersions}"))) == {"v1", "v2"}


def test_the_kind_goes_with_all_there_is_of_it(here: Within, controller: Controller) -> None:
    apply(here, website("last"))
    until(lambda: here.kubectl("get", "deployment", "last-site", "--ignore-not-found"), 10, "no deployment")
    assert f'customresourcedefinition.apiextensions.k8s.io "{NAME}" deleted' in here.rack.kubectl("delete", "crd", NAME)
    assert ("DELETED", "last") in controller.seen
    assert "website" not in here.rack.kubectl("api-resources", "-o", "name")
    until(lambda: here.kubectl("get", "deployments,pods", "-o", "name") == "", 20, "what its objects owned is left")
    result = here.try_kubectl("get", "websites")
    assert "the server doesn't have a resource type" in result.stderr
