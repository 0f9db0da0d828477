"""The list of everything that is rendered. A renderer takes settings and facts, and returns files as they have to be.

What the server wishes is in `facts.wishes`, by file name; a renderer must bear that it is missing or damaged.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.rack import bus, dhcp, forwarding, nat, ntp
from edge.rack.document import Document
from edge.rack.facts import Facts
from edge.rack.network import choice
from edge.rack.settings import Rack

Renderer = Callable[[Rack, Facts], tuple[Document, ...]]


def _network(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    return choice.choose(rack, facts).documents(rack, facts)


RENDERERS: tuple[Renderer, ...] = (
    _network,
    forwarding.documents,
    nat.documents,
    dhcp.documents,
    bus.documents,
    ntp.documents,
)


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return every file of the ground."""
    return tuple(document for render in RENDERERS for document in render(rack, facts))
