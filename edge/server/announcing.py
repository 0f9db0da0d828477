"""Announces the master on the rack's side and on the uplink, follows both as they come and go, and hears of machines
that belong to no rack yet.

The home network is told what a laptop needs and no more: name, port of the API, and the beginning of the authority's
hash; the port of the bus is for the rack. The API is open there anyway, and nobody trusts an announcement.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import logs
from edge.api import core, meta, times
from edge.client import cache
from edge.client.interface import Client
from edge.client.recorder import Recorder
from edge.clock import Clock, wait
from edge.discovery import names, nodes, records, service_names, sides
from edge.ids import Ids

if TYPE_CHECKING:
    import asyncio

    from edge.discovery.responder import Responder
    from edge.server.announced_names import News, SideNames
    from edge.server.settings import ServerSettings

LOOK_SECONDS = 30.0
SETTLE_SECONDS = 0.5
"""Changes come in bursts; they are looked at together after this long."""
DISCOVERED = "/edge/v1/rack/discovered"

log = logs.get("discovery")


class Side:
    """What is open on one side."""

    def __init__(self, responder: Responder, kept: SideNames) -> None:
        self.responder, self.names = responder, kept


class Announcer:
    """The loop, and what it has heard."""

    def __init__(self, settings: ServerSettings, ca: Path, clock: Clock) -> None:
        self._settings, self._ca, self._clock = settings, ca, clock
        self._found = nodes.Table()
        self._open: dict[sides.Side, Side] = {}
        self._twin = ""
        self._problem = ""
        self._nodes: cache.Cache[core.Node] | None = None
        self._services: cache.Cache[core.Service] | None = None
        self._prefix = ""

    def documents(self) -> Mapping[str, Callable[[], object]]:
        """Return what the API shows of it."""
        return {DISCOVERED: self._document}

    async def run(self, client: Client, caches: cache.SharedCaches, ids: Ids) -> None:
        """Work until cancelled; then say goodbye on every side."""
        # These are loaded here, so that a server that announces nothing does not carry them.
        import asyncio

        from edge.discovery import interfaces as kernel
        from edge.discovery.responder import close_all
        from edge.pki import authority

        self._prefix = names.hash_prefix(authority.spki_hash(self._ca.read_bytes()))
        recorder = Recorder(client, self._clock, ids, component="edge-names")
        self._nodes, self._services = caches.of(core.Node), caches.of(core.Service)
        wake = asyncio.Event()
        self._services.listen(lambda old, new: wake.set() if _concerns(old) or _concerns(new) else None)
        await self._services.synced.wait()
        await self._nodes.synced.wait()
        with contextlib.ExitStack() as stack:
            # Without news from the kernel the regular look is enough.
            with contextlib.suppress(OSError):
                stack.enter_context(kernel.heard(wake.set))
            try:
                while True:
                    wake.clear()
                    await self._look(wake)
                    await self._settle(recorder)
                    if await wait(wake, self._clock, LOOK_SECONDS):
                        await self._clock.sleep(SETTLE_SECONDS)
            finally:
                await close_all(side.responder for side in self._open.values())
                self._open.clear()

    async def _look(self, wake: asyncio.Event) -> None:
        """Open the sides that have come, and close those that have gone."""
        from edge.discovery import interfaces as kernel
        from edge.discovery.responder import DiscoveryError

        chosen = self._settings.discovery
        wanted = sides.of_master(kernel.read(), kernel.default_route(), uplink=chosen.uplink,
                                 uplink_interface=chosen.uplink_interface,
                                 rack=chosen.interfaces or (self._settings.advertise_address,))
        for side in [side for side in self._open if side not in wanted]:
            await self._open.pop(side).responder.close()
            log.info("announced no longer", interface=side.interface, address=side.address)
        for side in wanted:
            if side in self._open:
                continue
            try:
                self._open[side] = await self._opened(side, wake)
                self._problem = ""
            except DiscoveryError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.warning("not announced", reason=self._problem)

    async def _opened(self, side: sides.Side, wake: asyncio.Event) -> Side:
        """Announce the master on a side; on the rack's, also ask who is there. Raises DiscoveryError."""
        from edge.discovery.responder import Responder
        from edge.server.announced_names import SideNames

        def disputed(heard: records.Address) -> None:
            if not kept.disputed(heard) and ":" not in heard.address:
                self._meet_twin(heard)
            if kept.stale:
                wake.set()

        on_rack = side.role == "rack"
        responder = Responder(side, self._clock, types=(nodes.SERVICE_TYPE,) if on_rack else (),
                              hear=self._hear if on_rack else None, known=self._found.__contains__,
                              disputed=disputed)
        kept = SideNames(responder, self._clock, self._prefix)
        await responder.open()
        master = self._master(side)
        await responder.publish(names.service(master))
        if on_rack:
            responder.ask(nodes.SERVICE_TYPE)
        log.info("announced", name=names.instance(master), interface=side.interface, address=side.address)
        return Side(responder, kept)

    def _master(self, side: sides.Side) -> names.Master:
        return names.Master(name=self._settings.name, addresses=(side.address,), api_port=self._settings.port,
                            bus_port=self._settings.bus.port if side.role == "rack" else 0, cluster_id=self._prefix,
                            ca_hash_prefix=self._prefix)

    def _meet_twin(self, heard: records.Address) -> None:
        if heard.address not in self._twin and not any(side.address == heard.address for side in self._open):
            self._twin = f"{heard.address} announces this rack's master too"
            log.error("another master has this rack's identity: was its card or its disk copied? Switch one of the two "
                      "off", address=heard.address)

    def _hear(self, side: sides.Side, answers: tuple[records.Answer, ...]) -> None:
        """Note the machines in one packet."""
        now, monotonic = times.render(self._clock.now()), self._clock.monotonic()
        for answer in answers:
            if answer.gone:
                self._found.remove(answer.instance)
            elif (machine := nodes.read(answer, side.network)) is not None \
                    and self._found.put(answer.instance, machine, now, monotonic):
                log.info("a machine waits to be claimed", name=machine.name, address=machine.addresses[0],
                         reason=machine.reason)

    async def _settle(self, recorder: Recorder) -> None:
        """Bring the names of every side in order."""
        from edge.discovery.responder import DiscoveryError

        reserved = {self._settings.name, socket.gethostname().partition(".")[0].lower(), *self._own_names(),
                    *(node.metadata.name for node in (self._nodes.items() if self._nodes is not None else ()))}
        for side, opened in self._open.items():
            wanted = self._hosts(side)
            if side.role == "uplink" and self._services is not None:
                wanted += service_names.wants(self._services.items(), side.network)
            try:
                news = await opened.names.settle(wanted, reserved)
            except DiscoveryError as error:
                log.warning("names are not announced", interface=side.interface, reason=str(error))
                continue
            for each in news:
                await self._tell(recorder, each)

    def _own_names(self) -> tuple[str, ...]:
        return tuple(name.partition(".")[0] for name in self._settings.names if not name[:1].isdigit())

    def _hosts(self, side: sides.Side) -> tuple[service_names.Want, ...]:
        """Return what the master itself would like to be called: after the rack, and after its host name. Where
        avahi-daemon runs, as on Raspberry Pi OS, the latter is its business."""
        labels = dict.fromkeys((self._settings.name, socket.gethostname().partition(".")[0].lower()))
        return tuple(service_names.Want(key=f"master {label}", label=label, addresses=(side.address,),
                                        port=self._settings.port) for label in labels if label != "localhost")

    async def _tell(self, recorder: Recorder, news: News) -> None:
        claim, key = news.claim, news.claim.want.key
        log.info("name announced", name=claim.name, of=key, addresses=",".join(claim.want.addresses),
                 disputed_by=claim.disputed_by)
        service = self._services.get(key) if self._services is not None else None
        if service is None:
            return
        about = meta.ObjectReference(kind="Service", api_version="v1", namespace=service.metadata.namespace,
                                     name=service.metadata.name, uid=service.metadata.uid)
        if claim.disputed_by:
            await recorder.record(about, "Warning", "NameConflict",
                                  f"{claim.want.label}.local is {claim.disputed_by}: announced as {claim.name}")
        else:
            await recorder.record(about, "Normal", "NameAnnounced",
                                  f"Announced as {claim.name} ({', '.join(claim.want.addresses)})")

    def _document(self) -> dict[str, Any]:
        found = self._found.items(self._clock.monotonic())
        known = [node.status for node in (self._nodes.items() if self._nodes is not None else ())]
        found = nodes.without(found, [status.node_info.system_uuid for status in known],
                              [entry.address for status in known for entry in status.addresses])
        return {
            "machines": [{"name": seen.machine.name, "serial": seen.machine.serial, "model": seen.machine.model,
                          "version": seen.machine.version, "reason": seen.machine.reason,
                          "addresses": seen.machine.addresses, "firstSeen": seen.first_seen,
                          "lastSeen": seen.last_seen} for seen in found],
            "machinesLeftOut": self._found.refused,
            "sides": [{"role": side.role, "interface": side.interface, "address": side.address,
                       "network": str(side.network)} for side in self._open],
            "names": [{"name": claim.name, "of": claim.want.key, "addresses": claim.want.addresses, "side": side.role,
                       "disputedBy": claim.disputed_by} for side, opened in self._open.items()
                      for claim in opened.names.claims],
            "problem": self._twin or self._problem,
        }


def _concerns(service: meta.Object | None) -> bool:
    return isinstance(service, core.Service) and service.spec.type == "LoadBalancer"
