"""The server is killed and started again: what it was told is still there, watches and long lists go on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.objects import ADMIN, request
from tests.e2e.test_api_custom import NAME, definition, website
from tests.e2e.within import Within

SPACE = "restarted"
MAPS = f"/api/v1/namespaces/{SPACE}/configmaps"
KINDS = ("customresourcedefinitions,websites,roles,rolebindings,clusterroles,clusterrolebindings,resourcequotas,"
         "limitranges,validatingwebhookconfigurations,mutatingwebhookconfigurations,persistentvolumes,storageclasses,"
         "priorityclasses,poddisruptionbudgets,statefulsets,jobs,cronjobs,ingresses,networkpolicies,configmaps,secrets")
RULE = {"apiGroups": ["example.edge.test"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["websites"]}
WEBHOOKS = {
    "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "restarted"},
    "webhooks": [{"name": "nobody.example.edge.test", "clientConfig": {"url": "https://127.0.0.1:9/"},
                  "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 1, "rules": [RULE]}]}


@pytest.fixture(scope="module")
def here(rack: Rack) -> Iterator[Within]:
    rack.kubectl("create", "namespace", SPACE)
    here = Within(rack, SPACE)
    try:
        rack.kubectl("apply", "-f", "-", text=json.dumps(definition()))
        rack.kubectl("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=10s")
        here.kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
        here.kubectl("create", "rolebinding", "jane", "--role=reader", "--user=jane")
        here.kubectl("create", "quota", "small", "--hard=count/configmaps=12")
        here.kubectl("create", "job", "once", "--image=localhost/hello:1.0")
        here.apply(website("kept"), WEBHOOKS, {"kind": "Secret", "metadata": {"name": "keys"}, "data": {"key": "eA=="}},
                   *({"kind": "ConfigMap", "metadata": {"name": f"map-{number}"}} for number in range(8)))
        yield here
    finally:
        rack.kubectl("delete", "validatingwebhookconfiguration", "restarted", "--ignore-not-found")
        rack.kubectl("delete", "crd", NAME, "--ignore-not-found", "--wait=false")
        rack.kubectl("delete", "namespace", SPACE, "--wait=false")


def asked(path: str) -> tuple[int, dict[str, Any]]:
    return request("GET", path, identity=ADMIN)


def watched(rack: Rack, revision: str) -> list[dict[str, Any]]:
    """Return what a watch from that revision tells within two seconds."""
    text = rack.kubectl("get", "--raw", f"{MAPS}?watch=true&resourceVersion={revision}&timeoutSeconds=2")
    return [json.loads(line) for line in text.splitlines()]


def state(rack: Rack) -> dict[str, Any]:
    items = json.loads(rack.kubectl("get", KINDS, "--all-namespaces", "-o", "json"))["items"]
    return {f"{each['kind']} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}": each
            for each in items}


@pytest.fixture(scope="module")
def killed(here: Within) -> dict[str, Any]:
    """Kill the server after a page of a list; return what was so before, and the list as far as it went."""
    rack = here.rack
    until(lambda: here.path("resourcequota/small", ".status.used.count/configmaps") == "9", 5, "not counted")
    before = state(rack)
    code, page = asked(f"{MAPS}?limit=3")
    assert code == 200
    rack.kill("master", "edge-server")
    began = time.monotonic()

    def back() -> bool:
        try:
            return request("GET", "/readyz", identity=ADMIN)[0] == 200
        except (OSError, ValueError):
            return rack.try_kubectl("get", "--raw", "/readyz").stdout == "ok"

    until(back, 20, "the server is not back")
    print(f"server killed: ready again after {time.monotonic() - began:.1f} s")
    return {"before": before, "page": page}


def test_everything_that_was_asked_for_is_there(here: Within, killed: dict[str, Any]) -> None:
    after = state(here.rack)
    assert set(after) == set(killed["before"])
    for name, was in killed["before"].items():
        now = after[name]
        assert {**now, "status": None} == {**was, "status": None}, name


def test_and_it_still_means_something(here: Within, killed: dict[str, Any]) -> None:
    assert here.kubectl("get", "websites").split()[:3] == ["NAME", "TEXT", "READY"]
    assert "spec.replicas in body should be less than or equal to 5" in here.fails(
        "apply", "-f", "-", text=json.dumps(website("kept", replicas=9)))
    assert here.kubectl("auth", "can-i", "list", "configmaps", "--as=jane") == "yes\n"
    assert here.try_kubectl("auth", "can-i", "list", "secrets", "--as=jane").stdout == "no\n"
    for number in range(3):
        here.kubectl("create", "configmap", f"more-{number}")
    assert "exceeded quota: small" in here.fails("create", "configmap", "one-too-many")
    assert 'failed calling webhook "nobody.example.edge.test"' in here.fails(
        "apply", "-f", "-", text=json.dumps(website("new")))


def test_a_list_of_before_begins_anew_where_it_was(here: Within, killed: dict[str, Any]) -> None:
    page = killed["page"]
    seen = [each["metadata"]["name"] for each in page["items"]]
    assert len(seen) == 3
    code, gone = asked(f"{MAPS}?limit=3&continue={page['metadata']['continue']}")
    assert (code, gone["reason"]) == (410, "Expired")
    assert "The provided continue parameter is too old" in gone["message"]
    token = gone["metadata"]["continue"]
    while token:
        code, page = asked(f"{MAPS}?limit=3&continue={token}")
        assert code == 200
        seen += [each["metadata"]["name"] for each in page["items"]]
        token = page["metadata"].get("continue", "")
    assert seen == sorted(seen)
    assert {f"map-{number}" for number in range(8)} <= set(seen)


def test_a_watch_goes_on_or_is_told_to_begin_anew(here: Within, killed: dict[str, Any]) -> None:
    """History ends with the process: whoever comes with an older revision gets 410 and lists again."""
    (event,) = watched(here.rack, killed["page"]["metadata"]["resourceVersion"])
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    code, listing = asked(MAPS)
    assert code == 200
    here.kubectl("label", "configmap", "map-0", "seen=now")
    events = watched(here.rack, listing["metadata"]["resourceVersion"])
    assert [(each["type"], each["object"]["metadata"]["name"]) for each in events] == [("MODIFIED", "map-0")]


def test_the_controllers_go_on(here: Within, killed: dict[str, Any]) -> None:
    here.kubectl("create", "deployment", "web", "--image=localhost/hello:1.0")
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    until(lambda: here.path("resourcequota/small", ".status.used.count/configmaps") == "12", 10, "not counted")
