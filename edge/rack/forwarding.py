"""The kernel settings that make the master a router, for every boot. The running values are set by `plan`."""

from __future__ import annotations

from edge.rack.document import WRITTEN_BY, Document
from edge.rack.facts import Facts
from edge.rack.settings import Rack

FORWARD = "net/ipv4/ip_forward"
"""Below /proc/sys."""


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return the piece of sysctl.d(5)."""
    del facts
    return (Document(path=rack.etc_dir / "sysctl.d/90-edge-rack.conf", part="forwarding",
                     text=f"# {WRITTEN_BY}\nnet.ipv4.ip_forward = 1\n"),)
