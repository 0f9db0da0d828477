"""Requests of few megabytes must not keep everybody waiting: whatever a list is checked for takes one look at each.

The sizes are such that looking at all pairs would take minutes; the bound is far above what one look takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from edge.api import (
    certificates,
    core,
    errors,
    meta,
    patch,
    persistent_volumes,
    quotas,
    rbac,
    rbac_rules,
    storage,
    validation,
)
from edge.api import validation_words as words
from edge.apiserver import bodies

MANY = 40_000
BOUND_SECONDS = 20.0


@contextmanager
def quickly() -> Iterator[None]:
    begin = time.process_time()
    yield
    assert time.process_time() - begin < BOUND_SECONDS


def pod(**spec: Any) -> core.Pod:
    containers = (core.Container(name="main", image="x"),)
    return core.Pod(metadata=meta.ObjectMeta(name="one", namespace="default"),
                    spec=core.PodSpec(**{"containers": containers, **spec}))


NAMES = tuple(f"n{number}" for number in range(MANY))
RULES = tuple(persistent_volumes.TopologySelectorLabelRequirement(key="zone", values=(name,)) for name in NAMES)
TERMS = tuple(persistent_volumes.TopologySelectorTerm(match_label_expressions=(rule,)) for rule in RULES[:20_000])


@pytest.mark.parametrize("obj", [
    pod(scheduling_gates=tuple(core.PodSchedulingGate(name=name) for name in NAMES)),
    pod(containers=(core.Container(name="main", image="x", resources=core.ResourceRequirements(
        claims=tuple(core.ResourceClaim(name=name) for name in NAMES))),)),
    core.Service(metadata=meta.ObjectMeta(name="one"), spec=core.ServiceSpec(ip_families=NAMES)),
    quotas.ResourceQuota(metadata=meta.ObjectMeta(name="one"), spec=quotas.ResourceQuotaSpec(scopes=NAMES)),
    storage.StorageClass(metadata=meta.ObjectMeta(name="one"), provisioner="a/b", allowed_topologies=TERMS),
    certificates.CertificateSigningRequest(metadata=meta.ObjectMeta(name="one"),
                                           spec=certificates.CertificateSigningRequestSpec(usages=NAMES)),
], ids=lambda obj: type(obj).__name__)
def test_long_lists_are_judged_in_one_look(obj: meta.Object) -> None:
    with quickly():
        causes = validation.create(obj)
    assert sum(len(cause.message) for cause in causes) < 20_000_000
    assert len(causes) <= validation.MOST_CAUSES + 10


def test_what_comes_again_is_found() -> None:
    assert words.repeated(("a", "b", "a", "a", "c", "b")) == {2, 3, 5}


def test_a_long_wrong_value_is_shown_in_part() -> None:
    cause = words.invalid("spec.x", "y" * 1_000_000, "is wrong")
    assert cause.message.startswith('Invalid value: "yyy')
    assert cause.message.endswith("...: is wrong")
    assert len(cause.message) < 5_000


@pytest.mark.parametrize("change", [
    {"containers": [{"name": name, "image": "y"} for name in NAMES]},
    {"containers": [{"name": name, "$patch": "delete"} for name in NAMES]},
    {"$setElementOrder/containers": [{"name": name} for name in reversed(NAMES)]},
])
def test_strategic_patches_of_long_lists(change: dict[str, Any]) -> None:
    current = {"metadata": {"name": "one"}, "spec": {"containers": [{"name": name, "image": "x"} for name in NAMES]}}
    with quickly():
        made = patch.strategic_merge_patch(core.Pod, current, {"spec": change})
    names = [container["name"] for container in made["spec"]["containers"]]
    images = {container["image"] for container in made["spec"]["containers"]}
    if "$setElementOrder/containers" in change:
        assert names == list(reversed(NAMES))
    elif "$patch" in change["containers"][0]:
        assert names == []
    else:
        assert (names, images) == (list(NAMES), {"y"})


def test_a_strategic_patch_that_takes_much_out_of_a_set() -> None:
    current = {"metadata": {"name": "one", "finalizers": [f"a.b/{name}" for name in NAMES]}}
    with quickly():
        made = patch.strategic_merge_patch(core.Pod, current, {"metadata": {
            "$deleteFromPrimitiveList/finalizers": [f"a.b/{name}" for name in NAMES[1:]]}})
    assert made["metadata"]["finalizers"] == ["a.b/n0"]


def test_rights_in_a_billion_pieces_count_as_missing() -> None:
    bomb = rbac.PolicyRule(verbs=NAMES[:1000], api_groups=NAMES[:1000], resources=NAMES[:1000])
    held = tuple(rbac.PolicyRule(verbs=("get",), api_groups=("",), resources=(name,)) for name in NAMES[:50])
    with quickly():
        assert rbac_rules.missing(held, (bomb,)) == (bomb,)
        assert rbac_rules.missing((*held, *rbac_rules.EVERYTHING), (bomb,)) == ()


def test_many_small_rights_are_compared_one_by_one() -> None:
    held = tuple(rbac.PolicyRule(verbs=("get",), api_groups=("",), resources=(name,)) for name in NAMES[:300])
    assert rbac_rules.missing(held, held) == ()
    both = rbac.PolicyRule(verbs=("get",), api_groups=("",), resources=NAMES[:299])
    assert rbac_rules.missing(held, (both,)) == ()
    with quickly():
        assert rbac_rules.missing(held, tuple(rbac.PolicyRule(verbs=("get",), api_groups=("",), resources=(name,))
                                              for name in NAMES))


@pytest.mark.parametrize(("text", "value"), [
    (b"a: 12:30", "12:30"), (b"a: 1:2.5", "1:2.5"), (b"a: 2001-01-01", "2001-01-01"), (b"a: 010", 8), (b"a: 0x1F", 31),
    (b"a: -5", -5), (b"a: 1.5e+3", 1500.0), (b"a: 1_000", 1000), (b"a: '5'", "5"), (b"a: !!int '7'", 7),
    (b"a: .5", 0.5)])
def test_yaml_numbers(text: bytes, value: Any) -> None:
    assert bodies.read(text, "application/yaml") == {"a": value}


@pytest.mark.parametrize("body", [
    b"a: !!int 1" + b":1" * 1_400_000, b"a: !!float '1" + b":1" * 1_400_000 + b".5'", b"a: 0x" + b"f" * 2_000_000,
    b"- a\n" * 700_000], ids=["base 60", "base 60 float", "huge", "nodes"])
def test_yaml_that_would_take_hours_is_refused(body: bytes) -> None:
    with quickly(), pytest.raises(errors.BadRequest):
        bodies.read(body, "application/yaml")


def test_a_long_text_of_colons_is_a_text() -> None:
    with quickly():
        assert len(bodies.read(b"a: 1" + b":1" * 1_400_000, "application/yaml")["a"]) == 2_800_001
