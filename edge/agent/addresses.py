"""Effects: what addresses the node has, and whom it asks for names: read from the kernel and /etc/resolv.conf."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

from edge.agent import names

SIOCGIFADDR = 0x8915


def upstreams() -> tuple[str, ...]:
    """Return the node's own name servers; 10.96.0.10 would be ourselves."""
    try:
        servers, _, _ = names.parse(Path("/etc/resolv.conf").read_text())
    except OSError:
        return ()
    own = ipaddress.ip_network("10.96.0.0/12")
    return tuple(server for server in servers if _is_ipv4(server) and ipaddress.ip_address(server) not in own)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def interface_address(name: str) -> str:
    """Return the IPv4 address of an interface, empty when it has none."""
    if not name:
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])


def default_address(towards: str = "") -> str:
    """Return the address this node has towards the master, or by its default route; nothing is sent."""
    for target in (towards, "192.0.2.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                if target:
                    probe.connect((target, 9))
                    return str(probe.getsockname()[0])
            except OSError:
                continue
    return ""
