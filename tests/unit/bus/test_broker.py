"""What Mosquitto is configured to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

import pytest

from edge.bus import broker

BROKER = broker.Broker(ca=PurePath("/ca.crt"), certificate=PurePath("/b.crt"), key=PurePath("/b.key"),
                       access_list=PurePath("/acl"))
LIST = PurePath("/revoked.crl")


def test_a_client_is_who_its_certificate_says_and_nobody_else() -> None:
    lines = broker.configuration(BROKER).splitlines()
    for wanted in ("allow_anonymous false", "require_certificate true", "use_identity_as_username true",
                   "use_username_as_clientid true", "memory_limit 167772160"):
        assert wanted in lines


def test_where_nothing_was_revoked_no_list_is_named() -> None:
    assert "crlfile" not in broker.configuration(BROKER)
    assert "revoked" not in broker.configuration(BROKER)


def test_another_list_makes_another_configuration() -> None:
    first = broker.configuration(replace(BROKER, revoked=LIST, revoked_content=b"one"))
    assert "crlfile /revoked.crl" in first.splitlines()
    assert first != broker.configuration(replace(BROKER, revoked=LIST, revoked_content=b"two"))
    assert first == broker.configuration(replace(BROKER, revoked=LIST, revoked_content=b"one"))


def test_every_listener_has_the_list() -> None:
    both = broker.configuration(replace(BROKER, addresses=("10.0.0.1", "127.0.0.1"), revoked=LIST))
    assert both.splitlines().count("crlfile /revoked.crl") == 2


def test_a_line_break_smuggles_nothing_in() -> None:
    with pytest.raises(ValueError, match="line break"):
        broker.configuration(replace(BROKER, revoked=PurePath("/x\nallow_anonymous true")))


def test_a_node_has_no_rule_beyond_its_own_branch() -> None:
    rules = [line for line in broker.access_list().splitlines() if line.startswith("pattern")]
    assert rules
    for rule in rules:
        _, verb, topic = rule.split(" ", 2)
        assert topic.startswith("edge/v1/nodes/%u/") or (verb, topic) == ("read", "edge/v1/cluster/#")
