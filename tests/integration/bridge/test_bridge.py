"""The bridge between the real API (in this process, on a real store) and a broker in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import msgspec
import pytest

from edge.api import coordination, core, errors, meta
from edge.apiserver.bootstrap import make_namespaces
from edge.apiserver.local import LocalClient
from edge.apiserver.service import Service
from edge.bridge import loop, loop_absent, surroundings
from edge.bus import interface, messages, topics
from edge.client import cache
from edge.component import Supervisor
from edge.ids import SystemIds
from edge.store.sqlite import open_store
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock

T = TypeVar("T")
M = TypeVar("M", bound=messages.Struct)
NODE = "node-1"
ROUNDS = 2000


async def until(found: Callable[[], T | None]) -> T:
    """Wait until a look returns something; bounded by rounds of the loop, not by time."""
    for _ in range(ROUNDS):
        if (value := found()) is not None and value is not False:
            return value
        await asyncio.sleep(0.002)
    raise AssertionError("it never came true")


class World:
    """An API, a broker, a bridge, and a node's end of the bus."""

    def __init__(self, client: LocalClient, broker: FakeBroker, clock: FakeClock, node: FakeBus) -> None:
        self.client, self.broker, self.clock, self.node = client, broker, clock, node
        self.bridge: loop.Bridge
        self._sequence = 0
        self._parts: list[tuple[Supervisor, FakeBus]] = []

    async def start_server(self) -> None:
        """Start a bridge as a server's start does: new caches, new epoch."""
        supervisor, ids = Supervisor(self.clock), SystemIds()
        caches = cache.SharedCaches(self.client, clock=self.clock, ids=ids, start=supervisor.start)
        bus = self.broker.bus(*loop.SUBSCRIPTIONS, see_retained=True)
        self.bridge = loop.Bridge(self.client, caches, bus, self.clock, ids, network=surroundings.Network(),
                                  tokens=lambda pod, account, asked: (
                                      f"{account.metadata.name} {asked.audience} {asked.issued:%d.%H:%M}"))
        supervisor.start("bridge", self.bridge.run)
        await bus.start()
        self._parts.append((supervisor, bus))

    @property
    def server(self) -> tuple[Supervisor, FakeBus]:
        return self._parts[-1]

    async def stop_server(self) -> None:
        for supervisor, bus in self._parts:
            await supervisor.stop()
            await bus.stop()
        self._parts.clear()

    async def say(self, topic: str, content: Callable[[int], messages.Struct]) -> None:
        """Publish a report with the next sequence number."""
        self._sequence += 1
        await self.node.publish(topic, messages.encode(content(self._sequence)))

    async def report_node(self, node: str = NODE, ready: str = "True", boot: str = "boot-1") -> None:
        await self.say(topics.reported_node(node), lambda n: messages.ReportedNode(
            boot_id=boot, sequence=n, status=core.NodeStatus(
                conditions=(meta.Condition(type="Ready", status=ready),),
                addresses=(core.NodeAddress(type="InternalIP", address="10.0.0.2"),))))

    async def report_pod(self, pod: core.Pod, phase: str, *, terminated: bool = False, node: str = NODE,
                         sequence: int | None = None) -> None:
        await self.say(topics.reported_pod(node, pod.metadata.uid), lambda n: messages.ReportedPod(
            boot_id="boot-1", sequence=sequence or n, uid=pod.metadata.uid, namespace=pod.metadata.namespace,
            name=pod.metadata.name, status=core.PodStatus(phase=phase), terminated=terminated))

    async def say_state(self, state: str, node: str = NODE) -> None:
        await self.say(topics.state(node), lambda n: messages.NodeState(boot_id="boot-1", sequence=n, state=state))

    async def beat(self, node: str = NODE) -> None:
        await self.say(topics.heartbeat(node), lambda n: messages.Heartbeat(boot_id="boot-1", sequence=n))

    def retained(self, kind: type[M], topic: str) -> M | None:
        payload = self.broker.retained.get(topic)
        return messages.decode(kind, payload) if payload else None

    def index(self, node: str = NODE) -> messages.DesiredIndex | None:
        return self.retained(messages.DesiredIndex, topics.desired_index(node))

    def listed(self, node: str = NODE) -> set[str] | None:
        found = self.index(node)
        return {entry.uid for entry in found.pods} if found is not None else None

    async def ready(self, node: str = NODE) -> str:
        found = await self.client.get(core.Node, node)
        return next(c.status for c in found.status.conditions if c.type == "Ready")

    async def make_pod(self, name: str = "web", node: str = NODE, **spec: object) -> core.Pod:
        """Create a pod and bind it."""
        values = {"containers": [{"name": "c", "image": "i"}], **spec}
        await self.client.create(core.Pod(metadata=meta.ObjectMeta(name=name, namespace="default"),
                                          spec=msgspec.convert(values, core.PodSpec)))
        await self.client.bind(name, "default", node)
        return await self.client.get(core.Pod, name, "default")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock, broker = FakeClock(), FakeBroker()
    store = await open_store(None)
    service = Service(store, clock, SystemIds())
    await make_namespaces(service)
    client = LocalClient(service)
    await client.create(core.ServiceAccount(metadata=meta.ObjectMeta(name="default", namespace="default")))
    node = broker.bus()
    made = World(client, broker, clock, node)
    await node.start()
    await made.start_server()
    yield made
    await made.stop_server()
    await store.close()


async def wait_for(world: World, kind: type[T], name: str, namespace: str, check: Callable[[T], bool]) -> T:
    for _ in range(ROUNDS):
        try:
            found = await world.client.get(kind, name, namespace)  # type: ignore[type-var]
        except errors.NotFound:
            found = None
        if found is not None and check(found):
            return found
        await asyncio.sleep(0.002)
    raise AssertionError("it never came true")


async def registered(world: World, *names: str) -> None:
    for name in names or (NODE,):
        await world.report_node(name)
    for name in names or (NODE,):
        await wait_for(world, core.Node, name, "", lambda _node: True)
        await until(lambda name=name: world.index(name))  # type: ignore[misc]


async def test_a_reporting_node_is_registered_and_gets_an_empty_index(world: World) -> None:
    await registered(world)
    node = await world.client.get(core.Node, NODE)
    assert node.spec.pod_cidr == "10.244.0.0/24"
    assert await world.ready() == "True"
    index = world.index()
    assert index == messages.DesiredIndex(epoch=world.bridge.epoch)
    cluster = await until(lambda: world.retained(messages.ClusterMessage, topics.CLUSTER_NODES))
    assert cluster.cluster.nodes[0].address == "10.0.0.2"


async def test_nodes_that_register_together_get_different_ranges(world: World) -> None:
    names = [f"node-{number}" for number in range(10)]
    await registered(world, *names)
    found = {(await world.client.get(core.Node, name)).spec.pod_cidr for name in names}
    assert found == {f"10.244.{number}.0/24" for number in range(10)}


async def test_a_bound_pod_is_published_with_what_it_names_and_follows_changes(world: World) -> None:
    await registered(world)
    await world.client.create(core.ConfigMap(metadata=meta.ObjectMeta(name="c", namespace="default"),
                                             data={"a": "1"}))
    pod = await world.make_pod(volumes=[{"name": "v", "configMap": {"name": "c"}}])
    uid, topic = pod.metadata.uid, topics.desired_pod(NODE, pod.metadata.uid)
    await until(lambda: world.listed() == {uid} or None)
    first = world.retained(messages.DesiredPod, topic)
    assert first is not None
    assert first.config_maps["c"].data == {"a": "1"}
    assert first.service_account_token == "default  01.00:00"
    await world.client.patch(core.ConfigMap, "c", "default", {"data": {"a": "2"}})
    second = await until(lambda: found if (found := world.retained(messages.DesiredPod, topic)) != first else None)
    assert second.config_maps["c"].data == {"a": "2"}
    await until(lambda: ((index := world.index()) and index.pods[0].revision == second.revision) or None)


async def test_tokens_are_renewed_in_time_and_the_index_stays_as_it_is(world: World) -> None:
    await registered(world)
    token = {"serviceAccountToken": {"path": "t", "audience": "vault", "expirationSeconds": 3600}}
    pod = await world.make_pod(volumes=[{"name": "v", "projected": {"sources": [token]}}])
    topic = topics.desired_pod(NODE, pod.metadata.uid)
    await until(lambda: world.listed() == {pod.metadata.uid} or None)
    first, index = await until(lambda: world.retained(messages.DesiredPod, topic)), world.index()
    assert first.tokens == (messages.PodToken("vault", 3600, "default vault 01.00:00"),)
    world.clock.jump(2880)
    for _ in range(3):
        world.clock.advance(600)
        await asyncio.sleep(0.01)
    second = await until(lambda: found if (found := world.retained(messages.DesiredPod, topic)) != first else None)
    assert second.tokens[0].token == "default vault 01.00:48"
    assert second.revision == first.revision
    assert world.index() == index


async def test_a_change_of_status_is_not_published_again(world: World) -> None:
    await registered(world)
    pod = await world.make_pod()
    await until(lambda: world.listed() == {pod.metadata.uid} or None)
    count = len([m for m in world.broker.published if "/desired/" in m.topic])
    await world.report_pod(pod, "Running")
    await wait_for(world, core.Pod, "web", "default", lambda found: found.status.phase == "Running")
    await world.make_pod("second")
    await until(lambda: len(world.listed() or ()) == 2 or None)
    # One message and one index for the second pod, none for the first one's status.
    assert len([m for m in world.broker.published if "/desired/" in m.topic]) == count + 2


async def test_a_deleted_pod_goes_when_its_node_reports_it_gone(world: World) -> None:
    await registered(world)
    pod = await world.make_pod()
    topic = topics.desired_pod(NODE, pod.metadata.uid)
    await world.report_pod(pod, "Running")
    await wait_for(world, core.Pod, "web", "default", lambda found: found.status.phase == "Running")
    await world.client.delete(core.Pod, "web", "default")
    told = await until(lambda: found if (found := world.retained(messages.DesiredPod, topic))
                       and found.pod.metadata.deletion_timestamp else None)
    assert told.pod.metadata.deletion_grace_period_seconds == 30
    assert world.listed() == {pod.metadata.uid}
    await world.report_pod(pod, "Failed", terminated=True)
    await until(lambda: world.listed() == set() or None)
    await until(lambda: topic not in world.broker.retained or None)
    with pytest.raises(errors.NotFound):
        await world.client.get(core.Pod, "web", "default")


async def test_a_broker_that_returns_empty_gets_everything_again(world: World) -> None:
    await registered(world)
    pod = await world.make_pod()
    await until(lambda: world.listed() == {pod.metadata.uid} or None)
    before = dict(world.broker.retained)
    world.broker.away()
    await world.client.delete(core.Pod, "web", "default", grace_period_seconds=0)
    later = await world.make_pod("later")
    world.broker.back()
    await until(lambda: world.listed() == {later.metadata.uid} or None)
    await until(lambda: topics.CLUSTER_NODES in world.broker.retained or None)
    assert topics.desired_pod(NODE, pod.metadata.uid) not in world.broker.retained
    assert len(world.broker.retained) == len(before)


async def test_a_new_server_has_a_new_epoch_and_clears_what_the_old_one_left(world: World) -> None:
    await registered(world)
    pod = await world.make_pod()
    await until(lambda: world.listed() == {pod.metadata.uid} or None)
    epoch = world.bridge.epoch
    await world.stop_server()
    await world.client.delete(core.Pod, "web", "default", grace_period_seconds=0)
    world.broker.retained[topics.service("default", "gone")] = b"{}"
    await world.start_server()
    await until(lambda: world.listed() == set() or None)
    index = world.index()
    assert index is not None
    assert index.epoch == world.bridge.epoch != epoch
    await until(lambda: not {topics.desired_pod(NODE, pod.metadata.uid),
                             topics.service("default", "gone")} & set(world.broker.retained) or None)


async def test_a_server_that_was_away_from_the_bus_has_nodes_say_everything_again(world: World) -> None:
    """What a node says meanwhile is lost; that its agent is a new one, for example."""
    await registered(world)
    epoch, (_, bus) = world.bridge.epoch, world.server
    bus.drop("too slow")
    bus.connect()
    index = await until(lambda: ((found := world.index()) and found.epoch != epoch and found) or None)
    assert index.epoch == world.bridge.epoch


async def test_services_are_published_with_their_endpoints_and_cleared(world: World) -> None:
    topic = topics.service("default", "db")
    spec = msgspec.convert({"ports": [{"name": "sql", "port": 5432}]}, core.ServiceSpec)
    await world.client.create(core.Service(metadata=meta.ObjectMeta(name="db", namespace="default"), spec=spec))
    made = await until(lambda: world.retained(messages.ServiceMessage, topic))
    assert made.service.ports[0].backends == ()
    await world.client.create(msgspec.convert(
        {"metadata": {"name": "db", "namespace": "default"},
         "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"name": "sql", "port": 5432}]}]}, core.Endpoints))
    await until(lambda: ((found := world.retained(messages.ServiceMessage, topic))
                and found.service.ports[0].backends == (("192.0.2.1", 5432),)) or None)
    await world.client.delete(core.Service, "db", "default")
    await until(lambda: topic not in world.broker.retained or None)


async def test_the_list_of_services_comes_before_a_new_one_and_loses_what_goes(world: World) -> None:
    """A node that was away while a service was deleted learns of it from the list alone."""
    def listed() -> tuple[str, ...] | None:
        found = world.retained(messages.ClusterMessage, topics.CLUSTER_NODES)
        return found.services if found is not None else None

    await until(lambda: listed() == ())
    await world.client.create(core.Service(metadata=meta.ObjectMeta(name="db", namespace="default"),
                                           spec=core.ServiceSpec(ports=(core.ServicePort(port=80),))))
    topic = topics.service("default", "db")
    await until(lambda: world.retained(messages.ServiceMessage, topic))
    assert listed() == ("default/db",)
    await world.client.delete(core.Service, "db", "default")
    await until(lambda: listed() == ())



async def test_a_node_speaks_only_for_its_own_pods(world: World) -> None:
    await registered(world, NODE, "node-2")
    pod = await world.make_pod()
    await until(lambda: world.listed() == {pod.metadata.uid} or None)
    await world.report_pod(pod, "Failed", node="node-2")
    await world.report_pod(pod, "Running")
    await wait_for(world, core.Pod, "web", "default", lambda found: found.status.phase == "Running")
    refused = world.bridge.recipient.refused
    assert refused["reported/pods: the pod is not bound to the node that speaks of it"] == 1


async def test_late_repeated_and_malformed_reports_are_dropped_and_counted(world: World) -> None:
    await registered(world)
    pod = await world.make_pod()
    await until(lambda: world.listed() == {pod.metadata.uid} or None)
    await world.report_pod(pod, "Running", sequence=100)
    await world.report_pod(pod, "Pending", sequence=99)
    await world.report_pod(pod, "Pending", sequence=100)
    topic = topics.reported_pod(NODE, pod.metadata.uid)
    for payload in (b"", b"{", b"[]", b'{"version":2}', b"\xff\xfe", b'{"version":1,"boot_id":3}',
                    b"[" * 100_000, b"x" * (messages.MAX_BYTES)):
        await world.node.publish(topic, payload)
    await world.node.publish("edge/v1/nodes/node-1/reported/unknown", b"x")
    await wait_for(world, core.Pod, "web", "default", lambda found: found.status.phase == "Running")
    refused = world.bridge.recipient.refused
    await until(lambda: refused["other: a topic the server does not read"] == 1 or None)
    assert refused["reported/pods: late or repeated"] == 2
    assert refused["reported/pods: malformed"] == 7
    assert (await world.client.get(core.Pod, "web", "default")).status.phase == "Running"


async def test_heartbeats_renew_the_lease(world: World) -> None:
    await registered(world)
    for second in range(3):
        await world.beat()
        expected = f"2030-01-01T00:00:{second * 10:02d}.000000Z"
        await wait_for(world, coordination.Lease, NODE, "kube-node-lease",
                       lambda lease, expected=expected: lease.spec.renew_time == expected)  # type: ignore[misc]
        world.clock.advance(10)


async def test_an_agent_that_is_started_again_is_not_noticed(world: World) -> None:
    await registered(world)
    before = await world.client.get(core.Node, NODE)
    for state in ("online", "lost", "online"):
        await world.say_state(state)
        world.clock.advance(loop_absent.PATIENCE_SECONDS - 1)
    await world.beat()
    # A lease says that all before it has been worked off.
    await wait_for(world, coordination.Lease, NODE, "kube-node-lease", lambda lease: bool(lease.spec.renew_time))
    assert (await world.client.get(core.Node, NODE)).status == before.status


async def test_the_last_wills_of_a_broker_that_ends_are_nobodys_fault(world: World) -> None:
    await registered(world)
    await world.say_state("online")
    await world.say_state("lost")
    _, bus = world.server
    bus.drop("the broker ends")
    await until(lambda: world.bridge.listening_since is None or None)
    world.clock.advance(loop_absent.PATIENCE_SECONDS)
    bus.connect()
    await world.beat()
    await wait_for(world, coordination.Lease, NODE, "kube-node-lease", lambda lease: bool(lease.spec.renew_time))
    assert await world.ready() == "True"


async def test_a_lost_node_is_soon_unknown_and_ready_when_it_reports_again(world: World) -> None:
    await registered(world)
    await world.say_state("online")
    await world.say_state("lost")
    await world.beat()
    await wait_for(world, coordination.Lease, NODE, "kube-node-lease", lambda lease: bool(lease.spec.renew_time))
    assert await world.ready() == "True"
    world.clock.advance(loop_absent.PATIENCE_SECONDS)
    await wait_for(world, core.Node, NODE, "", lambda node: node.status.conditions[0].status == "Unknown")
    await world.say_state("online")
    await world.report_node()
    await wait_for(world, core.Node, NODE, "", lambda node: node.status.conditions[0].status == "True")


async def test_a_node_given_up_by_mistake_is_ready_again_with_its_next_heartbeat(world: World) -> None:
    await registered(world)
    node = await world.client.get(core.Node, NODE)
    given_up = msgspec.structs.replace(node.status, conditions=(meta.Condition(type="Ready", status="Unknown"),))
    await world.client.update_status(msgspec.structs.replace(node, status=given_up))
    # The lease is renewed by each heartbeat; the view may show the node's change a moment later.
    for _ in range(ROUNDS):
        await world.beat()
        if await world.ready() == "True":
            break
        await asyncio.sleep(0.002)
    assert await world.ready() == "True"


async def test_events_become_event_objects_and_are_counted(world: World) -> None:
    await registered(world)
    pod = await world.make_pod()
    await until(lambda: world.listed() == {pod.metadata.uid} or None)
    for _ in range(2):
        await world.say(topics.events(NODE), lambda n: messages.ReportedEvent(
            boot_id="boot-1", sequence=n, uid=pod.metadata.uid, namespace="default", name="web", reason="Pulled",
            message="Pulled image i"))
    for _ in range(ROUNDS):
        found = [event for event in (await world.client.list(core.Event, "default")).items
                 if event.reason == "Pulled"]
        if found and found[0].count == 2:
            break
        await asyncio.sleep(0.002)
    assert [(event.involved_object.name, event.count, event.source.host) for event in found] == [("web", 2, NODE)]


async def test_nothing_is_published_while_the_broker_is_away(world: World) -> None:
    world.broker.away()
    await world.client.create(core.Service(metadata=meta.ObjectMeta(name="x", namespace="default"),
                                           spec=core.ServiceSpec(ports=(core.ServicePort(port=80),))))
    with pytest.raises(interface.BusUnavailable):
        await world.node.publish("x", b"")
    world.broker.back()
    await until(lambda: topics.service("default", "x") in world.broker.retained or None)


async def test_a_message_the_broker_refuses_does_not_stop_the_others(world: World) -> None:
    world.broker.refuse.add(topics.service("default", "bad"))
    for name in ("bad", "good"):
        await world.client.create(core.Service(metadata=meta.ObjectMeta(name=name, namespace="default"),
                                               spec=core.ServiceSpec(ports=(core.ServicePort(port=80),))))
    await until(lambda: topics.service("default", "good") in world.broker.retained or None)
    assert topics.service("default", "bad") not in world.broker.retained
    world.broker.refuse.clear()
    await world.client.patch(core.Service, "bad", "default", {"spec": {"sessionAffinity": "ClientIP"}})
    await until(lambda: topics.service("default", "bad") in world.broker.retained or None)


async def test_a_node_that_is_deleted_while_it_lives_is_registered_again(world: World) -> None:
    await registered(world)
    before = (await world.client.get(core.Node, NODE)).metadata.uid
    await world.client.delete(core.Node, NODE)
    await until(lambda: world.index() is None)
    await world.beat()
    await wait_for(world, core.Node, NODE, "", lambda node: node.metadata.uid != before)
    await until(world.index)
    # One that has gone stays away.
    await world.say_state("lost")
    await world.client.delete(core.Node, NODE)
    await until(lambda: world.index() is None)
    await world.beat()
    with pytest.raises(errors.NotFound):
        await world.client.get(core.Node, NODE)


async def test_a_pod_that_is_too_large_to_send_says_so(world: World) -> None:
    await registered(world)
    for number in range(5):
        await world.client.create(core.ConfigMap(
            metadata=meta.ObjectMeta(name=f"c{number}", namespace="default"), data={"a": "x" * 1_000_000}))
    await world.make_pod(volumes=[{"name": f"v{number}", "configMap": {"name": f"c{number}"}} for number in range(5)])
    told = await wait_for(world, core.Pod, "web", "default", lambda pod: bool(pod.status.reason))
    assert told.status.reason == "MessageTooLarge"
    assert "more than" in told.status.message
    events = (await world.client.list(core.Event, "default")).items
    assert [(event.type, event.reason) for event in events] == [("Warning", "MessageTooLarge")]
    await world.client.delete(core.ConfigMap, "c0", "default")
    await until(lambda: world.retained(messages.DesiredPod, topics.desired_pod(NODE, told.metadata.uid)))


async def test_an_event_of_megabytes_is_cut_before_it_is_kept(world: World) -> None:
    await registered(world)
    await world.say(topics.events(NODE), lambda n: messages.ReportedEvent(
        boot_id="b" * 1_000_000, sequence=n, reason="R" * 1_000_000, message="m" * 1_000_000,
        field_path="f" * 1_000_000))
    for _ in range(ROUNDS):
        found = [event for event in (await world.client.list(core.Event)).items if event.reason == "R" * 128]
        if found:
            break
        await asyncio.sleep(0.002)
    assert len(found[0].message) == 1024
