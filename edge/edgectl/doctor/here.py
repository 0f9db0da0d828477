"""What was read of the board `edgectl doctor --here` runs on: texts of files and programs, as they are.

Checks read them; nothing here or there touches the machine, so that a test is a made-up board.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    """What a program said and how it ended."""

    code: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system. Bytes and counts."""

    size: int
    free: int
    inodes: int = 0
    inodes_free: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One board. What is missing in a mapping could not be read, or is not there."""

    now: datetime
    files: Mapping[str, str] = field(default_factory=dict)
    """Path without its first slash -> text."""
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Path without its first slash -> names in it."""
    said: Mapping[tuple[str, ...], Said] = field(default_factory=dict)
    """Command line -> what it said; without an entry there is no such program, or it did not end in time."""
    disks: Mapping[str, Disk] = field(default_factory=dict)
    page: str | None = None
    """What the internet answers to the question of NetworkManager for itself; None: nothing."""
    asked_internet: bool = True

    def text(self, path: str) -> str | None:
        """Return what a file says, without white space around it; None when it cannot be read."""
        found = self.files.get(path)
        return found if found is None else found.strip("\0 \n\t")

    def all(self, pattern: str) -> dict[str, str]:
        """Return the files whose path fits a pattern."""
        return {path: text.strip("\0 \n\t") for path, text in sorted(self.files.items()) if fnmatchcase(path, pattern)}

    def output(self, *argv: str) -> str | None:
        """Return what a program said, when it ended well."""
        found = self.said.get(argv)
        return found.output if found is not None and found.code == 0 else None

    def document(self, *argv: str) -> Any:
        """Return the JSON a program printed, however it ended; None when that is none."""
        found = self.said.get(argv)
        try:
            return json.loads(found.output) if found is not None else None
        except ValueError:
            return None

    @property
    def is_pi(self) -> bool:
        """Return whether this is a Raspberry Pi."""
        return "Raspberry Pi" in (self.text("proc/device-tree/model") or "")

    @property
    def is_master(self) -> bool:
        """Return whether this machine has the rack's settings."""
        return RACK_SETTINGS in self.files

    @property
    def has_ground(self) -> bool:
        """Return whether `edge-rack check` has looked at the network of this machine, more closely than checks here."""
        return self.is_master and isinstance(self.document("edge-rack", "check"), dict | list)

    @property
    def is_node(self) -> bool:
        """Return whether an agent is set up here."""
        return AGENT_SETTINGS in self.files


RACK_SETTINGS, AGENT_SETTINGS = "etc/edge/rack.toml", "etc/edge/agent.toml"
CERTIFICATE = "var/lib/edge/agent/identity/node.crt"


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a version such as `podman version 4.3.1`."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def routes(facts: Facts) -> list[dict[str, Any]] | None:
    """Return the default routes; None when iproute2 did not say."""
    found = facts.document("ip", "-j", "-4", "route", "show", "default")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else None


def links(facts: Facts) -> dict[str, int]:
    """Return the interfaces with the largest packet each takes."""
    found = facts.document("ip", "-j", "link")
    return {str(link.get("ifname")): mtu for link in (found if isinstance(found, list) else ())
            if isinstance(link, dict) and isinstance(mtu := link.get("mtu"), int)}


def addresses(facts: Facts) -> dict[str, list[tuple[str, int]]]:
    """Return the IPv4 addresses of each interface with the length of their network."""
    found: dict[str, list[tuple[str, int]]] = {}
    links = facts.document("ip", "-j", "-4", "address")
    for link in links if isinstance(links, list) else ():
        if not isinstance(link, dict):
            continue
        info = link.get("addr_info", ())
        found[str(link.get("ifname", ""))] = [(str(each["local"]), int(each["prefixlen"])) for each in info
                                              if "local" in each and "prefixlen" in each]
    return found
