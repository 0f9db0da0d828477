"""Paths find what kubectl's columns show, and nothing breaks them."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import jsonpath

POD: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web", "a": "b"}},
    "spec": {"containers": [{"name": "one", "ports": [80, 443]}, {"name": "two", "ports": []}], "replicas": 3,
             "on": True},
    "status": {"conditions": [{"type": "Ready", "status": "True", "count": 2}, {"type": "Other", "status": "False"}],
               "none": None},
}


@pytest.mark.parametrize(("path", "found"), [
    (".metadata.name", ["web"]), ("{.metadata.name}", ["web"]), (".spec.replicas", [3]), (".spec.on", [True]),
    (".metadata['name']", ["web"]), (r".metadata.labels.app\.kubernetes\.io/name", ["web"]),
    (r".metadata.labels['app\.kubernetes\.io/name']", ["web"]), ('.metadata.labels["a"]', ["b"]),
    (".spec.containers[0].name", ["one"]), (".spec.containers[-1].name", ["two"]),
    (".spec.containers[*].name", ["one", "two"]), (".spec.containers[:1].name", ["one"]),
    (".spec.containers[0,1].name", ["one", "two"]), (".spec.containers[*].ports[1:]", [443]),
    (".spec.containers[0].ports[::2]", [80]), (".metadata.labels.*", ["web", "b"]), ("..name", ["web", "one", "two"]),
    ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
    (".status.conditions[?(@.type=='Ready')].status", ["True"]),
    ('.status.conditions[?(@.type!="Ready")].status', ["False"]), (".status.conditions[?(@.count)].type", ["Ready"]),
    (".status.conditions[?(@.count>1)].type", ["Ready"]), (".status.conditions[?(@.count == 2)].type", ["Ready"]),
    (".status.none", [None]), (".status.missing", []), (".spec.containers[7]", []), (".spec.replicas.deeper", []),
    (".spec.containers.name", []), (".metadata[0]", []), (".metadata[*]", ["web", POD["metadata"]["labels"]]),
    ('.status.conditions[?(@.count=="2")].type', []), (".status.conditions[?(@.status==@.status)].type",
                                                       ["Ready", "Other"]), (".", [POD]), ("", [POD]),
    (".spec.containers[?(@.ports[1:])].name", ["one"]),
])
def test_what_a_path_finds(path: str, found: list[Any]) -> None:
    assert jsonpath.compile(path).find(POD) == found


@pytest.mark.parametrize("path", [
    ".a[", ".a[b]", ".a[0", ".a[]", ".a[::0]", "a", ".a[?(@.b~=1)]", ".a[?(]", "." * 2000, ".a b", ".{", ".a[1.5]",
    ".a[?(@.b==c)]", ".a[?(@.b[?(@ > 1)])]", ".a[?(@[?(@[?(@[?(@[?(@[?(@.a)])])])])])]"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(jsonpath.PathError):
        jsonpath.compile(path)


@pytest.mark.parametrize("odd", [None, 1, "text", [], [[[]]], {"spec": 1}, {"status": {"conditions": {"type": "x"}}},
                                 {"status": {"conditions": [None, 1, "a", {"type": 7}]}}])
@pytest.mark.parametrize("path", ['.status.conditions[?(@.type=="Ready")].status', ".spec[0]", "..type", ".*.*",
                                  ".status.conditions[?(@.type > 1)]"])
def test_odd_objects_have_nothing(odd: Any, path: str) -> None:
    assert isinstance(jsonpath.compile(path).find(odd), list)


def test_what_is_found_is_bounded() -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"a": deep, "b": [deep]}
    assert len(jsonpath.compile("..[*]..a..[*]").find(deep)) <= 10_000


@pytest.mark.parametrize(("value", "text"), [
    ("a", "a"), (1, "1"), (1.0, "1"), (1.5, "1.5"), (True, "true"), ({"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
    (None, "null"), ([], "[]")])
def test_values_as_text(value: Any, text: str) -> None:
    assert jsonpath.shown(value) == text
