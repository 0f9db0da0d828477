"""Checks of the rack's nodes, and of what lets machines become nodes."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta

from edge.edgectl.doctor.rack import Facts, Obj, condition, few, name
from edge.edgectl.doctor.rack_access import at
from edge.edgectl.doctor.results import Outcome, Result, ok, problem, unknown, warning
from edge.pki import names

BAD_CONDITIONS = {
    "MemoryPressure": "`edgectl top pods -A`: limits, or fewer pods on it",
    "DiskPressure": "`edgectl image prune`; on the board `edgectl doctor --here` says what is full",
    "PIDPressure": "a pod starts processes without end: `edgectl top pods -A`",
    "UnderVoltage": "use the board's own power supply and a short cable",
    "Throttled": "better cooling, or a better power supply",
    "HighTemperature": "give it a heat sink or a fan, and air",
    "NetworkUnavailable": "on the board: `edgectl doctor --here`"}
TOKEN_TYPE = "bootstrap.kubernetes.io/token"  # noqa: S105 - a type
PENDING_AFTER = timedelta(seconds=15)
"""The server decides what it decides itself at once."""
CERTIFICATE_SOON = timedelta(days=30)


def nodes(facts: Facts) -> Outcome:
    """Every node is Ready."""
    found = facts.items("nodes")
    if found is None:
        return unknown("the nodes cannot be listed") if facts.reach.reached else None
    if not found:
        return problem("the rack has no nodes, not even the master", "on the master: `systemctl status edge-agent`")
    bad: list[Result] = []
    for node in found:
        ready = condition(node, "Ready")
        if ready.get("status") == "True":
            continue
        since = f" since {ready['lastTransitionTime']}" if ready.get("lastTransitionTime") else ""
        if ready.get("status") == "Unknown":
            bad.append(problem(f"{name(node)} is silent{since}: it is off, its cable is out, or its agent does not run",
                               "is its light on? `ping` it from the master; there `systemctl status edge-agent` and "
                               "`edgectl doctor --here`"))
        else:
            bad.append(problem(f"{name(node)} is not Ready{since}: {ready.get('message', 'it has not said why')}",
                               f"edgectl describe node {name(node)}"))
    asleep = [name(node) for node in found if (node.get("spec") or {}).get("unschedulable")]
    note = f" (no new pods on {few(asleep)}: cordoned)" if asleep else ""
    return tuple(bad) or ok(f"{len(found)} nodes are Ready{note}")


def node_conditions(facts: Facts) -> Outcome:
    """What the nodes say they suffer from: pressure, power, heat."""
    found = facts.items("nodes")
    if not found:
        return None
    bad = [warning(f"{name(node)}: {kind}" + (f": {held['message']}" if held.get("message") else ""), mend)
           for node in found for kind, mend in BAD_CONDITIONS.items()
           if (held := condition(node, kind)).get("status") == "True"]
    return tuple(bad) or ok("no node is short of memory, disk, power or air")


def cloned_cards(facts: Facts) -> Outcome:
    """Nodes that share a board's serial number or a machine id: copies of one card."""
    found = facts.items("nodes")
    if not found:
        return None
    results: list[Result] = []
    for shared, what, mend in (
            (_serials, "the serial number of one board", "one of them is an old Node of a re-flashed card: `edgectl "
             "delete node NAME` for the one that is gone"),
            (_machine_id, "one machine id: cards are copies of one another", "on all but one of them: `sudo rm "
             "/etc/machine-id /var/lib/dbus/machine-id; sudo systemd-machine-id-setup`, then reboot")):
        owners: dict[str, list[str]] = {}
        for node in found:
            for value in filter(None, shared(node)):
                owners.setdefault(value, []).append(name(node))
        results += [warning(f"{few(sorted(same))} have {what}", mend) for same in owners.values() if len(same) > 1]
    return tuple(results) or ok("no card is a copy of another")


def _serials(node: Obj) -> set[str]:
    """Return the serial number the certificate was issued to, and the one the machine says."""
    info = (node.get("status") or {}).get("nodeInfo") or {}
    return {str((node["metadata"].get("annotations") or {}).get(names.SERIAL_ANNOTATION) or ""),
            str(info.get("systemUUID") or "")}


def _machine_id(node: Obj) -> set[str]:
    return {str(((node.get("status") or {}).get("nodeInfo") or {}).get("machineID") or "")}


def node_certificates(facts: Facts) -> Outcome:
    """Until when the certificates of the nodes are valid."""
    ends = {name(node): end for node in facts.items("nodes") or ()
            if (end := at((node["metadata"].get("annotations") or {}).get(names.EXPIRES_ANNOTATION))) is not None}
    if not ends:
        return None
    mend = "a node renews by itself when it reaches the master, also after the end: `journalctl -u edge-agent` there"
    ended = sorted(node for node, end in ends.items() if end < facts.now)
    soon = sorted(node for node, end in ends.items() if facts.now <= end < facts.now + CERTIFICATE_SOON)
    if ended:
        return problem(f"the certificates of {few(ended)} have ended", mend)
    if soon:
        return warning(f"the certificates of {few(soon)} end within {CERTIFICATE_SOON.days} days", mend)
    return ok(f"the certificates of {len(ends)} nodes are valid until {min(ends.values()):%Y-%m-%d} or later")


def certificate_requests(facts: Facts) -> Outcome:
    """Certificate requests that wait for a person."""
    found = facts.items("certificatesigningrequests")
    if found is None:
        return None
    waiting = [each for each in found if not _is_decided(each) and _is_old(each, facts)]
    if not waiting:
        return ok("no machine waits for a certificate")
    return tuple(warning(f"{name(each)} waits for a person: a machine wants to join with a key or a name that is not "
                         "known (a re-flashed card, or a stranger)",
                         "`edgectl node requests` says for what; if it is yours: "
                         f"`edgectl certificate approve {name(each)}`, else `edgectl certificate deny "
                         f"{name(each)}`") for each in waiting)


def _is_decided(request: Obj) -> bool:
    status = request.get("status") or {}
    return bool(status.get("conditions") or status.get("certificate"))


def _is_old(request: Obj, facts: Facts) -> bool:
    created = at((request.get("metadata") or {}).get("creationTimestamp"))
    return created is None or (facts.server_date or facts.now) - created >= PENDING_AFTER


def bootstrap_tokens(facts: Facts) -> Outcome:
    """Bootstrap tokens that never expire: whoever has one may add machines for ever."""
    found = facts.items("secrets")
    if found is None:
        return None
    lasting = [str((each.get("metadata") or {}).get("name", "")).removeprefix("bootstrap-token-") for each in found
               if each.get("type") == TOKEN_TYPE and not _expires(each)]
    if not lasting:
        return ok("every bootstrap token expires")
    return warning(f"the bootstrap tokens {few(sorted(lasting))} never expire: whoever reads one from a card may add "
                   "machines for ever", f"`edgectl token revoke {sorted(lasting)[0]}` when all machines have joined; "
                   "`edgectl token create` makes one for a day")


def _expires(secret: Obj) -> bool:
    try:
        return bool(base64.b64decode((secret.get("data") or {}).get("expiration") or ""))
    except (binascii.Error, ValueError):
        return False


CHECKS = (nodes, node_conditions, cloned_cards, node_certificates, certificate_requests, bootstrap_tokens)
