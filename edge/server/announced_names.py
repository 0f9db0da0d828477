"""Keeps the `.local` names of one side as `edge.discovery.service_names` decides.

It asks whether a name is free, announces it, gives way to another machine or defends it, and says goodbye.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from edge import logs
from edge.clock import Clock
from edge.discovery import disputes, records, service_names
from edge.discovery import interfaces as kernel
from edge.discovery.responder import Responder

MOST_ROUNDS = 5
log = logs.get("names")


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A name that is announced now, or announced for another reason than before."""

    claim: service_names.Claim


class SideNames:
    """The names of one side."""

    def __init__(self, responder: Responder, clock: Clock, rack: str) -> None:
        self._responder, self._clock, self._rack = responder, clock, rack
        self._announced: dict[str, service_names.Claim] = {}
        self._left: dict[str, str] = {}
        """Names another program of this machine answers for, such as avahi-daemon, with its address."""
        self._disputes = disputes.Disputes()
        self._defend: set[str] = set()
        self.stale = False
        """Whether somebody disputes a name: `settle` has to run again."""

    @property
    def claims(self) -> tuple[service_names.Claim, ...]:
        """Return what is announced."""
        return tuple(self._announced.values())

    def disputed(self, heard: records.Address) -> bool:
        """Note that somebody else says a name of ours has that address; return whether the name is one kept here."""
        label = heard.host.removesuffix(service_names.DOMAIN)
        claim = next((each for each in self._announced.values() if each.label == label), None)
        if claim is None:
            return False
        if heard.address in kernel.own_addresses() or ":" in heard.address:
            return True  # Another program of this machine; and who has an IPv6 address will be heard with IPv4 too.
        if self._disputes.yields(label, claim.want.addresses[0], heard.address, self._clock.monotonic()):
            log.warning("a name is left to another machine", name=claim.name, address=heard.address)
        else:
            self._defend.add(claim.want.key)
        self.stale = True
        return True

    async def settle(self, wanted: Sequence[service_names.Want], reserved: Collection[str]) -> tuple[News, ...]:
        """Announce what is wanted, as far as the names are free, and nothing else. Raises DiscoveryError."""
        self.stale = False
        planned = self._planned(wanted, reserved)
        for _ in range(MOST_ROUNDS):
            fresh = [claim for claim in planned if self._label_of(claim.want.key) != claim.label
                     and claim.label not in self._left]
            if not await self._taken(fresh):
                break
            planned = self._planned(wanted, reserved)
        await self._withdraw(planned)
        news = [await self._announce(claim) for claim in planned if claim.label not in self._left]
        return tuple(each for each in news if each is not None)

    def _planned(self, wanted: Sequence[service_names.Want],
                 reserved: Collection[str]) -> tuple[service_names.Claim, ...]:
        return service_names.claims(wanted, reserved=reserved, foreign=self._disputes.foreign,
                                    holders={claim.label: claim.want.key for claim in self._announced.values()})

    def _label_of(self, key: str) -> str:
        return self._announced[key].label if key in self._announced else ""

    async def _taken(self, fresh: Sequence[service_names.Claim]) -> bool:
        """Ask for the names; return whether one of them belongs to another machine."""
        if not fresh:
            return False
        own = kernel.own_addresses()
        heard = await self._responder.probe([claim.host for claim in fresh])
        for claim in fresh:
            address = heard.get(claim.host, "")
            if address and (address in own or address in claim.want.addresses):
                self._left[claim.label] = address
            elif address:
                self._disputes.foreign[claim.label] = address
        return any(claim.label in self._disputes.foreign for claim in fresh)

    async def _withdraw(self, planned: Sequence[service_names.Claim]) -> None:
        labels = {claim.want.key: claim.label for claim in planned}
        for key, claim in list(self._announced.items()):
            if labels.get(key) != claim.label:
                for service in service_names.announcements(claim, self._rack):
                    await self._responder.withdraw(service.instance)
                del self._announced[key]

    async def _announce(self, claim: service_names.Claim) -> News | None:
        before = self._announced.get(claim.want.key)
        again = claim.want.key in self._defend
        self._defend.discard(claim.want.key)
        if before is not None and before.label == claim.label:
            # Whose name it was first is history by now.
            claim = replace(claim, disputed_by=before.disputed_by)
        if before == claim and not again:
            return None
        made = service_names.announcements(claim, self._rack)
        for gone in service_names.announcements(before, self._rack) if before is not None else ():
            if gone.instance not in {service.instance for service in made}:
                await self._responder.withdraw(gone.instance)
        for service in made:
            await self._responder.publish(service)
        self._announced[claim.want.key] = claim
        return News(claim=claim) if before != claim else None
