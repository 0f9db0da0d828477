"""How pods are shown: the STATUS column says what matters most about a pod, in kubectl's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.apiserver.tables import duration
from edge.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    Cell,
    Column,
    Obj,
    Printer,
    age,
    columns,
    items,
    name,
    number,
    section,
    text,
)

_FAR_PAST = "0001-01-01T00:00:00Z"


@dataclass(slots=True)
class _Count:
    """What the containers of a pod add up to while its row is made."""

    reason: str
    total: int
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""
    """When the latest restart's predecessor ended; RFC 3339."""

    def restarted(self, status: Obj) -> None:
        self.restarts += number(status, "restartCount")
        ended = text(section(status, "lastState", "terminated"), "finishedAt")
        then, best = duration.moment(ended), duration.moment(self.last_restart or _FAR_PAST)
        if then and best and then > best:
            self.last_restart = ended


def _cells(pod: Obj, now: datetime) -> list[Cell]:
    spec, status = section(pod, "spec"), section(pod, "status")
    inits = items(spec, "initContainers")
    sidecars = {text(each, "name") for each in inits if each.get("restartPolicy") == "Always"}
    phase = text(status, "phase", "Unknown")
    count = _Count(text(status, "reason") or phase, total=len(items(spec, "containers")) + len(sidecars))
    if any(text(each, "type") == "PodScheduled" and text(each, "reason") == "SchedulingGated"
           for each in items(status, "conditions")):
        count.reason = "SchedulingGated"
    initializing, of_sidecars = _inits(count, items(status, "initContainerStatuses"), len(inits), sidecars)
    if not initializing or _condition(status, "Initialized"):
        # From here on only the restarts of sidecars and of the containers proper matter.
        count.restarts, count.last_restart = of_sidecars.restarts, of_sidecars.last_restart
        _containers(count, status)
    if section(pod, "metadata").get("deletionTimestamp"):
        if text(status, "reason") == "NodeLost":
            count.reason = "Unknown"
        elif phase not in ("Succeeded", "Failed"):
            count.reason = "Terminating"
    restarts = str(count.restarts)
    if count.restarts and count.last_restart:
        restarts += f" ({duration.since(count.last_restart, now)} ago)"
    return [name(pod), f"{count.ready}/{count.total}", count.reason, restarts, age(pod, now),
            _address(status), text(spec, "nodeName", NONE), text(status, "nominatedNodeName", NONE),
            _gates(spec, status)]


def _inits(count: _Count, statuses: list[Obj], total: int, sidecars: set[str]) -> tuple[bool, _Count]:
    """Look at the init containers; return whether one of them still holds the pod up, and what the sidecars count."""
    sidecar_count = _Count("", 0)
    for position, status in enumerate(statuses):
        count.restarted(status)
        sidecar = text(status, "name") in sidecars
        if sidecar:
            sidecar_count.restarted(status)
        state = section(status, "state")
        terminated, waiting = state.get("terminated"), section(state, "waiting")
        if isinstance(terminated, dict) and not number(terminated, "exitCode"):
            continue
        if sidecar and status.get("started"):
            count.ready += 1 if status.get("ready") else 0
            continue
        if isinstance(terminated, dict):
            count.reason = "Init:" + (text(terminated, "reason") or _exit(terminated))
        elif text(waiting, "reason") not in ("", "PodInitializing"):
            count.reason = "Init:" + text(waiting, "reason")
        else:
            count.reason = f"Init:{position}/{total}"
        return True, sidecar_count
    return False, sidecar_count


def _containers(count: _Count, status: Obj) -> None:
    """Look at the containers proper; the first one that has something to say gives the reason."""
    running = False
    for each in reversed(items(status, "containerStatuses")):
        count.restarted(each)
        state = section(each, "state")
        terminated, waiting = state.get("terminated"), section(state, "waiting")
        if text(waiting, "reason"):
            count.reason = text(waiting, "reason")
        elif isinstance(terminated, dict):
            count.reason = text(terminated, "reason") or _exit(terminated)
        elif each.get("ready") and "running" in state:
            running = True
            count.ready += 1
    if count.reason == "Completed" and running:
        count.reason = "Running" if _condition(status, "Ready") else "NotReady"


def _exit(terminated: Obj) -> str:
    signal = number(terminated, "signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{number(terminated, 'exitCode')}"


def _condition(status: Obj, kind: str) -> bool:
    return any(text(each, "type") == kind and text(each, "status") == "True" for each in items(status, "conditions"))


def _address(status: Obj) -> str:
    listed: list[Any] = [each.get("ip") for each in items(status, "podIPs") if each.get("ip")]
    return str(listed[0]) if listed else text(status, "podIP", NONE)


def _gates(spec: Obj, status: Obj) -> str:
    gates = items(spec, "readinessGates")
    if not gates:
        return NONE
    met = sum(_condition(status, text(gate, "conditionType")) for gate in gates)
    return f"{met}/{len(gates)}"


POD = Printer(
    columns(NAME, Column("Ready", description="Containers that are ready, of all."),
            Column("Status", description="What matters most about the pod."),
            Column("Restarts", description="Restarts of its containers, and how long ago the last was."), AGE,
            "+IP", "+Node", "+Nominated Node", "+Readiness Gates"), _cells)
