"""How long a pod takes from `apply` to its first HTTP 200, beside `podman run` of the same image on the same node.

    python bench/pod_start.py [--name LAB] [--rounds 15]

Budget: `podman run` + 250 ms, medians of the same run. The stages are seen from outside: a watch of the pod, and
Podman's own event log of the node.
"""

from __future__ import annotations

import json
import statistics
import time
from datetime import datetime

from bench import rack, report
from edge.lab.topology import Lab

NODE = "node-1"
BUDGET_SECONDS = 0.250
STAGES = ("create answered", "scheduled", "podman: created", "podman: started", "status: Running", "HTTP 200",
          "status: Ready")


def through_podman(lab: Lab, network: str) -> float:
    """Return the seconds from `podman run -d` to the first HTTP 200."""
    began = time.perf_counter()
    container = rack.podman(lab, NODE, "run", "--detach", f"--network={network}", rack.IMAGE)
    address = "127.0.0.1"
    if network != "host":
        address = rack.podman(lab, NODE, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", container)
    rack.fetch(lab, NODE, address)
    took = time.perf_counter() - began
    rack.podman(lab, NODE, "rm", "--force", "--time=0", container)
    return took


def through_edge(lab: Lab, api: rack.Api, number: int) -> dict[str, float]:
    """Return the seconds from the request to each stage of one pod."""
    label = f"bench-start-{number}"
    body = {"apiVersion": "v1", "kind": "Pod", **rack.template(label, node=NODE)}
    body["metadata"]["name"] = label
    events = api.watch(rack.pods_path(label), 60)
    stages: dict[str, float] = {}
    wall, began = time.time_ns(), time.perf_counter()
    uid = api.call("POST", "/api/v1/namespaces/default/pods", body)["metadata"]["uid"]
    stages["create answered"] = time.perf_counter() - began
    for seen, _, pod in events:
        status = pod.get("status", {})
        if pod["spec"].get("nodeName"):
            stages.setdefault("scheduled", seen - began)
        if status.get("phase") == "Running" and "HTTP 200" not in stages:
            stages["status: Running"] = seen - began
            rack.fetch(lab, NODE, status["podIP"])
            stages["HTTP 200"] = time.perf_counter() - began
        if rack.is_ready(pod):
            stages["status: Ready"] = seen - began
            break
    for line in rack.podman(lab, NODE, "events", "--stream=false", "--since=2m", "--format=json",
                            "--filter=type=container").splitlines():
        event = json.loads(line)
        if uid in event.get("Name", "") and event["Status"] in ("create", "start"):
            stages[f"podman: {event['Status']}ed".replace("eed", "ed")] = (nanoseconds(event["Time"]) - wall) / 1e9
    api.call("DELETE", f"/api/v1/namespaces/default/pods/{label}")
    api.until(rack.pods_path(label), lambda found: not found["items"], 30)
    return stages


def nanoseconds(text: str) -> int:
    """Return a time of Podman's as nanoseconds since 1970."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(rest.ljust(9, "0")[:9])


def main() -> None:
    """Measure both in turn, so that noise hits both."""
    parser = rack.arguments(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    lab = rack.lab_of(options)
    api = rack.Api(lab)
    through_edge(lab, api, 0)
    edge: list[dict[str, float]] = []
    direct: dict[str, list[float]] = {"host": [], "podman": []}
    for number in range(1, options.rounds + 1):
        for network, taken in direct.items():
            taken.append(through_podman(lab, network))
        edge.append(through_edge(lab, api, number))
    print(report.machine())
    rows = [(f"podman run -d --network={network} until HTTP 200", *report.spread(taken))
            for network, taken in direct.items()]
    for stage in STAGES:
        if taken := [each[stage] for each in edge if stage in each]:
            rows.append((f"edge: {stage}", *report.spread(taken)))
    report.table(("from the request, ms", "min", "median", "max"), rows)
    ours = statistics.median(each["HTTP 200"] for each in edge)
    for network, taken in direct.items():
        theirs = statistics.median(taken)
        print(f"edge / podman run --network={network}: {ours / theirs:.2f}; extra {(ours - theirs) * 1e3:.0f} ms "
              f"(budget 250): {report.verdict(ours - theirs, BUDGET_SECONDS)}")


if __name__ == "__main__":
    main()
