"""Keeps APIServices up to date: this server's own ones, whether the others can be used, and what they serve.

Their discovery documents are read here and not when a client asks, so that one backend that hangs keeps nobody from
seeing the other groups.
https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec

from edge import clock, logs
from edge.api import apiextensions, core, errors, meta, scheme
from edge.api.apiregistration import APIService
from edge.apiserver import aggregation, aggregation_health, discovery, endpoints
from edge.apiserver.aggregation import Backend, GroupVersion, Served
from edge.apiserver.aggregation_proxy import NoAnswer, Proxy
from edge.apiserver.deletion import DeleteOptions
from edge.apiserver.lookup import key_of, prefix_of
from edge.apiserver.service import Service
from edge.apiserver.write import Write

RECHECK_SECONDS = 30.0
CHECK_SECONDS = 5.0
_RESOURCE = scheme.of_type(APIService)
_PREFIXES = (prefix_of(_RESOURCE, ""), prefix_of(scheme.of_type(apiextensions.CustomResourceDefinition), ""))
_WRITE = Write(manager="edge-server")

log = logs.get("aggregation")


@dataclass(frozen=True, slots=True)
class _Check:
    """What was found out about a backend, and of which state of things."""

    backend: Backend
    addresses: tuple[endpoints.Address, ...]
    at: float
    condition: meta.Condition
    served: Served


class Aggregation:
    """Who answers for which group version, and how they are."""

    def __init__(self, service: Service, proxy: Proxy, resolve: endpoints.Resolve) -> None:
        self._service = service
        self._proxy = proxy
        self._resolve = resolve
        self._checks: dict[GroupVersion, _Check] = {}
        self._served: tuple[Served, ...] = ()
        self._changed = asyncio.Event()
        self._concerned: frozenset[str] = frozenset()
        """Keys of the Services and Endpoints that APIServices lead to."""
        self._resources: tuple[scheme.Resource, ...] = ()
        self._local: frozenset[GroupVersion] = frozenset()
        service.store.observe(self._saw)

    # --- what requests ask

    def backend(self, group: str, version: str) -> Backend | None:
        """Return who answers for a group version; None when that is this server, or nobody."""
        found = self._registered().get((group, version))
        return None if found is None or (group, version) in self._own() else found

    def served(self) -> tuple[Served, ...]:
        """Return what the backends serve, for discovery: the same tuple until that changes."""
        return self._served

    async def prepare(self) -> None:
        """Make the APIServices of this server itself, before anybody asks for them."""
        await self._keep_own()

    # --- the loop

    async def run(self) -> None:
        """Keep everything up to date until canceled."""
        while True:
            self._changed.clear()
            for part in (self._keep_own, self._check_all):
                try:
                    await part()
                except errors.ApiError as error:
                    log.warning("APIServices are not up to date", reason=str(error))
            await clock.wait(self._changed, self._service.clock, RECHECK_SECONDS)

    def _saw(self, key: str) -> None:
        if key.startswith(_PREFIXES) or key in self._concerned:
            self._changed.set()

    def _registered(self) -> dict[GroupVersion, Backend]:
        lookup = self._service.lookup
        return lookup.derived("aggregated", (APIService,), lambda: aggregation.backends(lookup.all(APIService)))

    def _own(self) -> frozenset[GroupVersion]:
        resources = self._service.catalog.resources()
        if resources is not self._resources:
            self._resources = resources
            self._local = frozenset((group, version) for group, versions in discovery.served(resources).items()
                                    for version in versions)
        return self._local

    # --- APIServices of this server itself

    async def _keep_own(self) -> None:
        """Make, mark and remove the APIServices of what is served here."""
        own = self._own()
        wanted = aggregation_health.local(self._resources, scheme.resources())
        present = {found.metadata.name: found for found in self._service.lookup.all(APIService)}
        missing = [each for each in wanted if each.metadata.name not in present]
        await asyncio.gather(*(self._create(each) for each in missing))
        for gone in aggregation_health.to_remove(present.values(), wanted):
            await self._remove(gone)
        await asyncio.gather(*(
            self._mark(found, aggregation_health.LOCAL if found.spec.service is None
                       else aggregation_health.LOCAL_ALL_THE_SAME)
            for found in self._service.lookup.all(APIService)
            if found.spec.service is None or (found.spec.group, found.spec.version) in own))

    async def _create(self, obj: APIService) -> None:
        try:
            await self._service.create(_RESOURCE, "", obj, _WRITE)
        except errors.AlreadyExists:
            return

    async def _remove(self, obj: APIService) -> None:
        try:
            await self._service.delete(_RESOURCE, "", obj.metadata.name, DeleteOptions(uid=obj.metadata.uid), _WRITE)
        except (errors.NotFound, errors.Conflict):
            return

    async def _mark(self, obj: APIService, condition: meta.Condition) -> None:
        now = self._service.clock.now()
        if aggregation_health.with_condition(obj, condition, now) is None:
            return

        def change(old: meta.Object) -> meta.Object:
            return aggregation_health.with_condition(cast(APIService, old), condition, now) or old

        try:
            await self._service.update(_RESOURCE, "", obj.metadata.name, change, replace(_WRITE, subresource="status"))
        except (errors.NotFound, errors.Conflict):
            return

    # --- those of others

    async def _check_all(self) -> None:
        registered = {at: found for at, found in self._registered().items() if at not in self._own()}
        self._concerned = frozenset(
            key_of(scheme.of_type(kind), found.namespace, found.service)
            for found in registered.values() for kind in (core.Service, core.Endpoints))
        checks = await asyncio.gather(*(self._check(found) for found in registered.values()))
        self._checks = dict(zip(registered, checks, strict=True))
        served = aggregation.by_priority(check.served for check in checks)
        if served != self._served:
            self._served = served
        by_name = {found.metadata.name: found for found in self._service.lookup.all(APIService)}
        for check in checks:
            found = by_name.get(f"{check.backend.version}.{check.backend.group}")
            if found is not None:
                await self._mark(found, check.condition)

    async def _check(self, backend: Backend) -> _Check:
        """Look at one backend, unless nothing has changed since it was looked at a moment ago."""
        lookup, now = self._service.lookup, self._service.clock.monotonic()
        before = self._checks.get((backend.group, backend.version))
        try:
            addresses = self._resolve(backend.namespace, backend.service, backend.port)
        except errors.ApiError:
            addresses = ()
        if addresses and before is not None and (before.backend, before.addresses) == (backend, addresses) \
                and now - before.at < RECHECK_SECONDS - 1:
            return before
        known = before.served if before is not None else Served(backend.group, backend.version, backend.priority)
        stale = replace(known, priority=backend.priority, fresh=False)
        if not addresses:
            condition = aggregation_health.unreachable(
                backend, lookup.one(core.Service, backend.namespace, backend.service),
                lookup.one(core.Endpoints, backend.namespace, backend.service))
            return _Check(backend, addresses, now, condition or aggregation_health.PASSED, stale)
        return await self._ask(backend, addresses, now, stale)

    async def _ask(self, backend: Backend, addresses: tuple[endpoints.Address, ...], now: float,
                   stale: Served) -> _Check:
        at = f"https://{addresses[0]}{backend.path}"
        try:
            answer = await self._proxy.get(backend, backend.path, seconds=CHECK_SECONDS)
        except NoAnswer as error:
            condition = aggregation_health.failed_check(f"failing or missing response from {at}: {error}")
            return _Check(backend, addresses, now, condition, stale)
        if not 200 <= answer.status < 300:
            condition = aggregation_health.failed_check(f"bad status from {at}: {answer.status}")
            return _Check(backend, addresses, now, condition, stale)
        resources = aggregation.resources_of(_json(answer.body), backend.group, backend.version)
        served = replace(stale, fresh=resources is not None, openapi=await self._openapi(backend),
                         resources=stale.resources if resources is None else resources)
        return _Check(backend, addresses, now, aggregation_health.PASSED, served)

    async def _openapi(self, backend: Backend) -> str:
        try:
            answer = await self._proxy.get(backend, "/openapi/v3", seconds=CHECK_SECONDS)
        except NoAnswer:
            return ""
        if answer.status != 200:
            return ""
        return aggregation.openapi_address(_json(answer.body), backend.group, backend.version)


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
