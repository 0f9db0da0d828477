"""What holds for any patch: a diff leads where it should, twice is once, the input stays as it was."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.api import core, errors, patch

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "$", "delete", "replace"])
KEYS = st.sampled_from(["a", "b", "$patch", "$retainKeys", "name"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)
PLAIN = st.recursive(st.booleans() | st.integers() | st.sampled_from(["", "x", "1"]),
                     lambda inner: st.lists(inner, max_size=3)
                     | st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=10)
OBJECTS = st.dictionaries(st.sampled_from("abc"), PLAIN, max_size=3)
CONTAINERS = st.lists(st.sampled_from("abcd"), unique=True, max_size=4).flatmap(
    lambda names: st.tuples(*(st.fixed_dictionaries({"name": st.just(name), "image": st.sampled_from("ij")})
                              for name in names)))


def merge_diff(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    gone: dict[str, Any] = {key: None for key in old if key not in new}
    return gone | {key: merge_diff(old.get(key), value) for key, value in new.items() if old.get(key) != value
                   or key not in old}


@given(OBJECTS, OBJECTS)
def test_the_difference_of_two_objects_makes_one_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert patch.merge_patch(old, merge_diff(old, new)) == new


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
