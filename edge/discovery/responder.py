"""Effects: speaks multicast DNS on one side of the machine, with python-zeroconf: announces, asks, hears, defends.

One responder has the sockets of one address, and none of another side's packets. It keeps only its own records in
memory: what strangers send is told to whoever listens and forgotten, however much of it comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any, cast

from zeroconf import (
    DNSAddress,
    DNSOutgoing,
    DNSPointer,
    DNSQuestion,
    DNSRecord,
    DNSService,
    DNSText,
    IPVersion,
    RecordUpdate,
    RecordUpdateListener,
    Zeroconf,
)
from zeroconf import (
    Error as ZeroconfError,
)
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from edge.clock import Clock
from edge.discovery import defending, records, sides

PROBES = 3
PROBE_SECONDS = 0.25
"""RFC 6762, section 8.1."""
_QUERY, _RESPONSE = 0, 0x8400
_CLASS_IN = 1
_TYPE_A, _TYPE_PTR, _TYPE_ANY = 1, 12, 255
_IP_MULTICAST_ALL = 49

Hear = Callable[[sides.Side, tuple[records.Answer, ...]], None]


class DiscoveryError(Exception):
    """Multicast DNS cannot be used here; the text says why."""


class Responder:
    """Multicast DNS on one side."""

    def __init__(self, side: sides.Side, clock: Clock, *, types: Sequence[str] = (), hear: Hear | None = None,
                 known: Callable[[str], bool] = lambda _instance: False,
                 disputed: Callable[[records.Address], None] | None = None) -> None:
        """Nothing is opened yet.

        Args:
            side: where it speaks.
            clock: for the pauses of a probe.
            types: types of services that `hear` is told of.
            hear: gets the whole services in one packet; must not wait, and not raise.
            known: says which instances a goodbye matters of.
            disputed: hears of an address somebody else says a name of ours has.
        """
        self.side = side
        self._clock = clock
        self._types, self._hear = tuple(types), hear
        self._known, self._disputed = known, disputed
        self._zeroconf: AsyncZeroconf | None = None
        self._published: dict[str, AsyncServiceInfo] = {}
        self._probing: dict[str, dict[str, None]] = {}
        self._defending: asyncio.BaseTransport | None = None

    async def open(self) -> None:
        """Open the sockets. Raises DiscoveryError."""
        try:
            # zeroconf leaves its sockets open when one of them cannot be bound.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((self.side.address, 0))
            self._zeroconf = AsyncZeroconf(interfaces=[self.side.address], ip_version=IPVersion.V4Only)
            await self._zeroconf.zeroconf.async_wait_for_start()
            for reader in self._zeroconf.zeroconf.engine.readers:
                self._confine(reader.transport.get_extra_info("socket"))
            defender = defending.Defender(self._hosts, self._defend)
            self._defending = await defending.listen(self.side.address, self._confine, defender)
        except (OSError, ZeroconfError) as error:
            await self.close()
            raise DiscoveryError(f"multicast DNS cannot be used on {self.side.interface} ({self.side.address}): "
                                 f"{error or type(error).__name__}") from error
        self._zeroconf.zeroconf.async_add_listener(_Listener(self._heard, self._keeps), None)

    async def close(self) -> None:
        """Say goodbye and close the sockets."""
        if self._defending is not None:
            self._defending.close()
        closing, self._zeroconf = self._zeroconf, None
        if closing is None:
            return
        with contextlib.suppress(ZeroconfError, OSError):
            await closing.async_unregister_all_services()
        await closing.async_close()
        self._published.clear()

    async def publish(self, service: records.Service) -> None:
        """Announce a service; one of that instance that is announced already is replaced. Raises DiscoveryError."""
        info = AsyncServiceInfo(service.type, service.instance, port=service.port,
                                addresses=[socket.inet_aton(address) for address in service.addresses],
                                properties=dict(service.text), server=service.host)
        try:
            if service.instance in self._published:
                self._published[service.instance] = info
                await self._open.async_update_service(info)
                return
            self._published[service.instance] = info
            # Whose name it is has been settled by `probe`, or the name has the rack's or the machine's number in it.
            await self._open.async_register_service(info, cooperating_responders=True, strict=False)
        except (ZeroconfError, OSError) as error:
            self._published.pop(service.instance, None)
            raise DiscoveryError(f"cannot announce {service.instance}: {error or type(error).__name__}") from error

    async def repeat(self, instance: str) -> None:
        """Announce a published service once more."""
        if (info := self._published.get(instance)) is not None:
            await self._open.async_update_service(info)

    async def withdraw(self, instance: str) -> None:
        """Say goodbye for a service; one that is not announced is no error."""
        if (info := self._published.pop(instance, None)) is not None:
            await self._open.async_unregister_service(info)

    def ask(self, service_type: str) -> None:
        """Ask who offers a type of service. The answers come by multicast: a reply to us alone could reach another
        program of this machine that shares the port, such as avahi-daemon."""
        self._send((service_type,), (_TYPE_PTR,))

    async def probe(self, hosts: Iterable[str]) -> dict[str, str]:
        """Return which of the host names are taken, each with an address of whoever has it (RFC 6762, section 8.1).

        This machine's own address stands for another program of this machine. Takes three quarters of a second.
        """
        asked = tuple(hosts)
        self._probing = {host.lower(): {} for host in asked}
        try:
            for _ in range(PROBES if asked else 0):
                # Of any type, as the standard has it, and by its type for those who do not answer that.
                self._send(asked, (_TYPE_ANY, _TYPE_A))
                await self._clock.sleep(PROBE_SECONDS)
            return {host: next(iter(found)) for host in asked if (found := self._probing[host.lower()])}
        finally:
            self._probing = {}

    @property
    def _open(self) -> AsyncZeroconf:
        if self._zeroconf is None:
            raise DiscoveryError(f"multicast DNS is closed on {self.side.interface}")
        return self._zeroconf

    def _send(self, names: Iterable[str], kinds: Iterable[int]) -> None:
        out = DNSOutgoing(_QUERY)
        for name, kind in itertools.product(names, kinds):
            out.add_question(DNSQuestion(name, kind, _CLASS_IN))
        self._open.zeroconf.async_send(out)

    def _hosts(self) -> set[str]:
        return {info.server_key for info in self._published.values() if info.server_key}

    def _defend(self, hosts: set[str]) -> None:
        """Say that the names are ours."""
        out = DNSOutgoing(_RESPONSE)
        for info in {info.server_key: info for info in self._published.values() if info.server_key in hosts}.values():
            for record in info.dns_addresses():
                out.add_answer_at_time(record, 0)
        if self._zeroconf is not None:
            self._zeroconf.zeroconf.async_send(out)

    def _confine(self, opened: socket.socket) -> None:
        """Have a socket hear its own interface alone; else it hears every group that this machine has joined anywhere,
        and answers one network with the addresses of the other. Raises OSError."""
        try:
            # Needs no rights since Linux 5.7. IP_MULTICAST_ALL alone is not enough: of two sockets that share the port
            # (SO_REUSEPORT) the kernel may still choose the wrong one.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.side.interface.encode())
        except PermissionError:
            opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)

    def _keeps(self, record: DNSRecord) -> bool:
        """Return whether a record is one of our own, which zeroconf needs in order not to repeat itself, or one whose
        end matters, which zeroconf tells of those alone that it has."""
        if isinstance(record, DNSPointer):
            return record.alias in self._published or self._known(record.alias)
        return self._known(record.name) or any(record.key in (info.key, info.server_key)
                                               for info in self._published.values())

    def _heard(self, batch: Sequence[DNSRecord]) -> None:
        for record in batch:
            if isinstance(record, DNSAddress) and record.ttl:
                self._heard_address(record.key, _address(record.address))
        if self._hear is not None and (found := _answers(batch, self._types)):
            self._hear(self.side, found)

    def _heard_address(self, host: str, address: str) -> None:
        if not address:
            return
        if host in self._probing:
            self._probing[host].setdefault(address)
        for info in self._published.values():
            if info.server_key == host and address not in info.parsed_addresses() and self._disputed is not None:
                self._disputed(records.Address(host, address))
                return


class _Listener(RecordUpdateListener):
    """Hands over what comes in one packet, and takes strangers' records out of zeroconf's cache again."""

    def __init__(self, heard: Callable[[Sequence[DNSRecord]], None], keeps: Callable[[DNSRecord], bool]) -> None:
        self._tell, self._keeps = heard, keeps
        self._strange: list[DNSRecord] = []
        self._zeroconf: Zeroconf | None = None

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        batch = [update.new for update in records]
        self._tell(batch)
        self._zeroconf = zc
        self._strange = [record for record in batch if not self._keeps(record)]

    def async_update_records_complete(self) -> None:
        for record in self._strange:
            # It may be in the packet twice, or a goodbye that zeroconf has taken out already.
            cache = self._zeroconf.cache if self._zeroconf is not None else None
            if cache is not None and cache.async_get_unique(cast(Any, record)) is not None:
                cache.async_remove_records([record])
        self._strange = []


def _answers(batch: Sequence[DNSRecord], types: Sequence[str]) -> tuple[records.Answer, ...]:
    """Return the whole services in one packet: text, port and addresses together, as every announcement has them."""
    texts = {record.key: record for record in batch if isinstance(record, DNSText)
             and any(record.key.endswith("." + each) for each in types)}
    places = {record.key: record for record in batch if isinstance(record, DNSService)}
    found = []
    for key, text in texts.items():
        place = places.get(key)
        addresses = tuple(address for record in batch if place is not None and isinstance(record, DNSAddress)
                          and record.key == place.server_key and record.ttl
                          and (address := _address(record.address)) and ":" not in address)
        found.append(records.Answer(instance=text.name, port=place.port if place is not None else 0,
                                    addresses=addresses, text=records.parse_text(text.text), gone=not text.ttl))
    # A goodbye may carry the pointer alone.
    found += [records.Answer(instance=record.alias, gone=True) for record in batch
              if isinstance(record, DNSPointer) and record.key in types and not record.ttl
              and record.alias.lower() not in texts]
    return tuple(found)


def _address(packed: bytes) -> str:
    match len(packed):
        case 4:
            return str(IPv4Address(packed))
        case 16:
            return str(IPv6Address(packed))
        case _:
            return ""


async def close_all(responders: Iterable[Responder]) -> None:
    """Close responders side by side, so that a stop does not wait for one after the other."""
    await asyncio.gather(*(responder.close() for responder in responders))
