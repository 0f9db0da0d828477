"""What probes cost an agent: one a second on each of 30 containers, by HTTP, by TCP and by a command.

    python -m bench.probes [--name LAB] [--pods 30] [--seconds 60]

Budget: 3 % of a core of the agent for HTTP and TCP. A command starts a process in the container each time, which is
Podman's and the kernel's work: its numbers are given beside, without a budget.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bench import rack, report
from edge.lab.topology import Lab

NODE, LABEL = "node-1", "bench-probes"
BUDGET_PERCENT = 3.0
SETTLE_SECONDS = 15
PROBES: dict[str, dict[str, Any] | None] = {
    "none": None, "http": {"httpGet": {"path": "/", "port": rack.PORT}}, "tcp": {"tcpSocket": {"port": rack.PORT}},
    "exec": {"exec": {"command": ["true"]}}}


def bring_up(api: rack.Api, probe: dict[str, Any] | None, count: int) -> None:
    """Replace the pods by as many with this probe, and wait until they are Ready."""
    remove(api)
    template = rack.template(LABEL, node=NODE)
    if probe is not None:
        template["spec"]["containers"][0]["readinessProbe"] = {**probe, "periodSeconds": 1}
    api.call("POST", "/apis/apps/v1/namespaces/default/deployments", {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": LABEL},
        "spec": {"replicas": count, "selector": {"matchLabels": {"app": LABEL}}, "template": template}})
    api.until(rack.pods_path(LABEL), lambda found: sum(map(rack.is_ready, found["items"])) == count, 180)


def remove(api: rack.Api) -> None:
    """Remove the pods of this benchmark and wait until they are gone."""
    api.call("DELETE", f"/apis/apps/v1/namespaces/default/deployments/{LABEL}")
    api.until(rack.pods_path(LABEL), lambda found: not found["items"], 120)


def cpu_seconds(pid: int) -> float:
    """Return the processor time of all threads of a process, to the nanosecond."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def measure(lab: Lab, seconds: float) -> tuple[float, float, int]:
    """Return the per cent of a core that the agent and Podman took, and how often the agent woke up."""
    programs = rack.processes(lab, NODE)
    agent, engine = programs["edge-agent"], programs["podman"]
    before = cpu_seconds(agent), cpu_seconds(engine), switches(agent)
    time.sleep(seconds)
    after = cpu_seconds(agent), cpu_seconds(engine), switches(agent)
    return ((after[0] - before[0]) / seconds * 100, (after[1] - before[1]) / seconds * 100,
            int((after[2] - before[2]) / seconds))


def switches(pid: int) -> int:
    """Return how often the threads of a process gave up the processor by themselves, that is: woke up again."""
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                found += int(line.split()[1])
    return found


def main() -> None:
    """Measure without probes first; what probes cost is the difference."""
    parser = rack.arguments(__doc__ or "")
    parser.add_argument("--pods", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kinds", default=",".join(PROBES), help="which probes (default all)")
    options = parser.parse_args()
    lab = rack.lab_of(options)
    api = rack.Api(lab)
    print(report.machine())
    rows, idle = [], 0.0
    for kind in options.kinds.split(","):
        bring_up(api, PROBES[kind], options.pods)
        time.sleep(SETTLE_SECONDS)
        agent, engine, woken = measure(lab, options.seconds)
        idle = agent if kind == "none" else idle
        judged = report.verdict(agent - idle, BUDGET_PERCENT) if kind in ("http", "tcp") else ""
        rows.append((kind, f"{agent:.2f}", f"{(agent - idle) * 1e4 / options.pods:.0f}" if kind != "none" else "",
                     f"{engine:.2f}", str(woken), judged))
    remove(api)
    head = (f"{options.pods} probes a second", "agent % of a core", "us a probe", "podman %", "wakes/s", "budget")
    report.table(head, rows)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
