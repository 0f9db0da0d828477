"""How long it takes until a failure is noticed and mended, on the lab rack.

    python -m bench.faults [--name LAB] [--rounds 3]

A dead node is a machine whose plug is pulled. The times of a restart run from the start of the new process; how soon
it is started is the init system's business.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from bench import rack, report
from edge.lab import host, power
from edge.lab import up as ups
from edge.lab.topology import Lab

LABEL = "bench-faults"
DEPLOYMENT = f"/apis/apps/v1/namespaces/default/deployments/{LABEL}"
NODE = "node-2"
REPLICAS = 9
LONGEST_SECONDS = 120
SETTLE_SECONDS = 20
"""A server that has just started gives nodes time to be heard; that is not what is measured."""
BUDGETS = {"dead node noticed": 15.0, "its pods Ready elsewhere": 30.0, "edge-server start to API ready": 1.0,
           "agent start to its pods running, no master": 10.0}


def wait(holds: Callable[[], bool], what: str, pause: float = 0.05) -> float:
    """Return the time at which something was first so. Raises SystemExit."""
    deadline = time.perf_counter() + LONGEST_SECONDS
    while not holds():
        if time.perf_counter() > deadline:
            raise SystemExit(f"not within {LONGEST_SECONDS} s: {what}")
        time.sleep(pause)
    return time.perf_counter()


def age(pid: int) -> float:
    """Return how many seconds ago a process began."""
    started = int(power.start_time(pid)) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def switch_on(lab: Lab, machine: str) -> None:
    """Put a plug back in."""
    ups.switch_on(lab, machine, host.cgroups(Path("/proc/mounts").read_text()))


def condition(api: rack.Api, node: str) -> str:
    """Return a node's Ready condition."""
    found = api.call("GET", f"/api/v1/nodes/{node}")["status"]["conditions"]
    return next((str(each["status"]) for each in found if each["type"] == "Ready"), "")


def ready_elsewhere(api: rack.Api) -> bool:
    """Return whether all replicas are Ready on other nodes."""
    pods = api.call("GET", rack.pods_path(LABEL))["items"]
    return sum(rack.is_ready(pod) for pod in pods if pod["spec"].get("nodeName") != NODE) >= REPLICAS


def dead_node(lab: Lab, api: rack.Api) -> dict[str, float]:
    """Pull the plug of a node. The lab takes its wire away first: a machine without power closes no connection."""
    time.sleep(SETTLE_SECONDS)
    began = time.perf_counter()
    power.switch_off(lab, NODE)
    noticed = wait(lambda: condition(api, NODE) != "True", f"{NODE} is not Ready")
    moved = wait(lambda: ready_elsewhere(api), "all pods Ready elsewhere")
    switch_on(lab, NODE)
    wait(lambda: condition(api, NODE) == "True", f"{NODE} is Ready again")
    api.call("PATCH", DEPLOYMENT, {"spec": {"replicas": 0}}, "application/merge-patch+json")
    wait(lambda: not api.call("GET", rack.pods_path(LABEL))["items"], "all pods gone")
    api.call("PATCH", DEPLOYMENT, {"spec": {"replicas": REPLICAS}}, "application/merge-patch+json")
    api.until(rack.pods_path(LABEL), lambda found: sum(map(rack.is_ready, found["items"])) == REPLICAS, 60)
    return {"dead node noticed": noticed - began, "its pods Ready elsewhere": moved - began}


def answers(lab: Lab) -> bool:
    """Return whether the API says that it is ready, over a new connection."""
    try:
        return rack.Api(lab).text("/readyz").strip() == "ok"
    except (OSError, SystemExit):
        return False


def server_restart(lab: Lab) -> dict[str, float]:
    """Kill the server as a crash would, and wait for the next one."""
    old = rack.processes(lab, "master")["edge-server"]
    began = time.perf_counter()
    os.kill(old, signal.SIGKILL)
    wait(lambda: rack.processes(lab, "master").get("edge-server", old) != old, "the server is started again", 0.005)
    wait(lambda: answers(lab), "the API is ready", 0.01)
    return {"edge-server start to API ready": age(rack.processes(lab, "master")["edge-server"]),
            "edge-server killed to API ready": time.perf_counter() - began}


def without_master(lab: Lab, api: rack.Api) -> dict[str, float]:
    """Boot a worker while the master is off."""
    pods = api.call("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1")["items"]
    time.sleep(3)  # The checkpoint is written a second after the last change.
    power.switch_off(lab, "master")
    power.switch_off(lab, "node-1")
    switch_on(lab, "node-1")
    wait(lambda: "edge-agent" in rack.processes(lab, "node-1"), "the agent is started", 0.01)
    agent = rack.processes(lab, "node-1")["edge-agent"]
    wait(lambda: len(rack.podman(lab, "node-1", "ps", "--quiet", check=False).split()) >= len(pods),
         f"{len(pods)} containers run", 0.05)
    took = age(agent)
    switch_on(lab, "master")
    wait(lambda: answers(lab), "the API is ready", 0.05)
    fresh = rack.Api(lab)
    wait(lambda: condition(fresh, "node-1") == "True", "node-1 is Ready again")
    return {"agent start to its pods running, no master": took}


def main() -> None:
    """Break things one after the other."""
    parser = rack.arguments(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    lab = rack.lab_of(options)
    api = rack.Api(lab)
    api.call("POST", DEPLOYMENT.rpartition("/")[0], rack.deployment(LABEL, REPLICAS))
    api.until(rack.pods_path(LABEL), lambda found: sum(map(rack.is_ready, found["items"])) == REPLICAS, 60)
    found: dict[str, list[float]] = {}
    try:
        for _ in range(options.rounds):
            for times in (dead_node(lab, api), server_restart(lab), without_master(lab, rack.Api(lab))):
                for what, seconds in times.items():
                    found.setdefault(what, []).append(seconds)
            api = rack.Api(lab)
    finally:
        switch_on(lab, "master")
        switch_on(lab, "node-1")
        switch_on(lab, NODE)
        wait(lambda: answers(lab), "the API is ready")
        rack.Api(lab).call("DELETE", DEPLOYMENT)
    print(report.machine())
    rows = []
    for what, taken in found.items():
        low, middle, high = report.spread(taken)
        budget = BUDGETS.get(what)
        rows.append((what, low, middle, high, f"{budget * 1e3:.0f}" if budget else "",
                     report.verdict(float(middle) / 1e3, budget) if budget else ""))
    report.table((f"ms, {options.rounds} rounds", "min", "median", "max", "budget", ""), rows)


if __name__ == "__main__":
    main()
