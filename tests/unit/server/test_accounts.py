"""Tokens that pods get on their nodes: what they say, what they are good for, and that they are the same twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from edge.api import core, meta
from edge.bridge.interface import TokenRequest
from edge.pki import authority, tokens
from edge.server.accounts import Accounts
from tests.fakes.clock import START, FakeClock

ACCOUNT = core.ServiceAccount(metadata=meta.ObjectMeta(name="robot", namespace="shop", uid="a"))
POD = core.Pod(metadata=meta.ObjectMeta(name="web", namespace="shop", uid="p"), spec=core.PodSpec(node_name="node-1"))
NODE = core.Node(metadata=meta.ObjectMeta(name="node-1", uid="n"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def accounts(tmp_path: Path, clock: FakeClock) -> Accounts:
    (tmp_path / "sa.key").write_bytes(authority.new_key())
    return Accounts(tmp_path / "sa.key", clock)


def test_a_pods_token_is_bound_to_pod_and_node(accounts: Accounts) -> None:
    claims = accounts.verify(accounts.of_pod(POD, ACCOUNT, TokenRequest("", 3607, START, NODE)))
    assert claims is not None
    assert claims["kubernetes.io"] == {
        "namespace": "shop", "serviceaccount": {"name": "robot", "uid": "a"}, "pod": {"name": "web", "uid": "p"},
        "node": {"name": "node-1", "uid": "n"}}
    assert (claims["exp"] - claims["iat"], claims["sub"]) == (3607, "system:serviceaccount:shop:robot")
    assert claims["jti"]


def test_the_same_request_gives_the_same_token(accounts: Accounts) -> None:
    asked = TokenRequest("", 3607, START, NODE)
    assert accounts.of_pod(POD, ACCOUNT, asked) == accounts.of_pod(POD, ACCOUNT, asked)
    later = TokenRequest("", 3607, START + timedelta(hours=1), NODE)
    assert accounts.of_pod(POD, ACCOUNT, later) != accounts.of_pod(POD, ACCOUNT, asked)


def test_a_token_for_others_does_not_open_this_api(accounts: Accounts) -> None:
    token = accounts.of_pod(POD, ACCOUNT, TokenRequest("vault", 600, START))
    assert accounts.verify(token) is None
    assert accounts.verify(token, ("vault",)) is not None
    assert accounts.verify(accounts.of_pod(POD, ACCOUNT, TokenRequest("", 600, START)), tokens.AUDIENCES) is not None


def test_a_token_ends(accounts: Accounts, clock: FakeClock) -> None:
    token = accounts.of_pod(POD, ACCOUNT, TokenRequest("", 600, START))
    clock.advance(590)
    assert accounts.verify(token) is not None
    clock.advance(30)
    assert accounts.verify(token) is None
