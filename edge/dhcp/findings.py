"""What is wrong on the rack's wire, as `edge-rack probe` writes it and server, doctor and people read it."""

from __future__ import annotations

import msgspec

ROGUE_SERVER = "RogueDHCPServer"
POOL_EXHAUSTED = "DHCPPoolExhausted"
DUPLICATE_ADDRESS = "DuplicateAddress"
SERVER_SILENT = "DHCPServerSilent"
REASONS = (ROGUE_SERVER, POOL_EXHAUSTED, DUPLICATE_ADDRESS, SERVER_SILENT)

FILE = "findings.json"
"""Within the rack's run_dir."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong, in words for a person."""

    reason: str
    """A constant, as in an Event."""
    message: str
    """What was seen, and what to do."""
    address: str = ""
    mac: str = ""


class Findings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that one look at the wire has found."""

    looked_at: str = ""
    """When, in RFC 3339; empty when nobody has looked yet."""
    findings: tuple[Finding, ...] = ()
    problem: str = ""
    """Why nobody could look; then there are no findings, which says nothing of the wire."""


def decoded(content: bytes) -> Findings:
    """Return what a file of findings says; one that is torn or not ours says why it cannot be used."""
    try:
        return msgspec.json.decode(content, type=Findings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Findings(problem=f"the last look at the wire cannot be read: {error}; `edge-rack probe` looks again")
