"""The bytes of the gRPC health call, checked once against grpcio's server, and what answers mean."""

from __future__ import annotations

import pytest

from edge.agent import grpc_health
from edge.agent.grpc_health import Answer, frame

SETTINGS = frame(grpc_health.SETTINGS, 0, 0, b"\0\x03\0\0\0\x64")
HEADERS = frame(grpc_health.HEADERS, grpc_health.END_HEADERS, 1, b"\x88")
TRAILERS = frame(grpc_health.HEADERS, grpc_health.END_HEADERS | grpc_health.END_STREAM, 1, b"\x00")


def body(status: int, *, padded: bool = False) -> bytes:
    message = b"\x08" + bytes((status,)) if status else b""
    raw = b"\0" + len(message).to_bytes(4, "big") + message
    return frame(grpc_health.DATA, grpc_health.PADDED, 1, b"\x03" + raw + b"\0\0\0") if padded else frame(
        grpc_health.DATA, 0, 1, raw)


def test_the_request_is_a_preface_and_three_frames() -> None:
    sent = grpc_health.request("10.244.1.2:50051", "shop")
    assert sent.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(grpc_health.SETTINGS, 0, 0))
    assert b"\x04\x1c/grpc.health.v1.Health/Check" in sent
    assert b"\x01\x1010.244.1.2:50051" in sent
    assert sent.endswith(frame(grpc_health.DATA, grpc_health.END_STREAM, 1, b"\0\0\0\0\x06\x0a\x04shop"))
    assert grpc_health.request("a", "").endswith(frame(grpc_health.DATA, grpc_health.END_STREAM, 1, b"\0\0\0\0\0"))


@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize(("answer", "good", "words"), [
    (HEADERS + body(1) + TRAILERS, True, ""),
    (HEADERS + body(1, padded=True) + TRAILERS, True, ""),
    (HEADERS + body(2) + TRAILERS, False, "'NOT_SERVING'"),
    (HEADERS + body(0) + TRAILERS, False, "'UNKNOWN'"),
    (TRAILERS, False, "does not answer the gRPC health protocol"),
    (frame(grpc_health.GOAWAY, 0, 0, b"\0" * 8), False, "does not answer"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "does not speak HTTP/2"),
    (frame(grpc_health.DATA, 0, 1, b"x" * 16384) * 5, False, "too long"),
])
def test_what_an_answer_means(answer: bytes, good: bool, words: str, cut: int) -> None:
    received = Answer()
    whole = answer if answer.startswith(b"HTTP") else SETTINGS + answer
    for begin in range(0, len(whole), cut):
        received.feed(whole[begin:begin + cut])
    assert received.verdict is not None
    assert received.verdict[0] is good
    if words:
        assert words in received.verdict[1]


def test_settings_and_pings_are_answered_and_answers_to_ours_are_not() -> None:
    received = Answer()
    assert received.feed(SETTINGS) == frame(grpc_health.SETTINGS, grpc_health.ACK, 0)
    assert received.feed(frame(grpc_health.PING, 0, 0, b"12345678")) == frame(
        grpc_health.PING, grpc_health.ACK, 0, b"12345678")
    assert received.feed(frame(grpc_health.SETTINGS, grpc_health.ACK, 0)) == b""
    assert received.verdict is None
