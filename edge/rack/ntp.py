"""Rack settings -> chrony's: the master tells the workers the time, also when nobody tells it to the master.

A Pi has no clock of its own: after a power cut without internet the whole rack is wrong, but all of it alike, which is
what certificates and logs need. See chrony.conf(5).
"""

from __future__ import annotations

from edge.rack.document import WRITTEN_BY, Document
from edge.rack.facts import Facts
from edge.rack.settings import Rack

FILE = "chrony/conf.d/edge.conf"
MAIN = "chrony/chrony.conf"
UNIT = "chrony.service"


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return the piece of configuration, where chrony is installed and reads it."""
    if not rack.serve_time or "chronyd" not in facts.programs:
        return ()
    return (Document(path=rack.etc_dir / FILE, text=render(rack), part="time", check=("chronyd", "-p", "-f", "{}"),
                     unit=UNIT),)


def render(rack: Rack) -> str:
    """Return it. The clock may be set at any time: the uplink may come hours after the boot, and the time with it."""
    return f"""# {WRITTEN_BY}
allow {rack.address.network}
local stratum 10
makestep 1 -1
"""


def problem(rack: Rack, facts: Facts) -> str:
    """Return why workers get no time from the master, empty when they do."""
    if not rack.serve_time:
        return ""
    if "chronyd" not in facts.programs:
        return "chrony is not installed"
    if MAIN in facts.texts and f"{rack.etc_dir}/{FILE}".rsplit("/", 1)[0] not in facts.texts[MAIN]:
        return f"{rack.etc_dir / MAIN} does not read conf.d"
    if facts.systemd and UNIT not in facts.active:
        return f"{UNIT} does not run"
    return ""


def remedy(rack: Rack, facts: Facts) -> str:
    """Return what to do about it."""
    if "chronyd" not in facts.programs:
        return "apt-get install chrony, then edge-rack apply; or set serve_time = false in rack.toml"
    if facts.systemd and UNIT not in facts.active:
        return f"systemctl enable --now {UNIT}"
    return f"add `confdir {rack.etc_dir}/chrony/conf.d` to {rack.etc_dir / MAIN}, then systemctl restart {UNIT}"
