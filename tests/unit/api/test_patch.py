"""JSON patch and merge patch: what they change, and how they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import errors, patch

OBJECT = {"metadata": {"name": "web", "labels": {"a": "1"}}, "spec": {"replicas": 2, "list": [1, 2]}}


def test_json_patch_applies_every_operation_in_order() -> None:
    ops: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/labels/a", "value": "1"},
        {"op": "add", "path": "/metadata/labels/a~1b", "value": "2"},
        {"op": "replace", "path": "/spec/replicas", "value": 3},
        {"op": "remove", "path": "/spec/list/0"},
        {"op": "add", "path": "/spec/list/-", "value": 9},
        {"op": "copy", "from": "/spec/replicas", "path": "/spec/copied"},
        {"op": "move", "from": "/spec/copied", "path": "/spec/moved"}]
    assert patch.json_patch(OBJECT, ops) == {
        "metadata": {"name": "web", "labels": {"a": "1", "a/b": "2"}},
        "spec": {"replicas": 3, "list": [2, 9], "moved": 3}}
    assert OBJECT["spec"] == {"replicas": 2, "list": [1, 2]}


@pytest.mark.parametrize("ops", [
    [{"op": "remove", "path": "/spec/nothing"}],
    [{"op": "add", "path": "/nowhere/x", "value": 1}],
    [{"op": "replace", "path": "/spec/list/7", "value": 1}],
    [{"op": "add", "path": "/spec/list/one", "value": 1}],
    [{"op": "add", "path": "spec", "value": 1}],
    [{"op": "test", "path": "/spec/replicas", "value": 3}],
    [{"op": "copy", "from": "/spec/nothing", "path": "/spec/x"}],
    [{"op": "replace", "path": "", "value": 5}],
    [{"op": "add", "path": "/metadata/name/x", "value": 5}],
])
def test_an_operation_that_does_not_fit_is_invalid(ops: list[dict[str, Any]]) -> None:
    with pytest.raises(errors.Invalid):
        patch.json_patch(OBJECT, ops)


@pytest.mark.parametrize("ops", [
    {"op": "add"}, [5], [{"op": "fly", "path": "/x"}], [{"op": "add", "path": "/x"}], [{"op": "remove"}],
    [{"op": "move", "path": "/x", "from": 5}], [{"op": ["add"], "path": "/x"}],
])
def test_what_is_no_json_patch_is_a_bad_request(ops: Any) -> None:
    with pytest.raises(errors.BadRequest):
        patch.json_patch(OBJECT, ops)


def test_a_failed_test_names_its_path() -> None:
    with pytest.raises(errors.Invalid, match=r"testing value /spec/replicas failed"):
        patch.json_patch(OBJECT, [{"op": "test", "path": "/spec/replicas", "value": 3}])


def test_copies_that_double_each_time_are_stopped() -> None:
    bomb: list[dict[str, Any]] = [{"op": "add", "path": "/x", "value": ["y" * 1000]}]
    bomb += [{"op": "copy", "from": "/x", "path": "/x/-"} for _ in range(40)]
    with pytest.raises(errors.TooLarge):
        patch.json_patch(OBJECT, bomb)
    with pytest.raises(errors.TooLarge, match="10000, got 10001"):
        patch.json_patch(OBJECT, [{"op": "remove", "path": "/x"}] * 10_001)


def test_merge_patch_follows_its_rfc() -> None:
    change = {"metadata": {"labels": {"a": None, "b": "2"}}, "spec": {"list": [3], "new": {"x": None, "y": 1}}}
    assert patch.merge_patch(OBJECT, change) == {
        "metadata": {"name": "web", "labels": {"b": "2"}}, "spec": {"replicas": 2, "list": [3], "new": {"y": 1}}}
    assert OBJECT["metadata"] == {"name": "web", "labels": {"a": "1"}}


def test_merge_patch_must_be_an_object_and_not_bottomless() -> None:
    wrong: Any = [1]
    with pytest.raises(errors.BadRequest):
        patch.merge_patch(OBJECT, wrong)
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(errors.BadRequest, match="nested"):
        patch.merge_patch({}, deep)
