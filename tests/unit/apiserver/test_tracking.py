"""Managed fields on the way into the store: kept, taken, forgotten, and never there for nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from edge.api import apps, codec, managed_fields, meta, scheme
from edge.apiserver import tracking
from edge.apiserver.write import Write

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DEPLOYMENTS = scheme.of_type(apps.Deployment)
ME = Write(manager="me", api_version="apps/v1")
GITOPS: Any = {"f:spec": {"f:replicas": {}, "f:paused": {}}}


def entry(manager: str, fields: Any, operation: str = "Apply", **more: Any) -> meta.ManagedFieldsEntry:
    return msgspec.structs.replace(meta.ManagedFieldsEntry(
        manager=manager, operation=operation, api_version="apps/v1", time="2020-01-01T00:00:00Z",
        fields_type="FieldsV1", fields_v1=fields), **more)


def deployment(*entries: meta.ManagedFieldsEntry, **spec: Any) -> apps.Deployment:
    obj = codec.decode(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
    assert isinstance(obj, apps.Deployment)
    return tracking.with_entries(obj, entries)


def entries(obj: meta.Object) -> dict[tuple[str, str], Any]:
    return {(each.manager, each.operation): each.fields_v1 for each in obj.metadata.managed_fields}


def test_who_changes_a_field_takes_it_and_the_time_is_now() -> None:
    old, new = deployment(entry("gitops", GITOPS), replicas=1), deployment(replicas=2)
    done = tracking.tracked(DEPLOYMENTS, old, new, new, ME, NOW)
    assert entries(done) == {("gitops", "Apply"): {"f:spec": {"f:paused": {}}},
                             ("me", "Update"): {"f:spec": {"f:replicas": {}}}}
    assert [each.time for each in done.metadata.managed_fields] == ["2020-01-01T00:00:00Z", "2024-05-01T12:00:00Z"]


def test_a_write_that_changes_nothing_leaves_the_very_same_entries() -> None:
    old = deployment(entry("gitops", GITOPS), replicas=1)
    new = deployment(replicas=1)
    assert tracking.tracked(DEPLOYMENTS, old, new, new, ME, NOW) == old


def test_entries_of_versions_that_are_gone_go_with_the_next_write() -> None:
    old = deployment(entry("gitops", GITOPS), entry("old", GITOPS, api_version="apps/v9"), replicas=1)
    new = deployment(replicas=1)
    assert set(entries(tracking.tracked(DEPLOYMENTS, old, new, new, ME, NOW))) == {("gitops", "Apply")}


def test_a_client_may_write_the_entries_itself() -> None:
    old = deployment(entry("gitops", GITOPS), replicas=1)
    new = deployment(entry("kubectl", GITOPS), replicas=1)
    assert set(entries(tracking.tracked(DEPLOYMENTS, old, new, new, ME, NOW))) == {("kubectl", "Apply")}


def test_entries_that_are_none_change_nothing() -> None:
    old = deployment(entry("gitops", GITOPS), replicas=1)
    broken = deployment(entry("x", GITOPS, operation="Steal"), replicas=1)
    assert tracking.tracked(DEPLOYMENTS, old, broken, broken, ME, NOW) == old
    untracked = deployment(replicas=1)
    assert tracking.tracked(DEPLOYMENTS, untracked, broken, broken, ME, NOW) == untracked


def test_a_subresource_cannot_write_the_entries() -> None:
    old = deployment(entry("gitops", GITOPS), replicas=1)
    asked = deployment(entry("evil", GITOPS), replicas=1)
    status = Write(manager="me", subresource="status")
    assert set(entries(tracking.tracked(DEPLOYMENTS, old, asked, old, status, NOW))) == {("gitops", "Apply")}


def test_an_empty_entry_makes_the_object_untracked() -> None:
    old = deployment(entry("gitops", GITOPS), replicas=1)
    new = tracking.with_entries(deployment(replicas=2), managed_fields.RESET)
    assert tracking.tracked(DEPLOYMENTS, old, new, new, ME, NOW).metadata.managed_fields == ()


def test_an_empty_list_is_sent_on_as_an_empty_entry() -> None:
    sent = {"metadata": {"name": "a", "managedFields": []}}
    assert managed_fields.sent(sent)["metadata"] == {"name": "a", "managedFields": [{}]}
    for other in ({}, {"metadata": None}, {"metadata": {"managedFields": None}}, {"metadata": {"name": "a"}}):
        assert managed_fields.sent(other) == other


def test_the_scale_is_named_where_a_number_comes_through_it() -> None:
    old, new = deployment(entry("gitops", GITOPS), replicas=1), deployment(replicas=2)
    done = tracking.tracked(DEPLOYMENTS, old, new, new, Write(manager="hpa", through="scale"), NOW)
    assert [(each.manager, each.subresource) for each in done.metadata.managed_fields] == [
        ("gitops", ""), ("hpa", "scale")]


def test_a_client_without_a_name_is_unknown() -> None:
    old, new = deployment(entry("gitops", GITOPS), replicas=1), deployment(replicas=2)
    assert ("unknown", "Update") in entries(tracking.tracked(DEPLOYMENTS, old, new, new, Write(), NOW))


def test_an_apply_that_changes_only_times_changes_nothing() -> None:
    old = deployment(entry("gitops", GITOPS), replicas=1)
    asked = deployment(entry("gitops", GITOPS, time="2024-05-01T12:00:00Z"), replicas=1)
    applied = Write(manager="gitops", applied=True)
    assert tracking.tracked(DEPLOYMENTS, old, asked, asked, applied, NOW) == old
    more = deployment(*asked.metadata.managed_fields, replicas=2)
    assert tracking.tracked(DEPLOYMENTS, old, more, more, applied, NOW) == more
