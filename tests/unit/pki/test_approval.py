from __future__ import annotations

from dataclasses import replace

import pytest

from edge.pki import approval, names
from edge.pki.approval import Approve, Deny, Known, Leave, Life

KEY, OTHER_KEY = "sha256:aa", "sha256:bb"
JOIN = approval.Asked(
    signer="edge.io/node", usages=("client auth", "server auth"), common_name="node-1", organizations=("system:nodes",),
    dns=("node-1",), addresses=(), key_hash=KEY, username="system:bootstrap:abcdef",
    groups=("system:bootstrappers", "system:authenticated"), serial="board-1")
RENEW = replace(JOIN, username=names.RENEWER_USER, groups=(names.RENEWERS_GROUP,))
OWN = replace(JOIN, username="system:node:node-1", groups=("system:nodes",))
MINE = Known(name="node-1", keys=frozenset((KEY,)), serial="board-1")
TAKEN = Known(name="node-1", keys=frozenset((OTHER_KEY,)), serial="board-1", address="10.0.0.2")
EVERY_LIFE = (Life.ALIVE, Life.SILENT, Life.UNKNOWN)


def reason(asked: approval.Asked, *known: Known, kind: type[approval.Decision] = Approve,
           revoked: tuple[str, ...] = (), own: tuple[str, ...] = ()) -> str:
    """Return why that is decided, and see that it is decided so."""
    found = approval.decide(asked, known, revoked=revoked, own=own)
    assert isinstance(found, kind), found
    return found.reason


def test_a_new_board_joins_with_a_bootstrap_token() -> None:
    assert reason(JOIN) == "NodeJoin"
    assert reason(replace(JOIN, serial="")) == "NodeJoin"


@pytest.mark.parametrize("life", EVERY_LIFE)
def test_the_same_key_on_the_same_board_is_let_in_again_at_any_time(life: Life) -> None:
    assert reason(JOIN, replace(MINE, life=life)) == "NodeRejoin"
    for asked in (RENEW, OWN):
        assert reason(asked, replace(MINE, life=life)) == "NodeRenewal"
        assert reason(asked, replace(MINE, life=life, serial="")) == "NodeRenewal"
        assert reason(replace(asked, serial=""), replace(MINE, life=life)) == "NodeRenewal"


def test_a_board_that_was_flashed_anew_waits_for_a_person() -> None:
    asked = replace(JOIN, key_hash="sha256:cc")
    assert reason(asked, TAKEN, kind=Leave) == "NodeNeedsAdoption"
    assert "`edgectl node adopt node-1`" in approval.decide(asked, (TAKEN,)).message
    # Under another host name it is known by its number.
    assert reason(replace(asked, common_name="fresh", dns=("fresh",)), TAKEN, kind=Leave) == "NodeNeedsAdoption"


def test_another_board_with_a_name_that_is_taken_waits_for_a_person() -> None:
    asked = replace(JOIN, key_hash="sha256:cc", serial="board-2")
    found = approval.decide(asked, (TAKEN,))
    assert isinstance(found, Leave)
    assert found.reason == "NodeNeedsAdoption"
    assert "node-1 (board board-1 at 10.0.0.2)" in found.message
    assert reason(asked, Known(name="node-1"), kind=Leave) == "NodeNeedsAdoption"


@pytest.mark.parametrize("serial", ["board-1", "board-2", ""])
def test_the_name_of_a_node_that_runs_is_not_given_away(serial: str) -> None:
    """Also not for the same serial number, which anybody may claim."""
    asked = replace(JOIN, key_hash="sha256:cc", serial=serial)
    found = approval.decide(asked, (replace(TAKEN, life=Life.ALIVE),))
    assert isinstance(found, Leave)
    assert found.reason == "NameTaken"
    assert "another host name" in found.message


def test_a_serial_number_alone_opens_nothing() -> None:
    asked = replace(JOIN, key_hash="sha256:cc")
    for life in EVERY_LIFE:
        for named in ("node-1", "node-2"):
            found = approval.decide(replace(asked, common_name=named, dns=()), (replace(TAKEN, life=life),))
            # A running node loses nothing when another one with its number joins under a name of its own.
            assert isinstance(found, Leave) or (named == "node-2" and life is Life.ALIVE)
    assert reason(replace(RENEW, key_hash="sha256:cc"), TAKEN, kind=Deny) == "KeyUnknown"


@pytest.mark.parametrize("asked", [JOIN, RENEW])
def test_a_renamed_machine_gets_its_new_name(asked: approval.Asked) -> None:
    renamed = replace(asked, common_name="kitchen", dns=("kitchen",))
    for life in EVERY_LIFE:
        assert reason(renamed, replace(MINE, life=life)) == "NodeRenamed"
    # Not one that somebody else has.
    kitchen = Known(name="kitchen", keys=frozenset((OTHER_KEY,)), serial="board-2", life=Life.ALIVE)
    assert reason(renamed, MINE, kitchen, kind=Leave) == "NameTaken"
    assert reason(renamed, MINE, replace(kitchen, life=Life.SILENT), kind=Leave) == "NodeNeedsAdoption"


@pytest.mark.parametrize("asked", [JOIN, RENEW, OWN])
def test_a_card_in_another_board_is_moved_or_copied_and_that_depends_on_the_old_board(asked: approval.Asked) -> None:
    other = replace(asked, serial="board-2")
    assert reason(other, replace(MINE, life=Life.SILENT)) == "NodeMoved"
    assert reason(other, replace(MINE, life=Life.UNKNOWN), kind=Leave) == "NodeStateUnknown"
    assert reason(other, replace(MINE, life=Life.ALIVE, address="10.0.0.2"), kind=Deny) == "NodeCloned"
    message = approval.decide(other, (replace(MINE, life=Life.ALIVE, address="10.0.0.2"),)).message
    assert "board-2" in message
    assert "node-1 (board board-1 at 10.0.0.2)" in message


def test_a_copied_card_is_a_copy_under_another_name_too() -> None:
    other = replace(RENEW, serial="board-2", common_name="kitchen", dns=())
    assert reason(other, replace(MINE, life=Life.ALIVE), kind=Deny) == "NodeCloned"
    assert reason(other, replace(MINE, life=Life.SILENT)) == "NodeRenamed"


@pytest.mark.parametrize("asked", [JOIN, RENEW, OWN])
def test_a_known_key_does_not_get_a_name_of_the_master(asked: approval.Asked) -> None:
    """Wherever that name is looked for, its certificate would pass for the master's."""
    renamed = replace(asked, common_name="master", dns=("master",), username=asked.username.replace("node-1", "master"))
    assert reason(renamed, MINE, own=("master",), kind=Leave) == "NameReserved"
    assert "another host name" in approval.decide(renamed, (MINE,), own=("master",)).message
    assert reason(renamed, MINE, own=("pi",)) == "NodeRenamed"


def test_the_masters_own_agent_joins_and_renews_under_its_name() -> None:
    join = replace(JOIN, common_name="master", dns=("master",))
    mine = replace(MINE, name="master")
    assert reason(join, own=("master",)) == "NodeJoin"
    assert reason(join, mine, own=("master",)) == "NodeRejoin"
    assert reason(replace(RENEW, common_name="master", dns=("master",)), mine, own=("master",)) == "NodeRenewal"
    assert reason(join, replace(mine, keys=frozenset((OTHER_KEY,))), own=("master",), kind=Leave) == "NodeNeedsAdoption"


@pytest.mark.parametrize("life", EVERY_LIFE)
def test_a_node_does_not_change_its_key_by_its_certificate_alone(life: Life) -> None:
    """A thief who could would have a key that stays good when the one of the stolen card is revoked."""
    assert reason(OWN, replace(TAKEN, life=life), kind=Leave) == "NodeNeedsAdoption"
    assert "`edgectl node adopt node-1`" in approval.decide(OWN, (TAKEN,)).message
    assert reason(OWN, kind=Leave) == "NodeNeedsAdoption"
    assert reason(replace(OWN, serial="board-2"), TAKEN, kind=Deny) == "NodeCloned"
    other = replace(OWN, username="system:node:node-2")
    assert isinstance(approval.decide(other, (MINE,)), Leave)


def test_somebody_who_calls_himself_a_node_is_not_one() -> None:
    assert isinstance(approval.decide(replace(OWN, groups=("developers",)), ()), Leave)


def test_a_revoked_key_stays_out_whatever_else_is_right() -> None:
    for asked in (JOIN, RENEW, OWN):
        assert reason(asked, MINE, kind=Deny, revoked=(KEY,)) == "KeyRevoked"
        assert reason(asked, MINE, revoked=(OTHER_KEY,))


def test_a_token_that_is_gone_opens_nothing_any_more() -> None:
    assert reason(replace(JOIN, token_is_good=False), kind=Leave) == "TokenGone"
    assert reason(replace(JOIN, token_is_good=False), MINE, kind=Leave) == "TokenGone"


@pytest.mark.parametrize("change", [
    {"common_name": "Node_1"}, {"common_name": ""}, {"common_name": "system:edge-server"},
    {"common_name": "kubernetes", "dns": ("kubernetes",)}, {"common_name": "localhost", "dns": ()},
    {"organizations": ("system:masters",)}, {"organizations": ("system:nodes", "system:masters")},
    {"organizations": ()}, {"usages": ("cert sign",)}, {"dns": ("node-1", "kubernetes")},
    {"serial": "a" * 65}, {"serial": "two words"}, {"serial": "Capitals"}, {"serial": "line\nbreak"},
])
def test_what_no_node_may_ever_have_is_denied(change: dict[str, object]) -> None:
    asked = replace(JOIN, **change)  # type: ignore[arg-type]
    assert reason(asked, kind=Deny) == "InvalidRequest"


def test_another_signer_is_none_of_our_business() -> None:
    asked = replace(JOIN, signer="example.com/other", common_name="")
    assert isinstance(approval.decide(asked, ()), Leave)


def test_an_adoption_says_the_name_it_gives_and_only_a_person_writes_one() -> None:
    message = approval.adopted_message("node-2", "its card was flashed anew")
    assert approval.adopted_name(approval.ADOPTED, message) == "node-2"
    assert approval.adopted_name("KubectlApprove", message) == ""
    assert approval.adopted_name(approval.ADOPTED, "because") == ""
    assert approval.adopted_name(approval.ADOPTED, "adopted as kubernetes: x") == ""
    assert approval.adopted_name(approval.ADOPTED, "adopted as A_b: x") == ""
    assert approval.ADOPTED not in approval.AUTOMATIC


@pytest.mark.parametrize("name", ["a", "node-1", "0", "a" * 63])
def test_node_names(name: str) -> None:
    assert names.node_name_problem(name) == ""


@pytest.mark.parametrize("name", ["", "-a", "a-", "a.b", "A", "a" * 64, "a\n", "ä", "a/b", "+", "#"])
def test_what_is_no_node_name(name: str) -> None:
    assert names.node_name_problem(name) != ""
