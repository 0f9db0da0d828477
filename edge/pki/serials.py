"""Decides which number a board is known by, and what a machine is called that has only its image's host name.

The number is the one of the firmware where it has a real one, else the hardware address of its network port. It says
which board a card is in; it is printed on stickers and read by anybody, so it never proves anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 64
"""What X.520 allows for the attribute serialNumber."""
IMAGE_NAMES = frozenset(("raspberrypi", "debian", "localhost", "edge", "raspbian", "dietpi", "ubuntu"))
"""Host names that images come with: every card flashed from one has it."""
_SERIAL = re.compile(r"[a-z0-9][a-z0-9.:-]{0,63}")
_PLACEHOLDERS = frozenset((
    "none", "default", "default-string", "to-be-filled-by-o.e.m.", "not-specified", "not-applicable", "na", "unknown",
    "system-serial-number", "serial-number", "0123456789", "03000200-0400-0500-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc"))
"""What makers write where a number should be."""
_SUFFIX_CHARACTERS = 6


def problem(serial: str) -> str:
    """Return what is wrong with a serial number, or "" (also for none)."""
    if not serial or _SERIAL.fullmatch(serial):
        return ""
    return f"the serial number is not 1 to {LONGEST} lower case letters, digits, '.', ':' and '-'"


def clean(text: str) -> str:
    """Return the serial number as it is written here, or "" for what is none."""
    found = re.sub(r"\s+", "-", text.strip("\0 \t\r\n")).lower()
    if not _SERIAL.fullmatch(found) or found in _PLACEHOLDERS or len(set(re.sub(r"[.:-]", "", found))) < 2:
        return ""
    return found


def of_address(hardware_address: str) -> str:
    """Return the number of a board that is known by its network port only, or "" for what is no hardware address."""
    digits = hardware_address.strip().lower().replace(":", "")
    if not re.fullmatch(r"[0-9a-f]{12}", digits) or not digits.strip("0") or int(digits[:2], 16) & 1:
        return ""
    return f"mac-{digits}"


def choose(candidates: Iterable[str]) -> str:
    """Return the first candidate that is a real number, or ""."""
    return next((found for text in candidates if (found := clean(text))), "")


def own_name(host: str, serial: str) -> str:
    """Return the node name of a machine: its host name, made unique where that is its image's."""
    label = host.lower().partition(".")[0]
    suffix = re.sub(r"[^a-z0-9]", "", serial)[-_SUFFIX_CHARACTERS:]
    return f"{label}-{suffix}" if label in IMAGE_NAMES and suffix else label
