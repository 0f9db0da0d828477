"""A node of the rack that means harm: what it can take of the broker is bounded, and the others go on."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.bus import broker as settings
from edge.bus import topics
from edge.rack import nat
from edge.rack.settings import Rack
from tests.fakes.broker import PROGRAM, Mosquitto
from tests.fakes.mqtt_client import Client
from tests.integration.bus.conftest import Connect

MEMORY_BYTES = 16 * 1024 * 1024
ROOM_BYTES = 64 * 1024 * 1024
"""What the process has beside what Mosquitto counts: OpenSSL's memory, and what the allocator keeps."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that may take little."""
    if not PROGRAM:
        pytest.skip("mosquitto is not installed")
    made = Mosquitto(tmp_path)
    made.configure(memory_bytes=MEMORY_BYTES)
    made.start()
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture
def node(client: Connect) -> Client:
    made = client("node-1")
    assert made.connect() == "Success"
    return made


@pytest.fixture
def foe(client: Connect) -> Client:
    made = client("node-2")
    assert made.connect() == "Success"
    return made


def goes_on(server: Client, node: Client, client: Connect) -> None:
    """Check that others are served: who was there, and who comes now."""
    assert node.publish(topics.heartbeat("node-1"), b"alive") == "Success"
    server.until((topics.heartbeat("node-1"), b"alive"))
    assert client("node-3").connect() == "Success"


def test_ten_thousand_long_subscriptions_end_the_one_who_makes_them(
        broker: Mosquitto, server: Client, node: Client, foe: Client, client: Connect) -> None:
    for number in range(10_000):
        if foe.ended.is_set() or foe.subscribe(f"edge/{number}/{'x' * 60_000}") == "refused":
            break
    assert foe.ended.wait(20)
    assert broker.memory_bytes() < MEMORY_BYTES + ROOM_BYTES
    goes_on(server, node, client)


def test_ten_thousand_short_subscriptions_are_borne(
        broker: Mosquitto, server: Client, node: Client, foe: Client, client: Connect) -> None:
    for number in range(10_000):
        foe.subscribe(f"edge/v1/nodes/node-2/desired/{number}")
    goes_on(server, node, client)
    assert broker.memory_bytes() < MEMORY_BYTES + ROOM_BYTES


def test_retained_messages_end_the_one_who_piles_them_up(
        broker: Mosquitto, node: Client, foe: Client, client: Connect) -> None:
    for number in range(100):
        if foe.ended.is_set() or foe.publish(topics.reported_pod("node-2", str(number)), b"x" * 1_000_000,
                                             retain=True) == "refused":
            break
    assert foe.ended.wait(20)
    assert broker.memory_bytes() < MEMORY_BYTES + ROOM_BYTES
    assert node.publish(topics.heartbeat("node-1")) in ("Success", "No matching subscribers")
    assert client("node-3").connect() == "Success"


def test_a_message_beyond_the_limit_ends_its_sender(
        broker: Mosquitto, server: Client, node: Client, foe: Client, client: Connect) -> None:
    answer = foe.publish(topics.heartbeat("node-2"), bytes(settings.MAX_PACKET_BYTES + 1))
    assert answer in ("refused", "Packet too large")
    goes_on(server, node, client)


@pytest.mark.parametrize("sent", [
    b"\x00" * 64, b"\xff" * 64, b"\x10\xff\xff\xff\xff\x7f", b"GET / HTTP/1.1\r\n\r\n", b"\x10\x00",
    b"\x10\x0c\x00\x04MQTT\x05\x02\x00\x0a\x00\x00", b"\x30\x03\x00\x01a", b"\x82\x80\x80\x80\x01"],
    ids=["zeros", "ones", "length", "HTTP", "empty CONNECT", "half a CONNECT", "PUBLISH first", "half a SUBSCRIBE"])
def test_what_is_no_packet_ends_its_sender_alone(
        broker: Mosquitto, server: Client, node: Client, client: Connect, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as plain, \
            broker.node_context("node-2").wrap_socket(plain, server_hostname="localhost") as secure:
        secure.sendall(sent)
        secure.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while secure.recv(4096):
                pass
    assert broker.runs
    goes_on(server, node, client)


SILENT = 2000
_TRY = """
import socket, sys
held = []
for _ in range(int(sys.argv[2])):
    one = socket.socket()
    one.settimeout(0.5)
    try:
        one.connect(("10.0.0.1", int(sys.argv[1])))
        held.append(one)
    except OSError:
        one.close()
print(len(held), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def wire() -> Iterator[str]:
    """A namespace with the rack's packet rules, and one beside it that has two addresses."""
    if os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"):
        pytest.skip("needs root, nft and ip")
    name = f"kebus{os.getpid()}"
    inside = ("ip", "-n", name)
    try:
        for argv in (("ip", "netns", "add", name), ("ip", "netns", "add", f"{name}b"),
                     (*inside, "link", "add", "eth0", "type", "veth", "peer", "name", "far0", "netns", f"{name}b"),
                     (*inside, "address", "add", "10.0.0.1/24", "dev", "eth0"), (*inside, "link", "set", "lo", "up"),
                     (*inside, "link", "set", "eth0", "up"), ("ip", "-n", f"{name}b", "link", "set", "far0", "up"),
                     ("ip", "-n", f"{name}b", "address", "add", "10.0.0.2/24", "dev", "far0"),
                     ("ip", "-n", f"{name}b", "address", "add", "10.0.0.3/24", "dev", "far0")):
            subprocess.run(argv, check=True, capture_output=True)
        yield name
    finally:
        for each in (name, f"{name}b"):
            subprocess.run(("ip", "netns", "del", each), check=False, capture_output=True)


def test_two_thousand_silent_connections_lock_nobody_out(wire: str, tmp_path: Path) -> None:
    if not PROGRAM:
        pytest.skip("mosquitto is not installed")
    made = Mosquitto(tmp_path, address="10.0.0.1", within=("ip", "netns", "exec", wire))
    rules = nat.render(Rack(bus_port=made.port))
    subprocess.run(("ip", "netns", "exec", wire, "nft", "-f", "-"), input=rules, text=True, check=True)
    far = ("ip", "netns", "exec", f"{wire}b")
    made.start()
    silent = subprocess.Popen((*far, sys.executable, "-c", _TRY, str(made.port), str(SILENT)), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        assert silent.stdout is not None
        assert 0 < int(silent.stdout.readline()) <= nat.MOST_OF_ONE["bus"]
        made.node_context("node-1")
        asked = subprocess.run(
            (*far, "openssl", "s_client", "-connect", f"10.0.0.1:{made.port}", "-bind", "10.0.0.3",
             "-cert", str(tmp_path / "node-1.crt"), "-key", str(tmp_path / "node-1.key"),
             "-CAfile", str(tmp_path / "ca.crt"), "-verify_return_error"),
            input="", text=True, capture_output=True, check=False, timeout=20)
        assert "Verify return code: 0 (ok)" in asked.stdout
    finally:
        silent.kill()
        silent.communicate()
        made.kill()
