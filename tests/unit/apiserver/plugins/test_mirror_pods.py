"""What becomes of mirror pods on their way in: they show what a node runs, so nothing is added that it does not."""

from __future__ import annotations

import pytest

from edge.api import core, meta, mirror_pods, scheme, validation
from edge.apiserver import admission_kinds
from edge.apiserver.authenticate import User

POD = core.Pod(metadata=meta.ObjectMeta(name="web-node-1", namespace="default"),
               spec=core.PodSpec(containers=(core.Container(name="c", image="i"),), node_name="node-1"))
MIRROR = core.Pod(metadata=meta.ObjectMeta(name="web-node-1", namespace="default",
                                           annotations={mirror_pods.MIRROR: "s1"}), spec=POD.spec)


def test_a_mirror_pod_acts_as_nobody() -> None:
    settings, user = admission_kinds.Settings(), User("system:admin")
    assert admission_kinds.on_create(MIRROR, user, settings).spec.service_account_name == ""
    assert admission_kinds.on_create(POD, user, settings).spec.service_account_name == "default"


@pytest.mark.parametrize(("old", "new", "problem"), [
    (POD, MIRROR, "may not add mirror pod annotation"), (MIRROR, POD, "may not remove or modify mirror pod annotation"),
    (MIRROR, MIRROR, ""), (POD, POD, "")])
def test_a_pod_stays_what_it_is(old: core.Pod, new: core.Pod, problem: str) -> None:
    found = [cause.message for cause in validation.update(new, old) if "mirror" in cause.message]
    assert [problem] == [message.removeprefix("Forbidden: ") for message in found] if problem else found == []


def test_kinds_of_pods_are_known() -> None:
    assert scheme.of_type(core.Pod).kind == "Pod"
    assert mirror_pods.is_mirror(MIRROR)
    assert not mirror_pods.is_mirror(POD)
    assert mirror_pods.is_of(MIRROR, "s1")
    assert not mirror_pods.is_of(POD, "s1")
