"""Strategic merge patch, on the real types. The expected values are what `kubectl patch --local` makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import apps, core, errors, patch

POD: dict[str, Any] = {
    "metadata": {"name": "p", "labels": {"x": "1", "y": "2"}, "finalizers": ["e.io/a", "e.io/b"]},
    "spec": {
        "containers": [{"name": "a", "image": "i", "env": [{"name": "K", "value": "1"}, {"name": "L", "value": "2"}]},
                       {"name": "b", "image": "j"}, {"name": "c", "image": "k"}],
        "tolerations": [{"key": "t"}],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "nodeSelector": {"disk": "ssd"}},
}


def pod(change: dict[str, Any]) -> dict[str, Any]:
    return patch.strategic_merge_patch(core.Pod, POD, change)


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def test_containers_merge_by_name_and_keep_their_place() -> None:
    result = pod({"spec": {"containers": [{"name": "b", "image": "new"}]}})["spec"]["containers"]
    assert names(result) == ["a", "b", "c"]
    assert [each["image"] for each in result] == ["i", "new", "k"]
    assert POD["spec"]["containers"][1]["image"] == "j"


def test_new_elements_without_an_order_come_first() -> None:
    assert names(pod({"spec": {"containers": [{"name": "z"}]}})["spec"]["containers"]) == ["z", "a", "b", "c"]


def test_the_order_given_wins_and_others_keep_their_place() -> None:
    change = {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "z"}, {"name": "a"}],
                       "containers": [{"name": "z", "image": "n"}]}}
    assert names(pod(change)["spec"]["containers"]) == ["b", "c", "z", "a"]
    only_order = {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}}
    assert names(pod(only_order)["spec"]["containers"]) == ["b", "c", "a"]


def test_elements_are_deleted_and_lists_replaced() -> None:
    gone = pod({"spec": {"containers": [{"name": "a", "$patch": "delete"}, {"name": "nobody", "$patch": "delete"}]}})
    assert names(gone["spec"]["containers"]) == ["b", "c"]
    replaced = pod({"spec": {"containers": [{"$patch": "replace"}, {"name": "z"}]}})
    assert names(replaced["spec"]["containers"]) == ["z"]


def test_lists_inside_elements_merge_as_well() -> None:
    change = {"spec": {"containers": [{"name": "a", "env": [{"name": "L", "value": None}, {"name": "M", "value": "3"}],
                                       "$setElementOrder/env": [{"name": "K"}, {"name": "L"}, {"name": "M"}]}]}}
    assert pod(change)["spec"]["containers"][0]["env"] == [
        {"name": "K", "value": "1"}, {"name": "L"}, {"name": "M", "value": "3"}]


def test_atomic_lists_are_replaced_and_maps_merged() -> None:
    result = pod({"metadata": {"labels": {"x": None, "z": "3"}}, "spec": {"tolerations": [{"key": "u"}]}})
    assert result["spec"]["tolerations"] == [{"key": "u"}]
    assert result["metadata"]["labels"] == {"y": "2", "z": "3"}


def test_maps_are_replaced_or_emptied_when_told_so() -> None:
    assert pod({"metadata": {"labels": {"$patch": "replace", "q": "1"}}})["metadata"]["labels"] == {"q": "1"}
    assert pod({"spec": {"nodeSelector": {"$patch": "delete"}}})["spec"]["nodeSelector"] == {}
    assert "nodeSelector" not in pod({"spec": {"nodeSelector": None}})["spec"]


def test_finalizers_are_a_set() -> None:
    change = {"metadata": {"finalizers": ["e.io/c", "e.io/a"], "$deleteFromPrimitiveList/finalizers": ["e.io/b"],
                           "$setElementOrder/finalizers": ["e.io/c", "e.io/a"]}}
    assert pod(change)["metadata"]["finalizers"] == ["e.io/c", "e.io/a"]


def test_retain_keys_drops_the_other_volume_source() -> None:
    change = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}}
    assert pod(change)["spec"]["volumes"] == [{"name": "v", "hostPath": {"path": "/x"}}]
    recreate = patch.strategic_merge_patch(
        apps.Deployment, {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})
    assert recreate == {"spec": {"strategy": {"type": "Recreate"}}}


def test_service_ports_merge_by_port() -> None:
    service = {"spec": {"ports": [{"port": 80, "nodePort": 30080}, {"port": 443}]}}
    change = {"spec": {"$setElementOrder/ports": [{"port": 80}, {"port": 8080}],
                       "ports": [{"port": 8080}, {"port": 443, "$patch": "delete"}]}}
    assert patch.strategic_merge_patch(core.Service, service, change)["spec"]["ports"] == [
        {"port": 80, "nodePort": 30080}, {"port": 8080}]


def test_nothing_of_a_directive_or_a_null_is_left_in_what_is_new() -> None:
    change = {"spec": {"initContainers": [{"name": "n", "image": None, "env": [{"name": "E", "$patch": "delete"}],
                                           "$setElementOrder/ports": [], "$retainKeys": ["name"]}],
                       "securityContext": {"$patch": "replace", "runAsUser": 4}}}
    result = pod(change)["spec"]
    assert result["initContainers"] == [{"name": "n", "env": []}]
    assert result["securityContext"] == {"runAsUser": 4}


def test_unknown_fields_merge_as_plain_maps() -> None:
    result = patch.strategic_merge_patch(core.Pod, {"x": {"a": 1, "l": [1]}}, {"x": {"b": 2, "l": [2], "a": None}})
    assert result == {"x": {"b": 2, "l": [2]}}


@pytest.mark.parametrize(("change", "kind"), [
    ({"spec": {"containers": [{"image": "nameless"}]}}, errors.Invalid),
    ({"spec": {"containers": [5]}}, errors.Invalid),
    ({"spec": {"containers": [{"name": "a", "$patch": "melt"}]}}, errors.BadRequest),
    ({"metadata": {"$patch": "melt"}}, errors.BadRequest),
    ({"metadata": {"$setElementOrder/finalizers": "a"}}, errors.BadRequest),
    ({"metadata": {"$deleteFromPrimitiveList/finalizers": {}}}, errors.BadRequest),
    ({"spec": {"volumes": [{"name": "v", "$retainKeys": ["name"], "hostPath": {}}]}}, errors.BadRequest),
    ({"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "z"}]}}, errors.BadRequest),
    ({"metadata": {"finalizers": [["x"]]}}, errors.Invalid),
    ([], errors.BadRequest),
])
def test_malformed_patches_are_refused(change: Any, kind: type[errors.ApiError]) -> None:
    with pytest.raises(kind):
        pod(change)


def test_a_value_of_another_type_replaces() -> None:
    assert pod({"spec": {"containers": "oops"}})["spec"]["containers"] == "oops"
    assert pod({"metadata": "oops"})["metadata"] == "oops"
