"""The registry finds each resource by path, by manifest and by type."""

from __future__ import annotations

import pytest

from edge.api import apps, events, policy, scheme


def test_every_resource_is_found_by_each_of_its_names() -> None:
    for resource in scheme.resources():
        assert scheme.of_type(resource.type) is resource
        for api_version in (resource.api_version, *resource.old_versions):
            group, _, version = api_version.rpartition("/")
            assert scheme.find(group, version, resource.plural) is resource
            assert scheme.of_kind(api_version, resource.kind) is resource


def test_old_groups_lead_to_the_stored_version() -> None:
    found = scheme.find("extensions", "v1beta1", "deployments")

    assert found is scheme.of_type(apps.Deployment)
    assert found.api_version == "apps/v1"
    assert found.group_resource == "deployments.apps"


def test_what_is_not_served_is_none() -> None:
    assert scheme.find("", "v1", "unicorns") is None
    assert scheme.of_kind("v2", "Pod") is None
    with pytest.raises(KeyError):
        scheme.of_type(policy.Eviction)


def test_what_changes_by_itself_is_kept_in_memory() -> None:
    assert {resource.kind for resource in scheme.resources() if resource.volatile} == {"Event", "Lease"}
    assert scheme.of_type(events.Event).short_names == ("ev",)


def test_short_names_and_plurals_are_unique() -> None:
    # Metrics are of nodes and pods and have their names, as in Kubernetes; clients name the group to get them.
    named = [r for r in scheme.resources() if r.group != "metrics.k8s.io"]
    names = [name for r in named for name in (r.plural, r.kind.lower(), *r.short_names)]

    assert len(names) == len(set(names)) + sum(r.plural == r.kind.lower() for r in named)


def test_all_lists_what_kubectl_get_all_shows() -> None:
    assert {r.plural for r in scheme.resources() if "all" in r.categories} == {
        "pods", "replicationcontrollers", "services", "deployments", "replicasets", "daemonsets", "statefulsets",
        "jobs", "cronjobs", "horizontalpodautoscalers"}
