"""Effects: reads the machine's interfaces and addresses from the kernel, and hears when they change (rtnetlink)."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import ifaddr

from edge.discovery import sides

_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40
_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV4_ROUTE = 0x1, 0x10, 0x40
_NETLINK_ROUTE = 0
_ROUTES = Path("/proc/self/net/route")


def read() -> tuple[sides.Interface, ...]:
    """Return every interface with its IPv4 addresses."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for adapter in ifaddr.get_adapters():
            flags = _flags(asking, adapter.name)
            addresses = tuple(IPv4Interface(f"{each.ip}/{each.network_prefix}") for each in adapter.ips
                              if isinstance(each.ip, str))
            found.append(sides.Interface(name=adapter.name, index=adapter.index or 0, addresses=addresses,
                                         running=bool(flags & _IFF_UP and flags & _IFF_RUNNING),
                                         loopback=bool(flags & _IFF_LOOPBACK)))
    return tuple(found)


def own_addresses() -> frozenset[str]:
    """Return every address of this machine, IPv6 ones too."""
    return frozenset(str(each.ip) if isinstance(each.ip, str) else each.ip[0].partition("%")[0]
                     for adapter in ifaddr.get_adapters() for each in adapter.ips)


def default_route() -> str:
    """Return the interface of the default route, empty when there is none."""
    try:
        return sides.default_route(_ROUTES.read_text())
    except OSError:
        return ""


def _flags(asking: socket.socket, name: str) -> int:
    try:
        answer = fcntl.ioctl(asking.fileno(), _SIOCGIFFLAGS, struct.pack("256s", name.encode()[:15]))
    except OSError:
        return 0
    return int(struct.unpack_from("<H", answer, 16)[0])


@contextlib.contextmanager
def heard(changed: Callable[[], None]) -> Iterator[None]:
    """Call `changed` whenever a link, an address or a route comes, goes or changes. Raises OSError."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as kernel:
        kernel.setblocking(False)
        kernel.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV4_ROUTE))

        def drain() -> None:
            # What it says does not matter: everything is read anew. Too much of it is an error (ENOBUFS), and news too.
            with contextlib.suppress(OSError):
                while kernel.recv(65536):
                    pass
            changed()

        loop.add_reader(kernel.fileno(), drain)
        try:
            yield
        finally:
            loop.remove_reader(kernel.fileno())
