"""Sets of fields: FieldsV1 in and out, arithmetic, and how paths are printed."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import fieldsets
from edge.api.fieldsets import FieldSet, field_element, keys_element, of_paths, value_element

FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:finalizers": {'v:"a"': {}}},
    "f:spec": {"f:replicas": {}, "f:containers": {'k:{"name":"web"}': {
        ".": {}, "f:image": {}, "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}}}}}}}


def a_set(*paths: str) -> FieldSet:
    """Return a set of fields named as `a.b`."""
    return of_paths(tuple(map(field_element, path.split("."))) for path in paths)


def test_fields_v1_is_read_and_written_as_it_was() -> None:
    written = fieldsets.write(fieldsets.parse(FIELDS))
    ports = written["f:spec"]["f:containers"]['k:{"name":"web"}'].pop("f:ports")
    assert ports == {'k:{"containerPort":80,"protocol":"TCP"}': {}}  # a leaf that says `.` is the same leaf
    expected: Any = {**FIELDS, "f:spec": {"f:replicas": {}, "f:containers": {'k:{"name":"web"}': {
        ".": {}, "f:image": {}}}}}
    assert written == expected


def test_a_dot_makes_the_parent_a_member_and_its_lack_does_not() -> None:
    found = fieldsets.parse(FIELDS)
    labels = ("f:metadata", "f:labels")
    assert labels in found
    assert ("f:metadata",) not in found
    assert (*labels, "f:app") in found
    assert (*labels, "f:other") not in found


def test_an_element_written_in_another_way_is_the_same_element() -> None:
    odd = fieldsets.parse({'k:{"protocol": "TCP",  "port": 80.0}': {}, 'v: "a"': {}})
    assert set(odd.members) == {'k:{"port":80,"protocol":"TCP"}', 'v:"a"'}
    assert keys_element({"protocol": "TCP", "port": 80}) in odd.members
    assert value_element("a") in odd.members


def test_elements_of_a_kind_from_the_future_are_left_out() -> None:
    assert fieldsets.write(fieldsets.parse({"z:what": {}, "f:a": {}})) == {"f:a": {}}


@pytest.mark.parametrize("fields", [
    [], "f:a", {"f:a": 1}, {"f": {}}, {"fa": {}}, {"k:{": {}}, {"k:[1]": {}}, {"i:x": {}}, {'i:"1"': {}}, {"v:": {}},
    {"v:" + "[" * 100_000: {}}])
def test_what_is_no_fields_v1_is_refused(fields: Any) -> None:
    with pytest.raises(ValueError):
        fieldsets.parse(fields)


def test_fields_nested_without_end_are_refused() -> None:
    fields: dict[str, Any] = {}
    for _ in range(5000):
        fields = {"f:a": fields}
    with pytest.raises(ValueError, match="nested too deeply"):
        fieldsets.parse(fields)


def test_sets_are_joined_cut_and_subtracted_by_path() -> None:
    one, other = a_set("a.b", "a.c", "d"), a_set("a.c", "d.e", "f")
    assert one | other == a_set("a.b", "a.c", "d", "d.e", "f")
    assert one & other == a_set("a.c")
    assert one - other == a_set("a.b", "d")
    assert not (one - one)
    assert not (one & a_set("x"))


def test_a_parent_and_its_child_are_two_things() -> None:
    assert a_set("a") - a_set("a.b") == a_set("a")
    assert a_set("a.b") - a_set("a") == a_set("a.b")


def test_the_whole_object_is_never_a_member() -> None:
    assert not of_paths([()])


def test_a_part_of_a_set_is_taken_by_its_first_element() -> None:
    both = a_set("status.phase", "spec.replicas", "status")
    assert both.only("f:status") == a_set("status.phase", "status")
    assert both.apart_from("f:status") == a_set("spec.replicas")


def test_paths_are_printed_as_kubernetes_prints_them() -> None:
    path = ("f:spec", "f:containers", keys_element({"name": "web"}), "f:ports",
            keys_element({"protocol": "TCP", "containerPort": 80}))
    assert fieldsets.show(path) == '.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]'
    assert fieldsets.show(("f:metadata", "f:finalizers", value_element("x"))) == '.metadata.finalizers[="x"]'
    assert fieldsets.show(("f:a", fieldsets.index_element(3))) == ".a[3]"


def test_paths_come_in_order_and_numbers_by_their_size() -> None:
    found = of_paths([("f:b",), ("f:a", "f:x"), *(("f:p", keys_element({"port": port})) for port in (443, 80, 8080))])
    assert [fieldsets.show(path) for path in found.paths()] == [
        ".b", ".a.x", ".p[port=80]", ".p[port=443]", ".p[port=8080]"]
    assert list(fieldsets.write(found)["f:p"]) == ['k:{"port":80}', 'k:{"port":443}', 'k:{"port":8080}']
