"""What the broker holds as far as the server knows, and which topics have to be looked at again.

A broker that comes back holds nothing, or what another run of the server left behind: both are put right the same way,
by publishing all that is wanted and clearing what is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.bus import topics


@dataclass(frozen=True, slots=True)
class PodKey:
    node: str
    uid: str


@dataclass(frozen=True, slots=True)
class IndexKey:
    node: str


@dataclass(frozen=True, slots=True)
class VolumesKey:
    node: str


@dataclass(frozen=True, slots=True)
class ServiceKey:
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ClusterKey:
    pass


Key = PodKey | IndexKey | VolumesKey | ServiceKey | ClusterKey


def topic_of(key: Key) -> str:
    """Return the retained topic of a key."""
    match key:
        case PodKey(node, uid):
            return topics.desired_pod(node, uid)
        case IndexKey(node):
            return topics.desired_index(node)
        case VolumesKey(node):
            return topics.desired_volumes(node)
        case ServiceKey(namespace, name):
            return topics.service(namespace, name)
        case ClusterKey():
            return topics.CLUSTER_NODES


def key_of(topic: str) -> Key | None:
    """Return the key of a retained topic of the server's own, or None."""
    parsed = topics.parse(topic)
    if parsed is None:
        return None
    match parsed.branch:
        case "desired/pods":
            return PodKey(parsed.node, parsed.name)
        case "desired/index":
            return IndexKey(parsed.node)
        case "desired/volumes":
            return VolumesKey(parsed.node)
        case "cluster/services":
            namespace, _, name = parsed.name.partition("/")
            return ServiceKey(namespace, name)
        case _:
            return None


@dataclass(slots=True)
class Publications:
    """Revision by topic of what the broker holds; "" where it holds something unknown."""

    held: dict[str, str] = field(default_factory=dict)
    dirty: set[Key] = field(default_factory=set)

    def forget_contents(self) -> None:
        """After a new connection: whatever is there may be something else."""
        for topic in self.held:
            self.held[topic] = ""

    def seen(self, topic: str) -> bool:
        """Note a message that an earlier run left behind; return whether somebody has to look at it."""
        key = key_of(topic)
        if key is None or topic in self.held:
            return False
        self.held[topic] = ""
        self.dirty.add(key)
        return True

    def is_current(self, topic: str, revision: str) -> bool:
        return self.held.get(topic) == revision

    def take(self) -> list[Key]:
        """Return the keys to look at, in an order that shows a node its pods before the index that lists them.

        The list of services comes before new ones: a node that hears the old list last would drop them.
        """
        order = {ClusterKey: 0, ServiceKey: 1, PodKey: 2, IndexKey: 3, VolumesKey: 4}
        keys = sorted(self.dirty, key=lambda key: order[type(key)])
        self.dirty = set()
        return keys
