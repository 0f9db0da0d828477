"""Which tokens a pod gets, how long each is used, and when it is time for the next."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from edge.api import core, meta, mirror_pods, times
from edge.bridge import interface, pod_tokens
from edge.bridge.publications import PodKey
from edge.bridge.renewals import LONGEST_SECONDS, SHORTEST_SECONDS, Renewals
from edge.bus import messages
from tests.fakes.clock import START

ACCOUNT = core.ServiceAccount(metadata=meta.ObjectMeta(name="robot", namespace="shop"))
MOUNTED = {"volumeMounts": [{"name": "t", "mountPath": pod_tokens.ACCOUNT_PATH}]}
HOUR = timedelta(hours=1)


def pod(*asked: tuple[str, int | None], container: dict[str, object] | None = None, **spec: object) -> core.Pod:
    sources = [{"serviceAccountToken": {"path": f"t{index}", "audience": audience, "expirationSeconds": seconds}}
               for index, (audience, seconds) in enumerate(asked)]
    made = {"volumes": [{"name": "t", "projected": {"sources": sources}}],
            "containers": [{"name": "c", **(MOUNTED if container is None else container)}], **spec}
    return core.Pod(metadata=meta.ObjectMeta(name="web", namespace="shop", uid="u",
                                             creation_timestamp=times.render(START)),
                    spec=msgspec.convert(made, core.PodSpec))


def sign(_pod: core.Pod, _account: core.ServiceAccount, asked: interface.TokenRequest) -> str:
    node = asked.node.metadata.name if asked.node is not None else ""
    return f"{asked.audience or 'api'} {asked.seconds} {(asked.issued - START) // timedelta(minutes=1)} {node}".rstrip()


def given(made: core.Pod, now: datetime = START, account: core.ServiceAccount | None = ACCOUNT) -> pod_tokens.Tokens:
    return pod_tokens.tokens(made, account, None, now, sign)


def test_one_token_for_each_audience_and_life() -> None:
    found = given(pod(("", 3607), ("vault", 600), ("vault", 600), ("", None)))
    assert found.volumes == (messages.PodToken("", 3600, "api 3600 0"), messages.PodToken("", 3607, "api 3607 0"),
                             messages.PodToken("vault", 600, "vault 600 0"))
    assert found.account == ""
    assert found.due == START + timedelta(seconds=480)


def test_a_token_is_renewed_when_four_fifths_of_its_life_are_over() -> None:
    made = pod(("", 3600))
    assert given(made, START + timedelta(seconds=2879)).volumes[0].token == "api 3600 0"
    later = given(made, START + timedelta(seconds=2880))
    assert (later.volumes[0].token, later.due) == ("api 3600 48", START + timedelta(seconds=5760))
    assert given(made, START + 100 * HOUR).volumes[0].token == "api 3600 6000"


def test_a_token_for_long_is_renewed_every_day() -> None:
    made = pod(("", 30 * 24 * 3600))
    assert given(made).due == START + 24 * HOUR
    assert given(made, START + 25 * HOUR).volumes[0].token.split()[2] == str(24 * 60)


def test_a_clock_that_was_set_back_gives_the_first_token() -> None:
    assert given(pod(("", 3600)), START - 9000 * HOUR).volumes[0].token == "api 3600 0"


def test_the_node_is_part_of_what_is_asked_for() -> None:
    node = core.Node(metadata=meta.ObjectMeta(name="node-1"))
    assert pod_tokens.tokens(pod(("", 600)), ACCOUNT, node, START, sign).volumes[0].token == "api 600 0 node-1"


@pytest.mark.parametrize(("made", "token"), [
    (pod(container={}), "api 31536000 0"), (pod(), ""), (pod(container={}, automountServiceAccountToken=False), ""),
    (pod(initContainers=[{"name": "i"}]), "api 31536000 0")])
def test_a_pod_of_an_older_server_gets_the_token_its_node_mounts(made: core.Pod, token: str) -> None:
    assert given(made).account == token


def test_the_token_of_an_older_pod_is_renewed_every_ninety_days() -> None:
    made = pod(container={})
    assert given(made, START + timedelta(days=89)).account == given(made).account
    assert given(made, START + timedelta(days=91)).account != given(made).account


def test_without_an_account_and_for_static_pods_there_is_none() -> None:
    assert given(pod(("", 600), container={}), account=None) == pod_tokens.Tokens()
    static = pod(("", 600), container={})
    static = msgspec.structs.replace(static, metadata=msgspec.structs.replace(
        static.metadata, annotations={mirror_pods.MIRROR: "x"}))
    assert given(static) == pod_tokens.Tokens()


def test_who_is_due_is_told_once_and_the_next_is_waited_for() -> None:
    renewals, one, other = Renewals(), PodKey("node-1", "a"), PodKey("node-1", "b")
    assert renewals.seconds(START) is None
    renewals.note(one, START + timedelta(seconds=100))
    renewals.note(other, START + timedelta(seconds=50))
    assert renewals.seconds(START) == 50
    assert renewals.due(START + timedelta(seconds=49)) == ()
    assert renewals.due(START + timedelta(seconds=50)) == (other,)
    assert renewals.due(START + timedelta(seconds=50)) == ()
    assert renewals.seconds(START + timedelta(seconds=50)) == 50
    renewals.note(one, None)
    assert renewals.due(START + HOUR) == ()
    assert renewals.seconds(START + HOUR) is None


def test_the_wall_clock_is_looked_at_again_as_it_may_be_set() -> None:
    renewals = Renewals()
    renewals.note(PodKey("node-1", "a"), START + 100 * HOUR)
    assert renewals.seconds(START) == LONGEST_SECONDS
    assert renewals.seconds(START + 200 * HOUR) == SHORTEST_SECONDS
