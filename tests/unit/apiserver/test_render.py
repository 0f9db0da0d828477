"""A watch lasts long: the ages it prints are those of the moment."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from edge.api import core, scheme
from edge.apiserver import content
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
