"""How fast a Deployment of 120 replicas comes up and goes on the four-node lab, beside `podman run` one by one.

    python -m bench.pods120 [--name LAB] [--replicas 120] [--rounds 3]

Budget: 600 pods a minute from `apply` until the last one is Ready.
"""

from __future__ import annotations

import concurrent.futures
import statistics
import time

from bench import rack, report
from edge.lab import topology
from edge.lab.topology import Lab

LABEL = "bench-many"
PATH = f"/apis/apps/v1/namespaces/default/deployments/{LABEL}"
BUDGET_A_MINUTE = 600
LONGEST_SECONDS = 300


def up(api: rack.Api, replicas: int) -> list[float]:
    """Return the seconds after which the first, second, ... pod was Ready."""
    events = api.watch(rack.pods_path(LABEL), LONGEST_SECONDS)
    ready: dict[str, float] = {}
    began = time.perf_counter()
    api.call("POST", PATH.rpartition("/")[0], rack.deployment(LABEL, replicas))
    for seen, _, pod in events:
        if rack.is_ready(pod):
            ready.setdefault(pod["metadata"]["name"], seen - began)
        if len(ready) == replicas:
            return sorted(ready.values())
    raise SystemExit(f"only {len(ready)} of {replicas} pods were Ready after {LONGEST_SECONDS} s")


def down(api: rack.Api, replicas: int) -> float:
    """Return the seconds until the last pod is gone."""
    events = api.watch(rack.pods_path(LABEL), LONGEST_SECONDS)
    began = time.perf_counter()
    api.call("DELETE", PATH, {"propagationPolicy": "Background"})
    gone = 0
    for seen, kind, _ in events:
        gone += kind == "DELETED"
        if gone == replicas:
            return seen - began
    raise SystemExit(f"only {gone} of {replicas} pods were gone after {LONGEST_SECONDS} s")


def one_by_one(lab: Lab, node: str, count: int) -> tuple[float, float]:
    """Return the containers a minute that `podman run` starts and `podman rm` removes on a node."""
    began = time.perf_counter()
    made = [rack.podman(lab, node, "run", "--detach", rack.IMAGE) for _ in range(count)]
    took = time.perf_counter() - began
    began = time.perf_counter()
    for container in made:
        rack.podman(lab, node, "rm", "--force", "--time=0", container)
    return count / took * 60, count / (time.perf_counter() - began) * 60


def main() -> None:
    """Measure both."""
    parser = rack.arguments(__doc__ or "")
    parser.add_argument("--replicas", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    lab, count = rack.lab_of(options), options.replicas
    api = rack.Api(lab)
    rows, rates = [], []
    for number in range(options.rounds):
        one, away = one_by_one(lab, "node-1", 10)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            side_by_side = sum(rate for rate, _ in pool.map(lambda node: one_by_one(lab, node, 10), topology.WORKERS))
        ready = up(api, count)
        last = ready[-1]
        rate = count / last * 60
        rates.append(rate)
        gone = down(api, count)
        rows.append((f"round {number + 1}", f"{ready[0]:.2f}", f"{statistics.median(ready):.2f}", f"{last:.2f}",
                     f"{rate:.0f}", f"{count / gone * 60:.0f}", f"{one:.0f}", f"{side_by_side:.0f}", f"{away:.0f}"))
    print(report.machine())
    report.table((f"{count} pods", "first s", "median s", "last s", "up a min", "down a min", "podman run, 1 node",
                  "on 3 at once", "podman rm, 1 node"), rows)
    best = statistics.median(rates)
    print(f"median {best:.0f} pods a minute, budget {BUDGET_A_MINUTE}: "
          f"{'ok' if best >= BUDGET_A_MINUTE else f'{best / BUDGET_A_MINUTE:.2f} of it'}")


if __name__ == "__main__":
    main()
