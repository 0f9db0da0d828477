"""What the rack's master has heard of its surroundings, and what this computer is, for the verbs about the rack."""

from __future__ import annotations

import socket
from typing import Any

from edge.api import errors
from edge.edgectl.session import Session

DISCOVERED = "/edge/v1/rack/discovered"


def discovered(access: Session) -> dict[str, Any]:
    """Return what the master has heard; nothing from one that does not announce itself, or for who may not see it."""
    try:
        return access.request("GET", DISCOVERED)
    except errors.ApiError as error:
        if error.code in (403, 404):
            return {}
        raise


def own_addresses() -> frozenset[str]:
    """Return the addresses of this computer."""
    try:
        from edge.discovery import interfaces
    except ImportError:  # A laptop that has the bare command line.
        return frozenset({"127.0.0.1", _towards("192.0.2.1")})
    return interfaces.own_addresses()


def _towards(address: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
