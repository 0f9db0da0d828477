"""`edgectl image` on a rack in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge.edgectl import failures, session
from edge.edgectl.commands import image
from edge.edgectl.progress import Progress
from tests.fakes import image_archives as packing
from tests.fakes.rack_images import FakeRack

NAME = "docker.io/library/hello:1"


@pytest.fixture
def rack(monkeypatch: pytest.MonkeyPatch) -> FakeRack:
    made = FakeRack("node-1", "node-2", "node-3")
    made.loaded = {"id": packing.ID, "names": [NAME], "sizeBytes": 7, "inUse": False}
    monkeypatch.setattr(session, "open_session", lambda path, context: made)
    return made


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return packing.packed(tmp_path / "hello.tar", packing.docker("hello:1"))


def run(*argv: str, text: bytes | str | None = None) -> Result:
    return CliRunner().invoke(image.command, argv, obj={"kubeconfig": None, "context": None}, input=text)


def problem(result: Result) -> str:
    assert isinstance(result.exception, failures.CtlError), result.output
    return str(result.exception)


def test_an_archive_goes_to_all_nodes_and_once(rack: FakeRack, archive: Path) -> None:
    result = run("load", str(archive))
    assert result.exit_code == 0
    assert set(result.stdout.splitlines()) == {f"node-{n}: loaded {NAME}" for n in (1, 2, 3)}
    again = run("load", str(archive))
    assert set(again.stdout.splitlines()) == {f"node-{n}: has {NAME}" for n in (1, 2, 3)}
    assert sorted(node for node, _ in rack.loads) == ["node-1", "node-2", "node-3"]


def test_a_name_that_means_another_image_is_loaded(rack: FakeRack, archive: Path) -> None:
    rack.put(NAME, "node-1")
    rack.put("localhost/other:1", "node-2", id=packing.ID)
    assert run("load", str(archive), "--node", "node-1", "--node", "node-2").exit_code == 0
    assert sorted(node for node, _ in rack.loads) == ["node-1", "node-2"]


def test_standard_input_and_several_archives(rack: FakeRack, archive: Path, tmp_path: Path) -> None:
    other = packing.packed(tmp_path / "b.tar", packing.docker("other:1"))
    result = run("load", "-", str(other), "--node", "node-2", text=archive.read_bytes())
    assert result.exit_code == 0
    assert [node for node, _ in rack.loads] == ["node-2", "node-2"]


def test_a_compressed_archive_is_sent_unpacked(rack: FakeRack, archive: Path, tmp_path: Path) -> None:
    small = packing.packed(tmp_path / "b.tgz", packing.docker("other:1"), "w:gz")
    assert run("load", str(small), "--node", "node-1").exit_code == 0
    assert rack.loads == [("node-1", packing.packed(tmp_path / "b.tar", packing.docker("other:1")).stat().st_size)]


def test_a_node_that_is_away_or_full_is_named_and_the_others_are_served(rack: FakeRack, archive: Path) -> None:
    rack.away.add("node-1")
    rack.full.add("node-2")
    result = run("load", str(archive))
    assert problem(result) == "not loaded on node-1, node-2; it is safe to run this again"
    assert "node-1: node node-1 does not answer" in result.stderr
    assert "no space left on device" in result.stderr
    assert [node for node, _ in rack.loads] == ["node-3"]


def test_a_node_that_is_not_ready_is_left_out_unless_it_is_named(rack: FakeRack, archive: Path) -> None:
    rack.unready = {"node-1"}
    result = run("load", str(archive))
    assert result.exit_code == 0
    assert "node-1: is not Ready and is left out" in result.stderr
    assert sorted(node for node, _ in rack.loads) == ["node-2", "node-3"]
    assert run("load", str(archive), "--node", "node-1").exit_code == 0
    rack.unready = {"node-1", "node-2", "node-3"}
    assert "no node is Ready" in problem(run("load", str(archive)))


def test_what_cannot_be_loaded_is_said_before_anything_is_sent(rack: FakeRack, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.tar").write_bytes(b"no")
    assert "is no image archive" in problem(run("load", str(archive), str(tmp_path / "odd.tar")))
    assert "no node is called node-9; there are: node-1, node-2, node-3" in problem(
        run("load", str(archive), "--node", "node-9"))
    assert run("load", str(tmp_path / "none.tar")).exit_code == 2
    assert rack.loads == []


def test_an_image_for_other_machines_is_warned_of_and_loaded(rack: FakeRack, archive: Path) -> None:
    rack.architecture = "amd64"
    result = run("load", str(archive), "--node", "node-1")
    assert result.exit_code == 0
    assert f"node-1: warning: {NAME} is for arm64, and this node is amd64" in result.stderr
    assert len(rack.loads) == 1


def test_the_list_is_merged_and_shows_that_a_name_means_two_images(rack: FakeRack) -> None:
    rack.put("localhost/a:1", used=True)
    rack.put("localhost/b:1", "node-1", "node-2", id="2" * 64)
    rack.put("localhost/b:1", "node-3", id="3" * 64)
    assert [line.split() for line in run("ls").stdout.splitlines()] == [
        ["IMAGE", "IMAGE", "ID", "SIZE", "NODES"],
        ["localhost/a:1", "1" * 12, "2.0", "MB", "all", "3"],
        ["localhost/b:1", "2" * 12, "2.0", "MB", "node-1,", "node-2"],
        ["localhost/b:1", "3" * 12, "2.0", "MB", "node-3"]]
    wide = run("ls", "-o", "wide").stdout.splitlines()
    assert wide[0].endswith("ARCHITECTURE   IN USE")
    assert wide[1].split()[-2:] == ["arm64", "yes"]
    assert wide[2].split()[-2:] == ["arm64", "no"]
    assert [line.split()[0] for line in run("ls", "--per-node", "--node", "node-2").stdout.splitlines()] == [
        "NODE", "node-2", "node-2"]


def test_the_list_for_programs(rack: FakeRack) -> None:
    rack.put("localhost/a:1", "node-1", used=True)
    found: dict[str, Any] = json.loads(run("ls", "-o", "json").stdout)
    assert [(node["name"], [image["names"] for image in node["images"]]) for node in found["nodes"]] == [
        ("node-1", [["localhost/a:1"]]), ("node-2", []), ("node-3", [])]
    assert found["nodes"][0]["images"][0]["inUse"] is True


def test_a_node_that_is_away_is_shown_as_it_was(rack: FakeRack) -> None:
    rack.put("localhost/a:1")
    rack.away.add("node-2")
    result = run("ls", "--per-node")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["NODE", "node-1", "node-2", "node-3"]
    assert "node-2: shown as it was last, node node-2 does not answer" in result.stderr


def test_an_image_is_removed_where_it_is_and_stays_where_it_is_used(rack: FakeRack) -> None:
    rack.put("localhost/a:1", "node-1")
    rack.put("localhost/a:1", "node-2", used=True)
    result = run("rm", "localhost/a:1")
    assert problem(result) == "not removed from node-2"
    assert result.stdout == "node-1: removed localhost/a:1\n"
    assert 'node-2: image "localhost/a:1" is in use by default/web' in result.stderr
    assert run("rm", "--force", "localhost/a:1").exit_code == 0
    assert "no node has localhost/a:1" in problem(run("rm", "localhost/a:1"))


def test_pruning_shows_asks_and_removes_what_nobody_uses(rack: FakeRack) -> None:
    rack.put("localhost/a:1", used=True)
    rack.put("localhost/b:1", "node-1", "node-2", id="2" * 64)
    rack.put("localhost/c:1", "node-1", id="3" * 64, pinned=True)
    refused = run("prune", text="n\n")
    assert [line.split()[:2] for line in refused.stdout.splitlines()[1:3]] == [
        ["node-1", "localhost/b:1"], ["node-2", "localhost/b:1"]]
    assert "Remove them (4.0 MB at most)?" in refused.stdout
    run("prune", "--dry-run")
    assert sum(map(len, rack.images.values())) == 6
    assert run("prune", "--yes").exit_code == 0
    assert {node: [row["names"][0] for row in rows] for node, rows in rack.images.items()} == {
        "node-1": ["localhost/a:1", "localhost/c:1"], "node-2": ["localhost/a:1"], "node-3": ["localhost/a:1"]}
    assert "every image is in use" in run("prune").stdout


def test_pruning_does_not_judge_a_node_that_is_away(rack: FakeRack) -> None:
    rack.put("localhost/b:1")
    rack.away.add("node-1")
    assert problem(run("prune", "--yes")) == "not seen: node-1"
    assert [len(rack.images[node]) for node in ("node-1", "node-2", "node-3")] == [1, 0, 0]


@pytest.mark.parametrize(("count", "text"), [(0, "0.0 MB"), (1_980_000, "2.0 MB"), (3_456_000_000, "3.46 GB")])
def test_sizes_are_for_people(count: int, text: str) -> None:
    assert image.size(count) == text


def test_progress_is_one_line_on_a_terminal_and_nothing_elsewhere(
    capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress(["a", "b"], 200, terminal=True)
    shown.advance("a", 50)
    shown.advance("b", 400)
    assert shown.line() == "a 25%  b 100%"
    shown.say("a: done")
    shown.end()
    out = capsys.readouterr()
    assert out.out == "a: done\n"
    assert out.err.startswith("\ra 25%  b 0%\ra 25%  b 100%\r")
    assert out.err.endswith("\r")
    silent = Progress(["a"], 0, terminal=False)
    silent.advance("a", 5)
    silent.say("x")
    assert capsys.readouterr().err == ""
