"""The DNS wire format, as far as a cluster's name server needs it (RFC 1035, RFC 2782 for SRV, RFC 6891 for EDNS).

Pure: bytes in, values out, and back. Names are lower case, without the final dot.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5
MAX_UDP = 1232
"""What fits any path (DNS flag day 2020); used when the client names no size or a larger one."""


class Malformed(Exception):
    """The packet is no DNS query."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `udp_size` is what the client takes over UDP."""

    id: int
    name: str
    type: int
    recursion_desired: bool
    udp_size: int = 512
    has_edns: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record. `data` is an address (A), a name (CNAME, PTR), (priority, weight, port, target) (SRV), or
    (primary, mailbox, serial, refresh, retry, expire, minimum) (SOA)."""

    name: str
    type: int
    ttl: int
    data: str | tuple[int, int, int, str] | tuple[str, str, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say to a query."""

    rcode: int = NOERROR
    records: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = field(default=())


def parse(packet: bytes) -> Query:
    """Return the question of a query.

    Raises:
        Malformed: too short, a response, not exactly one question, or a broken name.
    """
    if len(packet) < 12:
        raise Malformed("shorter than a header")
    ident, flags, questions, answers, authorities, additionals = struct.unpack_from("!6H", packet)
    if flags & 0x8000 or questions != 1 or (flags >> 11) & 0xF:
        raise Malformed("not a standard query with one question")
    name, offset = _read_name(packet, 12)
    if offset + 4 > len(packet):
        raise Malformed("the question is cut off")
    kind, _ = struct.unpack_from("!2H", packet, offset)
    size = _edns_size(packet, offset + 4, answers + authorities + additionals)
    return Query(ident, name, kind, bool(flags & 0x0100), max(512, min(size or 512, MAX_UDP)), size > 0)


def render(query: Query, answer: Answer, limit: int = 65535) -> bytes:
    """Return the response; when it is longer than `limit` it has no records and the TC bit, so the client takes TCP."""
    packet = _render(query, answer, truncated=False)
    return packet if len(packet) <= limit else _render(query, Answer(answer.rcode), truncated=True)


def failure(packet: bytes, rcode: int) -> bytes:
    """Return a bare error response to whatever this was; empty when it is too short to answer."""
    if len(packet) < 12 or packet[2] & 0x80:
        return b""
    return packet[:2] + struct.pack("!5H", 0x8080 | rcode, 0, 0, 0, 0)


def _render(query: Query, answer: Answer, *, truncated: bool) -> bytes:
    flags = 0x8480 | (0x0100 if query.recursion_desired else 0) | (0x0200 if truncated else 0) | answer.rcode
    additional = len(answer.additional) + (1 if query.has_edns else 0)
    out = bytearray(struct.pack("!6H", query.id, flags, 1, len(answer.records), len(answer.authority), additional))
    names: dict[str, int] = {}
    _write_name(out, query.name, names)
    out += struct.pack("!2H", query.type, 1)
    for record in (*answer.records, *answer.authority, *answer.additional):
        _write_record(out, record, names)
    if query.has_edns:
        out += b"\0" + struct.pack("!HHIH", OPT, MAX_UDP, 0, 0)
    return bytes(out)


def _write_record(out: bytearray, record: Record, names: dict[str, int]) -> None:
    _write_name(out, record.name, names)
    out += struct.pack("!HHI", record.type, 1, record.ttl)
    at = len(out)
    out += b"\0\0"
    match record.data:
        case str(text) if record.type == A:
            out += IPv4Address(text).packed
        case str(text):
            _write_name(out, text, names)
        case (int(priority), int(weight), int(port), str(target)):
            out += struct.pack("!3H", priority, weight, port)
            _write_name(out, target, {})  # RFC 2782: the target of SRV is not compressed
        case (str(primary), str(mailbox), *numbers):
            _write_name(out, primary, names)
            _write_name(out, mailbox, names)
            out += struct.pack("!5I", *numbers)
    struct.pack_into("!H", out, at, len(out) - at - 2)


def _write_name(out: bytearray, name: str, names: dict[str, int]) -> None:
    labels = name.split(".") if name else []
    for index in range(len(labels)):
        suffix = ".".join(labels[index:])
        if suffix in names:
            out += struct.pack("!H", 0xC000 | names[suffix])
            return
        if len(out) < 0x3FFF:
            names[suffix] = len(out)
        label = labels[index].encode("latin-1")
        out.append(len(label))
        out += label
    out.append(0)


def _read_name(packet: bytes, offset: int) -> tuple[str, int]:
    labels: list[str] = []
    end = 0
    total = 0
    while True:
        if offset >= len(packet):
            raise Malformed("a name is cut off")
        length = packet[offset]
        if length & 0xC0 == 0xC0:
            if offset + 1 >= len(packet):
                raise Malformed("a name is cut off")
            target = ((length & 0x3F) << 8) | packet[offset + 1]
            end = end or offset + 2
            if target >= offset:
                raise Malformed("a name points forward")
            offset = target
            continue
        if length & 0xC0:
            raise Malformed("a label of an unknown kind")
        if length == 0:
            return ".".join(labels), end or offset + 1
        total += length + 1
        if total > 255 or offset + 1 + length > len(packet):
            raise Malformed("a name is too long or cut off")
        labels.append(packet[offset + 1:offset + 1 + length].decode("latin-1").lower())
        offset += 1 + length


def _edns_size(packet: bytes, offset: int, records: int) -> int:
    """Return the UDP size of the OPT record, 0 without one."""
    for _ in range(min(records, 16)):
        _, offset = _read_name(packet, offset)
        if offset + 10 > len(packet):
            raise Malformed("a record is cut off")
        kind, size, _, length = struct.unpack_from("!HHIH", packet, offset)
        if kind == OPT:
            return int(size)
        offset += 10 + length
    return 0
