"""What bytes, headers and paths must not be able to do: blind the audit log, pass for others, or reach a backend."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge.api import core, meta
from edge.apiserver.endpoints import Address
from tests.fakes.extension_server import GROUP, VERSION, ExtensionServer
from tests.integration.apiserver.test_aggregation import available, condition
from tests.integration.apiserver.test_audit import until
from tests.integration.conftest import Cluster, client_context

BELOW = f"/apis/{GROUP}/{VERSION}"


async def say(cluster: Cluster, request: bytes) -> bytes:
    """Send bytes without credentials and return the first line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.server.port,
                                                   ssl=client_context(cluster.authority))
    writer.write(request)
    try:
        async with asyncio.timeout(20):
            return await reader.readline()
    finally:
        writer.close()


async def test_headers_that_are_no_text_do_not_end_the_audit_log(cluster: Cluster, tmp_path: Path) -> None:
    for header in (b"User-Agent: a\xff\xfe", b"X-Forwarded-For: \xff"):
        assert b" 403 " in await say(cluster, b"GET /before HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
    assert b" 403 " in await say(cluster, b"GET /after HTTP/1.1\r\nHost: x\r\n\r\n")
    log = tmp_path / "audit.log"
    assert (await until(log, lambda event: event["requestURI"] == "/before"))["userAgent"] == "a??"
    await until(log, lambda event: event["requestURI"] == "/after")


@pytest.fixture
async def backend(cluster: Cluster) -> ExtensionServer:
    made = ExtensionServer(cluster.authority)
    await made.start()
    await cluster.client.create(core.Service(
        metadata=meta.ObjectMeta(name="wardle", namespace="default"),
        spec=core.ServiceSpec(ports=(core.ServicePort(name="https", port=443, target_port=made.port),))))
    await available(cluster, made)
    return made


@pytest.mark.parametrize("path", [
    "/namespaces%2Fdefault%2Fflunders", "//namespaces/default/flunders", "/%6eamespaces%2fdefault%2fflunders/one",
    "%2Fnamespaces%2Fdefault%2Fflunders", "/namespaces/default/flunders/", "/./namespaces%2Fdefault%2Fflunders"])
async def test_a_resource_in_disguise_is_no_document(cluster: Cluster, backend: ExtensionServer, path: str) -> None:
    """Everybody may read discovery documents; what a backend would take for a resource needs a right to it."""
    try:
        cluster.server.extensions.resolve = lambda namespace, name, port: (Address("127.0.0.1", backend.port),)
        before = len(backend.asked)
        answer = await say(cluster, f"GET {BELOW}{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b" 403 " in answer or b" 404 " in answer
        await cluster.kubectl("create", "serviceaccount", "robot")
        token = (await cluster.kubectl("create", "token", "robot")).out.strip()
        answer = await say(cluster, f"GET {BELOW}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}"
                                    "\r\n\r\n".encode())
        assert b" 403 " in answer or b" 404 " in answer
        assert not [asked for asked in backend.asked[before:] if "flunders" in asked[1]]
        answer = await say(cluster, f"GET {BELOW} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}"
                                    "\r\n\r\n".encode())
        assert b" 200 " in answer
    finally:
        await backend.stop()


async def test_an_apiservice_that_leads_back_to_this_server_goes_round_once(cluster: Cluster) -> None:
    cluster.server.extensions.resolve = lambda namespace, name, port: (Address("127.0.0.1", cluster.server.port),)
    await cluster.request("POST", "/apis/apiregistration.k8s.io/v1/apiservices", {
        "metadata": {"name": "v1.loop.example"},
        "spec": {"group": "loop.example", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15,
                 "insecureSkipTLSVerify": True, "service": {"namespace": "default", "name": "kubernetes"}}}, code=201)
    await condition(cluster, "v1.loop.example", lambda found: found.reason == "FailedDiscoveryCheck")
    for path in ("/apis/loop.example/v1/namespaces/default/things", "/apis/loop.example/v1"):
        answer = await cluster.request("GET", path, code=503)
        assert answer["message"] == "service unavailable: the APIService leads back to this server"
