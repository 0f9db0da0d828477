"""Sends hostile multicast DNS: thousands of machines and masters, huge names and texts, wrong types, broken packets.

`python flood.py OWN_ADDRESS COUNT`
"""

from __future__ import annotations

import socket
import struct
import sys

PTR, TXT, A, SRV, NSEC = 12, 16, 1, 33, 47


def name(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def record(owner: bytes, kind: int, data: bytes, ttl: int = 4500) -> bytes:
    return owner + struct.pack("!HHIH", kind, 0x8001, ttl, len(data)) + data


def packet(*records: bytes) -> bytes:
    return struct.pack("!HHHHHH", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)


def service(kind: bytes, label: bytes, text: bytes, address: str) -> bytes:
    """Return an announcement that is whole and well formed."""
    of_type, instance, host = name(kind, b"_tcp", b"local"), name(label, kind, b"_tcp", b"local"), name(label, b"local")
    return packet(record(of_type, PTR, instance), record(instance, SRV, struct.pack("!HHH", 0, 0, 22) + host),
                  record(instance, TXT, text), record(host, A, socket.inet_aton(address)))


def text(**pairs: bytes) -> bytes:
    return b"".join(bytes([len(key) + 1 + len(value)]) + key.encode() + b"=" + value for key, value in pairs.items())


def hostile(number: int, own: str) -> bytes:
    label = b"x%062d" % number
    match number % 6:
        case 0:
            return service(b"_edge-node", label, text(txtvers=b"1", name=b"m%d" % number, reason=b"\x1b[2J" * 40), own)
        case 1:
            return service(b"_edge-api", label, text(txtvers=b"1", api=b"6443", bus=b"8883", ca=b"ab" * 8), own)
        case 2:
            return packet(*(record(name(label, b"l%d" % each, b"local"), TXT, b"\xff" + b"z" * 255)
                            for each in range(20)))
        case 3:
            return packet(record(name(label, b"_edge-node", b"_tcp", b"local"), 999, b"?" * 1000),
                          record(name(b"_edge-node", b"_tcp", b"local"), PTR, b"\xc0\x0c"))
        case 4:
            return packet(record(name(b"rack", b"local"), A, b"123"),
                          record(name(b"rack", b"local"), NSEC, b"\xff" * 9))
        case _:
            return service(b"_edge-node", label, text(txtvers=b"1", name=b"m"), own)[:-number % 90]


if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
        sending.bind((sys.argv[1], 5353))
        for number in range(int(sys.argv[2])):
            sending.sendto(hostile(number, sys.argv[1]), ("224.0.0.251", 5353))
