"""Managed fields: how entries are read and written, and whose a field is after an update."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import apps, fieldsets, managed_fields, meta, shapes
from edge.api.comparison import compare
from edge.api.managed_fields import Claim, Managed, Owner, Scope, owner_of, scope_of

SHAPE = shapes.of_struct(apps.Deployment)
MAIN = scope_of("", has_status=True)
V1, OLD = "apps/v1", "extensions/v1beta1"
NOW, LATER = "2024-05-01T12:00:00Z", "2024-05-01T13:00:00Z"


def entry(manager: str, operation: str, fields: Any, **more: Any) -> meta.ManagedFieldsEntry:
    given = {"api_version": V1, "fields_type": "FieldsV1", "time": NOW, **more}
    return meta.ManagedFieldsEntry(manager=manager, operation=operation, fields_v1=fields, **given)


def update(managed: Managed, old: Any, new: Any, manager: str, *, scope: Scope = MAIN, now: str = LATER,
           subresource: str = "", version: str = V1) -> dict[Owner, Claim]:
    return managed_fields.updated(managed, compare(SHAPE, old, new), owner_of(manager, "Update", version, subresource),
                                  scope, now)


def shown(managed: Managed) -> dict[str, Any]:
    return {owner.manager: fieldsets.write(claim.fields) for owner, claim in managed.items()}


REPLICAS: Any = {"f:spec": {"f:replicas": {}}}


def test_entries_are_written_as_they_were_read_and_sorted() -> None:
    entries = (entry("b", "Update", REPLICAS, time=LATER, subresource="scale"), entry("z", "Update", REPLICAS),
               entry("a", "Update", REPLICAS, api_version=OLD), entry("c", "Apply", REPLICAS, time=LATER))
    back = managed_fields.write(managed_fields.read(entries))
    assert [each.manager for each in back] == ["c", "a", "z", "b"]
    assert set(map(str, back)) == set(map(str, entries))


@pytest.mark.parametrize("entries", [
    (meta.ManagedFieldsEntry(),), (entry("a", "Edit", {}),), (entry("a", "Apply", {}, api_version=""),),
    (entry("a", "Apply", {}, fields_type="FieldsV2"),), (entry("a", "Apply", {"f": {}}),)])
def test_entries_no_server_has_written_are_refused(entries: tuple[meta.ManagedFieldsEntry, ...]) -> None:
    with pytest.raises(ValueError):
        managed_fields.read(entries)


def test_one_manager_has_one_entry_for_applying_and_one_for_each_version_it_updates_through() -> None:
    managed = managed_fields.read((entry("a", "Apply", REPLICAS), entry("a", "Apply", REPLICAS, api_version=OLD),
                                   entry("a", "Update", REPLICAS), entry("a", "Update", REPLICAS, api_version=OLD),
                                   entry("a", "Update", REPLICAS, subresource="scale")))
    assert len(managed) == 4


def test_who_changes_a_field_owns_it_and_nobody_else_does() -> None:
    managed = managed_fields.read((entry("gitops", "Apply", {"f:spec": {"f:replicas": {}, "f:paused": {}}}),))
    after = update(managed, {"spec": {"replicas": 1, "paused": True}}, {"spec": {"replicas": 2, "paused": True}}, "me")
    assert shown(after) == {"gitops": {"f:spec": {"f:paused": {}}}, "me": REPLICAS}


def test_an_entry_that_loses_its_last_field_is_gone() -> None:
    managed = managed_fields.read((entry("gitops", "Apply", REPLICAS),))
    assert shown(update(managed, {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, "me")) == {"me": REPLICAS}
    assert update(managed, {"spec": {"replicas": 1}}, {"spec": {}}, "me") == {}


def test_who_adds_to_its_own_keeps_what_it_had() -> None:
    managed = managed_fields.read((entry("me", "Update", {"f:spec": {"f:paused": {}}}),))
    after = update(managed, {"spec": {"paused": True}}, {"spec": {"paused": True, "replicas": 2}}, "me")
    assert shown(after) == {"me": {"f:spec": {"f:paused": {}, "f:replicas": {}}}}
    assert next(iter(after.values())).time == LATER


def test_a_write_that_changes_nothing_changes_no_entry() -> None:
    managed = managed_fields.read((entry("me", "Update", REPLICAS), entry("gitops", "Apply", REPLICAS)))
    assert update(managed, {"spec": {"replicas": 2}}, {"spec": {"replicas": 2}}, "me") == managed


def test_containers_that_come_belong_to_who_brings_them() -> None:
    after = update({}, {"metadata": {}}, {"metadata": {"labels": {"a": "1"}, "uid": "1", "resourceVersion": "3"}}, "me")
    assert shown(after) == {"me": {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}}


def test_identity_time_and_version_have_no_owner() -> None:
    names = ("name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion", "selfLink")
    new = {"apiVersion": V1, "kind": "Deployment", "metadata": dict.fromkeys(names, "x")}
    assert update({}, {}, new, "me") == {}


def test_the_main_resource_and_its_subresources_own_their_parts() -> None:
    old: Any = {"status": {}, "spec": {}}
    new = {"status": {"replicas": 2}, "spec": {"replicas": 1}}
    assert shown(update({}, old, new, "me")) == {"me": REPLICAS}
    status = scope_of("status", has_status=True)
    assert shown(update({}, old, new, "me", scope=status)) == {"me": {"f:status": {"f:replicas": {}}}}
    assert scope_of("approval", has_status=True) == status
    assert shown(update({}, old, new, "me", scope=scope_of("finalize", has_status=True))) == {"me": REPLICAS}
    assert "f:status" in shown(update({}, old, new, "me", scope=scope_of("", has_status=False)))["me"]


def test_the_same_manager_has_separate_entries_for_subresources() -> None:
    managed = update({}, {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, "me")
    after = update(managed, {"spec": {"replicas": 2}}, {"spec": {"replicas": 3}}, "me", subresource="scale")
    assert [owner.subresource for owner in after] == ["scale"]


def test_a_list_item_that_goes_is_nobodys() -> None:
    managed = managed_fields.read((entry("gitops", "Apply", {"f:spec": {"f:template": {"f:spec": {"f:containers": {
        'k:{"name":"a"}': {".": {}, "f:name": {}}, 'k:{"name":"b"}': {".": {}, "f:name": {}}}}}}}),))

    def pods(*names: str) -> Any:
        return {"spec": {"template": {"spec": {"containers": [{"name": name} for name in names]}}}}

    after = update(managed, pods("a", "b"), pods("b"), "me")
    found = shown(after)["gitops"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert list(found) == ['k:{"name":"b"}']


def test_entries_of_versions_that_are_gone_and_empty_ones_are_dropped() -> None:
    managed = managed_fields.read((entry("a", "Apply", REPLICAS, api_version="apps/v9"), entry("b", "Apply", REPLICAS),
                                   meta.ManagedFieldsEntry(manager="c", operation="Apply", api_version=V1,
                                                           fields_type="FieldsV1")))
    assert [owner.manager for owner in managed_fields.served(managed, (V1, OLD))] == ["b"]


def test_more_than_ten_updaters_become_ancient_changes_the_oldest_first() -> None:
    managed: dict[Owner, Claim] = {}
    old: Any = {"metadata": {"labels": {"x": "0"}}}
    for number in range(13):
        new = {"metadata": {"labels": {**old["metadata"]["labels"], f"l{number:02}": "1"}}}
        managed = update(managed, old, new, f"m{number:02}", now=f"2024-05-01T12:00:{number:02}Z")
        old = new
    assert len(managed) == 10
    ancient = next(claim for owner, claim in managed.items() if owner.manager == "ancient-changes")
    assert fieldsets.write(ancient.fields) == {"f:metadata": {"f:labels": {f"f:l{n:02}": {} for n in range(4)}}}
    assert ancient.time == "2024-05-01T12:00:03Z"


def test_ancient_changes_are_kept_apart_by_version() -> None:
    managed: dict[Owner, Claim] = {}
    old: Any = {"metadata": {"labels": {"x": "0"}}}
    for number in range(14):
        new = {"metadata": {"labels": {**old["metadata"]["labels"], f"l{number:02}": "1"}}}
        managed = update(managed, old, new, f"m{number:02}", now=f"2024-05-01T12:00:{number:02}Z",
                         version=OLD if number % 2 else V1)
        old = new
    assert len(managed) == 10
    assert {owner.api_version for owner in managed if owner.manager == "ancient-changes"} == {V1, OLD}


def test_appliers_are_never_put_together() -> None:
    managed = managed_fields.read(tuple(entry(f"a{number}", "Apply", REPLICAS) for number in range(15)))
    assert len(update(managed, {"spec": {}}, {"spec": {"paused": True}}, "me")) == 16


def test_whether_entries_are_the_same_does_not_depend_on_the_time() -> None:
    one, other = managed_fields.read((entry("a", "Apply", REPLICAS),)), managed_fields.read(
        (entry("a", "Apply", REPLICAS, time=LATER),))
    assert managed_fields.same(one, other)
    assert not managed_fields.same(one, {})
