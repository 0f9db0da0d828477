"""Kubernetes' channel messages."""

from __future__ import annotations

import json

import pytest

from edge.agent import websocket


@pytest.mark.parametrize(
    ("offered", "spoken", "chosen"),
    [
        (("v4.channel.k8s.io", "v5.channel.k8s.io"), websocket.REMOTE_COMMAND, "v5.channel.k8s.io"),
        (("v4.channel.k8s.io",), websocket.REMOTE_COMMAND, "v4.channel.k8s.io"),
        ((), websocket.REMOTE_COMMAND, "channel.k8s.io"),
        (("v9.channel.k8s.io",), websocket.REMOTE_COMMAND, None),
        (("SPDY/3.1+portforward.k8s.io",), websocket.PORT_FORWARD, websocket.TUNNEL),
        ((), websocket.PORT_FORWARD, "v4.channel.k8s.io"),
        (("v5.channel.k8s.io",), websocket.PORT_FORWARD, None),
    ],
)
def test_choose(offered: tuple[str, ...], spoken: tuple[str, ...], chosen: str | None) -> None:
    assert websocket.choose(offered, spoken) == chosen


@pytest.mark.parametrize("protocol", websocket.REMOTE_COMMAND)
def test_messages_there_and_back(protocol: str) -> None:
    message = websocket.encode(1, b"\x00\xffhi", protocol)
    assert isinstance(message, str) == ("base64" in protocol)
    assert websocket.decode(message, protocol) == websocket.Message(1, b"\x00\xffhi")


@pytest.mark.parametrize(
    ("message", "protocol"),
    [(b"", "v5.channel.k8s.io"), ("", "v4.base64.channel.k8s.io"), ("1###", "v4.base64.channel.k8s.io"),
     ("xaGk=", "v4.base64.channel.k8s.io")],
)  # fmt: skip
def test_malformed_messages(message: bytes | str, protocol: str) -> None:
    with pytest.raises(websocket.MessageError):
        websocket.decode(message, protocol)


def test_only_version_5_closes_channels() -> None:
    message = websocket.decode(b"\xff\x00", "v5.channel.k8s.io")
    assert websocket.closed_channel(message, "v5.channel.k8s.io") == websocket.STDIN
    assert websocket.closed_channel(message, "v4.channel.k8s.io") is None
    assert websocket.closed_channel(websocket.Message(255, b""), "v5.channel.k8s.io") is None


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"Width":-1,"Height":3}', b'{"Width":"a","Height":3}', b"null",
                                  b'{"Width":1e99,"Height":3}', b'{"Width":80}', b"\xff"])  # fmt: skip
def test_sizes_that_are_none(data: bytes) -> None:
    assert websocket.size(data) is None


def test_size() -> None:
    assert websocket.size(b'{"Width":80,"Height":24}') == websocket.Size(80, 24)


def test_statuses() -> None:
    assert json.loads(websocket.exit_status(0)) == {"metadata": {}, "status": "Success"}
    failure = json.loads(websocket.exit_status(7))
    assert failure["reason"] == "NonZeroExitCode"
    assert failure["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    assert websocket.status_for(websocket.exit_status(0), "channel.k8s.io") == b""
    assert b"exit status 7" in websocket.status_for(websocket.exit_status(7), "channel.k8s.io")
