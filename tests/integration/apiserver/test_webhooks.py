"""Admission webhooks: a real HTTPS server, configured and met through the real kubectl."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from edge.api import core, meta
from edge.apiserver.endpoints import Address
from edge.apiserver.extensions import Extensions
from edge.ids import SystemIds
from tests.fakes.authority import Authority
from tests.fakes.webhook import Webhook, allow, deny, patch
from tests.integration.conftest import Cluster, free_port

RULE = {"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
CONFIGS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def webhook(cluster: Cluster) -> AsyncIterator[Webhook]:
    made = Webhook(cluster.authority)
    await made.start()
    yield made
    await made.stop()


def configuration(kind: str, webhook: Webhook, *hooks: dict[str, Any], name: str = "test") -> str:
    """Return a configuration; each of its webhooks answers at the path of its own name."""
    return json.dumps({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name}, "webhooks": [{
            "clientConfig": {"url": f"{webhook.url}/{hook['name']}", "caBundle": webhook.bundle},
            "rules": [RULE], "sideEffects": "None", "admissionReviewVersions": ["v1"], **hook} for hook in hooks]})


def config(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels},
            "data": {"color": "blue"}}


async def test_a_denial_reaches_the_user_in_the_webhooks_words(cluster: Cluster, webhook: Webhook) -> None:
    webhook.answers["/check.example.com"] = deny("no blue things", code=403, reason="Forbidden")
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, {"name": "check.example.com"}))
    ran = await cluster.kubectl("create", "configmap", "settings", "--from-literal=color=blue", code=1)
    assert ran.err == ('error: failed to create configmap: admission webhook "check.example.com" denied the request: '
                       "no blue things\n")
    await cluster.request("GET", f"{CONFIGS}/settings", code=404)
    asked = webhook.requests("/check.example.com")[0]
    assert asked["operation"] == "CREATE"
    assert asked["userInfo"]["username"] == "kubernetes-admin"
    assert asked["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert asked["object"]["data"] == {"color": "blue"}
    assert (asked["oldObject"], asked["dryRun"], asked["options"]["kind"]) == (None, False, "CreateOptions")


async def test_a_mutation_is_stored_and_seen_by_those_that_judge(cluster: Cluster, webhook: Webhook) -> None:
    webhook.answers["/change.example.com"] = patch(
        {"op": "add", "path": "/metadata/labels", "value": {"team": "a"}}, {"op": "remove", "path": "/data/color"})
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Mutating", webhook, {"name": "change.example.com"}))
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, {"name": "check.example.com"}))
    await cluster.kubectl("create", "configmap", "settings", "--from-literal=color=blue", "--from-literal=size=xl")
    stored = json.loads((await cluster.kubectl("get", "configmap", "settings", "-o", "json")).out)
    assert stored["metadata"]["labels"] == {"team": "a"}
    assert stored["data"] == {"size": "xl"}
    assert webhook.requests("/check.example.com")[0]["object"]["data"] == {"size": "xl"}


async def test_what_only_the_server_says_cannot_be_changed(cluster: Cluster, webhook: Webhook) -> None:
    webhook.answers["/change.example.com"] = patch(
        {"op": "add", "path": "/metadata/uid", "value": "mine"}, {"op": "add", "path": "/metadata/generation",
                                                                 "value": 99})
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Mutating", webhook, {"name": "change.example.com"}))
    made = await cluster.request("POST", CONFIGS, config("settings"), code=201)
    assert made["metadata"]["uid"] != "mine"
    assert "generation" not in made["metadata"]


async def test_those_that_ask_for_it_are_asked_again_once_after_a_change(cluster: Cluster, webhook: Webhook) -> None:
    add = {"op": "add", "path": "/metadata/labels/b", "value": "b"}
    webhook.answers["/b.example.com"] = patch(add)
    hooks = ({"name": "a.example.com", "reinvocationPolicy": "IfNeeded"}, {"name": "b.example.com"},
             {"name": "c.example.com", "reinvocationPolicy": "IfNeeded"})
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Mutating", webhook, *hooks))
    await cluster.request("POST", CONFIGS, config("settings", a="a"), code=201)
    assert [path for path, _ in webhook.asked] == ["/a.example.com", "/b.example.com", "/c.example.com",
                                                   "/a.example.com"]


async def test_a_webhook_that_is_late_stops_the_write_or_does_not(cluster: Cluster, webhook: Webhook) -> None:
    leave = asyncio.Event()

    async def late(request: dict[str, Any]) -> dict[str, Any]:
        await leave.wait()
        return {"allowed": False}

    webhook.answers["/slow.example.com"] = late
    slow = {"name": "slow.example.com", "timeoutSeconds": 1}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, slow))
    refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
    assert refused["message"] == (
        'Internal error occurred: failed calling webhook "slow.example.com": failed to call webhook: '
        f'Post "{webhook.url}/slow.example.com?timeout=1s": context deadline exceeded')
    await cluster.kubectl("apply", "-f", "-",
                          stdin=configuration("Validating", webhook, {**slow, "failurePolicy": "Ignore"}))
    await cluster.request("POST", CONFIGS, config("settings"), code=201)
    leave.set()


@pytest.mark.parametrize(("answer", "words"), [
    (b"not json", "failed to call webhook: couldn't get version/kind; json parse error: "),
    (b"[" * 100_000, "failed to call webhook: couldn't get version/kind; json parse error: "),
    (b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}',
     "received invalid webhook response: webhook response was absent"),
    (b'{"response":{"uid":"other","allowed":true}}', "received invalid webhook response: expected response.uid="),
    (b'{"response":{"allowed":"yes"}}', "failed to call webhook: couldn't get version/kind; json parse error: "),
    (b'{"pad":"' + b"x" * 4_000_000 + b'"}', "failed to call webhook: the answer is larger than the limit"),
    ({"allowed": True, "patch": "W10=", "patchType": "JSONPatch"},
     "received invalid webhook response: validating webhook may not return response.patch"),
])
async def test_an_answer_that_is_none_is_a_failure(cluster: Cluster, webhook: Webhook, answer: Any,
                                                   words: str) -> None:
    webhook.answers["/check.example.com"] = lambda request: answer
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, {"name": "check.example.com"}))
    refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
    assert refused["message"].startswith(
        f'Internal error occurred: failed calling webhook "check.example.com": {words}')
    ignoring = {"name": "check.example.com", "failurePolicy": "Ignore"}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, ignoring))
    await cluster.request("POST", CONFIGS, config("settings"), code=201)


async def test_the_status_of_an_answer_is_told(cluster: Cluster, webhook: Webhook) -> None:
    webhook.answers["/check.example.com"] = lambda request: web.Response(status=503, text="not now")
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, {"name": "check.example.com"}))
    refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
    assert refused["message"].endswith('failed to call webhook: an error on the server ("not now") has prevented the '
                                       "request from succeeding")
    webhook.answers["/check.example.com"] = lambda request: web.Response(status=302, headers={"Location": "/else"})
    refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
    assert "the server responded with the status code 302" in refused["message"]
    assert webhook.requests("/else") == []


@pytest.mark.parametrize(("operations", "words"), [
    ([{"op": "remove", "path": "/data/none"}], "remove operation does not apply"),
    ([{"op": "add", "path": "/data", "value": 7}], "cannot be handled as a ConfigMap"),
    ([{"op": "dance", "path": "/data"}], "unexpected kind: dance"),
])
async def test_a_patch_that_does_not_fit_is_an_error(cluster: Cluster, webhook: Webhook,
                                                     operations: list[dict[str, Any]], words: str) -> None:
    webhook.answers["/change.example.com"] = patch(*operations)
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Mutating", webhook, {"name": "change.example.com"}))
    refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
    assert refused["message"].startswith("Internal error occurred: ")
    assert words in refused["message"]


async def test_nobody_there_and_nobody_to_trust(cluster: Cluster, webhook: Webhook, authority: Authority) -> None:
    port = free_port()
    gone = {"name": "gone.example.com", "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle":
                                                         webhook.bundle}}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, gone))
    refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
    assert refused["message"].endswith(f"dial tcp 127.0.0.1:{port}: connect: connection refused")
    stranger = Webhook(Authority(authority.folder, "stranger"))
    distrusted = {"name": "distrusted.example.com",
                  "clientConfig": {"url": f"{webhook.url}/", "caBundle": stranger.bundle}}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, distrusted))
    refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
    assert refused["message"].endswith(
        "tls: failed to verify certificate: x509: certificate signed by unknown authority")


async def test_a_service_reference_leads_to_its_endpoints(cluster: Cluster, webhook: Webhook) -> None:
    reference = {"name": "check.example.com", "clientConfig": {
        "caBundle": webhook.bundle,
        "service": {"namespace": "default", "name": "webhook", "path": "/check.example.com"}}}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, reference))
    refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
    assert refused["message"].endswith(
        'Post "https://webhook.default.svc:443/check.example.com?timeout=10s": services "webhook" not found')
    await cluster.client.create(core.Service(
        metadata=meta.ObjectMeta(name="webhook", namespace="default"),
        spec=core.ServiceSpec(ports=(core.ServicePort(port=443, target_port=webhook.port),))))
    refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
    assert refused["message"].endswith(': no endpoints available for service "webhook"')
    dead = Address("127.0.0.1", free_port())
    cluster.server.extensions.resolve = lambda namespace, name, port: (dead, Address("127.0.0.1", webhook.port))
    for number in range(4):
        await cluster.request("POST", CONFIGS, config(f"settings-{number}"), code=201)
    assert len(webhook.requests("/check.example.com")) == 4


async def test_a_dry_run_is_not_told_as_a_write(cluster: Cluster, webhook: Webhook) -> None:
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, {"name": "check.example.com"}))
    await cluster.kubectl("create", "configmap", "settings", "--dry-run=server")
    asked = webhook.requests("/check.example.com")[0]
    assert asked["dryRun"] is True
    assert asked["options"]["dryRun"] == ["All"]


async def test_warnings_are_printed_and_cannot_break_the_answer(cluster: Cluster, webhook: Webhook) -> None:
    webhook.answers["/check.example.com"] = lambda request: {
        "allowed": True, "warnings": ["blue is \"old\"", "two\r\nX-Evil: lines", "x" * 100_000]}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, {"name": "check.example.com"}))
    ran = await cluster.kubectl("create", "configmap", "settings")
    assert ran.err.splitlines()[:2] == ['Warning: blue is "old"', "Warning: two  X-Evil: lines"]


async def test_deletions_are_judged_too(cluster: Cluster, webhook: Webhook) -> None:
    await cluster.request("POST", CONFIGS, config("settings"), code=201)
    webhook.answers["/keep.example.com"] = deny("it is needed")
    keep = {"name": "keep.example.com", "rules": [{**RULE, "operations": ["DELETE"]}]}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, keep))
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Mutating", webhook, {
        **keep, "name": "see.example.com"}))
    ran = await cluster.kubectl("delete", "configmap", "settings", code=1)
    assert ran.err == ('Error from server: admission webhook "keep.example.com" denied the request: it is needed\n')
    asked = webhook.requests("/keep.example.com")[0]
    assert (asked["object"], asked["oldObject"]["metadata"]["name"]) == (None, "settings")
    assert len(webhook.requests("/see.example.com")) == 1


async def test_a_webhook_that_refuses_everything_can_be_removed(cluster: Cluster, webhook: Webhook) -> None:
    webhook.answers["/all.example.com"] = deny("never")
    everything = {"name": "all.example.com", "rules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"],
                                                       "resources": ["*/*"]}]}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, everything))
    await cluster.kubectl("create", "configmap", "settings", code=1)
    # The server's own noise goes on, and so does the way out.
    await cluster.client.create(core.Event(metadata=meta.ObjectMeta(name="e", namespace="default"),
                                           involved_object=meta.ObjectReference(namespace="default")))
    await cluster.kubectl("delete", "validatingwebhookconfiguration", "test")
    await cluster.kubectl("create", "configmap", "settings")


async def test_a_webhook_that_is_gone_does_not_keep_the_server_from_starting(
        cluster: Cluster, webhook: Webhook) -> None:
    everything = {"name": "all.example.com", "clientConfig": {"url": f"https://127.0.0.1:{free_port()}/"}, "rules": [
        {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}]}
    await cluster.kubectl("delete", "apiservice", "v1.apps", "--wait=false")
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, everything))
    again = Extensions(cluster.server.service, SystemIds())
    cluster.server.service.chain = again.chain(())
    await again.start()
    try:
        refused = await cluster.request("POST", CONFIGS, config("settings"), code=500)
        assert "connection refused" in refused["message"]
    finally:
        await again.stop()


async def test_a_pods_derived_fields_follow_what_a_webhook_changed(cluster: Cluster, webhook: Webhook) -> None:
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}}
    webhook.answers["/size.example.com"] = patch(
        {"op": "add", "path": "/spec/containers/0/resources", "value": resources})
    pods = {"name": "size.example.com", "rules": [{**RULE, "resources": ["pods"]}]}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Mutating", webhook, pods))
    made = await cluster.request("POST", "/api/v1/namespaces/default/pods", {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "nginx"}]}}, code=201)
    assert made["status"]["qosClass"] == "Guaranteed"
    assert len({volume["name"] for volume in made["spec"].get("volumes", [])}) <= 1
    assert len(made["spec"]["tolerations"]) == 2
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}


async def test_connections_are_used_again(cluster: Cluster, webhook: Webhook) -> None:
    webhook.answers["/check.example.com"] = allow
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, {"name": "check.example.com"}))
    for number in range(5):
        await cluster.request("POST", CONFIGS, config(f"settings-{number}"), code=201)
    assert len(webhook.requests("/check.example.com")) == 5
    assert len(webhook.connections) == 1


async def test_connections_to_pods_are_judged(cluster: Cluster, webhook: Webhook) -> None:
    webhook.answers["/shell.example.com"] = deny("no shells")
    rule = {**RULE, "operations": ["CONNECT"], "resources": ["pods/exec"]}
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, {
        "name": "shell.example.com", "rules": [rule]}))
    await cluster.client.create(core.Pod(
        metadata=meta.ObjectMeta(name="web", namespace="default"),
        spec=core.PodSpec(containers=(core.Container(name="main", image="x"),))))
    ran = await cluster.kubectl("exec", "-i", "web", "--", "sh", "-c", "id", code=1)
    assert 'admission webhook "shell.example.com" denied the request: no shells' in ran.err
    asked = webhook.requests("/shell.example.com")[0]
    assert (asked["operation"], asked["subResource"], asked["name"]) == ("CONNECT", "exec", "web")
    assert asked["kind"] == {"group": "", "version": "v1", "kind": "PodExecOptions"}
    assert asked["object"] == {"apiVersion": "v1", "kind": "PodExecOptions", "stdin": True, "stdout": True,
                               "stderr": True, "container": "main", "command": ["sh", "-c", "id"]}


async def test_a_webhook_may_write_the_kind_it_is_asked_about(cluster: Cluster, webhook: Webhook) -> None:
    def service(name: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}

    async def also(request: dict[str, Any]) -> dict[str, Any]:
        if request["name"] == "web":
            await cluster.request("PATCH", f"{services}/other", {"metadata": {"labels": {"seen": "yes"}}}, code=200,
                                  headers={"Content-Type": "application/merge-patch+json"})
        return {"allowed": True}

    services = "/api/v1/namespaces/default/services"
    for name in ("web", "other"):
        await cluster.request("POST", services, service(name), code=201)
    webhook.answers["/also.example.com"] = also
    await cluster.kubectl("apply", "-f", "-", stdin=configuration("Validating", webhook, {
        "name": "also.example.com", "timeoutSeconds": 20, "rules": [{**RULE, "resources": ["services"]}]}))
    async with asyncio.timeout(10):
        await cluster.kubectl("label", "service", "web", "a=b")
    assert (await cluster.request("GET", f"{services}/other"))["metadata"]["labels"] == {"seen": "yes"}
