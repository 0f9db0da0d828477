"""A whole agent on fakes: bus, engine, network, clock and a directory of its own, and a server's end of the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from edge.agent.checkpoint import Checkpoint, Statuses
from edge.agent.loop import Agent
from edge.agent.node_status import Given
from edge.agent.node_watch import Node
from edge.agent.policy import Policy
from edge.api import core, meta, topology
from edge.bus import messages, topics
from edge.component import Supervisor
from edge.runtime.containers import Image
from tests.fakes.bus import FakeBroker
from tests.fakes.clock import FakeClock, settle
from tests.fakes.network import FakeNetwork
from tests.fakes.runtime import FakeRuntime

CLUSTER = topology.Cluster(nodes=(topology.Node(name="node-1", address="10.0.0.2", pod_cidr="10.244.1.0/24"),))


def pod(name: str = "web", uid: str = "uid-1", *, spec: core.PodSpec | None = None, image: str = "busybox:1",
        policy: str = "Always", **container: object) -> core.Pod:
    """Return a pod of one container with its defaults set."""
    made = core.Container(name=name, image=image, image_pull_policy="IfNotPresent", **container)  # type: ignore[arg-type]
    spec = spec or core.PodSpec(containers=(made,), restart_policy=policy, node_name="node-1",
                                termination_grace_period_seconds=30)
    return core.Pod(api_version="v1", kind="Pod", spec=spec,
                    metadata=meta.ObjectMeta(name=name, namespace="default", uid=uid))


class FakeNode:
    """Starts, stops and observes one agent."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = FakeClock()
        self.broker = FakeBroker()
        self.runtime = FakeRuntime(self.clock)
        self.network = FakeNetwork()
        self.runtime.local["busybox:1"] = Image(id="sha256:b1", names=("busybox:1",))
        self.pods: dict[str, messages.DesiredPod] = {}
        self.epoch = "e1"
        self.prepare: Callable[[Agent, Supervisor], None] = lambda agent, supervisor: None
        """Adds parts to an agent before it begins."""
        self.policy = Policy()
        self.cpu_milli = 0
        """As the settings say; 0 for what the machine has."""
        self._boots = 0

    async def serve(self, cluster: topology.Cluster = CLUSTER) -> None:
        """Publish, as the server does, the cluster and every wanted pod."""
        retained = self.broker.retained
        retained[topics.CLUSTER_NODES] = messages.encode(messages.ClusterMessage(cluster=cluster))
        index = messages.DesiredIndex(epoch=self.epoch, pods=tuple(
            messages.PodRef(uid, pod.revision) for uid, pod in self.pods.items()))
        for uid, desired in self.pods.items():
            retained[topics.desired_pod("node-1", uid)] = messages.encode(desired)
        retained[topics.desired_index("node-1")] = messages.encode(index)
        sender = self.broker.bus()
        await sender.start()
        for topic, payload in list(retained.items()):
            if "/desired/" in topic or "/cluster/" in topic:
                await sender.publish(topic, payload, retain=True)

    async def want(self, made: core.Pod, revision: str = "1", **more: object) -> None:
        """Want a pod, and say so."""
        self.pods[made.metadata.uid] = messages.DesiredPod(revision=revision, pod=made, **more)  # type: ignore[arg-type]
        await self.serve()

    async def start(self) -> None:
        """Start an agent as a new process would."""
        self._boots += 1
        self.bus = self.broker.bus(*topics.agent_subscriptions("node-1"))
        node = Node(given=Given(name="node-1", address="10.0.0.2", cpu_milli=self.cpu_milli),
                    policy=self.policy, data_dir=str(self.directory / "data"),
                    run_dir=str(self.directory / "run"), log_dir=str(self.directory / "logs"))
        (self.directory / "data").mkdir(exist_ok=True)
        self.agent = Agent(node, bus=self.bus, runtime=self.runtime, network=self.network,
                           checkpoint=Checkpoint(self.directory / "data", self.directory / "run" / "agent"),
                           statuses=Statuses(self.directory / "run" / "agent"), clock=self.clock,
                           boot_id=f"boot-{self._boots}", topology_changed=lambda cluster, services: None)
        self.supervisor = Supervisor(self.clock)
        self.prepare(self.agent, self.supervisor)
        self.agent.start(self.supervisor)
        await self.bus.start()

    async def stop(self) -> None:
        """Stop the agent and leave the pods."""
        await self.supervisor.stop()
        await self.agent.stop()
        await self.bus.stop()

    async def until(self, condition: Callable[[], bool], seconds: float = 60.0, step: float = 0.5) -> None:
        """Let time pass until the condition holds; fail when it does not in that time."""
        end = self.clock.monotonic() + seconds
        while not condition():
            assert self.clock.monotonic() < end, "it did not come to pass"
            for _ in range(4):
                await settle(5)
                # Files are written in threads, which need real time.
                await asyncio.sleep(0.0005)
                if condition():
                    return
            self.clock.advance(step)

    async def pass_time(self, seconds: float) -> None:
        """Let that time pass."""
        end = self.clock.monotonic() + seconds
        await self.until(lambda: self.clock.monotonic() >= end, seconds + 5)

    def reports(self, uid: str = "uid-1") -> list[messages.ReportedPod]:
        """Return everything that was reported of a pod."""
        topic = topics.reported_pod("node-1", uid)
        return [messages.decode(messages.ReportedPod, message.payload) for message in self.broker.published
                if message.topic == topic]

    def status(self, uid: str = "uid-1") -> core.PodStatus:
        """Return the status reported last."""
        reports = self.reports(uid)
        return reports[-1].status if reports else core.PodStatus()

    def events(self) -> list[tuple[str, str]]:
        """Return (reason, message) of all events."""
        found = [messages.decode(messages.ReportedEvent, message.payload) for message in self.broker.published
                 if message.topic == topics.events("node-1")]
        return [(event.reason, event.message) for event in found]

    def ready(self, uid: str = "uid-1") -> bool:
        """Return whether the pod was last reported Ready."""
        return any(each.type == "Ready" and each.status == "True" for each in self.status(uid).conditions)
