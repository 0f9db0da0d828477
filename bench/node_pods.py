"""How fast one node starts and ends 30 pods at once, beside `podman run` of as many, one by one and together.

    python -m bench.node_pods [--name LAB] [--pods 30] [--rounds 3]

There is no budget of seconds: a node should start pods at about the rate its Podman gives.
"""

from __future__ import annotations

import concurrent.futures
import statistics
import time

from bench import pods120, rack, report
from edge.lab.topology import Lab

NODE = "node-1"
TOGETHER = 4


def through_edge(api: rack.Api, pods: int) -> tuple[float, float]:
    """Return the seconds until all pods are Ready, and until all are gone again."""
    events = api.watch(rack.pods_path(pods120.LABEL), pods120.LONGEST_SECONDS)
    ready: set[str] = set()
    body = rack.deployment(pods120.LABEL, pods)
    body["spec"]["template"]["spec"]["nodeName"] = NODE
    began = time.perf_counter()
    api.call("POST", pods120.PATH.rpartition("/")[0], body)
    for _, _, pod in events:
        if rack.is_ready(pod):
            ready.add(pod["metadata"]["name"])
        if len(ready) == pods:
            break
    return time.perf_counter() - began, pods120.down(api, pods)


def through_podman(lab: Lab, pods: int, together: int) -> tuple[float, float]:
    """Return the seconds in which `podman run` starts that many containers and `podman rm` removes them."""
    with concurrent.futures.ThreadPoolExecutor(together) as pool:
        began = time.perf_counter()
        made = list(pool.map(lambda _: rack.podman(lab, NODE, "run", "--detach", "--network=host", "--log-driver=none",
                                                   rack.IMAGE, "sleep", "1000"), range(pods)))
        up, began = time.perf_counter() - began, time.perf_counter()
        list(pool.map(lambda each: rack.podman(lab, NODE, "rm", "--force", "--time=0", each), made))
    return up, time.perf_counter() - began


def main() -> None:
    """Measure all ways in turn, so that noise hits each."""
    parser = rack.arguments(__doc__ or "")
    parser.add_argument("--pods", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    lab = rack.lab_of(options)
    api = rack.Api(lab)
    taken: dict[str, list[tuple[float, float]]] = {"podman run, one by one": [],
                                                   f"podman run, {TOGETHER} together": [], "edge": []}
    through_edge(api, 2)
    for _ in range(options.rounds):
        for name, together in zip(taken, (1, TOGETHER, 0), strict=True):
            taken[name].append(through_podman(lab, options.pods, together) if together
                               else through_edge(api, options.pods))
    print(report.machine())
    rows = [(name, f"{options.pods / statistics.median(up for up, _ in each) * 60:.0f}",
             f"{options.pods / statistics.median(down for _, down in each) * 60:.0f}") for name, each in taken.items()]
    report.table((f"{options.pods} on {NODE}, a minute", "started", "ended"), rows)
    best = min(statistics.median(up for up, _ in each) for name, each in taken.items() if name != "edge")
    print(f"edge / the faster podman run: {statistics.median(up for up, _ in taken['edge']) / best:.2f} of its time")


if __name__ == "__main__":
    main()
