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

if TYPE_CHECKING:
    from edge.server.settings import ServerSettings


def documents(settings: ServerSettings, clock: Clock) -> Mapping[str, Callable[[], object]]:
    """Return what the API shows of the ground: path -> a function that returns the value, asked on each request."""
    del settings, clock
    return {}


def loops(settings: ServerSettings, client: Client, caches: cache.SharedCaches, clock: Clock,
          ids: Ids) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
    """Return the loops that carry wishes down and findings up, each with its name."""
    del settings, client, caches, clock, ids
    return ()
