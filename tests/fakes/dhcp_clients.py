"""Many DHCP clients on one wire, all switched on at once: RFC 2131, by raw frames, in a process of their own.

    nsenter --net=/run/netns/X python -m tests.fakes.dhcp_clients eth0 SECONDS < clients.json

Reads a list of clients and writes a list of what each has got. Each has its own hardware address; frames are broadcast
and a lost one is sent again after 4 and 8 seconds, as the RFC says.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
COOKIE = bytes.fromhex("63825363")
WANTED = bytes((1, 3, 6, 12, 15, 28, 42, 51, 54, 58, 59))
RETRY_SECONDS = (4.0, 8.0, 16.0, 32.0)
NAK_SECONDS = 0.5
"""What clients wait after a refusal before they begin anew; some double it each time."""
ETH_P_IP = 0x0800


@dataclass
class Client:
    """A machine that wants an address."""

    mac: str
    hostname: str = ""
    requested: str = ""
    """Option 50: the address it had before."""
    start: str = "discover"
    """`discover`, `reboot` (asks for `requested` at once), `renew` (has it), `release`, `decline`."""
    seconds: int = 0
    """Option 51: how long it wants it."""
    server: str = ""
    delay: float = 0.0
    """Seconds it is switched on after the others."""


@dataclass
class Got:
    """What came of it."""

    mac: str
    address: str = ""
    seconds: float = 0.0
    """From being switched on until it had its address."""
    server: str = ""
    naks: int = 0
    sent: int = 0
    options: dict[str, str] = field(default_factory=dict)
    """Of the last answer, by number, in hexadecimal."""


class Running:
    """One client in its course."""

    def __init__(self, client: Client, number: int) -> None:
        self.client, self.xid = client, 0x0ED6E000 + number
        self.got = Got(client.mac)
        self.state = {"renew": "renewing", "reboot": "rebooting"}.get(client.start, client.start)
        self.offered, self.due, self.tries = client.requested, client.delay, 0

    def packet(self) -> bytes:
        """Return the frame of the present state."""
        renewing = self.state in ("renewing", "release")
        kind = {"discover": DISCOVER, "release": RELEASE, "decline": DECLINE}.get(self.state, REQUEST)
        options = [(53, bytes([kind])), (61, b"\x01" + _mac(self.client.mac))]
        if self.offered and not renewing:
            options.append((50, socket.inet_aton(self.offered)))
        if (self.got.server or self.client.server) and self.state in ("requesting", "release", "decline"):
            options.append((54, socket.inet_aton(self.got.server or self.client.server)))
        if self.client.hostname and kind in (DISCOVER, REQUEST):
            options.append((12, self.client.hostname.encode()[:255]))
        if self.client.seconds and kind in (DISCOVER, REQUEST):
            options.append((51, struct.pack("!I", self.client.seconds)))
        if kind in (DISCOVER, REQUEST):
            options.append((55, WANTED))
        own = socket.inet_aton(self.offered) if renewing else bytes(4)
        body = struct.pack("!4BIHH4s4s4s4s16s64s128s", 1, 1, 6, 0, self.xid, 0, 0x8000, own, bytes(4), bytes(4),
                           bytes(4), _mac(self.client.mac), b"", b"") + COOKIE
        body += b"".join(bytes((code, len(value))) + value for code, value in options) + b"\xff"
        return _frame(self.client.mac, self.offered if renewing else "0.0.0.0", body.ljust(300, b"\0"))

    def take(self, address: str, options: dict[int, bytes], now: float) -> None:
        """Go on with an answer; `due` tells when to send next."""
        kind = options.get(53, b"\0")[0]
        if kind == OFFER and self.state == "discover":
            self.offered, self.state, self.tries, self.due = address, "requesting", 0, now
            self.got.server = socket.inet_ntoa(options[54])
        elif kind == ACK and self.state in ("requesting", "rebooting", "renewing"):
            self.state, self.got.address = "bound", address
            self.got.server = socket.inet_ntoa(options[54])
            self.got.options = {str(code): value.hex() for code, value in options.items()}
        elif kind == NAK and self.state in ("requesting", "rebooting", "renewing"):
            self.got.naks += 1
            self.offered, self.state, self.tries, self.due, self.got.server = "", "discover", 0, now + NAK_SECONDS, ""


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def _frame(mac: str, source: str, body: bytes) -> bytes:
    udp = struct.pack("!4H", 68, 67, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(source), b"\xff" * 4)
    head = head[:10] + struct.pack("!H", _sum(head)) + head[12:]
    return b"\xff" * 6 + _mac(mac) + struct.pack("!H", ETH_P_IP) + head + udp


def parse(frame: bytes) -> tuple[int, str, dict[int, bytes]] | None:
    """Return transaction, address and options of a server's answer; None for anything else."""
    if len(frame) < 282 or frame[23] != 17 or frame[12:14] != b"\x08\x00":
        return None
    start = 14 + (frame[14] & 15) * 4
    if struct.unpack("!HH", frame[start:start + 4]) != (67, 68):
        return None
    body = frame[start + 8:]
    options: dict[int, bytes] = {}
    at = 240
    while at + 1 < len(body) and body[at] != 255:
        if body[at] == 0:
            at += 1
            continue
        size = body[at + 1]
        options[body[at]] = options.get(body[at], b"") + body[at + 2:at + 2 + size]
        at += 2 + size
    return struct.unpack("!I", body[4:8])[0], socket.inet_ntoa(body[16:20]), options


def run(interface: str, clients: Sequence[Client], seconds: float) -> list[Got]:
    """Run them all until each is bound, or the time is over."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP)) as wire:
        wire.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: these clients lose nothing themselves
        wire.bind((interface, ETH_P_IP))
        wire.setblocking(False)
        running = {one.xid: one for one in (Running(client, number) for number, client in enumerate(clients))}
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            waiting = [one for one in running.values() if one.state not in ("bound", "done")]
            if not waiting:
                break
            for one in waiting:
                if now - began >= one.due:
                    _send(wire, one, now - began)
            readable, _, _ = select.select([wire], [], [], 0.05)
            while readable:
                try:
                    answer = parse(wire.recv(2048))
                except BlockingIOError:
                    break
                if answer and answer[0] in running:
                    one, before = running[answer[0]], running[answer[0]].state
                    one.take(answer[1], answer[2], time.monotonic() - began)
                    if one.state == "bound" != before:
                        one.got.seconds = time.monotonic() - began - one.client.delay
                    elif one.state != before and one.due <= time.monotonic() - began:
                        _send(wire, one, time.monotonic() - began)
    return [one.got for one in running.values()]


def _send(wire: socket.socket, one: Running, now: float) -> None:
    try:
        wire.send(one.packet())
    except BlockingIOError:
        one.due = now + 0.01
        return
    one.got.sent += 1
    one.due = now + RETRY_SECONDS[min(one.tries, 3)]
    one.tries += 1
    if one.state in ("release", "decline"):
        one.state = "done"


def inside(namespace: str, interface: str, clients: Sequence[Client], seconds: float = 30) -> list[Got]:
    """Run the clients in a network namespace and return what they have got."""
    result = subprocess.run(["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-m",
                             "tests.fakes.dhcp_clients", interface, str(seconds)],
                            input=json.dumps([asdict(client) for client in clients]), capture_output=True, text=True,
                            cwd=ROOT, check=True, timeout=seconds + 20)
    return [Got(**one) for one in json.loads(result.stdout)]


def main() -> None:
    """The process inside the namespace."""
    wanted: list[dict[str, Any]] = json.loads(sys.stdin.read())
    got = run(sys.argv[1], [Client(**one) for one in wanted], float(sys.argv[2]))
    print(json.dumps([asdict(one) for one in got]))


if __name__ == "__main__":
    main()
