"""The programs outside that take part in this API: admission webhooks and aggregated API servers, wired together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from edge import component
from edge.apiserver import admit, aggregation, dialing, endpoints
from edge.apiserver.aggregation import Backend
from edge.apiserver.aggregation_proxy import Proxy
from edge.apiserver.aggregation_status import Aggregation
from edge.apiserver.authenticate import User
from edge.apiserver.service import Service
from edge.apiserver.webhook_admission import Caller, MutatingWebhooks, ValidatingWebhooks
from edge.apiserver.webhook_calls import Calls
from edge.ids import Ids

LAST = ("ResourceQuota",)
"""Plugins that come after everything that may still refuse: what they count is as good as stored."""


class Extensions:
    """Webhooks and aggregated servers. `resolve` finds the addresses behind a service and may be replaced."""

    def __init__(self, service: Service, ids: Ids, identity: tuple[Path, Path] | None = None) -> None:
        """Take the certificate and key that aggregated servers are shown; webhooks are shown none."""
        self.resolve: endpoints.Resolve = endpoints.resolver(service.lookup)
        self._service = service
        self._calls = Calls(self._resolved, dialing.Trust())
        self._caller = Caller(service.lookup, self._calls.ask, ids)
        self._proxy = Proxy(self._resolved, dialing.Trust(identity))
        self._aggregation = Aggregation(service, self._proxy, self._resolved)
        self._parts = component.Supervisor(service.clock)

    def chain(self, plugins: Sequence[admit.Plugin]) -> admit.Chain:
        """Return the chain of the built-in plugins with the webhooks at their place."""
        built_in = tuple(plugin for plugin in plugins if plugin.name not in LAST)
        last = tuple(plugin for plugin in plugins if plugin.name in LAST)
        return admit.Chain((*built_in, MutatingWebhooks(self._caller, admit.Chain(built_in)),
                            ValidatingWebhooks(self._caller), *last))

    async def start(self) -> None:
        """Make this server's own APIServices, and begin to look after all of them and to ask webhooks."""
        await self._aggregation.prepare()
        self._caller.asleep = False
        self._parts.start("aggregation", self._aggregation.run)

    def end(self) -> None:
        """Close what is carried at the moment."""
        self._proxy.end()

    async def stop(self) -> None:
        """Let go of everything."""
        await self._parts.stop()
        await self._calls.close()
        await self._proxy.close()

    def served(self) -> tuple[aggregation.Served, ...]:
        """Return what aggregated servers serve, for discovery."""
        return self._aggregation.served()

    def backend(self, group: str, version: str) -> Backend | None:
        """Return the aggregated server of a group version, or None."""
        return self._aggregation.backend(group, version)

    def backend_of(self, path: str) -> Backend | None:
        """Return the aggregated server that a path below `/apis` or `/openapi/v3/apis` belongs to, or None."""
        found = aggregation.of_path(path)
        return None if found is None else self._aggregation.backend(*found)

    def backend_of_document(self, path: str) -> Backend | None:
        """Return the aggregated server whose discovery or OpenAPI document a path is, or None."""
        return self.backend_of(path) if aggregation.is_document(path) else None

    async def serve(self, request: web.BaseRequest, backend: Backend, user: User) -> web.StreamResponse:
        """Let an aggregated server answer a request. Raises errors.ApiError."""
        return await self._proxy.serve(request, backend, user)

    def _resolved(self, namespace: str, name: str, port: int) -> tuple[endpoints.Address, ...]:
        return self.resolve(namespace, name, port)
