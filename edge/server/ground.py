"""What the server has to do with the rack's ground, which `edge-rack` makes as root.

The two meet in files, so that the server needs no rights: `edge-rack` leaves what it knows in `state_dir` and
`run_dir`, the server leaves what it wishes in `wishes_dir`, and a change there starts `edge-rack apply`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from edge.client import cache
from edge.client.interface import Client
from edge.clock import Clock
from edge.ids import Ids
from edge.server import rack_events, renewal_wish
from edge.server.leases import PATH as LEASES
from edge.server.leases import Leases
from edge.server.node_names import NodeNames
from edge.server.reservations import Reservations

if TYPE_CHECKING:
    from edge.server.settings import ServerSettings


def documents(settings: ServerSettings, clock: Clock) -> Mapping[str, Callable[[], object]]:
    """Return what the API shows of the ground: path -> a function that returns the value, asked on each request."""
    return {
        LEASES: Leases(settings.rack.state_dir, clock).document,
        rack_events.PATH: rack_events.document(settings.rack.run_dir),
    }


def loops(settings: ServerSettings, client: Client, caches: cache.SharedCaches, clock: Clock,
          ids: Ids) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
    """Return the loops that carry wishes down and findings up, each with its name."""
    reservations = Reservations(caches, Leases(settings.rack.state_dir, clock), settings.rack.wishes_dir, clock)
    names = NodeNames(caches, Leases(settings.rack.state_dir, clock), settings.rack.wishes_dir, clock)
    leases = Leases(settings.rack.state_dir, clock)
    return (
        ("reservations", reservations.run),
        ("node names", names.run),
        ("certificates end", renewal_wish.loop(settings.pki_dir, settings.rack.wishes_dir, clock)),
        ("rack events", rack_events.loop(settings.rack.run_dir, settings.advertise_address,
                                         lambda: leases.document().pool, client, caches, clock, ids)),
    )
