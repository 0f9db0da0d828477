"""An image registry over HTTP in a thread: manifests, blobs, lists of architectures and basic authentication.

It speaks as much of https://github.com/opencontainers/distribution-spec as a pull needs: a real engine pulls from it.
"""

from __future__ import annotations

import base64
import ctypes
import gzip
import json
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
LONGEST_STALL_SECONDS = 120.0
CLONE_NEWNET = 0x40000000
_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<what>manifests|blobs)/(?P<reference>[^/?]+)")


@dataclass
class Registry:
    """What the registry holds and how it behaves; change it while it runs."""

    port: int = 0
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """Media type and content by repository and tag or digest."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    """Passwords by user; empty: anybody may pull."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """What was asked, as (method, path)."""
    refuse: int = 0
    """Every request is answered with this status; 0: none is."""
    stalled: threading.Event = field(default_factory=threading.Event)
    """Set once a layer was asked for that is held back."""
    go_on: threading.Event = field(default_factory=threading.Event)
    """Cleared: layers are held back until it is set."""
    given_up: threading.Event = field(default_factory=threading.Event)
    """Set once who waited for a layer has hung up."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self, name: str, tag: str, layer: bytes, architecture: str = "amd64",
            command: tuple[str, ...] = ("/bin/sh",)) -> str:
        """Put an image of one layer (a tar) under a tag and return the digest of its manifest."""
        config = json.dumps({
            "architecture": architecture, "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": {"Cmd": list(command), "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}}).encode()
        packed = gzip.compress(layer, 1, mtime=0)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self._blob(CONFIG, config),
                    "layers": [self._blob(LAYER, packed)]}
        return self._manifest(name, tag, MANIFEST, manifest)

    def add_list(self, name: str, tag: str, images: dict[str, str]) -> str:
        """Put a list of images (manifest digests by architecture) under a tag and return its digest."""
        rows = [{"mediaType": MANIFEST, "digest": each, "size": len(self.manifests[name, each][1]),
                 "platform": {"architecture": architecture, "os": "linux"}} for architecture, each in images.items()]
        return self._manifest(name, tag, INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows})

    def _manifest(self, name: str, tag: str, media_type: str, document: dict[str, object]) -> str:
        content = json.dumps(document).encode()
        for reference in (tag, digest(content)):
            self.manifests[name, reference] = media_type, content
        return digest(content)

    def _blob(self, media_type: str, content: bytes) -> dict[str, object]:
        self.blobs[digest(content)] = content
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)}

    def pulls(self, name: str) -> int:
        """Return how often the layers and configurations of a repository were fetched."""
        return sum(method == "GET" and path.startswith(f"/v2/{name}/blobs/") for method, path in self.requests)


def digest(content: bytes) -> str:
    """Return a content's name in a registry."""
    return "sha256:" + sha256(content).hexdigest()


@contextmanager
def serving(port: int = 0, address: str = "127.0.0.1", namespace: str = "") -> Iterator[Registry]:
    """Serve an empty registry until the block ends; port 0 takes any free one. `namespace`: of the network."""
    registry = Registry()
    registry.go_on.set()
    with ThreadPoolExecutor(1) as own:  # a thread that is in another namespace is of no use to others afterwards
        server = own.submit(_listen, (address, port), registry, namespace).result()
    registry.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        registry.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def _listen(address: tuple[str, int], registry: Registry, namespace: str) -> _Server:
    if namespace:
        with open(f"/run/netns/{namespace}") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")
    return _Server(address, registry)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], registry: Registry) -> None:
        self.registry = registry
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def registry(self) -> Registry:
        return self.server.registry

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.registry.requests.append((self.command, self.path))
        if self.registry.refuse:
            return self._error(self.registry.refuse, "UNAVAILABLE", "come back later")
        if not self._may():
            return self._error(401, "UNAUTHORIZED", "authentication required",
                               {"WWW-Authenticate": 'Basic realm="test"'})
        if self.path == "/v2/":
            return self._answer(200, "application/json", b"{}")
        found = _PATH.fullmatch(self.path)
        if found is None:
            return self._error(404, "UNSUPPORTED", "no such page")
        if found["what"] == "manifests":
            return self._manifest(found["name"], found["reference"])
        return self._blob(found["reference"])

    def _may(self) -> bool:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(value).decode().partition(":") if kind == "Basic" else ("", "", "")
        return not self.registry.users or (user in self.registry.users and self.registry.users[user] == password)

    def _manifest(self, name: str, reference: str) -> None:
        if (name, reference) not in self.registry.manifests:
            return self._error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, content = self.registry.manifests[name, reference]
        return self._answer(200, media_type, content, {"Docker-Content-Digest": digest(content)})

    def _blob(self, reference: str) -> None:
        if reference not in self.registry.blobs:
            return self._error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if not self.registry.go_on.is_set():
            self.registry.stalled.set()
            deadline = time.monotonic() + LONGEST_STALL_SECONDS
            while not self.registry.go_on.wait(0.05) and time.monotonic() < deadline:
                if select.select([self.connection], (), (), 0)[0] and not self.connection.recv(1, socket.MSG_PEEK):
                    self.registry.given_up.set()
                    break
        return self._answer(200, "application/octet-stream", self.registry.blobs[reference])

    def _error(self, status: int, code: str, text: str, headers: dict[str, str] | None = None) -> None:
        body = json.dumps({"errors": [{"code": code, "message": text, "detail": {}}]}).encode()
        self._answer(status, "application/json", body, headers)

    def _answer(self, status: int, media_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for key, value in {"Content-Type": media_type, "Content-Length": str(len(body)),
                               "Docker-Distribution-Api-Version": "registry/2.0", **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # The engine gave the pull up.

    def log_message(self, format: str, *args: object) -> None:
        pass
