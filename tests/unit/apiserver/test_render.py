"""Objects as one request sees them: ages of the moment, bookmarks as rows, old versions in rows."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from edge.api import core, scheme
from edge.apiserver import content, watching
from edge.apiserver.render import View
from tests.fakes.clock import START, FakeClock

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "creationTimestamp": "2030-01-01T00:00:00Z"}}


def test_rows_of_a_watch_grow_older() -> None:
    clock = FakeClock(START)
    view = View(scheme.of_type(core.Pod), "v1", content.Wanted(form=content.TABLE, version="v1"), clock.now)

    def age() -> str:
        row = msgspec.json.decode(view.event(msgspec.json.encode(POD), first=False))["rows"][0]["cells"]
        return str(row[4])

    assert age() == "0s"
    clock.advance(timedelta(minutes=2).total_seconds())
    assert age() == "2m"


@pytest.mark.parametrize("resource", scheme.resources(), ids=lambda resource: resource.group_resource)
def test_a_bookmark_is_a_row_of_any_table(resource: scheme.Resource) -> None:
    clock = FakeClock(START)
    view = View(resource, resource.api_version, content.Wanted(form=content.TABLE, version="v1"), clock.now)
    notice = watching.bookmark(resource, resource.api_version, 7, initial_end=True)
    shown = msgspec.json.decode(view.event(notice.value, first=True, bookmark=True))
    assert len(shown["rows"][0]["cells"]) == len(shown["columnDefinitions"])
    assert shown["rows"][0]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert shown["metadata"] == {"resourceVersion": "7"}


def test_a_row_can_carry_the_object_in_the_version_asked_for() -> None:
    resource = scheme.of_kind("batch/v1", "CronJob")
    assert resource is not None
    job = b'{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"x"},"spec":{"schedule":"* * * * *"}}'
    view = View(resource, "batch/v1beta1", content.Wanted(form=content.TABLE, version="v1beta1"), FakeClock(START).now,
                "Object")
    shown = msgspec.json.decode(view.object(job))
    assert (shown["apiVersion"], shown["rows"][0]["object"]["apiVersion"]) == ("meta.k8s.io/v1beta1", "batch/v1beta1")
