"""Effects: looks at the machine and returns what it finds as one value. Changes nothing, and waits for nobody long."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import msgspec

from edge.clock import SystemClock
from edge.dhcp import ground, lease_store
from edge.dhcp.model import Lease
from edge.dhcp.servers import SERVERS
from edge.pki import revocation
from edge.rack import bus, dhcp, nat, ntp, portal, uplink
from edge.rack.commands import PATH, run
from edge.rack.facts import DefaultRoute, Facts, Link, Rules
from edge.rack.network import ifupdown, network_manager, networkd
from edge.rack.settings import Rack

RESOLVED = "systemd-resolved.service"
UNITS = (network_manager.UNIT, networkd.UNIT, ifupdown.UNIT, ntp.UNIT, bus.UNIT, dhcp.UNIT, dhcp.NAMES_UNIT,
         "dhcpcd.service", RESOLVED)
PROGRAMS = ("chronyd", "iw", "dhclient", "resolvconf")
MAX_WISHES = 16
MAX_WISH_BYTES = 1 << 20
ANSWER_SECONDS = 3.0
PROC = Path("/proc/sys/net/ipv4")
LOADED = "packets.json"
"""Within `run_dir`: our packet rules right after they were loaded."""
WRITTEN = "documents.json"
"""Within `state_dir`: the paths of all files of the ground."""


def gather(rack: Rack, *, firewalls: bool = True, ask: bool = False) -> Facts:
    """Return what is true now.

    Args:
        rack: the settings.
        firewalls: read the packet rules of others too.
        ask: ask the name server for a name, and the internet for a page; a few seconds at most.
    """
    systemd = Path("/run/systemd/system").is_dir()
    active, enabled = _units() if systemd else (frozenset(), frozenset())
    programs = _programs(active)
    links, indexes = _links(programs)
    facts = Facts(
        systemd=systemd, active=active, enabled=enabled, programs=programs, links=links,
        default_routes=_default_routes(),
        forwards=_read(PROC / "ip_forward").strip() == "1",
        table=table(), loaded=_read(rack.run_dir / LOADED), texts=dict(_texts(rack.etc_dir)),
        network_manager=_network_manager() if network_manager.UNIT in active else {},
        networkd=_networkd(indexes) if networkd.UNIT in active else {},
        rules=_rules() if firewalls else Rules(),
        wishes=dict(_wishes(rack.wishes_dir)), leases=_leases(rack), authority=_bytes(rack.pki_dir / "ca.crt"),
        revoked=_bytes(rack.config_dir / revocation.FILE), previous=_previous(rack.state_dir),
        written=_written(rack.state_dir))
    return _asked(rack, facts) if ask else facts


def _asked(rack: Rack, facts: Facts) -> Facts:
    """Return the facts with what only a question tells."""
    name = f"{rack.master_name}.{rack.dhcp.domain}"
    answer = run("getent", "ahostsv4", name, seconds=ANSWER_SECONDS)
    page = ""
    if rack.portal_check and uplink.choose(rack, facts):
        page = portal.ask(rack.portal_check, ANSWER_SECONDS)
    return replace(facts, names_resolve=str(rack.address.ip) in answer.out.split(), portal=page)


def table() -> str | None:
    """Return our packet rules as the kernel has them; None: there are none."""
    listed = run("nft", "-j", "list", "table", "inet", nat.TABLE)
    return _settled(listed.out) if listed.code == 0 else None


def _settled(text: str) -> str:
    """Return the rules without what changes by itself: the kernel's numbers, and members that packets add to a set."""
    try:
        entries = json.loads(text)["nftables"]
    except (ValueError, KeyError, TypeError):
        return text
    plain = [{kind: {key: value for key, value in body.items() if key not in ("handle", "elem")}
              for kind, body in entry.items()} for entry in entries if "metainfo" not in entry]
    return json.dumps(plain)


def link(name: str) -> Link | None:
    """Return one interface as it is now; None: there is none."""
    return _links(frozenset())[0].get(name)


def _programs(active: frozenset[str]) -> frozenset[str]:
    found = {name: path for name in PROGRAMS if (path := shutil.which(name, path=PATH))}
    if RESOLVED not in active and "resolvectl" in str(Path(found.get("resolvconf", "")).resolve()):
        del found["resolvconf"]  # systemd-resolved brings one that works with it alone
    return frozenset(found) | confining()


def confining() -> frozenset[str]:
    """Return aa-exec, which starts a program without its AppArmor profile, where profiles are in force."""
    on = _read(Path("/sys/module/apparmor/parameters/enabled")).startswith("Y")
    return frozenset({"aa-exec"}) if on and shutil.which("aa-exec", path=PATH) else frozenset()


def _units() -> tuple[frozenset[str], frozenset[str]]:
    """Return the units that are active, and those that every boot starts."""
    shown = run("systemctl", "show", "--property=Id,ActiveState,UnitFileState", *UNITS).out
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in shown.split("\n\n")]
    return (frozenset(block.get("Id", "") for block in blocks
                      if block.get("ActiveState") in ("active", "activating", "reloading")),
            frozenset(block.get("Id", "") for block in blocks if block.get("UnitFileState") == "enabled"))


def _json(*argv: str) -> list[dict[str, Any]]:
    try:
        answer = json.loads(run(*argv).out or "[]")
    except ValueError:
        return []
    return [entry for entry in answer if isinstance(entry, dict) and entry]


def _links(programs: frozenset[str]) -> tuple[dict[str, Link], dict[int, str]]:
    links, indexes = {}, {}
    strict_everywhere = _read(PROC / "conf/all/rp_filter").strip()
    for entry in _json("ip", "-json", "address", "show"):
        name = str(entry["ifname"])
        indexes[int(entry["ifindex"])] = name
        wireless = any(Path("/sys/class/net", name, each).exists() for each in ("wireless", "phy80211"))
        own = _read(PROC / f"conf/{name}/rp_filter").strip()
        links[name] = Link(
            name=name, carrier="NO-CARRIER" not in entry.get("flags", []), wireless=wireless,
            addresses=tuple(IPv4Interface(f"{each['local']}/{each['prefixlen']}")
                            for each in entry.get("addr_info", []) if each.get("family") == "inet"),
            strict_reverse_path=max(own, strict_everywhere, key=int) == "1" if own and strict_everywhere else False,
            power_save=_power_save(name) if wireless and "iw" in programs else None)
    return links, indexes


def _power_save(name: str) -> bool | None:
    said = run("iw", "dev", name, "get", "power_save").out.strip().rpartition(" ")[2]
    return {"on": True, "off": False}.get(said)


def _default_routes() -> tuple[DefaultRoute, ...]:
    return tuple(DefaultRoute(interface=str(entry["dev"]), gateway=str(entry.get("gateway", "")),
                              metric=int(entry.get("metric", 0)))
                 for entry in _json("ip", "-json", "-4", "route", "show", "default") if "dev" in entry)


def _network_manager() -> dict[str, str]:
    """Return the state of each device; a colon in a name is escaped, and no interface has one."""
    lines = run("nmcli", "--terse", "--fields", "DEVICE,STATE", "device").out.splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _networkd(indexes: dict[int, str]) -> dict[str, str]:
    found = {}
    for index, name in indexes.items():
        for line in _read(Path(f"/run/systemd/netif/links/{index}")).splitlines():
            if line.startswith("NETWORK_FILE="):
                found[name] = line.partition("=")[2]
    return found


def _texts(etc: Path) -> Iterator[tuple[str, str]]:
    paths = [etc / ifupdown.MAIN, *sorted((etc / "network/interfaces.d").glob("[!.]*")), etc / "dhcpcd.conf",
             etc / ntp.MAIN]
    for path in paths:
        if text := _read(path):
            yield str(path.relative_to(etc)), text


def _rules() -> Rules:
    """Return everybody's rules. The old iptables is asked only where it is used: the question loads its modules."""
    used = "filter" in _read(Path("/proc/net/ip_tables_names")).split()
    there = "table ip filter\n" in run("nft", "list", "tables", "ip").out
    return Rules(nft=run("nft", "-j", "list", "ruleset").out,
                 iptables=run("iptables-nft-save", "-t", "filter").out if there else "",
                 iptables_legacy=run("iptables-legacy-save", "-t", "filter").out if used else "")


def _wishes(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files there. They are another user's: links are not followed, and what is too large counts as empty,
    which is damaged: were it left out, nobody would be told that what was there before stays in force."""
    try:
        names = sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))
    except OSError:
        return
    for name in names[:MAX_WISHES]:
        with contextlib.suppress(OSError):
            descriptor = os.open(directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    content = file.read(MAX_WISH_BYTES + 1)
                    yield name, content if len(content) <= MAX_WISH_BYTES else b""


def _leases(rack: Rack) -> tuple[Lease, ...]:
    return lease_store.LeaseStore(SERVERS[rack.dhcp.server], rack.state_dir).read(SystemClock().now())


def _previous(state: Path) -> ground.Ground | None:
    try:
        return ground.decode((state / ground.FILE).read_bytes())
    except (OSError, ground.GroundError):
        return None


def _written(state: Path) -> tuple[str, ...]:
    try:
        return msgspec.json.decode((state / WRITTEN).read_bytes(), type=tuple[str, ...])
    except (OSError, msgspec.DecodeError):
        return ()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
