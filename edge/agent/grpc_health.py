"""The one call of gRPC's health protocol as bytes: the request for `grpc.health.v1.Health/Check`, and its answer.

So little of HTTP/2 is needed for it (one stream, no compression of ours, no window that fills) that no library is
kept in memory. See RFC 9113, RFC 7541 and https://grpc.io/docs/guides/health-checking/.
"""

from __future__ import annotations

from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK, PADDED = 1, 4, 1, 8
STREAM = 1
PATH = "/grpc.health.v1.Health/Check"
STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
LONGEST_FRAME_BYTES = 1 << 14
LONGEST_ANSWER_BYTES = 1 << 16


def request(authority: str, service: str) -> bytes:
    """Return everything a client sends first; an empty service asks for the server as a whole."""
    headers = b"\x83\x86" + _literal(b"\x04", PATH) + _literal(b"\x01", authority)
    for name, value in (("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "kube-probe/1.32")):
        headers += _literal(b"\x00" + _string(name), value)
    named = service.encode()
    message = b"\x0a" + _varint(len(named)) + named if named else b""
    body = b"\0" + len(message).to_bytes(4, "big") + message
    return (PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, STREAM, headers)
            + frame(DATA, END_STREAM, STREAM, body))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


class Answer:
    """What has been received. `reply` is to be sent back; `verdict` is None until it is known."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._body = bytearray()
        self.verdict: tuple[bool, str] | None = None

    def feed(self, data: bytes) -> bytes:
        """Take bytes, cut anywhere, and return what is to be sent back."""
        self._buffer += data
        reply = b""
        for kind, flags, payload in self._frames():
            if kind == SETTINGS and not flags & ACK:
                reply += frame(SETTINGS, ACK, 0)
            elif kind == PING and not flags & ACK:
                reply += frame(PING, ACK, 0, payload)
            elif kind == DATA:
                self._body += payload[1:len(payload) - payload[0]] if flags & PADDED and payload else payload
            if kind in (RST_STREAM, GOAWAY) or (kind in (DATA, HEADERS) and flags & END_STREAM):
                self.end()
        if len(self._body) > LONGEST_ANSWER_BYTES:
            self.verdict = (False, "the answer is too long")
        return reply

    def end(self) -> None:
        """Decide by what has been received."""
        if self.verdict is not None:
            return
        if len(self._body) < 5 or self._body[0] != 0:
            self.verdict = (False, "the server does not answer the gRPC health protocol (grpc.health.v1.Health)")
            return
        status = STATUSES.get(_status(bytes(self._body[5:])), "UNKNOWN")
        self.verdict = (status == "SERVING", f"service unhealthy (responded with {status!r})")

    def _frames(self) -> Iterator[tuple[int, int, bytes]]:
        while len(self._buffer) >= 9 and self.verdict is None:
            length = int.from_bytes(self._buffer[:3], "big")
            if length > LONGEST_FRAME_BYTES:
                self.verdict = (False, "the server does not speak HTTP/2")
                return
            if len(self._buffer) < 9 + length:
                return
            kind, flags, payload = self._buffer[3], self._buffer[4], bytes(self._buffer[9:9 + length])
            del self._buffer[:9 + length]
            yield kind, flags, payload


def _status(message: bytes) -> int:
    """Return field 1 of a HealthCheckResponse; an absent one is 0."""
    return message[1] if len(message) >= 2 and message[0] == 0x08 else 0


def _literal(name: bytes, value: str) -> bytes:
    return name + _string(value)


def _string(text: str) -> bytes:
    """Return an HPACK string without Huffman coding; up to 126 bytes have a length of one byte."""
    raw = text.encode()[:126]
    return bytes((len(raw),)) + raw


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))
