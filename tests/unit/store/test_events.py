"""The bounded history and the index of visible records."""

from __future__ import annotations

import pytest

from edge.store.events import Change, History
from edge.store.index import Index
from edge.store.interface import Compacted, FutureRevision, Record


def record(key: str, revision: int, size: int = 1) -> Record:
    return Record(key, b"x" * size, revision, revision)


def test_the_kind_of_an_event_follows_from_the_change() -> None:
    old, new = record("/a", 1), record("/a", 2)
    assert Change(new, None).event().kind == "ADDED"
    assert Change(new, old).event() == Change(new, old).event()
    assert (Change(new, old).event().kind, Change(new, old).event().previous) == ("MODIFIED", old.value)
    assert Change(new, old, deleted=True).event().kind == "DELETED"


def test_history_is_bounded_by_number() -> None:
    history = History(10, max_events=3, max_bytes=1000)
    for number in range(11, 1011):
        history.append(Change(record("/a", number), None))
    assert (len(history), history.start) == (3, 1007)
    history.check(1007, 1010)
    assert [event.record.revision for event in history.since(1008, "/")] == [1009, 1010]
    with pytest.raises(Compacted):
        history.check(1006, 1010)
    with pytest.raises(FutureRevision):
        history.check(1011, 1010)


def test_history_is_bounded_by_bytes_but_keeps_the_newest() -> None:
    history = History(0, max_events=100, max_bytes=100)
    for number in range(1, 6):
        history.append(Change(record("/a", number, size=40), None))
    assert (len(history), history.start) == (2, 3)
    history.append(Change(record("/a", 6, size=4000), None))
    assert (len(history), history.start) == (1, 5)


def test_forgetting_moves_the_start_also_when_empty() -> None:
    history = History(0, max_events=100, max_bytes=100)
    for number in (2, 4, 6):
        history.append(Change(record("/a", number), None))
    history.forget(4)
    assert (len(history), history.start) == (1, 4)
    history.forget(9)
    assert (len(history), history.start) == (0, 9)


def test_undo_returns_what_the_keys_were_before_their_first_change() -> None:
    history = History(0, max_events=100, max_bytes=100)
    one, two, three = record("/a", 1), record("/a", 2), record("/a", 3)
    changes = (Change(one, None), Change(two, one), Change(three, two, deleted=True), Change(record("/b", 4), None))
    for change in changes:
        history.append(change)
    assert history.undo(1) == {"/a": one, "/b": None}
    assert history.undo(3) == {"/b": None}
    assert history.undo(0) == {"/a": None, "/b": None}


def test_index_pages_and_prefixes_that_contain_each_other() -> None:
    index = Index()
    for key in ("//pods/a/1", "//pods/ab/1", "//pods/a/2", "//podsets/a/1"):
        index.put(record(key, 1))
    page = index.page("//pods/a/", limit=1, after_key="", revision=7)
    assert ([r.key for r in page.records], page.next_key, page.remaining) == (["//pods/a/1"], "//pods/a/1", 1)
    page = index.page("//pods/a/", limit=1, after_key="//pods/a/1", revision=7)
    assert ([r.key for r in page.records], page.next_key, page.remaining) == (["//pods/a/2"], "", 0)
    index.remove("//pods/a/1")
    index.remove("//pods/a/1")
    assert [r.key for r in index.records()] == ["//pods/a/2", "//pods/ab/1", "//podsets/a/1"]
    assert index.page("//none", limit=0, after_key="", revision=7).records == ()
