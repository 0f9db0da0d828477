"""The HTTPS server: connections, who is asking, what is asked, and errors as Status objects."""

from __future__ import annotations

import asyncio
import logging
import ssl
from asyncio import sslproto
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from aiohttp import http_exceptions, web

from edge import door, logs
from edge.api import components, errors, metrics
from edge.apiserver import (
    admission_kinds,
    audit,
    audit_log,
    authenticate,
    authorize,
    connect,
    connections,
    http_answers,
    http_audit,
    http_call,
    http_large,
    http_paths,
    http_posts,
    http_resources,
    impersonation,
    paths,
    plugins,
    virtual,
)
from edge.apiserver.access import Access
from edge.apiserver.account_tokens import SignToken
from edge.apiserver.agent_metrics import AgentMetrics
from edge.apiserver.authenticate import User
from edge.apiserver.bootstrap import make_defaults
from edge.apiserver.certificate_subjects import CertificateSubjectRestriction
from edge.apiserver.escalation import Escalation
from edge.apiserver.extensions import Extensions
from edge.apiserver.health import Check
from edge.apiserver.metrics_text import Gauge, single
from edge.apiserver.node_restriction import NodeRestriction
from edge.apiserver.plugins.definitions import Definitions
from edge.apiserver.reviews import Reviews
from edge.apiserver.server_metrics import ServerMetrics
from edge.apiserver.service import Service
from edge.apiserver.signer_rights import SignerRights
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
LIMITS = door.Limits(strangers=512, from_one=128, handshake_seconds=10.0, shutdown_seconds=1.0)
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
    users_ca: Path | None = None
    """A further authority for clients, trusted here only; it need not be there yet."""
    host: str = ""
    """Address to listen on; every one when empty."""
    port: int = 6443
    """0 takes a free one; `ApiServer.port` says which."""
    agent_ssl: ssl.SSLContext | None = None
    """Client identity and trust for connections to agents; without it there are no logs and no exec."""
    agent_port: int = 10250
    admission: admission_kinds.Settings = admission_kinds.Settings()
    static_tokens: Mapping[str, User] = field(default_factory=dict)
    identity: tuple[Path, Path] | None = None
    """Certificate and key that aggregated API servers are shown."""
    audit: audit_log.Settings = audit_log.Settings()
    never_revoked: tuple[str, ...] = ()
    """Hashes of keys that cannot be revoked: the server's own."""


class ApiServer:
    """The API, served over HTTPS from `start` to `stop`. `service` is the same API for this process."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, ids: Ids, *,
                 verify_token: authenticate.VerifyToken | None = None, sign_token: SignToken | None = None,
                 signing_keys: http_paths.SigningKeys = tuple, checks: Mapping[str, Check] | None = None,
                 parts: Callable[[], Mapping[str, str]] = dict,
                 documents: Mapping[str, Callable[[], object]] | None = None,
                 gauges: Callable[[], Sequence[Gauge]] = tuple) -> None:
        """Take what is around.

        `checks` are asked for health, `parts` says what is wrong with which component, `documents` are served as JSON
        at the paths that are their keys, `gauges` returns what `/metrics` tells of other parts.
        """
        self.service = Service(store, clock, ids, settings.admission)
        self._settings = settings
        self._clock = clock
        access = Access(self.service.lookup, store, clock.now)
        self._lookups = access.lookups(verify_token, settings.static_tokens)
        self._authorizer = access.authorizer()
        self.extensions = Extensions(self.service, ids, settings.identity)
        self.service.chain = self.extensions.chain(plugins.built_in(self.service, (
            Definitions(self.service.lookup, clock.now), NodeRestriction(), Escalation(self._authorizer),
            SignerRights(self._authorizer), CertificateSubjectRestriction())))
        self.audit_log = audit_log.AuditLog(settings.audit)
        self._auditor = http_audit.Auditor(self.audit_log, clock, ids)
        asked = Reviews(self._authorizer, self._lookups, clock.now)
        self.revoked = connections.Revoked(self.service.lookup, settings.never_revoked)
        if settings.agent_ssl is not None:
            self.revoked.refuse(settings.agent_ssl)
        self._streams = Streams(self.service, settings.agent_ssl, settings.agent_port, self.revoked)
        used = AgentMetrics(self.service.lookup, clock, self._streams.ask)
        self._resources = http_resources.Resources(self.service, sign_token, Virtual({
            metrics.NodeMetrics: used.nodes, metrics.PodMetrics: used.pods,
            components.ComponentStatus: virtual.fixed(lambda: components.component_statuses(parts()))}, asked.answers),
            self._authorizer.allowed)
        numbers = ServerMetrics(store, self.service.catalog, lambda: self._resources.watches,
                                lambda: (*self._handshakes(), *gauges()))
        facts = http_paths.Facts(ca_pem=settings.client_ca.read_bytes(), checks=checks or {},
                                 signing_keys=signing_keys, metrics=numbers.read, documents=documents or {})
        self._paths = http_paths.Paths(facts, self.service.catalog.resources, self.extensions.served)
        self._context = server_context(settings.certificate, settings.key, settings.client_ca, settings.users_ca)
        self._large = http_large.Sender()
        self.posts = http_posts.Posts()
        self._web: web.Server | None = None
        self._door: door.Door | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._door is not None
        return self._door.port

    async def start(self) -> None:
        """Make what the system is never without, and listen. Raises OSError when the address is taken."""
        await make_defaults(self.service)
        self.audit_log.start()
        await self.extensions.start()
        sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
        # A watch whose client has gone must end at once; writes are shielded in `_answer`.
        logging.getLogger("aiohttp.server").addFilter(_about_requests)
        self._web = web.Server(self.handle, handler_cancellation=True, access_log=None, keepalive_timeout=IDLE_SECONDS,
                               max_line_size=LONGEST_LINE_BYTES, max_field_size=LONGEST_LINE_BYTES)
        self._door = door.Door(door.listen(self._settings.host, self._settings.port, backlog=512), self._web,
                               self._context, self._clock, LIMITS)

    async def stop(self) -> None:
        """Close the port, end watches and streams, and let requests under way finish for a moment."""
        if self._door is not None:
            await self._door.close()
        self._streams.end()
        self._resources.end()
        self.extensions.end()
        if self._web is not None:
            transports = [each.transport for each in self._web.connections if each.transport is not None]
            self._web.pre_shutdown()  # Connections nobody uses would be waited for, each until the very end.
            await self._web.shutdown(_SHUTDOWN_SECONDS)
            for transport in transports:
                # It has said goodbye; most clients never answer that.
                connections.cut(transport)
        await self._streams.close()
        await self.extensions.stop()
        await self.audit_log.stop()

    def end_revoked(self) -> int:
        """End what those do whose keys are revoked: watches, streams from and to them, requests under way."""
        here = self._web.connections if self._web is not None else []
        return self.revoked.end(each.transport for each in here) + self._streams.end_revoked()

    def reload_certificate(self) -> None:
        """Take up a renewed server certificate; connections that are open keep the old one.

        Raises ssl.SSLError for a pair that does not fit, and then keeps the old one for all.
        """
        certificate, key, users = self._settings.certificate, self._settings.key, self._settings.users_ca
        server_context(certificate, key, self._settings.client_ca, users)
        self._context.load_cert_chain(certificate, key)
        if users is not None and users.exists():
            self._context.load_verify_locations(users)

    def _handshakes(self) -> tuple[Gauge, ...]:
        door = self._door
        if door is None:
            return ()
        return (single("edge_tls_handshakes", "Connections that have not shown yet who they are.", door.strangers),
                single("edge_tls_handshakes_dropped_total", "Those that had to make room for others.", door.dropped,
                       "counter"))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever happens."""
        trail = self._auditor.begin(request)
        problem: errors.ApiError | None = None
        response: web.StreamResponse | None = None
        try:
            response = await self._answer(request, trail)
        except errors.ApiError as error:
            problem = error
        except RecursionError:  # whichever step met it first: only what was sent can be nested like that
            problem = errors.BadRequest("the request is nested too deeply")
        except asyncio.CancelledError:
            raise
        except ConnectionError:
            return http_answers.Taken()  # The client is gone, and nobody is left to be answered.
        except Exception as error:  # noqa: BLE001 - one bad request must not take the connection's others along
            log.error("request failed", cause=error, method=request.method, path=request.path)
            problem = errors.ApiError(f"Internal error occurred: {type(error).__name__}")
        finally:
            if problem is not None:
                response = http_answers.failure(request, problem)
            self._auditor.end(request, trail, response, problem)
        assert response is not None
        log.debug("request", method=request.method, path=request.path, code=response.status)
        try:
            return await self._large.send(request, response)
        except ConnectionError:
            return http_answers.Taken()

    async def _answer(self, request: web.BaseRequest, trail: audit.Trail) -> web.StreamResponse:
        user = self._user(request, trail)
        path, _, query = request.raw_path.partition("?")
        asked = paths.parse(request.method, path, query)
        if asked is None and self.extensions.backend_of(path) is not None:
            asked = paths.parse(request.method, path, query, deep=True)
        if asked is None:
            return await self._document(request, user, unquote(path), trail)
        trail.asked = asked
        decision = trail.decision = self._authorizer.allowed(user, asked)
        if not decision.allowed:
            raise authorize.forbidden(user, asked, decision.reason)
        resource = self.service.catalog.find(asked.group, asked.version, asked.resource)
        if resource is None:
            if (backend := self.extensions.backend(asked.group, asked.version)) is not None:
                return await self.extensions.serve(request, backend, user)
            raise http_call.not_served()
        if asked.subresource in STREAMED and asked.subresource in resource.subresources:
            if asked.subresource in connect.SUBRESOURCES:
                await self.service.chain.validate(connect.attributes(asked, resource, user))
            return await self._streams.serve(request, asked, resource)
        answer = self._resources.serve(request, asked, resource, user)
        if request.method in _MUTATING:
            writing = asyncio.ensure_future(answer)
            # If the client goes, nobody is left to be told how the write ended.
            writing.add_done_callback(lambda done: done.cancelled() or done.exception())
            return await asyncio.shield(writing)
        return await answer

    async def _document(self, request: web.BaseRequest, user: User, path: str,
                        trail: audit.Trail) -> web.StreamResponse:
        verb = "get" if request.method == "HEAD" else request.method.lower()
        decision = trail.decision = self._authorizer.allowed_path(user, verb, path)
        if not decision.allowed:
            raise authorize.forbidden_path(user, verb, path, decision.reason)
        if (answer := await self.posts.serve(request, path)) is not None:
            return answer
        if request.method not in ("GET", "HEAD"):
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource",
                                          details={})
        if (backend := self.extensions.backend_of_document(path)) is not None:
            return await self.extensions.serve(request, backend, user)
        return self._paths.serve(request, path)

    def _user(self, request: web.BaseRequest, trail: audit.Trail) -> User:
        transport = request.transport
        if problem := self.revoked.of(transport):
            raise errors.Unauthorized(f"Unauthorized: {problem}")
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        headers = request.headers
        shown = authenticate.authorization(headers.get("Authorization", ""),
                                           headers.getall("Sec-WebSocket-Protocol", []))
        user = authenticate.authenticate(certificate, shown, self._lookups, trail.received)
        trail.user = user
        acting = impersonation.acting(user, headers.items(), self._authorizer.allowed)
        if acting is not user:
            trail.acting = acting
        return acting


def _about_requests(record: logging.LogRecord) -> bool:
    """Keep aiohttp from writing a page about all that is no HTTP: anybody who reaches the port could fill the log."""
    return not isinstance(record.exc_info[1] if record.exc_info else None, http_exceptions.HttpProcessingError)


def server_context(certificate: Path, key: Path, client_ca: Path, users_ca: Path | None = None) -> ssl.SSLContext:
    """Return the TLS settings: our certificate, and client certificates checked where one is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(client_ca)
    if users_ca is not None and users_ca.exists():
        context.load_verify_locations(users_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context
