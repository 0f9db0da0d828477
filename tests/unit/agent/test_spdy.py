"""SPDY frames: known bytes, every frame there and back, cut anywhere, and what is refused."""

from __future__ import annotations

import contextlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.agent import spdy

IDS = st.integers(1, spdy.LARGEST_STREAM_ID)
NAMES = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=1000), max_size=30)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=5)
NUMBERS = st.integers(0, 0xFFFFFFFF)
FRAMES = st.one_of(
    st.builds(spdy.SynStream, IDS, HEADERS, st.booleans(), st.booleans(), IDS, st.integers(0, 7)),
    st.builds(spdy.SynReply, IDS, HEADERS, st.booleans()),
    st.builds(spdy.Headers, IDS, HEADERS, st.booleans()),
    st.builds(spdy.Data, IDS, st.binary(max_size=200), st.booleans()),
    st.builds(spdy.RstStream, IDS, NUMBERS),
    st.builds(spdy.Ping, NUMBERS),
    st.builds(spdy.GoAway, IDS, NUMBERS),
    st.builds(spdy.WindowUpdate, IDS, NUMBERS),
    st.builds(spdy.Settings, st.dictionaries(st.integers(0, 0xFFFFFF), NUMBERS, max_size=4)),
)


def test_the_dictionary_is_the_drafts() -> None:
    assert len(spdy.DICTIONARY) == 1423
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


def test_known_bytes() -> None:
    codec = spdy.Codec()
    assert codec.encode(spdy.Data(5, b"abc", fin=True)) == bytes.fromhex("00000005 01000003 616263")
    assert codec.encode(spdy.RstStream(3, spdy.CANCEL)) == bytes.fromhex("80030003 00000008 00000003 00000005")
    assert codec.encode(spdy.Ping(1)) == bytes.fromhex("80030006 00000004 00000001")
    syn = codec.encode(spdy.SynStream(1, {"streamtype": "error"}))
    # zlib's header says that a dictionary is needed, and which.
    assert syn[20:24].hex() == "e3c6a7c2"


@settings(max_examples=60)
@given(st.lists(FRAMES, max_size=8), st.integers(1, 50))
def test_frames_survive_however_they_are_cut(frames: list[spdy.Frame], size: int) -> None:
    sender, receiver = spdy.Codec(), spdy.Codec()
    wire = b"".join(sender.encode(frame) for frame in frames)
    received = [frame for begin in range(0, len(wire), size) for frame in receiver.feed(wire[begin : begin + size])]
    assert received == frames


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_garbage_is_refused_or_waited_for_and_never_breaks(garbage: bytes) -> None:
    with contextlib.suppress(spdy.ProtocolError):
        list(spdy.Codec().feed(b"\x80\x03" + garbage))


@pytest.mark.parametrize(
    "wire",
    [
        bytes.fromhex("80020006 00000004 00000001"),  # SPDY/2
        bytes.fromhex("80030006 00000003 000000"),  # a short ping
        bytes.fromhex("80030001 00ffffff"),  # longer than anybody needs
        bytes.fromhex("80030004 00000004 00000009"),  # nine settings and none there
        bytes.fromhex("80030001 0000000e 00000001 00000000 0000 78bb0000"),  # another dictionary
    ],
)
def test_malformed_frames(wire: bytes) -> None:
    with pytest.raises(spdy.ProtocolError):
        list(spdy.Codec().feed(wire))


def test_headers_that_unpack_to_too_much() -> None:
    bomb = spdy.Codec().encode(spdy.SynStream(1, {"a": "x" * 10_000_000}))
    assert len(bomb) < 100_000
    with pytest.raises(spdy.ProtocolError, match="too long"):
        list(spdy.Codec().feed(bomb))


def test_unknown_control_frames_are_skipped() -> None:
    wire = bytes.fromhex("8003000b 00000002 0000") + spdy.Codec().encode(spdy.Ping(7))
    assert list(spdy.Codec().feed(wire)) == [spdy.Ping(7)]
