"""A client of the broker that does as it likes, unlike our own adapter: any topic, any will, any client id."""

from __future__ import annotations

import queue
import socket
import ssl
import threading

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.fakes.broker import Mosquitto

WAIT_SECONDS = 20.0
Received = tuple[str, bytes]


class Client:
    """One connection; every call waits for the broker's answer."""

    def __init__(self, broker: Mosquitto, context: ssl.SSLContext, client_id: str, *,
                 will: str = "", clean: bool = True) -> None:
        self._broker, self._clean = broker, clean
        self._answers: queue.Queue[str] = queue.Queue()
        self._received: queue.Queue[Received] = queue.Queue()
        self.ended = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5,
                                   reconnect_on_failure=False)
        self._client.tls_set_context(context)
        self._client.max_inflight_messages_set(0)
        if will:
            self._client.will_set(will, b"a false will", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = lambda _c, _u, _m, codes, _p: self._answers.put(",".join(map(str, codes)))
        self._client.on_publish = lambda _c, _u, _m, code, _p: self._answers.put(str(code))
        self._client.on_message = lambda _c, _u, message: self._received.put((message.topic, bytes(message.payload)))

    def connect(self) -> str:
        """Connect and return the broker's answer; "refused" when it was none of MQTT."""
        try:
            self._client.connect("localhost", self._broker.port, keepalive=10, clean_start=self._clean)
        except OSError:
            return "refused"
        self._client.loop_start()
        return self._answers.get(timeout=WAIT_SECONDS)

    def subscribe(self, topic: str) -> str:
        """Subscribe and return the answer."""
        if self._client.subscribe(topic, 1)[0] != paho.MQTT_ERR_SUCCESS:
            return "refused"
        return self._answers.get(timeout=WAIT_SECONDS)

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> str:
        """Publish and return the answer."""
        self.send(topic, payload, retain=retain)
        return self._answers.get(timeout=WAIT_SECONDS)

    def send(self, topic: str, payload: bytes = b"x", *, retain: bool = False, qos: int = 1) -> None:
        """Publish without waiting."""
        self._client.publish(topic, payload, qos=qos, retain=retain)

    def until(self, last: Received) -> list[Received]:
        """Return everything received before that message."""
        found: list[Received] = []
        while (one := self._received.get(timeout=WAIT_SECONDS)) != last:
            found.append(one)
        return found

    def drop(self) -> None:
        """Lose the connection without a goodbye."""
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            connection.shutdown(socket.SHUT_RDWR)
        assert self.ended.wait(WAIT_SECONDS)

    def close(self) -> None:
        """Say goodbye."""
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # paho leaves a pair of them to the collector

    def _on_connect(self, _client: paho.Client, _user: object, _flags: paho.ConnectFlags, code: ReasonCode,
                    _properties: Properties | None) -> None:
        self._answers.put(str(code))

    def _on_disconnect(self, _client: paho.Client, _user: object, _flags: paho.DisconnectFlags, _code: ReasonCode,
                       _properties: Properties | None) -> None:
        self.ended.set()
        self._answers.put("refused")
