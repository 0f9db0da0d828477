from __future__ import annotations

from dataclasses import replace

import pytest

from edge.pki import approval, names

KEY = "sha256:aa"
JOIN = approval.Asked(
    signer="edge.io/node", usages=("client auth", "server auth"), common_name="node-1", organizations=("system:nodes",),
    dns=("node-1",), addresses=(), key_hash=KEY, username="system:bootstrap:abcdef",
    groups=("system:bootstrappers", "system:authenticated"))


def test_a_new_node_joins_with_a_bootstrap_token() -> None:
    assert isinstance(approval.decide(JOIN, node_exists=False, known_keys=()), approval.Approve)


def test_a_node_joins_again_with_its_key() -> None:
    found = approval.decide(JOIN, node_exists=True, known_keys=(KEY,))
    assert isinstance(found, approval.Approve)
    assert found.reason == "NodeRejoin"


@pytest.mark.parametrize(("node_exists", "known"), [(True, ()), (True, ("sha256:bb",)), (False, ("sha256:bb",))])
def test_a_taken_name_is_left_to_a_person(node_exists: bool, known: tuple[str, ...]) -> None:
    assert isinstance(approval.decide(JOIN, node_exists=node_exists, known_keys=known), approval.Leave)


def test_a_node_renews_itself_with_a_new_key_and_nobody_else() -> None:
    own = replace(JOIN, username="system:node:node-1", groups=("system:nodes",))
    assert isinstance(approval.decide(own, node_exists=True, known_keys=("sha256:bb",)), approval.Approve)
    other = replace(own, username="system:node:node-2")
    assert isinstance(approval.decide(other, node_exists=True, known_keys=(KEY,)), approval.Leave)


def test_somebody_who_calls_himself_a_node_is_not_one() -> None:
    asked = replace(JOIN, username="system:node:node-1", groups=("developers",))
    assert isinstance(approval.decide(asked, node_exists=False, known_keys=()), approval.Leave)


@pytest.mark.parametrize("change", [
    {"common_name": "Node_1"}, {"common_name": ""}, {"common_name": "system:edge-server"},
    {"common_name": "kubernetes", "dns": ("kubernetes",)}, {"common_name": "localhost", "dns": ()},
    {"organizations": ("system:masters",)}, {"organizations": ("system:nodes", "system:masters")},
    {"organizations": ()}, {"usages": ("cert sign",)}, {"dns": ("node-1", "kubernetes")},
])
def test_what_no_node_may_ever_have_is_denied(change: dict[str, object]) -> None:
    asked = replace(JOIN, **change)  # type: ignore[arg-type]
    assert isinstance(approval.decide(asked, node_exists=False, known_keys=()), approval.Deny)


def test_another_signer_is_none_of_our_business() -> None:
    asked = replace(JOIN, signer="example.com/other", common_name="")
    assert isinstance(approval.decide(asked, node_exists=False, known_keys=()), approval.Leave)


@pytest.mark.parametrize("name", ["a", "node-1", "0", "a" * 63])
def test_node_names(name: str) -> None:
    assert names.node_name_problem(name) == ""


@pytest.mark.parametrize("name", ["", "-a", "a-", "a.b", "A", "a" * 64, "a\n", "ä", "a/b", "+", "#"])
def test_what_is_no_node_name(name: str) -> None:
    assert names.node_name_problem(name) != ""
