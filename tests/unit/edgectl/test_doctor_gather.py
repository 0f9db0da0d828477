"""The gathering of a board's facts: a made-up tree of files and made-up programs, broken ones too."""

from pathlib import Path

import pytest

from edge.edgectl.commands import doctor
from edge.edgectl.doctor import here_gather, results
from edge.edgectl.doctor.here import AGENT_SETTINGS, CERTIFICATE, RACK_SETTINGS, Facts, Said
from edge.edgectl.doctor.here_gather import Choice
from edge.edgectl.doctor.results import Level
from tests.cases.doctor_boards import HEALTHY, NOW, PI5, changed
from tests.cases.doctor_here import HERE


def plant(root: Path, facts: Facts) -> None:
    """Make the board's files and folders below a root."""
    for path, text in facts.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for path, names in facts.folders.items():
        for name in names:
            (root / path / name).mkdir(parents=True, exist_ok=True)


def gathered(root: Path, facts: Facts, **more: object) -> Facts:
    """Return the facts of a planted board, on which programs say what they say on the made-up one."""
    def run(argv: tuple[str, ...], seconds: float) -> Said | None:
        assert 0 < seconds <= here_gather.PROBE_SECONDS
        key = ("edge-rack", argv[1]) if "edge-rack" in argv[0] else argv
        return facts.said.get(key)

    plant(root, facts)
    settings = {"rack_settings": root / RACK_SETTINGS, "agent_settings": root / AGENT_SETTINGS}
    return here_gather.gather(Choice(root=root, **settings, **more), NOW, run)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_boards_are_healthy_when_they_are_read(tmp_path: Path, name: str) -> None:
    facts = gathered(tmp_path, HEALTHY[name])
    bad = [each for each in results.run(doctor.HERE, facts) if each.level is Level.PROBLEM]
    # How full the disk of this machine is says nothing of a made-up board.
    assert [each for each in bad if each.check != "disk-room"] == []
    assert set(facts.files) >= set(HEALTHY[name].files) - {"sys/block/mmcblk0/device/type"}


def test_what_is_wrong_on_a_planted_board_is_found(tmp_path: Path) -> None:
    for name in ("memory-cgroup", "root-file-system", "swap", "identity", "leftovers", "power-supply", "card-wear"):
        trouble = HERE[name].bad[0]
        root = tmp_path / name
        facts = gathered(root, trouble.facts)
        found = {each.check: each for each in results.run(doctor.HERE, facts) if each.level is not Level.OK}
        assert trouble.says in found[name].says


def test_the_certificate_is_where_the_agents_settings_say(tmp_path: Path) -> None:
    board = changed(PI5, files={AGENT_SETTINGS: 'data_dir = "/mnt/ssd/agent"',
                                "mnt/ssd/agent/identity/node.crt": "PEM"})
    assert gathered(tmp_path, board).files[CERTIFICATE] == "PEM"


def test_an_empty_root_is_read_without_an_error(tmp_path: Path) -> None:
    facts = here_gather.gather(Choice(root=tmp_path, rack_settings=tmp_path / "x", agent_settings=tmp_path / "y"), NOW,
                               lambda argv, seconds: None)
    assert (facts.files, facts.said) == ({}, {})
    assert facts.folders == dict.fromkeys(here_gather.FOLDERS, ())


def test_folders_in_place_of_files_huge_files_and_bytes_that_are_no_text_are_survived(tmp_path: Path) -> None:
    (tmp_path / "etc/hostname").mkdir(parents=True)
    (tmp_path / "etc/machine-id").write_bytes(b"\xff\xfe" * here_gather.MOST_BYTES)
    facts = here_gather.gather(Choice(root=tmp_path), NOW, lambda argv, seconds: None)
    assert "etc/hostname" not in facts.files
    assert len(facts.files["etc/machine-id"]) <= here_gather.MOST_BYTES


def test_the_wire_is_looked_at_on_the_master_alone_and_the_internet_when_it_may_be(tmp_path: Path) -> None:
    def asked(facts: Facts, **more: object) -> set[tuple[str, ...]]:
        seen: set[tuple[str, ...]] = set()

        def run(argv: tuple[str, ...], seconds: float) -> Said | None:
            seen.add(argv[:2] if "edge-rack" not in argv[0] else ("edge-rack", argv[1]))
            return None

        root = tmp_path / str(len(list(tmp_path.iterdir())))
        root.mkdir()
        plant(root, facts)
        here_gather.gather(Choice(root=root, rack_settings=root / RACK_SETTINGS,
                                  agent_settings=root / AGENT_SETTINGS, **more), NOW, run)  # type: ignore[arg-type]
        return seen

    assert ("edge-rack", "probe") not in asked(PI5)
    assert {("edge-rack", "probe"), ("edge-rack", "check"), ("iw", "dev")} <= asked(HEALTHY["master"])
    assert ("edge-rack", "probe") not in asked(HEALTHY["master"], wire=False)
    assert ("getent", "ahostsv4") in asked(PI5)
    assert ("getent", "ahostsv4") not in asked(PI5, internet=False)


def test_programs_that_are_missing_hang_or_say_too_much_are_within_bounds() -> None:
    assert here_gather.run_child(("no-such-program-here",), 5.0) is None
    assert here_gather.run_child(("sleep", "60"), 0.05) is None
    shouted = here_gather.run_child(("head", "-c", str(3 * here_gather.MOST_BYTES), "/dev/zero"), 30.0)
    assert shouted is not None
    assert len(shouted.output) == here_gather.MOST_BYTES
    refused = here_gather.run_child(("ls", "/no/such/path"), 5.0)
    assert refused is not None
    assert refused.code != 0
    assert "No such file" in refused.output
