"""Two clients with one identity at a real broker, which takes the session of the older one away."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from edge.bus import mqtt
from edge.clock import SystemClock
from edge.ids import SystemIds
from tests.fakes.broker import PROGRAM, Mosquitto

pytestmark = pytest.mark.skipif(not PROGRAM, reason="mosquitto is not installed")
WAIT_SECONDS = 30.0


async def test_two_with_one_identity_do_not_throw_each_other_out_for_ever(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "pki")
    broker.start()
    context = ssl.create_default_context(cafile=str(broker.folder / "ca.crt"))
    context.load_cert_chain(broker.folder / "edge-server.crt", broker.folder / "edge-server.key")
    asked, gone = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        asked.set()
        await gone.wait()

    def client(until_alone: object) -> mqtt.MqttBus:
        return mqtt.MqttBus(mqtt.Settings(
            host="127.0.0.1", port=broker.port, client_id="node-1", ssl_context=context,
            until_alone=until_alone), SystemClock(), SystemIds())  # type: ignore[arg-type]

    async def up(bus: mqtt.MqttBus) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                if bus.connected:
                    return
                await asyncio.sleep(0.02)

    one, other = client(ask), client(None)
    await one.start()
    try:
        await up(one)
        await other.start()
        # Thrown out twice, it asks; as long as it waits the other one is left alone.
        await asyncio.wait_for(asked.wait(), WAIT_SECONDS)
        await up(other)
        assert not one.connected
        await other.stop()
        gone.set()
        await up(one)
    finally:
        await one.stop()
        await other.stop()
        broker.kill()
