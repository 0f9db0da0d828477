"""What the server has to know of the rack's ground: a small file that `edge-rack apply` leaves in `state_dir`.

Server and doctor read the leases by it; they need no rights and know nothing of the settings the ground was made from.
"""

from __future__ import annotations

import msgspec

FILE = "ground.json"
VERSION = 1


class GroundError(Exception):
    """The file is not what this version writes; the text says why, and what to do."""


class Ground(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """The ground as it was made the last time. Fields may be added; a changed meaning is a new version."""

    version: int = VERSION
    server: str = ""
    """The DHCP server that leases addresses, as its adapter is called."""
    leases: str = ""
    """Path of the file it keeps leases in."""
    interface: str = ""
    """The interface on the rack's switch."""
    network: str = ""
    """The rack's network, such as 10.0.0.0/24."""
    address: str = ""
    """The master's address on it, without a length."""
    first: str = ""
    """First address that is leased."""
    last: str = ""
    """Last address that is leased."""
    domain: str = ""
    uplink: str = ""
    """The interface to the home network; empty: whichever leads there."""
    manager: str = ""
    """Who keeps the interface's address, such as NetworkManager."""
    made_by: str = ""
    """Version of edge-rack that made it."""


def encode(ground: Ground) -> bytes:
    """Return the file's content."""
    return msgspec.json.format(msgspec.json.encode(ground), indent=2) + b"\n"


def decode(content: bytes) -> Ground:
    """Return what the file says.

    Raises:
        GroundError: it is torn, something else, or of a later version.
    """
    try:
        ground = msgspec.json.decode(content, type=Ground)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GroundError(f"{FILE} is damaged ({error}): run edge-rack apply, which writes it anew") from error
    if ground.version != VERSION:
        raise GroundError(f"{FILE} is of version {ground.version}, and this program reads version {VERSION}: install "
                          "the same version of edge everywhere, then run edge-rack apply")
    return ground
