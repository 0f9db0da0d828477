"""One connection to the broker: paho-mqtt on asyncio's own readers and writers, from the socket to its end.

Name resolution, TCP and TLS happen in a short-lived worker thread, everything else on the loop. Back-pressure is MQTT's
own: messages are acknowledged when the reader takes them, and the broker keeps back what is beyond the receive maximum.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.bus import broker, interface, mqtt_socket

MISC_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One connection to the broker."""

    host: str
    port: int
    client_id: str
    ssl_context: ssl.SSLContext | None = None
    """Verifies the broker and carries the client's certificate; None only in tests on loopback."""
    will_topic: str = ""
    will_payload: bytes = b""
    """Retained, sent by the broker when the connection ends without a goodbye."""
    subscriptions: tuple[str, ...] = ()
    see_retained: bool = False
    """Whether a message that comes live says too that the broker keeps it."""
    keepalive_seconds: int = 10
    in_flight: int = 20
    """Publications the broker has not acknowledged yet; further ones wait their turn."""
    receive_maximum: int = 32
    """Messages taken from the broker and not yet taken by the reader."""
    until_alone: Callable[[], Awaitable[None]] | None = None
    """Returns once nobody else has this client's identity; asked when the connection is lost again and again."""


Entry = tuple[interface.BusEvent, "Connection | None", int]
"""What the reader gets, and the connection and number by which a message is acknowledged; None: it need not be."""
Queue = asyncio.Queue[Entry]


class _Client(paho.Client):
    """paho on a socket that is connected already, so that its connect() never blocks."""

    prepared: socket.socket | None = None
    alert = ""
    """What the broker has said against our certificate: in TLS 1.3 that comes when the handshake is over for us."""

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as error:
            self.alert = mqtt_socket.describe(error)
            raise

    def _create_socket(self) -> socket.socket:
        assert self.prepared is not None
        return self.prepared


class Connection:
    """One attempt: from opening the socket until it is closed for whatever reason."""

    def __init__(self, settings: Settings,
                 events: Queue,
                 dropped: Counter[str]) -> None:
        self._settings = settings
        self._dropped = dropped
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._early: list[Entry] | None = []
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._slots = asyncio.Semaphore(settings.in_flight)
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._client = self._make_client()
        self.closed = asyncio.Event()
        self.reason = ""

    async def open(self) -> None:
        """Connect, subscribe, and return once both are confirmed. Raises BusUnavailable."""
        try:
            async with asyncio.timeout(mqtt_socket.CONNECT_SECONDS):
                self._client.prepared = await self._open_socket()
                properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                properties.ReceiveMaximum = self._settings.receive_maximum
                properties.MaximumPacketSize = broker.MAX_PACKET_BYTES
                self._client.connect(self._settings.host, self._settings.port, self._settings.keepalive_seconds,
                                     clean_start=True, properties=properties)
                self._timer = self._loop.call_later(MISC_SECONDS, self._look_after)
                await self._ready
        except TimeoutError as error:
            self._fail("the broker did not answer in time")
            raise interface.BusUnavailable(self.reason) from error
        except (OSError, ValueError) as error:
            self._fail(mqtt_socket.describe(error))
            raise interface.BusUnavailable(self.reason) from error

    def deliver(self) -> None:
        """Tell the reader of the connection, then of what came before: retained messages may overtake the broker's
        answer to the subscription."""
        early, self._early = self._early or [], None
        self._events.put_nowait((interface.Connected(), None, 0))
        for entry in early:
            self._events.put_nowait(entry)

    async def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        await self._slots.acquire()
        if self.closed.is_set():
            self._slots.release()
            raise interface.BusUnavailable(self.reason)
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        done: asyncio.Future[None] = self._loop.create_future()
        # The slot belongs to the message and not to who waits for it: a cancelled wait takes nothing back.
        done.add_done_callback(lambda _: self._slots.release())
        self._waiting[info.mid] = done
        if info.rc != paho.MQTT_ERR_SUCCESS:
            self._fail(paho.error_string(info.rc))
        await asyncio.shield(done)

    def acknowledge(self, number: int) -> None:
        """Tell the broker that the reader has taken a message."""
        if not self.closed.is_set():
            self._client.ack(number, 1)

    def say_goodbye(self) -> None:
        """Send DISCONNECT, which keeps the broker from sending the last will."""
        self._client.disconnect()

    def close(self) -> None:
        """Give up the socket and everything that waits; idempotent."""
        self._fail("the connection was closed")
        if self._timer is not None:
            self._timer.cancel()
        if (open_socket := self._client.socket()) is not None:
            self._forget(open_socket)
            open_socket.close()
        elif self._client.prepared is not None:
            self._client.prepared.close()

    async def _open_socket(self) -> socket.socket:
        attempt = self._loop.run_in_executor(
            None, mqtt_socket.open_socket, self._settings.host, self._settings.port, self._settings.ssl_context)
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            attempt.add_done_callback(_close_late)
            raise

    def _make_client(self) -> _Client:
        client = _Client(CallbackAPIVersion.VERSION2, client_id=self._settings.client_id, protocol=paho.MQTTv5,
                         manual_ack=True, reconnect_on_failure=False)
        client.suppress_exceptions = True
        client.max_inflight_messages_set(0)
        if self._settings.will_topic:
            client.will_set(self._settings.will_topic, self._settings.will_payload, qos=1, retain=True)
        client.on_socket_open = lambda _c, _u, opened: self._loop.add_reader(opened, self._read)
        client.on_socket_close = lambda _c, _u, closing: self._forget(closing)
        client.on_socket_register_write = lambda _c, _u, busy: self._loop.add_writer(busy, self._write)
        client.on_socket_unregister_write = self._stop_writing
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _forget(self, closing: paho.SocketLike) -> None:
        if closing.fileno() >= 0:
            self._loop.remove_reader(closing)
            self._loop.remove_writer(closing)

    def _stop_writing(self, _client: paho.Client, _user: object, idle: paho.SocketLike) -> None:
        if idle.fileno() >= 0:
            self._loop.remove_writer(idle)

    def _read(self) -> None:
        # A TLS record may hold several packets: what OpenSSL has decrypted already never wakes the loop again.
        while (current := self._client.socket()) is not None:
            self._client.loop_read()
            if not (isinstance(current, ssl.SSLSocket) and current.fileno() >= 0 and current.pending()):
                return

    def _write(self) -> None:
        self._client.loop_write()

    def _look_after(self) -> None:
        """Ping when it is time, and notice when the broker does not answer."""
        self._client.loop_misc()
        if not self.closed.is_set():
            self._timer = self._loop.call_later(MISC_SECONDS, self._look_after)

    def _on_connect(self, _client: paho.Client, _user: object, _flags: paho.ConnectFlags, code: ReasonCode,
                    _properties: Properties | None) -> None:
        if code.is_failure:
            self._fail(f"the broker refused the connection: {code}")
        elif self._settings.subscriptions:
            # No local: what the server publishes must not come back to it, only what an earlier one left behind.
            options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=self._settings.see_retained)
            self._client.subscribe([(topic, options) for topic in self._settings.subscriptions])
        else:
            self._come_up()

    def _on_subscribe(self, _client: paho.Client, _user: object, _mid: int, codes: list[ReasonCode],
                      _properties: Properties | None) -> None:
        if refused := [str(code) for code in codes if code.is_failure]:
            self._fail(f"the broker refused a subscription: {refused[0]}")
        else:
            self._come_up()

    def _come_up(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _on_publish(self, _client: paho.Client, _user: object, number: int, code: ReasonCode,
                    _properties: Properties) -> None:
        done = self._waiting.pop(number, None)
        if done is None or done.done():
            return
        if code.is_failure:
            _set_error(done, interface.BusRefused(f"the broker refused the message: {code}"))
        else:
            done.set_result(None)

    def _on_message(self, _client: paho.Client, _user: object, received: paho.MQTTMessage) -> None:
        try:
            message = interface.Message(received.topic, bytes(received.payload), bool(received.retain))
        except UnicodeDecodeError:
            self._dropped["the topic is no UTF-8"] += 1
            self._client.ack(received.mid, received.qos)
            return
        if received.qos == 0 and self._events.qsize() >= 2 * self._settings.receive_maximum:
            self._dropped["too many at QoS 0"] += 1
            return  # Nobody of ours sends at QoS 0, which knows no back-pressure.
        entry = (message, self if received.qos else None, received.mid)
        if self._early is not None:
            self._early.append(entry)
        else:
            self._events.put_nowait(entry)

    def _on_disconnect(self, _client: paho.Client, _user: object, _flags: paho.DisconnectFlags, code: ReasonCode,
                       _properties: Properties | None) -> None:
        if self._client.alert and not self._ready.done():
            self._fail(self._client.alert)
            return
        before = "" if self._ready.done() else " before the broker let us in (is the certificate one of this cluster?)"
        self._fail(f"the connection ended{before}: {code}")

    def _fail(self, reason: str) -> None:
        """End this connection: everything that waits for it learns the reason, once."""
        if self.closed.is_set():
            return
        self.reason = reason
        self.closed.set()
        error = interface.BusUnavailable(reason)
        waiting, self._waiting = self._waiting, {}
        for future in (self._ready, *waiting.values()):
            if not future.done():
                _set_error(future, error)


def _close_late(attempt: asyncio.Future[socket.socket]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


def _set_error(future: asyncio.Future[None], error: interface.BusUnavailable) -> None:
    future.set_exception(error)
    future.exception()  # marks it as seen: who waited may have been cancelled
