"""SPDY/3.1 frames as kubectl speaks them for exec, attach and port-forward: bytes in, frames out, and back.

Only what is on the wire: no sockets. The draft: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/.
Kubernetes' own peers ignore SPDY's flow control windows and never send WINDOW_UPDATE; waiting for one would hang, so
back-pressure is the connection's, and the frame size is bounded here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

VERSION = 3
LONGEST_FRAME_BYTES = 1 << 20
LONGEST_HEADER_BLOCK_BYTES = 64 * 1024
FLAG_FIN, FLAG_UNIDIRECTIONAL = 1, 2
LARGEST_STREAM_ID = 0x7FFFFFFF

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9

PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL, INTERNAL_ERROR = 1, 2, 3, 5, 6

# The names and values of draft 3, section 2.6.10.1, each behind its length; the rest of the dictionary follows bare.
_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_WORDS = (*_NAMES.split(), "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_STATUS_CODES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
)
_VALUES = (
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in _WORDS)
DICTIONARY += (_STATUS_CODES + _VALUES).encode()


class ProtocolError(Exception):
    """The peer sent something that is not SPDY/3.1; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class SynStream:
    """Opens a stream."""

    stream_id: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False
    unidirectional: bool = False
    associated_id: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SynReply:
    """Accepts a stream."""

    stream_id: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Headers:
    """More headers of an open stream."""

    stream_id: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream; `fin` closes the sender's half."""

    stream_id: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    """Ends a stream at once, both halves."""

    stream_id: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Is sent back as it came."""

    ping_id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """No new streams."""

    last_stream_id: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """Allows the peer to send more; see the module's text."""

    stream_id: int
    delta: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings by their id."""

    values: Mapping[int, int]


Frame = SynStream | SynReply | Headers | Data | RstStream | Ping | GoAway | WindowUpdate | Settings


class Codec:
    """Both directions of one connection; the header compression of each has a state of its own."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._compress = zlib.compressobj(zlib.Z_BEST_SPEED, zlib.DEFLATED, 11, 5, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
        self._decompress = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes, cut anywhere, and yield the frames they complete. Raises ProtocolError."""
        self._buffer += data
        while len(self._buffer) >= 8:
            length = int.from_bytes(self._buffer[5:8], "big")
            if length > LONGEST_FRAME_BYTES:
                raise ProtocolError(f"frame of {length} bytes is too long")
            if len(self._buffer) < 8 + length:
                return
            first, flags = int.from_bytes(self._buffer[:4], "big"), self._buffer[4]
            body = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            if first & 0x80000000:
                frame = self._control(first, flags, body)
                if frame is not None:
                    yield frame
            else:
                yield Data(first, body, bool(flags & FLAG_FIN))

    def _control(self, first: int, flags: int, body: bytes) -> Frame | None:
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != VERSION:
            raise ProtocolError(f"unsupported SPDY version {version}")
        try:
            return self._parse(kind, flags, body)
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"malformed frame of type {kind}: {error}") from error

    def _parse(self, kind: int, flags: int, body: bytes) -> Frame | None:
        fin = bool(flags & FLAG_FIN)
        match kind:
            case 1:
                stream_id, associated_id, priority, _ = struct.unpack_from(">IIBB", body)
                headers = self._read_headers(body[10:])
                return SynStream(
                    stream_id & LARGEST_STREAM_ID, headers, fin, bool(flags & FLAG_UNIDIRECTIONAL),
                    associated_id & LARGEST_STREAM_ID, priority >> 5,
                )  # fmt: skip
            case 2 | 8:
                (stream_id,) = struct.unpack_from(">I", body)
                headers = self._read_headers(body[4:])
                return (SynReply if kind == SYN_REPLY else Headers)(stream_id & LARGEST_STREAM_ID, headers, fin)
            case 4:
                (count,) = struct.unpack_from(">I", body)
                if len(body) != 4 + 8 * count:
                    raise ProtocolError("settings of a wrong length")
                return Settings({key & 0xFFFFFF: value for key, value in struct.iter_unpack(">II", body[4:])})
            case 6:
                return Ping(*struct.unpack(">I", body))
        if kind not in (RST_STREAM, GOAWAY, WINDOW_UPDATE):
            return None  # The draft: control frames of unknown types are ignored.
        stream_id, value = struct.unpack(">II", body)
        constructor = RstStream if kind == RST_STREAM else GoAway if kind == GOAWAY else WindowUpdate
        return constructor(stream_id & LARGEST_STREAM_ID, value)

    def encode(self, frame: Frame) -> bytes:
        """Return the bytes of a frame."""
        match frame:
            case Data(stream_id, data, fin):
                return struct.pack(">II", stream_id, int(fin) << 24 | len(data)) + data
            case SynStream():
                flags = FLAG_FIN * frame.fin | FLAG_UNIDIRECTIONAL * frame.unidirectional
                head = struct.pack(">IIBB", frame.stream_id, frame.associated_id, frame.priority << 5, 0)
                return _control(SYN_STREAM, flags, head + self._write_headers(frame.headers))
            case SynReply(stream_id, headers, fin):
                return _control(SYN_REPLY, int(fin), struct.pack(">I", stream_id) + self._write_headers(headers))
            case Headers(stream_id, headers, fin):
                return _control(HEADERS, int(fin), struct.pack(">I", stream_id) + self._write_headers(headers))
            case RstStream(stream_id, status):
                return _control(RST_STREAM, 0, struct.pack(">II", stream_id, status))
            case Ping(ping_id):
                return _control(PING, 0, struct.pack(">I", ping_id))
            case GoAway(last_stream_id, status):
                return _control(GOAWAY, 0, struct.pack(">II", last_stream_id, status))
            case WindowUpdate(stream_id, delta):
                return _control(WINDOW_UPDATE, 0, struct.pack(">II", stream_id, delta))
            case Settings(values):
                pairs = b"".join(struct.pack(">II", key, value) for key, value in values.items())
                return _control(SETTINGS, 0, struct.pack(">I", len(values)) + pairs)

    def _read_headers(self, block: bytes) -> dict[str, str]:
        raw = self._decompress.decompress(block, LONGEST_HEADER_BLOCK_BYTES + 1)
        if len(raw) > LONGEST_HEADER_BLOCK_BYTES or self._decompress.unconsumed_tail:
            raise ProtocolError("headers are too long")
        (count,) = struct.unpack_from(">I", raw)
        texts, offset = [], 4
        for _ in range(min(2 * count, len(raw))):
            (length,) = struct.unpack_from(">I", raw, offset)
            if offset + 4 + length > len(raw):
                raise ProtocolError("header block is cut off")
            texts.append(raw[offset + 4 : offset + 4 + length].decode())
            offset += 4 + length
        # Several values of one name are joined by zero bytes; the first is the one Kubernetes looks at.
        return {name.lower(): value.split("\0")[0] for name, value in zip(texts[::2], texts[1::2], strict=True)}

    def _write_headers(self, headers: Mapping[str, str]) -> bytes:
        block = bytearray(struct.pack(">I", len(headers)))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack(">I", len(text)) + text
        return self._compress.compress(bytes(block)) + self._compress.flush(zlib.Z_SYNC_FLUSH)


def _control(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(body)) + body
