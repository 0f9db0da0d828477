"""What holds for any patch: a diff leads where it should, twice is once, the input stays as it was."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.api import apps, core, disruption_budgets, errors, meta, networking, patch, rbac, scheme, statefulsets
from tests.properties import differences, objects
from tests.properties.effort import examples

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "$", "delete", "replace"])
KEYS = st.sampled_from(["a", "b", "$patch", "$retainKeys", "name"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)
CONTAINERS = st.lists(st.sampled_from("abcd"), unique=True, max_size=4).flatmap(
    lambda names: st.tuples(*(st.fixed_dictionaries({"name": st.just(name), "image": st.sampled_from("ij")})
                              for name in names)))


NAMES = st.sampled_from(["a", "b", "c", "", "a/b", "m~n", "~1", "0", "-", "$patch"])
ANY = st.recursive(st.none() | st.booleans() | st.integers(-1, 1) | st.sampled_from(["", "x", 1.5]),
                   lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12)
FREE = st.dictionaries(NAMES, ANY, max_size=4)
KINDS: tuple[type[meta.Object], ...] = (
    core.Pod, core.Service, core.ServiceAccount, core.Node, apps.Deployment, networking.Ingress,
    disruption_budgets.PodDisruptionBudget, statefulsets.StatefulSet, rbac.ClusterRole)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, objects.Json, objects.Json]:
    """Draw a kind and two objects of it, alike or not."""
    resource = scheme.of_type(draw(st.sampled_from(KINDS)))
    some = objects.raw(resource, keyed=True) | objects.dense(resource, keyed=True)
    old = objects.canonical(resource, draw(some))
    new = objects.canonical(resource, draw(some))
    old, new = (without_nulls(obj, everywhere=True) for obj in (old, new))
    for place in draw(st.lists(st.sampled_from(sorted({*old, *new} - {"apiVersion", "kind"})), max_size=2)):
        if place in old:
            new = {**new, place: old[place]}  # so that something stays as it is
    return resource.type, old, new


def unchanged(*values: Any) -> Any:
    """Return copies, to compare with afterwards."""
    return copy.deepcopy(values)


def without_nulls(value: Any, *, everywhere: bool = False, inside_list: bool = False) -> Any:
    """Return what a merge patch can say: nulls stand inside lists only."""
    if isinstance(value, dict):
        return {key: without_nulls(item, everywhere=everywhere, inside_list=inside_list)
                for key, item in value.items() if item is not None or (inside_list and not everywhere)}
    if isinstance(value, list):
        return [without_nulls(item, everywhere=everywhere, inside_list=True) for item in value]
    return value


CHOOSE = st.randoms(use_true_random=True).map(lambda random: random.randrange)


@given(FREE, FREE, CHOOSE)
def test_the_operations_between_two_objects_make_one_the_other(old: Any, new: Any, choose: differences.Choose) -> None:
    operations = differences.json_patch(old, new, choose)
    before = unchanged(old, operations)
    assert objects.same(patch.json_patch(old, operations), new)
    assert (old, operations) == before


@given(FREE, FREE)
def test_the_difference_of_two_objects_makes_one_the_other(old: Any, new: Any) -> None:
    new = without_nulls(new)
    change = differences.merge_patch(old, new)
    before = unchanged(old, change)
    assert objects.same(patch.merge_patch(old, change), new)
    assert (old, change) == before


@examples(150)
@given(pairs(), CHOOSE)
def test_all_three_patches_make_one_object_of_a_kind_another(pair: tuple[Any, Any, Any],
                                                             choose: differences.Choose) -> None:
    kind, old, new = pair
    strategic = differences.strategic_patch(kind, old, new, choose)
    before = unchanged(old, new, strategic)
    done = patch.strategic_merge_patch(kind, old, strategic)
    assert objects.missing(new, done) == objects.missing(done, new) == []
    assert (old, new, strategic) == before
    assert objects.same(patch.merge_patch(old, differences.merge_patch(old, new)), new)
    assert objects.same(patch.json_patch(old, differences.json_patch(old, new, choose)), new)


@given(CONTAINERS, CONTAINERS)
def test_a_list_difference_with_its_order_makes_one_list_the_other(
        old: tuple[dict[str, str], ...], new: tuple[dict[str, str], ...]) -> None:
    kept = [each["name"] for each in new]
    gone = [{"name": each["name"], "$patch": "delete"} for each in old if each["name"] not in kept]
    change = {"spec": {"$setElementOrder/containers": [{"name": name} for name in kept],
                       "containers": [*map(dict, new), *gone]}}
    result = patch.strategic_merge_patch(core.Pod, {"spec": {"containers": list(old)}}, change)
    assert result["spec"]["containers"] == list(new)


@given(CONTAINERS, CONTAINERS)
def test_a_patch_applied_twice_changes_nothing_more(
        old: tuple[dict[str, str], ...], new: tuple[dict[str, str], ...]) -> None:
    change = {"spec": {"containers": list(new)}}
    once = patch.strategic_merge_patch(core.Pod, {"spec": {"containers": list(old)}}, change)
    assert patch.strategic_merge_patch(core.Pod, once, change) == once


@given(st.dictionaries(st.sampled_from(["spec", "metadata", "$patch"]), VALUES, max_size=3), VALUES)
def test_any_patch_is_applied_or_refused_and_never_touches_its_input(change: dict[str, Any], containers: Any) -> None:
    change = {**change, "spec": {"containers": containers, "$setElementOrder/containers": containers}}
    current = {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "a"}]}}
    before = copy.deepcopy((current, change))
    with contextlib.suppress(errors.BadRequest, errors.Invalid):
        patch.strategic_merge_patch(core.Pod, current, change)
    assert (current, change) == before
