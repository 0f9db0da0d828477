"""What an idle rack costs: memory, processor time, and bytes written to each card.

    python -m bench.idle [--name LAB] [--pods 20] [--seconds 60]

PSS shares a page among all processes that have it, so it depends on what else runs: RSS is given beside it, the upper
bound. Bytes a day are those of the measured window times what is missing to a day.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from bench import rack, report
from edge.lab import power, topology
from edge.lab.topology import Lab

LABEL = "bench-idle"
SAMPLE = "/apis/apps/v1/namespaces/default/deployments/hello"
DAY = 86_400
SETTLE_SECONDS = 20
BUDGET_PSS_MIB = {"edge-server": 76.0, "edge-agent": 45.0}
BUDGET_CPU_PERCENT = 1.0
BUDGET_CARD_MB = {"master": 10.0, "worker": 1.0}


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment."""

    pss: int
    rss: int
    cpu_seconds: float
    children_seconds: float
    """Of processes it started that have ended; in hundredths."""
    written: int
    cancelled: int


def sample(pid: int) -> Sample:
    """Read a process's memory, processor time (nanoseconds of every thread) and what it dirtied on disks."""
    memory = fields(Path(f"/proc/{pid}/smaps_rollup").read_text())
    written = fields(Path(f"/proc/{pid}/io").read_text())
    cpu = sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
    children = sum(int(ticks) for ticks in ended) / os.sysconf("SC_CLK_TCK")
    return Sample(memory["Pss"] * 1024, memory["Rss"] * 1024, cpu / 1e9, children, written["write_bytes"],
                  written["cancelled_write_bytes"])


def fields(text: str) -> dict[str, int]:
    """Return the numbers of `name: number` lines."""
    return {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()
            if ":" in line and line.split()[1].isdigit()}


def everything(lab: Lab, machine: str) -> dict[int, str]:
    """Return every process of a machine and its name."""
    found: dict[int, str] = {}
    waiting = [power.init_pid(lab, machine)]
    while waiting:
        pid = waiting.pop()
        try:
            found[pid] = Path(f"/proc/{pid}/comm").read_text().strip()
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def card(lab: Lab, machine: str) -> dict[str, int]:
    """Return the bytes written so far by all of a machine's processes, by name."""
    written: dict[str, int] = {}
    for pid, name in everything(lab, machine).items():
        try:
            read = fields(Path(f"/proc/{pid}/io").read_text())
        except OSError:
            continue
        written[name] = written.get(name, 0) + read["write_bytes"] - read["cancelled_write_bytes"]
    return written


def make_pods(api: rack.Api, count: int) -> None:
    """Bring up as many pods as are missing, and wait until they are Ready."""
    others = [pod for pod in api.call("GET", "/api/v1/pods")["items"] if pod["metadata"]["labels"].get("app") != LABEL]
    wanted = max(0, count - len(others))
    api.call("POST", "/apis/apps/v1/namespaces/default/deployments", rack.deployment(LABEL, wanted))
    api.until(rack.pods_path(LABEL), lambda found: sum(map(rack.is_ready, found["items"])) == wanted, 120)


def main() -> None:
    """Measure for a while with nothing going on."""
    parser = rack.arguments(__doc__ or "")
    parser.add_argument("--pods", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    lab = rack.lab_of(options)
    api = rack.Api(lab)
    # Its probes are logged by itself, line by line: what pods write is theirs.
    api.call("PATCH", SAMPLE, {"spec": {"replicas": 0}}, "application/merge-patch+json")
    api.until(rack.pods_path("hello"), lambda found: not found["items"], 60)
    make_pods(api, options.pods)
    try:
        measure(lab, api, options.seconds)
    finally:
        api.call("DELETE", f"/apis/apps/v1/namespaces/default/deployments/{LABEL}")
        api.call("PATCH", SAMPLE, {"spec": {"replicas": 3}}, "application/merge-patch+json")


def measure(lab: Lab, api: rack.Api, seconds: float) -> None:
    """Print the tables."""
    time.sleep(SETTLE_SECONDS)
    programs = {(machine, name): pid for machine in topology.RACK
                for name, pid in rack.processes(lab, machine).items()}
    before = {key: sample(pid) for key, pid in programs.items()}
    cards = {machine: card(lab, machine) for machine in topology.RACK}
    time.sleep(seconds)
    after = {key: sample(pid) for key, pid in programs.items()}
    cards_after = {machine: card(lab, machine) for machine in topology.RACK}
    bound: dict[str, int] = {}
    for pod in api.call("GET", "/api/v1/pods")["items"]:
        node = pod["spec"].get("nodeName", "")
        bound[node] = bound.get(node, 0) + 1
    print(report.machine())
    print(f"{sum(bound.values())} pods ({', '.join(f'{node} {n}' for node, n in sorted(bound.items()))}), "
          f"{seconds:.0f} s")
    rows = []
    for (machine, name), new in after.items():
        old = before[machine, name]
        cpu = (new.cpu_seconds - old.cpu_seconds) / seconds * 100
        pss = new.pss / 2**20
        budget = BUDGET_PSS_MIB.get(name)
        said = f"{report.verdict(pss, budget)}, {report.verdict(cpu, BUDGET_CPU_PERCENT)}" if budget else ""
        rows.append((f"{machine} {name}", f"{pss:.1f}", f"{new.rss / 2**20:.1f}", f"{cpu:.2f}",
                     f"{(new.children_seconds - old.children_seconds) / seconds * 100:.2f}",
                     str(new.written - old.written - new.cancelled + old.cancelled), said))
    report.table(("program", "PSS MiB", "RSS MiB", "CPU % of a core", "children", "bytes written",
                  "budget (PSS, CPU)"), rows)
    print()
    lines = []
    for machine in topology.RACK:
        grown = {name: cards_after[machine][name] - cards[machine].get(name, 0) for name in cards_after[machine]}
        a_day = sum(grown.values()) * DAY / seconds / 1e6
        by = ", ".join(f"{name} {count}" for name, count in sorted(grown.items()) if count)
        budget = BUDGET_CARD_MB["master" if machine == "master" else "worker"]
        lines.append((machine, str(sum(grown.values())), f"{a_day:.2f}", f"{budget:.0f}",
                      report.verdict(a_day, budget), by))
    report.table(("card", "bytes", "MB a day", "budget", "", "by"), lines)


if __name__ == "__main__":
    main()
