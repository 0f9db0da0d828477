"""The bus over MQTT 5 with paho-mqtt, driven by asyncio's own readers and writers: no thread stays.

Every attempt to connect gets a fresh paho client, so that nothing of a broken connection is sent again behind the
owner's back. Name resolution, TCP and TLS happen in a short-lived worker thread, everything else on the loop.
Back-pressure is MQTT's own: messages are acknowledged when the reader takes them, and the broker keeps back what is
beyond the receive maximum.
See https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge import logs
from edge.bus import broker, interface, messages
from edge.bus.losses import Losses
from edge.clock import Clock
from edge.component import Supervisor
from edge.ids import Ids

FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 10.0
CONNECT_SECONDS = 10.0
GOODBYE_SECONDS = 1.0
MISC_SECONDS = 1.0

log = logs.get("bus")


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


class MqttBus:
    """One connection; see `interface.Bus`."""

    def __init__(self, settings: Settings, clock: Clock, ids: Ids) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._events: asyncio.Queue[tuple[interface.BusEvent, _Connection | None, int]] = asyncio.Queue()
        self._connection: _Connection | None = None
        self._supervisor = Supervisor(clock)
        self._stopping = False
        self._losses = Losses()
        self.dropped: Counter[str] = Counter()
        """Messages dropped before anybody has read them, by reason."""

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def move(self, host: str) -> None:
        """Look for the broker at another address from the next attempt to connect on."""
        self._settings = replace(self._settings, host=host)

    async def start(self) -> None:
        self._stopping = False
        self._supervisor.start("bus", self._run)

    async def stop(self) -> None:
        self._stopping = True
        if self._connection is not None:
            self._connection.say_goodbye()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._connection.closed.wait()
        await self._supervisor.stop()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if len(payload) > messages.MAX_BYTES:
            raise interface.BusRefused(f"{topic}: {len(payload)} bytes are more than {messages.MAX_BYTES}")
        if self._connection is None:
            raise interface.BusUnavailable("not connected")
        await self._connection.publish(topic, payload, retain)

    async def events(self) -> AsyncIterator[interface.BusEvent]:
        while True:
            event, connection, number = await self._events.get()
            if connection is not None:
                connection.acknowledge(number)
            yield event

    async def _run(self) -> None:
        delay, last_reason = FIRST_DELAY_SECONDS, ""
        while True:
            connection, up_since = _Connection(self._settings, self._events, self.dropped), None
            try:
                await connection.open()
                # Whoever hears of the connection may use it at once.
                self._connection, up_since = connection, self._clock.monotonic()
                connection.deliver()
                log.info("connected", host=self._settings.host, port=self._settings.port)
                delay, last_reason = FIRST_DELAY_SECONDS, ""
                await connection.closed.wait()
            except interface.BusUnavailable:
                pass  # the reason is in connection.reason
            finally:
                self._connection = None
                connection.close()
            if self._stopping:
                return
            if connection.reason != last_reason:
                last_reason = connection.reason
                log.warning("not connected", host=self._settings.host, port=self._settings.port, reason=last_reason)
                self._events.put_nowait((interface.Disconnected(last_reason), None, 0))
            now, until_alone = self._clock.monotonic(), self._settings.until_alone
            if up_since is not None and self._losses.lost(now, now - up_since) and until_alone is not None:
                await until_alone()
            await self._clock.sleep(delay * (0.5 + self._ids.fraction() / 2))
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)


_ALERTS = {
    "CERTIFICATE_REVOKED": "this machine's key was revoked: its certificate is good for nothing any more, and what it "
                           "runs goes on until it is let in again with a new key",
    "CERTIFICATE_EXPIRED": "this machine's certificate has expired",
    "UNKNOWN_CA": "this machine's certificate is not of the broker's authority",
}
"""What a TLS alert of the broker means (RFC 8446, section 6.2), by the end of OpenSSL's name for it."""


class _Client(paho.Client):
    """paho on a socket that is connected already, so that its connect() never blocks."""

    prepared: socket.socket | None = None
    alert = ""
    """What the broker has said against our certificate: in TLS 1.3 that comes when the handshake is over for us."""

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as error:
            self.alert = _describe(error)
            raise

    def _create_socket(self) -> socket.socket:
        assert self.prepared is not None
        return self.prepared


class _Connection:
    """One attempt: from opening the socket until it is closed for whatever reason."""

    def __init__(self, settings: Settings,
                 events: asyncio.Queue[tuple[interface.BusEvent, _Connection | None, int]],
                 dropped: Counter[str]) -> None:
        self._settings = settings
        self._dropped = dropped
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._early: list[tuple[interface.BusEvent, _Connection | None, int]] | None = []
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
            async with asyncio.timeout(CONNECT_SECONDS):
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
            self._fail(_describe(error))
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
        attempt = self._loop.run_in_executor(None, _open_socket, self._settings)
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


def _open_socket(settings: Settings) -> socket.socket:
    """Resolve, connect and shake hands; runs in a worker thread."""
    plain = socket.create_connection((settings.host, settings.port), timeout=CONNECT_SECONDS / 2)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if settings.ssl_context is None:
            return plain
        secure = settings.ssl_context.wrap_socket(plain, server_hostname=settings.host, do_handshake_on_connect=False)
    except (OSError, ValueError):
        plain.close()
        raise
    try:
        secure.do_handshake()
    except (OSError, ValueError):
        secure.close()
        raise
    return secure


def _close_late(attempt: asyncio.Future[socket.socket]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


def _set_error(future: asyncio.Future[None], error: interface.BusUnavailable) -> None:
    future.set_exception(error)
    future.exception()  # marks it as seen: who waited may have been cancelled


def _describe(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        said = next((words for name, words in _ALERTS.items() if reason.endswith(name)), "")
        return said or f"TLS failed: {reason or error}"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
