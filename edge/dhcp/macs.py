"""Hardware addresses as people, servers and boards write them -> lower case with colons."""

from __future__ import annotations

import re

_PI_PREFIX = "b8:27:eb"


def normal(text: str) -> str:
    """Return the address as `02:ed:9e:00:00:01`, empty when it is no machine's.

    Groups may be short (`2:ed:9e:0:0:1`, as ISC writes them) and separated by colons or dashes.
    """
    groups = re.split(r"[:-]", text.strip().lower())
    if len(groups) == 1 and re.fullmatch(r"[0-9a-f]{12}", groups[0]):
        groups = re.findall("..", groups[0])
    if len(groups) != 6 or not all(re.fullmatch(r"[0-9a-f]{1,2}", group) for group in groups):
        return ""
    numbers = [int(group, 16) for group in groups]
    if numbers[0] & 1 or not any(numbers):
        return ""
    return ":".join(f"{number:02x}" for number in numbers)


def of_board(serial: str) -> str:
    """Return the wired address that follows from a Raspberry Pi's serial number, empty where it does not.

    On a Pi 3 and older it ends in the last six digits of the serial number. Serial numbers of later boards begin with
    a 1, and their addresses are stored apart.
    """
    digits = serial.strip().lower().removeprefix("0x")
    if not re.fullmatch(r"(00000000)?[0-9a-f]{8}", digits):
        return ""
    return ":".join((_PI_PREFIX, *re.findall("..", digits[-6:])))
