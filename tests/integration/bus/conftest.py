"""A real Mosquitto with the configuration of a rack, and clients with any certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.broker import PROGRAM, Mosquitto
from tests.fakes.mqtt_client import Client

Connect = Callable[..., Client]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that runs."""
    if not PROGRAM:
        pytest.skip("mosquitto is not installed")
    made = Mosquitto(tmp_path)
    made.start()
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture
def client(broker: Mosquitto) -> Iterator[Connect]:
    """Makes clients, which are closed in the end: a node by its name, or whoever a context shows."""
    made: list[Client] = []

    def make(who: str | ssl.SSLContext, client_id: str = "", *, will: str = "") -> Client:
        context = broker.node_context(who) if isinstance(who, str) else who
        one = Client(broker, context, client_id or (who if isinstance(who, str) else "somebody"), will=will)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


@pytest.fixture
def server(broker: Mosquitto, client: Connect) -> Client:
    """The control plane's end, which hears everything."""
    made = client(broker.server_context(), "edge-server")
    assert made.connect() == "Success"
    assert made.subscribe("edge/v1/#") == "Granted QoS 1"
    return made
