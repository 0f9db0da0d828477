"""Checks of what runs on a rack, and of its wire as the server knows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from edge.edgectl.doctor.here_programs import wire_results
from edge.edgectl.doctor.rack import Facts, Obj, condition, count, few, name
from edge.edgectl.doctor.rack_access import at
from edge.edgectl.doctor.results import Outcome, Result, ok, problem, unknown, warning

NEARLY_EMPTY = 0.1
LOOKED_AT_LEAST = timedelta(hours=2)
STARTING = timedelta(minutes=2)
WAITING = ("CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName",
           "CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_ARCHITECTURE = re.compile(r"exec format error|no variant for this node|is for \w+ and this node is", re.IGNORECASE)


def addresses(facts: Facts) -> Outcome:
    """How many addresses the rack's DHCP server still has."""
    if facts.leases is None:
        return unknown("the server does not tell of leases") if facts.reach.reached else None
    pool = facts.leases.get("pool")
    size, free = (pool.get("size"), pool.get("free")) if isinstance(pool, dict) else (None, None)
    if not isinstance(size, int) or not isinstance(free, int) or not size:
        return unknown(f"the server does not know how many addresses there are: "
                       f"{facts.leases.get('problem') or 'edge-rack apply has not run yet'}")
    mend = ("widen dhcp.first and dhcp.last in /etc/edge/rack.toml and `sudo edge-rack apply`; or remove reservations "
            "of machines that are gone")
    if free <= 0:
        return problem(f"all {size} addresses of the rack are taken: a new machine gets none", mend)
    if free < size * NEARLY_EMPTY:
        return warning(f"{free} of {size} addresses of the rack are left", mend)
    return ok(f"{free} of {size} addresses of the rack are free")


def wire(facts: Facts) -> Outcome:
    """What the master's last look at the wire has found: a second DHCP server, addresses that two machines use."""
    if not facts.reach.reached:
        return None
    found = facts.findings
    if found is None or (not found.looked_at and not found.problem):
        return unknown("nobody has looked at the rack's wire yet", "on the master: `sudo edge-rack probe`")
    if found.problem:
        return unknown(f"the wire could not be looked at: {found.problem}", "on the master: `sudo edge-rack probe`")
    looked = at(found.looked_at)
    if not found.findings and looked and (facts.server_date or facts.now) - looked > LOOKED_AT_LEAST:
        return unknown(f"the last look at the wire was at {found.looked_at}", "on the master: `systemctl status "
                       "edge-probe.timer`")
    return wire_results(found)


def pods(facts: Facts) -> Outcome:
    """Pods that do not run: unplaced, crashing, without their image."""
    found = facts.items("pods")
    if found is None:
        return unknown("the pods cannot be listed") if facts.reach.reached else None
    results: list[Result] = []
    crashing, unplaced, others = [], [], []
    for pod in found:
        reasons = [reason for reason, message in _waiting(pod) if not _ARCHITECTURE.search(message)]
        if _is_unplaced(pod, facts):
            unplaced.append(pod)
        elif "CrashLoopBackOff" in reasons:
            crashing.append(name(pod))
        elif reasons:
            others.append(f"{name(pod)} ({reasons[0]})")
    if crashing:
        results.append(warning(f"{count(crashing, 'pod')} crashing again and again: {few(crashing)}", "edgectl logs "
                                                                                               "--previous "
                               f"{_argument(crashing[0])}"))
    if others:
        results.append(warning(f"{count(others, 'pod')} that cannot start: {few(others)}",
                               f"edgectl describe pod {_argument(others[0].split(' ')[0])}"))
    if unplaced:
        why = str(condition(unplaced[0], "PodScheduled").get("message") or "")
        results.append(warning(f"{count(unplaced, 'pod')} without a node: {few([name(pod) for pod in unplaced])}"
                               + (f" ({why})" if why else ""), f"edgectl describe pod {_argument(name(unplaced[0]))}"))
    return tuple(results) or ok(f"{count(found, 'pod')}, none of them stuck")


def _argument(pod: str) -> str:
    space, _, plain = pod.rpartition("/")
    return f"-n {space} {plain}"


def _is_unplaced(pod: Obj, facts: Facts) -> bool:
    created = at((pod.get("metadata") or {}).get("creationTimestamp"))
    is_new = created is not None and (facts.server_date or facts.now) - created < STARTING
    return not (pod.get("spec") or {}).get("nodeName") and not is_new and not (pod["metadata"]).get("deletionTimestamp")


def _waiting(pod: Obj) -> Iterator[tuple[str, str]]:
    """Yield reason and message of each container that waits for something that will not come by itself."""
    status = pod.get("status") or {}
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting: dict[str, Any] = (each.get("state") or {}).get("waiting") or {}
        ended: dict[str, Any] = (each.get("lastState") or {}).get("terminated") or {}
        if waiting.get("reason") in WAITING:
            yield str(waiting["reason"]), f"{waiting.get('message', '')} {ended.get('message', '')}"


def image_architecture(facts: Facts) -> Outcome:
    """Images that are not made for the boards they were sent to."""
    found = facts.items("pods")
    if not found:
        return None
    wrong = {name(pod): message.strip() for pod in found for _, message in _waiting(pod)
             if _ARCHITECTURE.search(message)}
    there = {name(pod) for pod in found}
    for event in facts.items("events") or ():
        about = event.get("involvedObject") or {}
        pod = f"{about.get('namespace')}/{about.get('name')}"
        if event.get("reason") == "ImageArchitectureMismatch" and pod in there:
            wrong.setdefault(pod, str(event.get("message", "")))
    if not wrong:
        return ok("no pod has an image for another kind of machine")
    message = next(iter(wrong.values()))
    return problem(f"{count(wrong, 'pod')} with an image that is not for these boards: {few(list(wrong))} ({message})",
                   "build it for arm64 (`podman build --platform linux/arm64`), or use a tag that has arm64")


def services(facts: Facts) -> Outcome:
    """Services with a selector and without a pod that is ready, and those that wait for an address."""
    found, endpoints = facts.items("services"), facts.items("endpoints")
    if found is None or endpoints is None:
        return None
    served = {name(each) for each in endpoints if any(part.get("addresses") for part in each.get("subsets") or ())}
    empty = [name(each) for each in found if (each.get("spec") or {}).get("selector") and name(each) not in served
             and (each.get("spec") or {}).get("type") != "ExternalName"]
    waiting = [name(each) for each in found if (each.get("spec") or {}).get("type") == "LoadBalancer"
               and not ((each.get("status") or {}).get("loadBalancer") or {}).get("ingress")]
    results: list[Result] = []
    if empty:
        results.append(warning(f"{count(empty, 'service')} without a ready pod behind them: {few(empty)}",
                               f"edgectl describe service {_argument(empty[0])}: does its selector fit labels of pods, "
                               "and are these Ready?"))
    if waiting:
        results.append(warning(f"{count(waiting, 'service')} waiting for an address: {few(waiting)}",
                               "network.load_balancer_addresses in /etc/edge/server.toml has none left; or two "
                               "services "
                               "want the same port of the one address"))
    return tuple(results) or ok(f"{count(found, 'service')}, each with pods and addresses")


CHECKS = (addresses, wire, pods, image_architecture, services)
