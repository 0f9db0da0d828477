"""The JSON of `nft -j list ruleset` -> tables of rules, as far as they can be understood. See libnftables-json(5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from edge.network.ruleset import TABLE as SERVICES
from edge.rack.foreign import Chain, Match, Rule, Table
from edge.rack.nat import TABLE as OURS

IPTABLES = ("ip", "filter")
_META = {"iifname": "iif", "iif": "iif", "oifname": "oif", "oif": "oif", "l4proto": "protocol"}
_PAYLOAD = {("ip", "saddr"): "source", ("ip", "daddr"): "target", ("ip", "protocol"): "protocol",
            ("tcp", "dport"): "port", ("udp", "dport"): "port", ("th", "dport"): "port"}


def tables(text: str, *, but_iptables: bool = False) -> tuple[Table, ...]:
    """Return the tables of others that see IPv4 packets; what is no JSON of nft holds none.

    Args:
        text: what nft has written.
        but_iptables: without the filter table of iptables, which is read in iptables' own words.
    """
    own = {("inet", OURS), ("ip", SERVICES), *([IPTABLES] if but_iptables else [])}
    try:
        listed = msgspec.json.decode(text or "{}")
        entries = [entry for entry in listed.get("nftables", []) if isinstance(entry, dict)]
    except (msgspec.DecodeError, AttributeError, TypeError):
        return ()
    chains: dict[str, dict[str, Any]] = {}
    rules: dict[tuple[str, str], list[Rule]] = {}
    for entry in entries:
        if (chain := entry.get("chain")) and _concerns(chain, own):
            chains.setdefault(f"{chain['family']} {chain['table']}", {})[chain["name"]] = chain
        if (rule := entry.get("rule")) and _concerns(rule, own):
            rules.setdefault((f"{rule['family']} {rule['table']}", rule["chain"]), []).append(_rule(rule))
    return tuple(Table(name=table, chains={
        name: Chain(rules=tuple(rules.get((table, name), ())), hook=chain.get("hook", ""),
                    policy="drop" if chain.get("policy") == "drop" else "accept")
        for name, chain in named.items()}) for table, named in chains.items())


def _concerns(entry: dict[str, Any], own: set[tuple[str, str]]) -> bool:
    return entry.get("family") in ("ip", "inet") and (entry["family"], entry.get("table")) not in own


def _rule(rule: dict[str, Any]) -> Rule:
    matches: list[Match] = []
    verdict, goto = "", False
    for statement in rule.get("expr", []):
        match statement:
            case {"match": {"left": left, "right": right, "op": op}}:
                matches.append(_match(left, right, str(op)))
            case {"jump": {"target": target}}:
                verdict = str(target)
            case {"goto": {"target": target}}:
                verdict, goto = str(target), True
            case {"accept": _} | {"return": _}:
                verdict = next(iter(statement))
            case {"drop": _} | {"reject": _}:
                verdict = "drop"
            case {"counter": _} | {"log": _}:
                pass
            case _:  # limits, extensions of iptables, lookups in maps
                matches.append(Match(""))
    return Rule(_with_protocol(rule, tuple(matches)), verdict, goto)


def _with_protocol(rule: dict[str, Any], matches: tuple[Match, ...]) -> tuple[Match, ...]:
    """Return the matches with what a port says of the protocol."""
    implied = [Match("protocol", (left["protocol"],)) for statement in rule.get("expr", [])
               if isinstance(statement, dict)
               and (left := ((statement.get("match") or {}).get("left") or {}).get("payload") or {}).get("protocol")
               in ("tcp", "udp")]
    return (*matches, *implied)


def _match(left: Any, right: Any, op: str) -> Match:
    name = ""
    match left:
        case {"meta": {"key": key}}:
            name = _META.get(key, "")
        case {"payload": {"protocol": protocol, "field": part}}:
            name = _PAYLOAD.get((protocol, part), "")
        case {"ct": {"key": "state"}}:
            name = "state"
    values = tuple(_values(right))
    known = name and op in ("==", "!=", "in") and None not in values
    return Match(name if known else "", tuple(value for value in values if value is not None), op == "!=")


def _values(right: Any) -> Iterator[str | None]:
    """Yield what a match compares with; None for what is not understood, such as a set by name."""
    match right:
        case str() if not right.startswith("@"):
            yield right
        case bool():
            yield None
        case int():
            yield str(right)
        case {"set": list(members)} | list(members):
            for member in members:
                yield from _values(member)
        case {"prefix": {"addr": address, "len": length}}:
            yield f"{address}/{length}"
        case {"range": [int(first), int(last)]}:
            yield f"{first}-{last}"
        case _:
            yield None
