"""How a deletion is asked for: by query and body, and by what a version of a kind has always meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge.api import errors
from edge.apiserver import delete_options
from edge.apiserver.paths import Options

PLAIN = Options()


def test_the_body_is_stronger_and_the_query_counts_too() -> None:
    query = replace(PLAIN, grace_period_seconds=5, propagation_policy="Orphan", dry_run=True)
    found = delete_options.read(query, {"gracePeriodSeconds": 0, "preconditions": {"uid": "u"}}, "v1", "Pod")
    assert (found.grace_period_seconds, found.propagation_policy, found.uid, found.dry_run) == (0, "Orphan", "u", True)
    other = delete_options.read(query, {"propagationPolicy": "Foreground"}, "v1", "Pod")
    assert other.propagation_policy == "Foreground"


@pytest.mark.parametrize(("version", "kind", "orphans"), [
    ("batch/v1", "Job", True), ("v1", "ReplicationController", True), ("apps/v1", "Deployment", False),
    ("apps/v1beta1", "Deployment", True), ("extensions/v1beta1", "ReplicaSet", True), ("batch/v1", "CronJob", False),
    ("batch/v1beta1", "CronJob", True), ("v1", "Pod", False)])
def test_what_is_left_alone_when_nothing_is_said(version: str, kind: str, orphans: bool) -> None:
    found = delete_options.read(PLAIN, {}, version, kind)
    assert found.otherwise_orphan == orphans
    assert bool(delete_options.warning(found, kind)) == (kind == "Job")
    said = delete_options.read(PLAIN, {"orphanDependents": False}, version, kind)
    assert (said.propagation_policy, said.otherwise_orphan) == ("Background", False)


@pytest.mark.parametrize("body", [
    {"gracePeriodSeconds": "1"}, {"preconditions": 7}, {"dryRun": "All"}, {"kind": "Pod"}, {"propagationPolicy": 1}])
def test_bodies_that_are_none(body: dict[str, Any]) -> None:
    with pytest.raises(errors.BadRequest):
        delete_options.read(PLAIN, body, "v1", "Pod")


@pytest.mark.parametrize("body", [
    {"propagationPolicy": "Later"}, {"dryRun": ["Some"]}, {"propagationPolicy": "Orphan", "orphanDependents": True}])
def test_options_that_do_not_exist(body: dict[str, Any]) -> None:
    with pytest.raises(errors.Invalid):
        delete_options.read(PLAIN, body, "v1", "Pod")
