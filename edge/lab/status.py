"""What the lab's machines are doing, as a table."""

from __future__ import annotations

import json

from edge.lab import power, topology, up
from edge.lab.topology import Lab


def render(lab: Lab) -> tuple[str, bool]:
    """Return the table, and whether every machine is on."""
    rows = [("MACHINE", "POWER", "ADDRESS", "PROGRAMS (RESTARTS)")]
    all_on = True
    for name in topology.ALL:
        is_on = power.init_pid(lab, name) != 0
        all_on = all_on and is_on
        rows.append((name, "on" if is_on else "off", _addresses(lab, name) if is_on else "-",
                     _programs(lab, name) if is_on else "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["   ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]])
             for row in rows]
    return "\n".join(lines), all_on


def _addresses(lab: Lab, name: str) -> str:
    fixed = [link.address.split("/")[0] for link in topology.links(name) if link.address]
    if name == "home":
        fixed = [topology.HOME_ROUTER]
    leased = up.address(lab, name) if any(link.interface == "eth0" for link in topology.links(name)) else ""
    return ", ".join([*([leased] if leased else []), *fixed]) or "none yet"


def _programs(lab: Lab, name: str) -> str:
    try:
        services = json.loads((lab.directory(name) / "services.json").read_text())
    except (OSError, ValueError):
        return "-"
    return ", ".join(f"{service} ({state['restarts']})" if state["restarts"] else service
                     for service, state in services.items()) or "-"
