"""How many pods a second the scheduler places, beside a reference that scores every node for every pod.

    python bench/scheduler.py [nodes] [pods]
"""

from __future__ import annotations

import sys
import time

import msgspec

from edge.api import core, meta
from edge.scheduler import filters, needs, scores, select, snapshot


def node(number: int) -> core.Node:
    """Return a simulated node of 4 cores and 8 GiB."""
    return core.Node(
        metadata=meta.ObjectMeta(name=f"node-{number}", labels={"kubernetes.io/hostname": f"node-{number}",
                                                                "zone": f"z{number % 10}"}),
        status=core.NodeStatus(allocatable={"cpu": "4", "memory": "8Gi", "pods": "110"}))


def pod(number: int, kinds: int) -> core.Pod:
    """Return a pod; every kind has an owner and requests of its own."""
    kind = number % kinds
    amounts: dict[str, meta.Quantity] = {"cpu": f"{50 + kind}m", "memory": f"{64 + kind}Mi"}
    container = core.Container(name="c", image="web", resources=core.ResourceRequirements(requests=amounts))
    owner = meta.OwnerReference(kind="ReplicaSet", name=f"rs-{kind}", uid=f"uid-{kind}", controller=True)
    return core.Pod(metadata=meta.ObjectMeta(name=f"pod-{number}", namespace="default", uid=str(number),
                                             owner_references=(owner,)), spec=core.PodSpec(containers=(container,)))


def cluster(nodes: int) -> snapshot.Snapshot:
    """Return a snapshot of empty nodes."""
    made = snapshot.Snapshot()
    for number in range(nodes):
        made.put_node(node(number))
    return made


def kept_ranking(nodes: int, pods: list[core.Pod]) -> float:
    """Place the pods as the scheduler does and as the cache then confirms; return pods a second."""
    seen = cluster(nodes)
    selector = select.Selector(seen)
    began = time.perf_counter()
    for one in pods:
        choice = selector.select(one)
        assert choice.node, choice.reason
        seen.assume(one.metadata.name, one, choice.node, choice.needs)
        seen.put_pod(one.metadata.name, msgspec.structs.replace(one, spec=msgspec.structs.replace(
            one.spec, node_name=choice.node)))
    return len(pods) / (time.perf_counter() - began)


def every_node(nodes: int, pods: list[core.Pod]) -> float:
    """Place the pods by looking at every node each time; return pods a second."""
    seen = cluster(nodes)
    began = time.perf_counter()
    for one in pods:
        wanted = needs.of(one)
        best = max((n for n in seen.nodes.values() if not filters.reasons_against(wanted, n)),
                   key=lambda n: scores.total(wanted, n))
        seen.assume(one.metadata.name, one, best.node.metadata.name, wanted)
    return len(pods) / (time.perf_counter() - began)


def main() -> None:
    """Print pods a second for one and for a hundred kinds of pods."""
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    print(f"{nodes} nodes, {count} pods")
    for kinds in (1, 100):
        pods = [pod(number, kinds) for number in range(count)]
        print(f"  {kinds:>3} kinds of pods: {kept_ranking(nodes, pods):8.0f} pods/s   every node each time: "
              f"{every_node(nodes, pods[:200]):8.0f} pods/s")


if __name__ == "__main__":
    main()
