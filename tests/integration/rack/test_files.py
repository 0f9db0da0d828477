"""All of a ground's files are put in their places, or none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge.rack import files
from edge.rack.commands import RackError, must, run
from edge.rack.document import Command, Document

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of the ground belong to root")

GREP = ("grep", "-q", "good", "{}")


def document(path: Path, text: str = "good\n") -> Document:
    return Document(path=path, text=text, part="dhcp", check=GREP)


def put(*documents: Document) -> None:
    different = files.differing(documents)
    files.stage(different)
    files.swap(different)


def test_a_file_is_written_once(tmp_path: Path) -> None:
    one = document(tmp_path / "conf.d" / "one")
    put(one)
    assert one.path.read_text() == "good\n"
    assert files.differing([one]) == ()


def test_another_mode_owner_or_content_is_a_difference(tmp_path: Path) -> None:
    one = replace(document(tmp_path / "one"), mode=0o600)
    put(one)
    assert one.path.stat().st_mode & 0o777 == 0o600
    for spoil in (lambda: one.path.chmod(0o644), lambda: os.chown(one.path, 1, 1),
                  lambda: one.path.write_bytes(b"\xff\xfe")):
        spoil()
        assert files.differing([one]) == (one,)
        put(one)
        assert files.differing([one]) == ()


def test_when_one_is_refused_all_stay_as_they_were(tmp_path: Path) -> None:
    old = document(tmp_path / "a", "good old\n")
    put(old)
    with pytest.raises(RackError, match=r"b would not work: .*grep.* Nothing was changed"):
        put(document(old.path, "good new\n"), document(tmp_path / "b", "bad\n"))
    assert old.path.read_text() == "good old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_check_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(RackError, match="no-such-program is not installed"):
        put(replace(document(tmp_path / "a"), check=("no-such-program", "{}")))


def test_a_user_that_is_not_there_is_named_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(RackError, match=r"no user nobody-at-all: .*adduser --system --group nobody-at-all"):
        put(replace(document(tmp_path / "a"), owner="nobody-at-all"))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RackError, match="file"):
        put(document(tmp_path / "file" / "a"))


def test_a_full_card_leaves_everything_as_it_was(tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    assert run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(card)).code == 0
    try:
        old = document(card / "a", "good old\n")
        put(old)
        (card / "ballast").write_bytes(bytes(48 * 1024))
        with pytest.raises(RackError, match=r"b cannot be written: No space left on device\. Nothing was changed"):
            put(document(old.path, "good new\n"), document(card / "b", "good\n" * 8000))
        assert old.path.read_text() == "good old\n"
        assert {path.name for path in card.iterdir()} == {"a", "ballast"}
    finally:
        run("umount", str(card))


def test_a_place_that_is_taken_by_a_directory_changes_nothing(tmp_path: Path) -> None:
    old = document(tmp_path / "a", "good old\n")
    put(old)
    (tmp_path / "b").mkdir()
    with pytest.raises(RackError, match="Nothing was changed"):
        put(document(old.path, "good new\n"), document(tmp_path / "b"))
    assert old.path.read_text() == "good old\n"
    assert {path.name for path in tmp_path.iterdir()} <= {"a", "b", ".a.last"}


def test_the_last_good_one_comes_back(tmp_path: Path) -> None:
    old, fresh = document(tmp_path / "a", "good old\n"), document(tmp_path / "new")
    put(old)
    changed = (replace(old, text="good but not for long\n"), fresh)
    put(*changed)
    files.restore(changed)
    assert old.path.read_text() == "good old\n"
    assert not fresh.path.exists()


def test_what_a_power_cut_has_left_is_in_nobodys_way_and_goes_with_the_file(tmp_path: Path) -> None:
    (tmp_path / ".a.new").write_text("half a li")
    put(document(tmp_path / "a", "good 1\n"))
    put(document(tmp_path / "a", "good 2\n"))
    assert {path.name for path in tmp_path.iterdir()} == {"a", ".a.last"}
    assert files.remove(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    assert not files.remove(tmp_path / "a")


def test_a_command_has_a_bound_and_an_optional_one_only_says_so() -> None:
    assert run("sleep", "60", seconds=0.1).code == 124
    assert "failed" in must(Command(argv=("false",), optional=True))
    assert must(Command(argv=("true",))) == ""
    with pytest.raises(RackError, match="`false` failed: exit code 1"):
        must(Command(argv=("false",)))
