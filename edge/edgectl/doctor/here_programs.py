"""Checks of the programs on a board: ours, those in their way, and what the master's own say of the rack."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from edge.dhcp import findings
from edge.edgectl.doctor.here import Facts
from edge.edgectl.doctor.results import Outcome, Result, ok, problem, unknown, warning

NODE_UNITS = ("edge-agent.service",)
MASTER_UNITS = ("edge-rack.service", "edge-dhcp.service", "edge-broker.service", "edge-server.service")
RIVALS = {"mosquitto.service": "mosquitto", "dnsmasq.service": "dnsmasq",
          "isc-dhcp-server.service": "isc-dhcp-server", "kea-dhcp4-server.service": "kea-dhcp4-server",
          "udhcpd.service": "udhcpd"}
"""Debian starts them when the package is installed, with settings of their own."""
OTHERS = ("docker.service", "k3s.service", "k3s-agent.service", "kubelet.service", "microk8s.service")
UNITS = (*NODE_UNITS, *MASTER_UNITS, *RIVALS, *OTHERS)
SHOW = ("systemctl", "show", "--property=Id,LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts", *UNITS)
LISTENING = ("ss", "-H", "-l", "-n", "-t", "-u", "-p")
PORTS = {("tcp", 6443): ("the API", True, ("edge-server", "python")),
         ("tcp", 8883): ("the bus", True, ("mosquitto",)),
         ("tcp", 10250): ("the agent", False, ("edge-agent", "python")),
         ("udp", 53): ("names", True, ("dnsmasq", "edge-", "python", "unbound", "named")),
         ("udp", 67): ("DHCP", True, ("dnsmasq", "dhcpd", "kea-dhcp4", "udhcpd", "edge-"))}
"""Port -> what it is for, whether it is the master's alone, and what the programs that may have it are called."""
LOOPBACK = ("127.", "[::1]")
MANY_RESTARTS = 5
WORKS_WITHOUT = ("NoDefaultRoute", "UplinkMissing", "NoUplinkAddress", "NoInternet", "NamesNotResolved",
                 "TimeNotServed", "WifiPowerSave", "SecondAddress")
"""Reasons of `edge-rack check` that leave a rack that works: without internet, or less comfortably."""


def programs(facts: Facts) -> Outcome:
    """Whether the rack's own programs run."""
    if not facts.is_node and not facts.is_master:
        return None
    units = _units(facts)
    if units is None:
        return unknown("systemd does not answer")
    found: list[Result] = []
    for name in (*(MASTER_UNITS if facts.is_master else ()), *(NODE_UNITS if facts.is_node else ())):
        unit = units.get(name, {})
        stem = name.removesuffix(".service")
        if unit.get("LoadState") != "loaded":
            found.append(problem(f"{stem} is not installed", "install the package again, or run the playbook"))
        elif unit.get("ActiveState") not in ("active", "reloading"):
            why = unit.get("Result", "")
            found.append(problem(f"{stem} does not run ({unit.get('ActiveState')}"
                                 + (f", {why})" if why not in ("", "success") else ")"),
                                 f"`sudo journalctl -u {stem} -n 20` says why; `sudo systemctl restart {stem}`"))
        elif int(unit.get("NRestarts") or 0) >= MANY_RESTARTS:
            found.append(warning(f"{stem} was started again {unit['NRestarts']} times", f"sudo journalctl -u {stem}"))
    return tuple(found) or ok("all programs of the rack run")


def rivals(facts: Facts) -> Outcome:
    """Services of Debian that take the ports of ours, and other orchestrators."""
    units = _units(facts)
    if units is None:
        return unknown("systemd does not answer")
    found: list[Result] = []
    active = {name for name, unit in units.items() if unit.get("ActiveState") in ("active", "activating")}
    enabled = {name for name, unit in units.items() if unit.get("UnitFileState") == "enabled"}
    for name, package in RIVALS.items():
        if name in active | enabled:
            tell = problem if name in active and facts.is_master else warning
            state = "runs" if name in active else "starts with the machine"
            found.append(tell(f"Debian's own {package} {state} beside the rack's: both want the same ports, and a "
                              "second DHCP server gives wrong addresses", f"sudo systemctl disable --now {name}"))
    for name in OTHERS:
        if name in active:
            found.append(warning(f"{name.removesuffix('.service')} runs here too: it takes memory and makes packet "
                                 "rules of its own", f"sudo systemctl disable --now {name}"))
    return tuple(found) or ok("no service is in the way of the rack's")


def _units(facts: Facts) -> dict[str, dict[str, str]] | None:
    text = facts.output(*SHOW)
    if text is None:
        return None
    found = {}
    for block in text.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        if "Id" in values:
            found[values["Id"]] = values
    return found


def ports(facts: Facts) -> Outcome:
    """Who listens on the ports of the rack."""
    text = facts.output(*LISTENING)
    if text is None:
        return unknown("`ss` does not say who listens")
    found: list[Result] = []
    for kind, address, port, program in _listeners(text):
        purpose, is_masters, own = PORTS.get((kind, port), ("", False, ()))
        if not purpose or address.startswith(LOOPBACK) or (is_masters and not facts.is_master):
            continue
        if program and not program.startswith(own):
            found.append(problem(f"{program} has {kind} port {port}, which is for {purpose}",
                                 f"stop it: `systemctl status $(pidof {program})` names its service"))
    return tuple(dict.fromkeys(found)) or ok("no strange program has a port of the rack")


def _listeners(text: str) -> list[tuple[str, str, int, str]]:
    """Return kind, address, port and program from what `ss -Hlntup` prints."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 5:
            continue
        address, _, port = fields[4].rpartition(":")
        program = re.search(r'users:\(\("([^"]*)"', line)
        if port.isdigit():
            found.append((fields[0], address, int(port), program[1] if program else ""))
    return found


def ground(facts: Facts) -> Outcome:
    """What `edge-rack check` says of the master's own ground: address, DHCP, packet rules, broker, keys."""
    if not facts.is_master:
        return None
    document = facts.document("edge-rack", "check")
    rows = document.get("problems") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        said = facts.said.get(("edge-rack", "check"))
        if said is None:
            return unknown("edge-rack is not installed, or did not answer in time", "sudo edge-rack check")
        words = said.output.strip().splitlines() or ["it said nothing"]
        return problem(f"edge-rack cannot check the ground: {words[-1]}", "sudo edge-rack check")
    found = [_ground_line(row) for row in rows if isinstance(row, dict)]
    return tuple(found) or ok("address, packet rules, DHCP, names and uplink are as the settings say")


def _ground_line(row: Mapping[str, Any]) -> Result:
    reason = str(row.get("reason", ""))
    tell = warning if reason in WORKS_WITHOUT else problem
    return tell(f"{reason}: {row.get('message', '')}", str(row.get("remedy", "")) or "sudo edge-rack check")


def wire(facts: Facts) -> Outcome:
    """What is wrong on the rack's wire: a second DHCP server, addresses that two machines use, no addresses left."""
    if not facts.is_master:
        return None
    said = facts.said.get(("edge-rack", "probe"))
    if said is None:
        return unknown("the wire was not looked at: edge-rack is not installed, or did not answer in time",
                       "sudo edge-rack probe")
    lines = said.output.strip().splitlines() or [""]
    try:
        found = msgspec.json.decode(lines[0].encode(), type=findings.Findings)
    except msgspec.DecodeError:
        return unknown(f"the wire was not looked at: {lines[-1] or 'edge-rack said nothing'}", "sudo edge-rack probe")
    if found.problem:
        return unknown(f"the wire was not looked at: {found.problem}", "sudo edge-rack probe")
    return wire_results(found)


def wire_results(found: findings.Findings) -> Outcome:
    """Return findings as results; each says itself what to do."""
    results = []
    for each in found.findings:
        says, _, mend = each.message.rpartition(". ")
        results.append(problem(f"{each.reason}: {says or mend}", mend if says else "sudo edge-rack probe"))
    return tuple(results) or ok("nothing is wrong on the rack's wire")


CHECKS = (programs, rivals, ports, ground, wire)
