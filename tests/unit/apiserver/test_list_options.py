"""What lists and watches may ask of revisions, and what a watch that asks for nothing means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.api import errors
from edge.apiserver import list_options
from edge.apiserver.paths import Options

PLAIN = Options()


@pytest.mark.parametrize("revision", ["", "0"])
def test_a_watch_from_nowhere_begins_with_what_is_there(revision: str) -> None:
    meant = list_options.for_watch(replace(PLAIN, resource_version=revision))
    assert (meant.send_initial_events, meant.resource_version_match) == (True, "NotOlderThan")


@pytest.mark.parametrize("options", [
    replace(PLAIN, resource_version="7"),
    replace(PLAIN, send_initial_events=False, resource_version_match="NotOlderThan"),
    replace(PLAIN, send_initial_events=True, resource_version_match="NotOlderThan", resource_version="7")])
def test_what_is_said_stays(options: Options) -> None:
    assert list_options.for_watch(options) == options


@pytest.mark.parametrize("options", [
    PLAIN, replace(PLAIN, resource_version="7"), replace(PLAIN, resource_version="7", resource_version_match="Exact"),
    replace(PLAIN, resource_version="0", resource_version_match="NotOlderThan"),
    replace(PLAIN, continue_token="x", limit=5)])
def test_lists_that_may_be(options: Options) -> None:
    list_options.for_list(options)


def test_everything_that_is_wrong_is_said_together() -> None:
    wrong = replace(PLAIN, resource_version_match="Newest", continue_token="x", send_initial_events=True)
    with pytest.raises(errors.Invalid) as refused:
        list_options.for_list(wrong)
    assert [cause["field"] for cause in (refused.value.details or {})["causes"]] == [
        "resourceVersionMatch", "resourceVersionMatch", "resourceVersionMatch", "sendInitialEvents"]
    with pytest.raises(errors.Invalid) as refused:
        list_options.for_watch(wrong)
    assert 'supported values: "NotOlderThan"' in refused.value.message
