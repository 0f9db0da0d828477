"""Renders docs/reliability.md from the times a whole run of this tier has measured."""

from __future__ import annotations

from collections.abc import Mapping

from tests.machines import image

_HEAD = f"""# How the rack heals

What `./scripts/test machines` did to a rack of four machines, and how long it took until every node was Ready and had
been heard again, which is every 5 s, and every pod of the sample application answered a browser in the home network.
Nobody touched the rack in between, but where it says so.

The machines are containers with {image.SYSTEM}'s systemd, their own kernel network stacks, a switch and a home network,
all on one computer with two cores (`tests/machines`). Workers' networks are managed by systemd-networkd, ifupdown and
NetworkManager, the master's by NetworkManager. A board boots slower: add the time from power to network, 20 to 40 s on
a Pi. Times are single measurements on a shared computer; `EDGE_WRITE_DOCS=1 ./scripts/test machines` makes this page.

| what happened | seconds |
| --- | ---: |
"""
_TAIL = """
## What stays as it is

- Pods of a worker run on while its agent, its Podman service, the master or the network are away, and start after a
  power cut without either.
- Addresses: a node keeps the one it has, also when the pool is full.
- Identities: a machine is its board's serial number and its key, also with another address or host name. A card that
  was flashed anew waits for one command, `edgectl node adopt`.
- What the master's uplink does (away, another address) changes nothing inside the rack.

The same was done to machines with Debian 13 (`EDGE_MACHINES_RELEASE=trixie`), which heal in much the same times.

## What was not tried

Physical boards, worn cards, real Wi-Fi. Loss of single packets, since the kernel used has no `netem`.
"""


def page(times: Mapping[str, float]) -> str:
    """Return the page, in the order things happened."""
    return _HEAD + "".join(f"| {what} | {seconds:.0f} |\n" for what, seconds in times.items()) + _TAIL
