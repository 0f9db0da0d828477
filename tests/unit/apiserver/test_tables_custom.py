"""Custom kinds are printed in the columns their definitions ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from edge.api.apiextensions import CustomResourceColumnDefinition as Wanted
from edge.apiserver.tables import custom

NOW = datetime(2020, 1, 2, tzinfo=UTC)
GADGET: dict[str, Any] = {
    "metadata": {"name": "a", "creationTimestamp": "2020-01-01T00:00:00Z"},
    "spec": {"color": "red", "count": 3, "share": 0.5, "on": True, "tags": ["a", "b"], "whole": 2.0,
             "until": "2020-01-01T23:00:00Z"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


def cell(kind: str, path: str, obj: dict[str, Any] = GADGET) -> Any:
    return custom.printer((Wanted(name="C", type=kind, json_path=path),)).cells(obj, NOW)[1]


def test_a_kind_without_columns_shows_name_and_age() -> None:
    printer = custom.printer(())

    assert [column.name for column in printer.columns] == ["Name", "Age"]
    assert printer.cells(GADGET, NOW) == ["a", "24h"]


def test_columns_are_as_the_definition_has_them() -> None:
    printer = custom.printer((Wanted(name="Color", type="string", json_path=".spec.color", description="Its color.",
                                     format="password", priority=1),
                              Wanted(name="Born", type="date", json_path=".metadata.creationTimestamp")))

    assert [column.definition() for column in printer.columns[1:]] == [
        {"name": "Color", "type": "string", "format": "password", "description": "Its color.", "priority": 1},
        {"name": "Born", "type": "date", "format": "", "priority": 0, "description":
         "Custom resource definition column (in JSONPath format): .metadata.creationTimestamp"}]
    assert printer.cells(GADGET, NOW) == ["a", "red", "24h"]


@pytest.mark.parametrize(("kind", "path", "shown"), [
    ("string", ".spec.color", "red"), ("string", ".spec.count", "3"), ("string", ".spec.tags", '["a","b"]'),
    ("string", ".spec.on", "true"), ("string", '.status.conditions[?(@.type=="Ready")].status', "True"),
    ("string", ".spec.tags[*]", "a"), ("integer", ".spec.count", 3), ("integer", ".spec.whole", 2),
    ("number", ".spec.share", 0.5), ("boolean", ".spec.on", True), ("date", ".spec.until", "60m"),
    ("string", ".spec.missing", None), ("integer", ".spec.color", None), ("integer", ".spec.on", None),
    ("number", ".spec.color", None), ("boolean", ".spec.color", None), ("date", ".spec.color", "<invalid>"),
    ("date", ".spec.count", None), ("string", ".spec[", None), ("other", ".spec.color", None),
])
def test_cells(kind: str, path: str, shown: Any) -> None:
    assert cell(kind, path) == shown


@pytest.mark.parametrize("obj", [{}, {"metadata": None}, {"spec": []}, {"spec": {"count": float("nan")}},
                                 {"spec": {"count": float("inf")}}, {"spec": {"count": {}}}])
@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "date"])
def test_odd_objects_have_a_row_all_the_same(kind: str, obj: dict[str, Any]) -> None:
    assert len(custom.printer((Wanted(name="C", type=kind, json_path=".spec.count"),)).cells(obj, NOW)) == 2


def test_a_definition_shows_when_it_was_made() -> None:
    assert custom.DEFINITION.cells(GADGET, NOW) == ["a", "2020-01-01T00:00:00Z"]
    assert [column.name for column in custom.DEFINITION.columns] == ["Name", "Created At"]
