"""What every Bus does, on the fake and on the real adapter with a real Mosquitto."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from edge.bus import interface, messages, mqtt, topics
from edge.clock import SystemClock
from edge.ids import SystemIds
from edge.pki import authority
from tests.fakes.broker import PROGRAM, Mosquitto
from tests.fakes.bus import FakeBroker

NODE = "node-1"
WAIT_SECONDS = 20.0


class Rig:
    """A broker, the server's end and one node's end."""

    server: interface.Bus
    node: interface.Bus
    kill: Callable[[], None]
    start: Callable[[], None]

    def __init__(self) -> None:
        self._readers: dict[int, AsyncIterator[interface.BusEvent]] = {}

    async def next(self, bus: interface.Bus) -> interface.BusEvent:
        """Return the next event of that end."""
        reader = self._readers.setdefault(id(bus), bus.events())
        return await asyncio.wait_for(anext(reader), WAIT_SECONDS)

    async def next_message(self, bus: interface.Bus) -> interface.Message:
        """Return the next message of that end, whatever happens to the connection before."""
        while not isinstance(event := await self.next(bus), interface.Message):
            pass
        return event

    async def until(self, bus: interface.Bus, kind: type[interface.BusEvent]) -> interface.BusEvent:
        """Return the next event of that type."""
        while not isinstance(event := await self.next(bus), kind):
            pass
        return event


def make_fake(_folder: Path) -> Rig:
    rig, broker = Rig(), FakeBroker()
    rig.server = broker.bus(*topics.SERVER_SUBSCRIPTIONS, see_retained=True)
    rig.node = broker.bus(*topics.agent_subscriptions(NODE), will=(topics.state(NODE), b"lost"))
    rig.kill, rig.start = broker.away, broker.back
    return rig


def make_real(folder: Path) -> Rig:
    if not PROGRAM:
        pytest.skip("mosquitto is not installed")
    rig, broker = Rig(), Mosquitto(folder)
    broker.start()
    rig.server = mqtt.MqttBus(mqtt.Settings(
        host="127.0.0.1", port=broker.port, client_id="edge-server", ssl_context=broker.server_context(),
        subscriptions=topics.SERVER_SUBSCRIPTIONS, see_retained=True), SystemClock(), SystemIds())
    rig.node = mqtt.MqttBus(mqtt.Settings(
        host="localhost", port=broker.port, client_id=NODE, ssl_context=broker.node_context(NODE),
        will_topic=topics.state(NODE), will_payload=b"lost", subscriptions=topics.agent_subscriptions(NODE)),
        SystemClock(), SystemIds())
    rig.kill, rig.start = broker.kill, broker.start
    return rig


@pytest.fixture(params=[make_fake, make_real], ids=["fake", "mosquitto"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    rig: Rig = request.param(tmp_path)
    await rig.server.start()
    await rig.node.start()
    try:
        yield rig
    finally:
        await rig.node.stop()
        await rig.server.stop()
        rig.kill()


async def connect(rig: Rig) -> None:
    for bus in (rig.server, rig.node):
        # A broker that is only just starting may drop the first attempt; the bus tries again by itself.
        while isinstance(event := await rig.next(bus), interface.Disconnected):
            continue
        assert event == interface.Connected()
        assert bus.connected


async def test_whoever_hears_of_a_connection_can_publish_at_once(rig: Rig) -> None:
    said: list[bool] = []

    async def greet() -> None:
        async for event in rig.node.events():
            if isinstance(event, interface.Connected):
                said.append(rig.node.connected)
                await rig.node.publish(topics.heartbeat(NODE), b"hello")
                return

    await asyncio.wait_for(greet(), WAIT_SECONDS)
    assert said == [True]


async def test_a_message_arrives_once_and_the_sender_does_not_hear_itself(rig: Rig) -> None:
    await connect(rig)
    await rig.node.publish(topics.heartbeat(NODE), b"1")
    await rig.server.publish(topics.desired_index(NODE), b"index")
    assert await rig.next(rig.server) == interface.Message(topics.heartbeat(NODE), b"1")
    assert await rig.next(rig.node) == interface.Message(topics.desired_index(NODE), b"index")


async def test_many_messages_stay_in_order_while_the_reader_is_slow(rig: Rig) -> None:
    await connect(rig)
    count = 300
    sending = asyncio.gather(*(rig.node.publish(topics.reported_pod(NODE, "u"), str(n).encode())
                               for n in range(count)))
    for number in range(count):
        if number % 100 == 0:
            await asyncio.sleep(0)
        assert (await rig.next_message(rig.server)).payload == str(number).encode()
    await sending


async def test_retained_messages_come_with_a_connection_and_can_be_cleared(rig: Rig) -> None:
    await connect(rig)
    await rig.server.publish(topics.CLUSTER_NODES, b"nodes", retain=True)
    await rig.server.publish(topics.service("default", "web"), b"web", retain=True)
    await rig.server.publish(topics.service("default", "web"), b"", retain=True)
    assert [(await rig.next_message(rig.node)).payload for _ in range(3)] == [b"nodes", b"web", b""]
    await rig.node.stop()
    await rig.node.start()
    await rig.until(rig.node, interface.Connected)
    assert await rig.next(rig.node) == interface.Message(topics.CLUSTER_NODES, b"nodes", retained=True)


async def test_who_wants_to_know_hears_that_a_live_message_is_kept(rig: Rig) -> None:
    await connect(rig)
    await rig.node.publish(topics.heartbeat(NODE), b"kept", retain=True)
    await rig.server.publish(topics.CLUSTER_NODES, b"nodes", retain=True)
    assert await rig.next(rig.server) == interface.Message(topics.heartbeat(NODE), b"kept", retained=True)
    assert await rig.next(rig.node) == interface.Message(topics.CLUSTER_NODES, b"nodes")


async def test_a_broker_that_dies_and_returns_is_told_as_events(rig: Rig) -> None:
    await connect(rig)
    rig.kill()
    assert isinstance(await rig.next(rig.node), interface.Disconnected)
    assert not rig.node.connected
    with pytest.raises(interface.BusUnavailable):
        await rig.node.publish(topics.heartbeat(NODE), b"1")
    rig.start()
    await rig.until(rig.node, interface.Connected)
    await rig.until(rig.server, interface.Connected)
    await rig.node.publish(topics.heartbeat(NODE), b"2")
    assert await rig.next_message(rig.server) == interface.Message(topics.heartbeat(NODE), b"2")


async def test_a_message_that_is_too_large_is_refused_and_the_connection_stays(rig: Rig) -> None:
    await connect(rig)
    with pytest.raises(interface.BusRefused):
        await rig.server.publish(topics.desired_index(NODE), bytes(messages.MAX_BYTES + 1))
    largest = bytes(messages.MAX_BYTES)
    await rig.server.publish(topics.desired_index(NODE), largest)
    assert (await rig.next_message(rig.node)).payload == largest
    assert rig.server.connected


async def test_stopping_says_goodbye_so_that_no_last_will_is_sent(rig: Rig) -> None:
    await connect(rig)
    await rig.node.publish(topics.state(NODE), b"offline", retain=True)
    await rig.node.stop()
    assert await rig.next(rig.server) == interface.Message(topics.state(NODE), b"offline", retained=True)
    await rig.server.stop()
    await rig.server.start()
    await rig.until(rig.server, interface.Connected)
    assert await rig.next(rig.server) == interface.Message(topics.state(NODE), b"offline", retained=True)


# What only a real broker can show.

Make = Callable[..., Awaitable[mqtt.MqttBus]]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Mosquitto:
    if not PROGRAM:
        pytest.skip("mosquitto is not installed")
    return Mosquitto(tmp_path)


@pytest.fixture
async def make(mosquitto: Mosquitto) -> AsyncIterator[Make]:
    made: list[mqtt.MqttBus] = []

    async def make_bus(**settings: object) -> mqtt.MqttBus:
        values: dict[str, object] = {"host": "127.0.0.1", "port": mosquitto.port, "client_id": NODE, **settings}
        bus = mqtt.MqttBus(mqtt.Settings(**values), SystemClock(), SystemIds())  # type: ignore[arg-type]
        made.append(bus)
        await bus.start()
        return bus

    mosquitto.start()
    try:
        yield make_bus
    finally:
        for bus in made:
            await bus.stop()
        mosquitto.kill()


async def first(bus: mqtt.MqttBus) -> interface.BusEvent:
    return await asyncio.wait_for(anext(bus.events()), WAIT_SECONDS)


async def test_a_certificate_of_another_authority_is_refused(mosquitto: Mosquitto, make: Make) -> None:
    stranger = authority.create_ca(SystemClock().now())
    bus = await make(ssl_context=mosquitto.node_context(NODE, stranger))
    event = await first(bus)
    assert isinstance(event, interface.Disconnected)
    assert not bus.connected


async def test_a_broker_of_another_authority_is_not_trusted(mosquitto: Mosquitto, make: Make, tmp_path: Path) -> None:
    other = Mosquitto(tmp_path / "other")
    bus = await make(ssl_context=other.server_context())
    event = await first(bus)
    assert isinstance(event, interface.Disconnected)
    assert "certificate is not good" in event.reason


async def test_a_node_may_neither_read_nor_write_for_another(mosquitto: Mosquitto, make: Make) -> None:
    bus = await make(ssl_context=mosquitto.node_context(NODE), subscriptions=topics.agent_subscriptions(NODE))
    spy = await make(ssl_context=mosquitto.node_context("node-2"), client_id="node-2",
                     subscriptions=(f"{topics.ROOT}/nodes/+/desired/#", topics.CLUSTER_NODES))
    server = await make(ssl_context=mosquitto.server_context(), client_id="server")
    assert [await first(one) for one in (bus, spy, server)] == [interface.Connected()] * 3
    for topic in (topics.heartbeat("node-2"), topics.CLUSTER_NODES, topics.desired_index(NODE), "other/topic"):
        with pytest.raises(interface.BusRefused):
            await bus.publish(topic, b"false")
    await server.publish(topics.desired_index(NODE), b"for node-1 alone")
    await server.publish(topics.CLUSTER_NODES, b"for all")
    assert (await first(bus)) == interface.Message(topics.desired_index(NODE), b"for node-1 alone")
    assert (await first(spy)) == interface.Message(topics.CLUSTER_NODES, b"for all")


async def test_a_node_that_dies_is_announced_by_its_last_will(mosquitto: Mosquitto, make: Make) -> None:
    server = await make(ssl_context=mosquitto.server_context(), client_id="server",
                        subscriptions=topics.SERVER_SUBSCRIPTIONS)
    assert await first(server) == interface.Connected()
    context = mosquitto.node_context(NODE)
    bus = await make(ssl_context=context, will_topic=topics.state(NODE), will_payload=b"lost")
    assert await first(bus) == interface.Connected()
    # The same client again: the broker ends the older connection without a goodbye.
    await make(ssl_context=context)
    assert await first(server) == interface.Message(topics.state(NODE), b"lost")


async def test_a_publication_under_way_fails_when_the_broker_dies(mosquitto: Mosquitto, make: Make) -> None:
    bus = await make(ssl_context=mosquitto.node_context(NODE), in_flight=2)
    assert await first(bus) == interface.Connected()
    mosquitto.kill()
    results = await asyncio.gather(*(bus.publish(topics.heartbeat(NODE), b"x") for _ in range(50)),
                                   return_exceptions=True)
    assert all(isinstance(result, interface.BusUnavailable) for result in results)


async def test_the_loop_is_free_while_no_broker_answers(mosquitto: Mosquitto, make: Make) -> None:
    mosquitto.kill()
    bus = await make()
    event = await first(bus)
    assert event == interface.Disconnected("connection refused")


async def test_a_bus_that_is_moved_finds_the_broker_at_the_new_address(mosquitto: Mosquitto, make: Make) -> None:
    bus = await make(ssl_context=mosquitto.node_context(NODE), host="127.0.0.2")
    # Nobody says "localhost" of 127.0.0.2, so the certificate is not good there.
    event = await first(bus)
    assert isinstance(event, interface.Disconnected)
    bus.move("localhost")
    assert await first(bus) == interface.Connected()
    await bus.publish(topics.heartbeat(NODE), b"here")
    bus.move("127.0.0.2")
    assert bus.connected
