"""The HTTPS server: connections, who is asking, what is asked, and errors as Status objects."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from edge import logs
from edge.api import core, errors, metrics
from edge.apiserver import (
    admission_kinds,
    authenticate,
    authorize,
    bodies,
    http_answers,
    http_paths,
    http_resources,
    paths,
    reviews,
)
from edge.apiserver.agent_metrics import AgentMetrics
from edge.apiserver.authenticate import User
from edge.apiserver.bootstrap import make_namespaces
from edge.apiserver.http_paths import Check
from edge.apiserver.service import Service
from edge.apiserver.service_subresources import SignToken
from edge.apiserver.streams import Streams
from edge.apiserver.virtual import Virtual
from edge.clock import Clock
from edge.ids import Ids
from edge.store.interface import Store

# asyncio keeps a buffer of this size for each TLS connection, 256 KiB if left alone: a thousand watches would take
# 300 MB. 16 KiB is one TLS record.
TLS_BUFFER_BYTES = 16 * 1024
STREAMED = ("log", "exec", "attach", "portforward", "proxy")
_MUTATING = ("POST", "PUT", "PATCH", "DELETE")
_SHUTDOWN_SECONDS = 2.0
IDLE_SECONDS = 120.0
"""How long a connection may be silent between requests, and how long one request's head may take to arrive."""
LONGEST_LINE_BYTES = 64 * 1024
"""The first line holds the whole command of an exec."""

log = logs.get("apiserver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the server listens, with which identity, and how it reaches the agents."""

    certificate: Path
    key: Path
    client_ca: Path
    host: str = ""
    """Address to listen on; every one when empty."""
    port: int = 6443
    """0 takes a free one; `ApiServer.port` says which."""
    agent_ssl: ssl.SSLContext | None = None
    """Client identity and trust for connections to agents; without it there are no logs and no exec."""
    agent_port: int = 10250
    admission: admission_kinds.Settings = admission_kinds.Settings()
    static_tokens: Mapping[str, User] = field(default_factory=dict)


class ApiServer:
    """The API, served over HTTPS from `start` to `stop`. `service` is the same API for this process."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, ids: Ids, *,
                 verify_token: authenticate.VerifyToken | None = None, sign_token: SignToken | None = None,
                 checks: Mapping[str, Check] | None = None) -> None:
        self.service = Service(store, clock, ids, settings.admission)
        self._settings = settings
        self._clock = clock
        self._lookups = authenticate.Lookups(
            bootstrap_secret=self._bootstrap_secret, account_uid=self._account_uid, pod_uid=self._pod_uid,
            static_tokens=settings.static_tokens, **({"verify": verify_token} if verify_token else {}))
        self._streams = Streams(self.service, settings.agent_ssl, settings.agent_port)
        used = AgentMetrics(self.service.lookup, clock, self._streams.ask)
        self._resources = http_resources.Resources(self.service, sign_token, Virtual({
            metrics.NodeMetrics: used.nodes, metrics.PodMetrics: used.pods}))
        self._paths = http_paths.Paths(http_paths.Facts(ca_pem=settings.client_ca.read_bytes(), checks=checks or {}),
                                       self.service.catalog.resources)
        self._context = server_context(settings.certificate, settings.key, settings.client_ca)
        self._web: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Make the system namespaces and listen. Raises OSError when the address is taken."""
        await make_namespaces(self.service)
        sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
        loop = asyncio.get_running_loop()
        # A watch whose client has gone must end at once; writes are shielded in `_answer`.
        self._web = web.Server(self.handle, handler_cancellation=True, access_log=None, keepalive_timeout=IDLE_SECONDS,
                               max_line_size=LONGEST_LINE_BYTES, max_field_size=LONGEST_LINE_BYTES)
        self._listener = await loop.create_server(self._web, self._settings.host or None, self._settings.port,
                                                  ssl=self._context, backlog=512, ssl_handshake_timeout=20,
                                                  ssl_shutdown_timeout=1)

    async def stop(self) -> None:
        """Close the port, end watches and streams, and let requests under way finish for a moment."""
        if self._listener is not None:
            self._listener.close()
        self._streams.end()
        self._resources.end()
        if self._web is not None:
            await self._web.shutdown(_SHUTDOWN_SECONDS)
        if self._listener is not None:
            await self._listener.wait_closed()
        await self._streams.close()

    def reload_certificate(self) -> None:
        """Take up a renewed server certificate; connections that are open keep the old one.

        Raises ssl.SSLError for a pair that does not fit, and then keeps the old one for all.
        """
        server_context(self._settings.certificate, self._settings.key, self._settings.client_ca)
        self._context.load_cert_chain(self._settings.certificate, self._settings.key)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever happens."""
        try:
            response = await self._answer(request)
        except errors.ApiError as error:
            response = http_answers.failure(request, error)
        except asyncio.CancelledError:
            raise
        except ConnectionError:
            return http_answers.Taken()  # The client is gone, and nobody is left to be answered.
        except Exception as error:  # noqa: BLE001 - one bad request must not take the connection's others along
            log.error("request failed", cause=error, method=request.method, path=request.path)
            problem = errors.ApiError(f"Internal error occurred: {type(error).__name__}")
            response = http_answers.failure(request, problem)
        log.debug("request", method=request.method, path=request.path, code=response.status)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        user = self._user(request)
        path, _, query = request.raw_path.partition("?")
        asked = paths.parse(request.method, path, query)
        if asked is None:
            return self._document(request, user, unquote(path))
        if not authorize.allowed(user, asked, self._pod_node).allowed:
            raise authorize.forbidden(user, asked)
        if reviews.is_review(asked):
            raw = bodies.mapping(bodies.read(await http_resources.read_body(request),
                                             request.headers.get("Content-Type", "")))
            return http_answers.as_json(request, reviews.answer(asked, raw, user, self._pod_node), 201)
        resource = self.service.catalog.find(asked.group, asked.version, asked.resource)
        if resource is None:
            if (empty := http_paths.no_custom_resources(asked)) is not None:
                return http_answers.as_json(request, empty)
            raise http_resources.not_served()
        if asked.subresource in STREAMED and asked.subresource in resource.subresources:
            return await self._streams.serve(request, asked, resource)
        answer = self._resources.serve(request, asked, resource, user)
        if request.method in _MUTATING:
            writing = asyncio.ensure_future(answer)
            # If the client goes, nobody is left to be told how the write ended.
            writing.add_done_callback(lambda done: done.cancelled() or done.exception())
            return await asyncio.shield(writing)
        return await answer

    def _document(self, request: web.BaseRequest, user: User, path: str) -> web.Response:
        if not authorize.allowed_path(user, path).allowed:
            raise authorize.forbidden_path(user, request.method, path)
        if request.method not in ("GET", "HEAD"):
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource",
                                          details={})
        return self._paths.serve(request, path)

    def _user(self, request: web.BaseRequest) -> User:
        transport = request.transport
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        headers = request.headers
        user = authenticate.authenticate(certificate, headers.get("Authorization", ""), self._lookups,
                                         self._clock.now())
        wanted = headers.get("Impersonate-User", "")
        if not wanted:
            if any(name.lower().startswith("impersonate-") for name in headers):
                raise errors.BadRequest("an Impersonate- header was sent without Impersonate-User")
            return user
        if authenticate.MASTERS_GROUP not in user.groups:
            raise errors.Forbidden(f'users "{wanted}" is forbidden: User "{user.name}" cannot impersonate resource '
                                   '"users" in API group "" at the cluster scope',
                                   details={"name": wanted, "kind": "users"})
        return authenticate.with_groups(user, wanted, tuple(headers.getall("Impersonate-Group", [])))

    # --- what tokens and the node rule are checked against

    def _bootstrap_secret(self, token_id: str) -> Mapping[str, str] | None:
        secret = self.service.lookup.one(core.Secret, "kube-system", f"bootstrap-token-{token_id}")
        if secret is None or secret.type != "bootstrap.kubernetes.io/token":
            return None
        return secret.data

    def _account_uid(self, namespace: str, name: str) -> str:
        account = self.service.lookup.one(core.ServiceAccount, namespace, name)
        return account.metadata.uid if account is not None else ""

    def _pod_uid(self, namespace: str, name: str) -> str:
        pod = self.service.lookup.one(core.Pod, namespace, name)
        return pod.metadata.uid if pod is not None else ""

    def _pod_node(self, namespace: str, name: str) -> str:
        pod = self.service.lookup.one(core.Pod, namespace, name)
        return pod.spec.node_name if pod is not None else ""


def server_context(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """Return the TLS settings: our certificate, and client certificates checked where one is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context
