"""Aggregated APIs: a second API server behind the first one, seen through the real kubectl."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from edge.api import apiregistration, core, errors, meta
from edge.apiserver.endpoints import Address, resolver
from tests.fakes.extension_server import FLUNDERS, GROUP, ROOT, VERSION, ExtensionServer, flunder
from tests.integration.conftest import Cluster, client_context

NAME = f"{VERSION}.{GROUP}"
WAIT_SECONDS = 20


@pytest.fixture
async def backend(cluster: Cluster) -> AsyncIterator[ExtensionServer]:
    made = ExtensionServer(cluster.authority)
    await made.start()
    await cluster.client.create(core.Service(
        metadata=meta.ObjectMeta(name="wardle", namespace="default"),
        spec=core.ServiceSpec(ports=(core.ServicePort(name="https", port=443, target_port=made.port),))))
    yield made
    await made.stop()


async def register(cluster: Cluster, backend: ExtensionServer, **spec: Any) -> None:
    """Register the server, reached at its loopback address."""
    cluster.server.extensions.resolve = lambda namespace, name, port: (Address("127.0.0.1", backend.port),)
    await cluster.kubectl("apply", "-f", "-", stdin=json.dumps({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": NAME},
        "spec": {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 1000, "versionPriority": 15,
                 "service": {"namespace": "default", "name": "wardle"}, "caBundle": backend.bundle, **spec}}))


async def condition(cluster: Cluster, name: str, wanted: Callable[[meta.Condition], bool]) -> meta.Condition:
    """Return the condition Available of an APIService once it is as wanted."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                found = await cluster.client.get(apiregistration.APIService, name)
            except errors.NotFound:
                found = apiregistration.APIService()
            for each in found.status.conditions:
                if wanted(each):
                    return each
            await asyncio.sleep(0.02)


async def available(cluster: Cluster, backend: ExtensionServer, **spec: Any) -> None:
    await register(cluster, backend, **spec)
    await condition(cluster, NAME, lambda found: found.reason == "Passed")


async def test_kubectl_sees_the_resource_like_any_other(cluster: Cluster, backend: ExtensionServer) -> None:
    await available(cluster, backend)
    backend.flunders["one"] = flunder("one")
    assert (await cluster.kubectl("get", "flunders", "-o", "name")).out == f"flunder.{GROUP}/one\n"
    assert (await cluster.kubectl("get", "fl", "one", "-o", "jsonpath={.kind}")).out == "Flunder"
    await cluster.kubectl("create", "-f", "-", stdin=json.dumps(flunder("two")))
    assert sorted(backend.flunders) == ["one", "two"]
    await cluster.kubectl("delete", "flunder", "two")
    ran = await cluster.kubectl("get", "flunder", "two", code=1)
    assert ran.err == f'Error from server (NotFound): flunders.{GROUP} "two" not found\n'
    listed = (await cluster.kubectl("api-resources", f"--api-group={GROUP}", "--no-headers")).out
    assert listed.split() == ["flunders", "fl", f"{GROUP}/{VERSION}", "true", "Flunder"]


async def test_the_backend_is_told_who_asks_and_nobody_can_pretend(cluster: Cluster,
                                                                   backend: ExtensionServer) -> None:
    await available(cluster, backend)
    await cluster.kubectl("create", "clusterrole", "flunders", "--verb=list",
                          f"--resource=flunders.{GROUP}")
    await cluster.kubectl("create", "clusterrolebinding", "flunders", "--clusterrole=flunders", "--user=anna")
    await cluster.request("GET", FLUNDERS, code=200, headers={
        "X-Remote-User": "system:admin", "X-Remote-Group": "system:masters", "X_Remote_Uid": "0",
        "X-Remote-Extra-A": "b", "X-Kept": "yes", "Impersonate-User": "anna", "Impersonate-Group": "makers",
        "Impersonate-Extra-example.com%2Fteam": "a", "Impersonate-Uid": "7"})
    told = backend.headers(FLUNDERS)
    assert told["x-remote-user"] == ["anna"]
    assert told["x-remote-group"] == ["makers", "system:authenticated"]
    assert told["x-remote-uid"] == ["7"]
    assert told["x-remote-extra-example.com%2fteam"] == ["a"]
    assert told["x-kept"] == ["yes"]
    assert told["x-forwarded-for"] == ["127.0.0.1"]
    assert not {"x_remote_uid", "x-remote-extra-a", "impersonate-user", "authorization"} & set(told)


async def test_authorization_comes_before_the_backend(cluster: Cluster, backend: ExtensionServer) -> None:
    await available(cluster, backend)
    refused = await cluster.request("GET", f"{FLUNDERS}/one/connect/deep/er", code=403,
                                    headers={"Impersonate-User": "eve"})
    assert refused["message"] == (f'flunders.{GROUP} "one" is forbidden: User "eve" cannot get resource '
                                  f'"flunders/connect" in API group "{GROUP}" in the namespace "default"')
    assert not any("/flunders" in path for _, path, _ in backend.asked)


async def test_answers_without_a_body_and_bodies_of_every_size(cluster: Cluster, backend: ExtensionServer) -> None:
    await available(cluster, backend)
    backend.flunders["one"] = flunder("one")
    async with cluster.http.head(f"{cluster.url}{FLUNDERS}/one") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with cluster.http.get(f"{cluster.url}{FLUNDERS}/none") as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    large = flunder("large") | {"data": "x" * 900_000}
    made = await cluster.request("POST", FLUNDERS, large, code=201)
    assert made == large
    # The connection is as good as new after each of them.
    assert await cluster.request("GET", f"{FLUNDERS}/large", code=200) == large


async def test_a_watch_comes_event_by_event(cluster: Cluster, backend: ExtensionServer) -> None:
    await available(cluster, backend)
    async with cluster.http.get(f"{cluster.url}{FLUNDERS}?watch=true") as answer:
        await asyncio.wait_for(backend.watched.wait(), WAIT_SECONDS)
        for name in ("one", "two"):
            backend.events.put_nowait({"type": "ADDED", "object": flunder(name)})
            line = await asyncio.wait_for(answer.content.readline(), WAIT_SECONDS)
            assert json.loads(line)["object"]["metadata"]["name"] == name
        assert answer.headers["Audit-Id"]
        backend.events.put_nowait(None)
        assert await asyncio.wait_for(answer.content.read(), WAIT_SECONDS) == b""


async def test_upgrades_go_through_and_refused_ones_do_not_open_the_connection(
        cluster: Cluster, backend: ExtensionServer) -> None:
    await available(cluster, backend)
    async with cluster.http.ws_connect(f"{cluster.url}{FLUNDERS}/one/connect") as socket:
        await socket.send_str("hello")
        assert (await socket.receive_str(timeout=WAIT_SECONDS)) == "hello"
    with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
        await cluster.http.ws_connect(f"{cluster.url}{FLUNDERS}/one/other")
    # Two requests over one connection: the second must not reach the backend behind the server's back.
    smuggled = (f"GET {FLUNDERS}/one/other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                f"GET {FLUNDERS}/stolen HTTP/1.1\r\nHost: x\r\nX-Remote-User: admin\r\n\r\n")
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", cluster.server.port, ssl=client_context(cluster.authority, cluster.authority.issue(
            "kubernetes-admin", "system:masters")), server_hostname="localhost")
    writer.write(smuggled.encode())
    answer = await asyncio.wait_for(reader.read(), WAIT_SECONDS)
    writer.close()
    assert b"400" in answer.split(b"\r\n")[0]
    assert not any(path.endswith("/stolen") for _, path, _ in backend.asked)


async def test_a_backend_that_is_down_hides_nothing_else(cluster: Cluster, backend: ExtensionServer) -> None:
    await available(cluster, backend)
    await backend.stop()
    ran = await cluster.kubectl("get", "--raw", FLUNDERS, code=1)
    assert ran.err == ("Error from server (ServiceUnavailable): error trying to reach service: dial tcp "
                       f"127.0.0.1:{backend.port}: connect: connection refused\n")
    await cluster.kubectl("create", "configmap", "settings")
    assert (await cluster.kubectl("get", "configmap", "settings", "-o", "name")).out == "configmap/settings\n"
    assert "deployments" in (await cluster.kubectl("api-resources", code=None)).out
    await backend.start()
    await cluster.kubectl("get", "--raw", FLUNDERS)


async def test_the_condition_says_what_is_missing(cluster: Cluster, backend: ExtensionServer) -> None:
    await available(cluster, backend)
    cluster.server.extensions.resolve = resolver(cluster.server.service.lookup)
    await cluster.kubectl("delete", "service", "wardle")
    found = await condition(cluster, NAME, lambda found: found.reason == "ServiceNotFound")
    assert (found.status, found.message) == ("False", 'service/wardle in "default" is not present')
    ran = await cluster.kubectl("get", "--raw", FLUNDERS, code=1)
    assert ran.err == "Error from server (ServiceUnavailable): service unavailable\n"
    await cluster.client.create(core.Service(
        metadata=meta.ObjectMeta(name="wardle", namespace="default"),
        spec=core.ServiceSpec(ports=(core.ServicePort(name="https", port=443),))))
    await condition(cluster, NAME, lambda found: found.reason == "EndpointsNotFound")
    await cluster.client.create(core.Endpoints(metadata=meta.ObjectMeta(name="wardle", namespace="default")))
    await condition(cluster, NAME, lambda found: found.reason == "MissingEndpoints")
    table = (await cluster.kubectl("get", "apiservice", NAME, "--no-headers")).out.split()
    assert table[:4] == [NAME, "default/wardle", "False", "(MissingEndpoints)"]


async def test_a_failed_check_makes_discovery_stale(cluster: Cluster, backend: ExtensionServer) -> None:
    backend.healthy = False
    await register(cluster, backend)
    found = await condition(cluster, NAME, lambda found: found.reason == "FailedDiscoveryCheck")
    assert found.message == f"bad status from https://127.0.0.1:{backend.port}{ROOT}: 500"
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    seen = await cluster.request("GET", "/apis", code=200, headers={"Accept": accept})
    group = next(item for item in seen["items"] if item["metadata"]["name"] == GROUP)
    assert group["versions"] == [{"version": VERSION, "resources": [], "freshness": "Stale"}]
    plain = await cluster.request("GET", f"/apis/{GROUP}", code=200)
    assert plain["preferredVersion"]["groupVersion"] == f"{GROUP}/{VERSION}"


async def test_odd_discovery_documents_spoil_only_their_own_group(cluster: Cluster, backend: ExtensionServer) -> None:
    backend.document = {"kind": "APIResourceList", "resources": [7, {"name": "x"}, {
        "name": "flunders", "namespaced": True, "kind": "Flunder", "verbs": ["get"]}]}
    await available(cluster, backend)
    listed = (await cluster.kubectl("api-resources", "--no-headers", "-o", "name")).out.split()
    assert f"flunders.{GROUP}" in listed
    assert "pods" in listed


async def test_openapi_is_listed_and_comes_from_the_backend(cluster: Cluster, backend: ExtensionServer) -> None:
    await available(cluster, backend)
    index = await cluster.request("GET", "/openapi/v3", code=200)
    address = index["paths"][ROOT.removeprefix("/")]["serverRelativeURL"]
    assert address == f"/openapi/v3{ROOT}?hash=ABC"
    assert (await cluster.request("GET", address, code=200))["info"]["title"] == "Wardle"


async def test_a_backend_nobody_trusts_is_not_asked(cluster: Cluster, backend: ExtensionServer) -> None:
    await register(cluster, backend, caBundle="")
    found = await condition(cluster, NAME, lambda found: found.reason == "FailedDiscoveryCheck")
    assert "x509: certificate signed by unknown authority" in found.message
    assert backend.asked == []
    await register(cluster, backend, caBundle=None, insecureSkipTLSVerify=True)
    await condition(cluster, NAME, lambda found: found.reason == "Passed")


async def test_what_is_served_here_is_listed_as_local_and_stays_so(cluster: Cluster,
                                                                   backend: ExtensionServer) -> None:
    await condition(cluster, "v1.apps", lambda found: found.reason == "Local")
    await condition(cluster, "v1.", lambda found: found.reason == "Local")
    table = (await cluster.kubectl("get", "apiservice", "v1.apps", "--no-headers")).out.split()
    assert table[:3] == ["v1.apps", "Local", "True"]
    cluster.server.extensions.resolve = lambda namespace, name, port: (Address("127.0.0.1", backend.port),)
    await cluster.kubectl("patch", "apiservice", "v1.apps", "--type=merge", "-p", json.dumps(
        {"spec": {"service": {"namespace": "default", "name": "wardle"}, "insecureSkipTLSVerify": True}}))
    await condition(cluster, "v1.apps", lambda found: "is not used" in found.message)
    assert (await cluster.kubectl("get", "deployments")).out == ""
    assert not any("apps" in path for _, path, _ in backend.asked)


async def test_it_is_gone_with_its_apiservice(cluster: Cluster, backend: ExtensionServer) -> None:
    await available(cluster, backend)
    await cluster.kubectl("delete", "apiservice", NAME)
    await cluster.request("GET", FLUNDERS, code=404)
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if GROUP not in (await cluster.kubectl("api-versions")).out:
                break
            await asyncio.sleep(0.05)
