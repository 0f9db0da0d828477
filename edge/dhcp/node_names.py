"""Names of nodes that DHCP does not know: a machine with a fixed address, or one whose node is called otherwise.

The server leaves them as a hosts file among its wishes; `edge-rack` takes over what is a name of the rack, so that
nobody who can write a Node has a name of the world answered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

FILE = "nodes.hosts"
"""Within `wishes_dir`, and within the directory of reserved names."""
MOST = 2048
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def entries(nodes: Iterable[tuple[str, Iterable[str]]], known: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return address and name of each node that is not found by its name yet.

    Args:
        nodes: name and addresses of each node, the first address being the one it is to be found at.
        known: address -> name that is answered already, because the machine asked for it with its lease.
    """
    found = []
    for name, addresses in nodes:
        address = next(iter(addresses), "")
        if address and known.get(address) != name:
            found.append((address, name))
    return tuple(sorted(found)[:MOST])


def render(found: Iterable[tuple[str, str]]) -> str:
    """Return the hosts file."""
    return "".join(f"{address} {name}\n" for address, name in found)


def read(content: bytes | None, network: IPv4Network, domain: str,
         kept: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return the entries of the file that are names of the rack: one label, or one below its domain, at an address of
    its network, and none of the master's own names."""
    found: dict[str, str] = {}
    for line in (content or b"")[:MOST * 300].decode("ascii", "replace").splitlines()[:MOST]:
        words = line.split()
        if len(words) != 2:
            continue
        address, name = words[0], words[1].removesuffix(f".{domain}")
        if _LABEL.fullmatch(name) and name not in kept and _is_in(address, network):
            found.setdefault(name, address)
    return tuple((address, name) for name, address in sorted(found.items()))


def _is_in(text: str, network: IPv4Network) -> bool:
    try:
        address = IPv4Address(text)
    except ValueError:
        return False
    return address in network and address not in (network.network_address, network.broadcast_address)
