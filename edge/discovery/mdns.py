"""Announces and finds the master by multicast DNS, with python-zeroconf.

Only the given interface addresses are used: on a master with an uplink, announcing on all of them would offer the
cluster to the outside, and mix the names of both networks.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

from zeroconf import (
    Error as ZeroconfError,
)
from zeroconf import (
    InterfaceChoice,
    IPVersion,
    ServiceStateChange,
    Zeroconf,
)
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from edge.discovery import names

ANSWER_MILLISECONDS = 3000
_FOUND_LIMIT = 64


class DiscoveryError(Exception):
    """Multicast DNS cannot be used here; the text says why."""


@contextlib.asynccontextmanager
async def announce(master: names.Master, interfaces: Sequence[str]) -> AsyncIterator[None]:
    """Announce the master on the interfaces with these addresses for as long as the context lasts.

    Raises:
        DiscoveryError: an address is not one of this machine, or the name is taken by another.
    """
    responder = _open(interfaces)
    info = AsyncServiceInfo(names.SERVICE_TYPE, names.instance(master), port=master.api_port,
                            addresses=[socket.inet_aton(address) for address in master.addresses],
                            properties=names.properties(master), server=names.host(master))
    try:
        try:
            # Of several answers to one name the other is an older run of this program on the same machine.
            await responder.async_register_service(info, cooperating_responders=True)
        except (ZeroconfError, OSError) as error:
            raise DiscoveryError(f"cannot announce {info.name}: {error or type(error).__name__}") from error
        yield
    finally:
        with contextlib.suppress(ZeroconfError, OSError):
            await responder.async_unregister_all_services()
        await responder.async_close()


async def find_master(ca_hash: str, *, timeout: float, interfaces: Sequence[str] = ()) -> tuple[names.Master, ...]:
    """Return the masters that answer and have that authority, as soon as there is one, or none after `timeout` seconds.

    Args:
        ca_hash: `sha256:<hex>` as pinned on the card; "" takes any master and then waits for all that answer.
        timeout: seconds to listen.
        interfaces: addresses of the interfaces to ask on; all when empty.

    Raises:
        DiscoveryError: multicast cannot be used.
    """
    browser = _open(interfaces)
    found: dict[str, names.Master] = {}
    heard: asyncio.Queue[str] = asyncio.Queue(_FOUND_LIMIT)

    def on_change(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is not ServiceStateChange.Removed and not heard.full():
            heard.put_nowait(name)

    listener = AsyncServiceBrowser(browser.zeroconf, names.SERVICE_TYPE, handlers=[on_change])
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not (found and ca_hash):
                    master = await _ask(browser, await heard.get())
                    if master is not None and names.matches(master, ca_hash):
                        found[master.name] = master
    finally:
        await listener.async_cancel()
        await browser.async_close()
    return tuple(found[name] for name in sorted(found))


async def _ask(browser: AsyncZeroconf, name: str) -> names.Master | None:
    info = AsyncServiceInfo(names.SERVICE_TYPE, name)
    if not await info.async_request(browser.zeroconf, ANSWER_MILLISECONDS):
        return None
    return names.read(name, info.parsed_addresses(IPVersion.V4Only), info.properties)


def _open(interfaces: Sequence[str]) -> AsyncZeroconf:
    try:
        for address in interfaces:
            # zeroconf leaves its sockets open when one of them cannot be bound.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((address, 0))
        return AsyncZeroconf(interfaces=list(interfaces) or InterfaceChoice.All, ip_version=IPVersion.V4Only)
    except (OSError, ZeroconfError) as error:
        raise DiscoveryError(f"multicast DNS cannot be used on {', '.join(interfaces) or 'any interface'}: "
                             f"{error}") from error
