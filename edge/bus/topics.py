"""The topic grammar of the control bus: build and parse, in one place.

`<node>` is the node's name, which is also the broker's user name for it (the CN of its certificate), so that the
broker's access list can be written as patterns.
"""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "edge/v1"
CLUSTER_NODES = f"{ROOT}/cluster/nodes"
CLUSTER_SERVICES = f"{ROOT}/cluster/services/+/+"
SERVER_SUBSCRIPTIONS = (f"{ROOT}/nodes/+/reported/#", f"{ROOT}/nodes/+/heartbeat", f"{ROOT}/nodes/+/state",
                        f"{ROOT}/nodes/+/events")
SERVER_USER = "system:edge-server"


def desired_index(node: str) -> str:
    return f"{ROOT}/nodes/{node}/desired/index"


def desired_pod(node: str, uid: str) -> str:
    return f"{ROOT}/nodes/{node}/desired/pods/{uid}"


def desired_volumes(node: str) -> str:
    return f"{ROOT}/nodes/{node}/desired/volumes"


def reported_volumes(node: str) -> str:
    return f"{ROOT}/nodes/{node}/reported/volumes"


def reported_pod(node: str, uid: str) -> str:
    return f"{ROOT}/nodes/{node}/reported/pods/{uid}"


def reported_node(node: str) -> str:
    return f"{ROOT}/nodes/{node}/reported/node"


def reported_static(node: str) -> str:
    return f"{ROOT}/nodes/{node}/reported/static"


def heartbeat(node: str) -> str:
    return f"{ROOT}/nodes/{node}/heartbeat"


def state(node: str) -> str:
    return f"{ROOT}/nodes/{node}/state"


def events(node: str) -> str:
    return f"{ROOT}/nodes/{node}/events"


def service(namespace: str, name: str) -> str:
    return f"{ROOT}/cluster/services/{namespace}/{name}"


def agent_subscriptions(node: str) -> tuple[str, ...]:
    return (f"{ROOT}/nodes/{node}/desired/#", CLUSTER_NODES, CLUSTER_SERVICES)


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed topic. `branch` is one of desired/index, desired/pods, desired/volumes, reported/pods, reported/node,
    reported/static, reported/volumes, heartbeat, state, events, cluster/nodes, cluster/services; `name` the pod uid or
    `namespace/name` of a service."""

    branch: str
    node: str = ""
    name: str = ""


def parse(topic: str) -> Topic | None:
    """Return the parts of a topic of ours, or None for any other."""
    match topic.split("/"):
        case ["edge", "v1", "cluster", "nodes"]:
            return Topic("cluster/nodes")
        case ["edge", "v1", "cluster", "services", namespace, name] if namespace and name:
            return Topic("cluster/services", name=f"{namespace}/{name}")
        case ["edge", "v1", "nodes", node, "desired", "index"] if node:
            return Topic("desired/index", node)
        case ["edge", "v1", "nodes", node, "desired" | "reported" as side, "volumes"] if node:
            return Topic(f"{side}/volumes", node)
        case ["edge", "v1", "nodes", node, "desired" | "reported" as side, "pods", uid] if node and uid:
            return Topic(f"{side}/pods", node, uid)
        case ["edge", "v1", "nodes", node, "reported", "node" | "static" as what] if node:
            return Topic(f"reported/{what}", node)
        case ["edge", "v1", "nodes", node, "heartbeat" | "state" | "events" as branch] if node:
            return Topic(branch, node)
        case _:
            return None
