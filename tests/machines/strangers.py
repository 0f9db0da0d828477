"""Strangers on the switch: each asks for an address and keeps it. `python -m tests.machines.strangers br0 260`"""

from __future__ import annotations

import socket
import struct
import sys
import time

DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
COOKIE = b"\x63\x82\x53\x63"
PATIENCE_SECONDS = 1.0
TRIES = 2


def message(kind: int, mac: bytes, number: int, *options: bytes) -> bytes:
    """Return a DHCP message (RFC 2131, section 2) that asks for a broadcast answer."""
    header = struct.pack("!BBBBIHH4s4s4s4s16s192x", 1, 1, 6, 0, number, 0, 0x8000, b"", b"", b"", b"", mac)
    return header + COOKIE + bytes((53, 1, kind)) + b"".join(options) + b"\xff"


def parse(packet: bytes) -> tuple[int, int, bytes, bytes]:
    """Return transaction, kind, offered address and server of an answer; kind 0 for what is none."""
    if len(packet) < 244 or packet[0] != 2 or packet[236:240] != COOKIE:
        return 0, 0, b"", b""
    found, at = {}, 240
    while at + 1 < len(packet) and packet[at] != 255:
        found[packet[at]] = packet[at + 2:at + 2 + packet[at + 1]]
        at += 2 + packet[at + 1]
    return int.from_bytes(packet[4:8], "big"), found.get(53, b"\0")[0], packet[16:20], found.get(54, b"")


def main(interface: str, count: int) -> int:
    """Ask for `count` addresses, each for a hardware address of its own, and print how many were given."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        wire.bind(("", 68))
        given = sum(_take(wire, number) for number in range(1, count + 1))
    sys.stdout.write(f"{given} of {count} strangers have an address\n")
    return 0


def _take(wire: socket.socket, number: int) -> bool:
    mac = struct.pack("!HI", 0x0200, number)
    for _ in range(TRIES):
        wire.sendto(message(DISCOVER, mac, number), ("255.255.255.255", 67))
        if (offer := _answer(wire, number, OFFER)) is not None:
            wanted = (bytes((50, 4)) + offer[0], bytes((54, 4)) + offer[1])
            wire.sendto(message(REQUEST, mac, number, *wanted), ("255.255.255.255", 67))
            return _answer(wire, number, ACK) is not None
    return False


def _answer(wire: socket.socket, number: int, kind: int) -> tuple[bytes, bytes] | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            transaction, found, address, server = parse(wire.recv(4096))
        except TimeoutError:
            return None
        if (transaction, found) == (number, kind):
            return address, server
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
