"""What the firewalls of others do to the rack's packets.

In nftables a packet has to be let through by every base chain of a hook: our table cannot overrule the policy `drop` of
another one. So the rules of the others are read, and walked by the packets the rack lives on. A rule that is not
understood is taken to concern nobody; one that leaves its chain early is taken to concern everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

Verdict = Literal["accept", "drop"]
Hook = Literal["forward", "input"]
DEPTH = 20
"""Jumps within jumps; more are no firewall's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The first packet of a connection, as it passes a hook."""

    what: str
    """In words, for a person."""
    hook: Hook
    iif: str
    oif: str = ""
    source: IPv4Address
    target: IPv4Address
    protocol: str = "tcp"
    port: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """One condition of a rule."""

    field: str
    """A name of `Packet`; empty: one that is not understood."""
    values: tuple[str, ...] = ()
    """Names (with `*` at the end), networks, protocols, ports or ranges of them (`30000-32767`)."""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions, and what happens when all of them hold."""

    matches: tuple[Match, ...]
    verdict: str
    """`accept`, `drop`, `return`, or the name of a chain; empty: the packet goes on to the next rule."""
    is_goto: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Rules, and for one that the kernel enters itself the hook and the policy."""

    rules: tuple[Rule, ...] = ()
    hook: str = ""
    policy: Verdict = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Chains by name, of one owner."""

    name: str
    """As nft says it: family and name."""
    chains: Mapping[str, Chain] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """Whose it is, by the names its chains have."""
        if self.name.endswith(" firewalld"):
            return "firewalld"
        for start, owner in (("ufw-", "ufw"), ("DOCKER", "Docker")):
            if any(name.startswith(start) for name in self.chains):
                return owner
        return self.name if self.name.startswith("iptables") else f"the table {self.name}"


def dropped(tables: Iterable[Table], packets: Iterable[Packet]) -> dict[str, list[Packet]]:
    """Return the packets that do not pass, by the owner of the table that drops them."""
    found: dict[str, list[Packet]] = {}
    packets = tuple(packets)
    for table in tables:
        for chain in table.chains.values():
            lost = [packet for packet in packets if chain.hook == packet.hook and _ends(table, chain, packet) == "drop"]
            if lost:
                found.setdefault(table.owner, []).extend(lost)
    return found


def _ends(table: Table, chain: Chain, packet: Packet) -> str:
    return _walk(table, chain, packet, 0) or chain.policy


def _walk(table: Table, chain: Chain, packet: Packet, depth: int) -> str:
    """Return `accept`, `drop`, or nothing when the packet falls off the chain's end."""
    for rule in chain.rules if depth < DEPTH else ():
        if not all(_holds(match, packet) or (not match.field and rule.verdict == "return") for match in rule.matches):
            continue
        if rule.verdict in ("accept", "drop"):
            return rule.verdict
        if rule.verdict == "return":
            return ""
        if rule.verdict in table.chains:
            verdict = _walk(table, table.chains[rule.verdict], packet, depth + 1)
            if verdict or rule.is_goto:
                return verdict
    return ""


def _holds(match: Match, packet: Packet) -> bool:
    if not match.field:
        return False
    return any(_is(match.field, value, packet) for value in match.values) != match.negated


def _is(name: str, value: str, packet: Packet) -> bool:
    match name:
        case "iif" | "oif":
            actual = packet.iif if name == "iif" else packet.oif
            return actual.startswith(value[:-1]) if value.endswith("*") else actual == value
        case "source" | "target":
            return _contains(value, packet.source if name == "source" else packet.target)
        case "port":
            first, _, last = value.partition("-")
            return first.isdigit() and int(first) <= packet.port <= int(last or first)
        case "protocol":
            return value in (packet.protocol, {"tcp": "6", "udp": "17"}.get(packet.protocol))
        case "state":
            return value == "new"
        case "type":
            return value == "local" and packet.hook == "input"
        case _:
            return False


def _contains(network: str, address: IPv4Address) -> bool:
    try:
        return address in IPv4Network(network, strict=False)
    except ValueError:
        return False
