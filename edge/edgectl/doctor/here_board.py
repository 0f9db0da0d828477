"""Checks of the board itself: power, heat, clock and name."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

from edge.edgectl.doctor.here import AGENT_SETTINGS, CERTIFICATE, RACK_SETTINGS, Facts, routes
from edge.edgectl.doctor.results import Outcome, ok, problem, unknown, warning
from edge.pki import authority, names

BUILT = datetime(2025, 1, 1, tzinfo=UTC)
"""No clock that is right is before this."""
UNDER_VOLTAGE, SLOWED = 0x1, 0xE
SINCE_BOOT = 16
HOT, TOO_HOT = 75_000, 80_000
CERTIFICATE_SOON = timedelta(days=60)
PLAIN_NAMES = ("raspberrypi", "localhost", "debian", "ubuntu")


def power_supply(facts: Facts) -> Outcome:
    """Under-voltage and throttling, as the firmware of a Raspberry Pi tells."""
    said = facts.output("vcgencmd", "get_throttled") or facts.text(
        "sys/devices/platform/soc/soc:firmware/get_throttled")
    try:
        word = int(said.strip().rpartition("=")[2], 16) if said else None
    except ValueError:
        word = None
    if word is None:
        return unknown("the firmware does not tell of its power supply") if facts.is_pi else None
    mend = "use the board's own power supply (Pi 5: 5 V 5 A, Pi 4: 5 V 3 A) and a short, thick cable; a USB charger " \
           "with many ports is not enough"
    if word & UNDER_VOLTAGE:
        return problem("the voltage is too low at this moment: the board is slow, and cards get damaged", mend)
    if word & SLOWED:
        return problem("the processor is slowed down at this moment (heat or power)", "better cooling; " + mend)
    if word >> SINCE_BOOT & UNDER_VOLTAGE:
        return warning("the voltage was too low at least once since the last start", mend)
    if word >> SINCE_BOOT & SLOWED:
        return warning("the processor was slowed down at least once since the last start", "better cooling; " + mend)
    return ok("the power supply is sufficient")


def temperature(facts: Facts) -> Outcome:
    """Temperature of the processor."""
    text = facts.text("sys/class/thermal/thermal_zone0/temp")
    if text is None or not text.lstrip("-").isdigit():
        return unknown("the board does not tell its temperature") if facts.is_pi else None
    degrees = int(text)
    if degrees >= HOT:
        tell = problem if degrees >= TOO_HOT else warning
        return tell(f"the processor has {degrees / 1000:.0f} °C; at 80 °C it is slowed down",
                    "give it a heat sink or a fan, and air")
    return ok(f"the processor has {degrees / 1000:.0f} °C")


def clock(facts: Facts) -> Outcome:
    """Whether the clock is right: a Raspberry Pi has none of its own while it is off."""
    mend = "`timedatectl` and `chronyc tracking` say where it gets its time; the master gives it to workers by DHCP " \
           "(option 42), the master needs the internet once"
    if facts.now < BUILT:
        return problem(f"the clock says {facts.now:%Y-%m-%d}: certificates of others are not valid yet, and nothing "
                       "can be pulled", mend)
    tracking = (facts.output("chronyc", "-c", "-n", "tracking") or "").strip().split(",")
    if len(tracking) > 2:
        # A source, or the machine's own clock made a source so that workers agree with one another.
        if tracking[0] in ("00000000", ""):
            return warning("the clock is not synchronized: chrony has no source yet", mend)
        return ok(f"the clock follows {tracking[1] or tracking[0]} (chrony)")
    shown = facts.output("timedatectl", "show")
    if shown is None:
        return unknown("neither chronyc nor timedatectl says whether the clock is synchronized")
    if "NTPSynchronized=yes" not in shown:
        return warning("the clock is not synchronized: it says the time of the last shutdown, or anything", mend)
    return ok("the clock is synchronized")


def time_source(facts: Facts) -> Outcome:
    """Whether a worker gets its time from the master, so that a rack without internet agrees on the time."""
    if facts.is_master or not facts.is_node:
        return None
    found = facts.output("timedatectl", "show-timesync", "--property=ServerAddress", "--value")
    server, gateways = (found or "").strip(), [route.get("gateway") for route in routes(facts) or ()]
    if not server or not gateways:
        return unknown("timesyncd does not say which server it asks")
    if server in gateways:
        return ok(f"the time comes from the master ({server})")
    return warning(f"the time comes from {server}, not from the master: without internet this board's clock goes its "
                   "own way", "take NTP= out of /etc/systemd/timesyncd.conf: DHCP names the master")


def identity(facts: Facts) -> Outcome:
    """Host name and machine id, which cloned cards share."""
    name = facts.text("etc/hostname")
    machine_id = facts.text("etc/machine-id")
    if name is None:
        return unknown("/etc/hostname cannot be read")
    set_name = settings(facts, AGENT_SETTINGS).get("node_name")
    if not machine_id or machine_id == "uninitialized":
        return warning("this machine has no machine id: its journal and DHCP identity change with every start",
                       "sudo systemd-machine-id-setup")
    if wrong := names.node_name_problem(str(set_name or name)):
        return problem(f"{set_name or name!r} cannot be the name of a node: {wrong}", "sudo hostnamectl set-hostname "
                       "node-1, or node_name in /etc/edge/agent.toml")
    if not set_name and name in PLAIN_NAMES:
        return warning(f"the host name is {name}, as on every new card: two such boards cannot both join",
                       "sudo hostnamectl set-hostname node-1, or node_name in /etc/edge/agent.toml")
    return ok(f"the name is {set_name or name}")


def node_certificate(facts: Facts) -> Outcome:
    """Until when the node's certificate is valid."""
    if not facts.is_node:
        return None
    text = facts.files.get(CERTIFICATE)
    if text is None:
        return unknown("there is no certificate that could be read: this machine has not joined, or you are not root",
                       "`journalctl -u edge-agent` says what it waits for")
    try:
        until = authority.read_certificate(text.encode()).not_after
    except authority.PkiError as error:
        return problem(f"the certificate is damaged: {error}", "remove /var/lib/edge/agent/identity/node.crt and "
                       "restart edge-agent: it asks for a new one")
    if until < facts.now + CERTIFICATE_SOON:
        ended = "has ended" if until < facts.now else "ends"
        tell = problem if until < facts.now else warning
        return tell(f"the certificate {ended} on {until:%Y-%m-%d}", "`journalctl -u edge-agent | grep certificate` "
                    "says why it was not renewed; it is, as soon as the master answers")
    return ok(f"the certificate is valid until {until:%Y-%m-%d}")


def settings(facts: Facts, path: str) -> dict[str, Any]:
    """Return a settings file as it is written, empty when it cannot be read; its program says what is wrong with it."""
    try:
        return tomllib.loads(facts.text(path) or "")
    except tomllib.TOMLDecodeError:
        return {}


def settings_files(facts: Facts) -> Outcome:
    """Whether the settings in /etc/edge can be read."""
    for path in (RACK_SETTINGS, AGENT_SETTINGS, "etc/edge/server.toml"):
        try:
            tomllib.loads(facts.text(path) or "")
        except tomllib.TOMLDecodeError as error:
            return problem(f"/{path} is not TOML: {error}", f"sudoedit /{path}")
    if not facts.is_master and not facts.is_node:
        return warning("this machine is no part of a rack yet: there is no /etc/edge/agent.toml",
                       "`edgectl join USER@THIS-MACHINE` on the laptop lets it join")
    return ok("the settings can be read: " + ("the master" if facts.is_master else "a worker"))


CHECKS = (settings_files, identity, node_certificate, power_supply, temperature, clock, time_source)
