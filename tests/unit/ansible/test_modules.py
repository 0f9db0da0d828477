"""What the collection's modules decide before they touch a machine."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.ansible.collection import ANSIBLE, ROOT, load

pytest.importorskip("ansible", reason="Ansible is not installed here")
packages = load("modules/packages.py")
programs = load("modules/programs.py")
units = load("modules/units.py")
kubeconfig = load("modules/kubeconfig.py")


def test_packages_count_as_installed_when_dpkg_says_so() -> None:
    assert packages.installed("podman installed\ncrun config-files\n\nnonsense\n") == {"podman"}


def test_an_archive_hides_every_other_source_of_packages() -> None:
    options = packages.local_only("/d")
    assert options[::2] == ["--option"] * 5
    assert {"Dir::Etc::sourcelist=/d/sources.list", "Dir::Etc::sourceparts=/dev/null"} <= set(options)


def test_the_reason_is_what_apt_calls_an_error_else_its_last_lines() -> None:
    assert packages.reason("Reading...\nE: Unable to locate package x\nW: hint") == "E: Unable to locate package x"
    assert packages.reason("\n".join(str(number) for number in range(20))).splitlines()[0] == "10"


@pytest.mark.parametrize(("facts", "started", "right"), [
    ({"UnitFileState": "enabled", "ActiveState": "active"}, True, True),
    ({"UnitFileState": "enabled", "ActiveState": "inactive"}, True, False),
    ({"UnitFileState": "disabled", "ActiveState": "active"}, True, False),
    ({"UnitFileState": "enabled", "ActiveState": "inactive", "Type": "oneshot", "RemainAfterExit": "no"}, True, True),
    ({"UnitFileState": "enabled", "ActiveState": "inactive", "Type": "oneshot", "RemainAfterExit": "yes"}, True, False),
    ({}, True, False), ({}, False, True),
    ({"UnitFileState": "disabled", "ActiveState": "failed"}, False, True),
    ({"UnitFileState": "enabled", "ActiveState": "inactive"}, False, False)])
def test_a_unit_is_right_when_it_is_so_now_and_after_a_boot(facts: dict[str, str], started: bool, right: bool) -> None:
    assert units.is_right(facts, started) is right


PARAMS = {"state": "present", "context": "edge", "server": "https://m:6443", "ca": "Y2E=", "certificate": "Y3J0",
          "key": "a2V5"}
OTHER: dict[str, Any] = {"clusters": [{"name": "work", "cluster": {}}], "users": [{"name": "me", "user": {}}],
                         "contexts": [{"name": "work", "context": {}}], "current-context": "work", "preferences": {}}


def test_a_rack_is_merged_beside_what_is_there() -> None:
    merged = kubeconfig.merged(OTHER, PARAMS)
    assert [entry["name"] for entry in merged["contexts"]] == ["work", "edge"]
    assert merged["current-context"] == "edge"
    assert merged["preferences"] == {}
    assert kubeconfig.merged(merged, PARAMS) == merged


def test_a_rack_that_was_made_anew_takes_the_place_of_the_old_one() -> None:
    before = kubeconfig.merged({}, PARAMS)
    after = kubeconfig.merged(before, {**PARAMS, "ca": "bmV3"})
    assert len(after["clusters"]) == 1
    assert after["clusters"][0]["cluster"]["certificate-authority-data"] == "bmV3"


def test_a_rack_is_taken_out_and_nothing_else() -> None:
    merged = kubeconfig.merged(kubeconfig.merged(OTHER, PARAMS), {"state": "absent", "context": "edge"})
    assert merged["contexts"] == OTHER["contexts"]
    assert merged["users"] == OTHER["users"]
    assert merged["current-context"] == ""


@pytest.mark.parametrize("document", [[], "text", {"clusters": "x"}, {"users": ["x"]}])
def test_what_is_no_kubeconfig_is_refused(document: object) -> None:
    with pytest.raises(ValueError):
        kubeconfig.merged(document, PARAMS)


def bundle(path: Path, **files: bytes) -> str:
    with tarfile.open(path, "w") as tar:
        wheel = {"requirements/worker.lock": b"a==1\n", "wheel/e-1-py3-none-any.whl": b"PK"}
        for name, content in {**wheel, **files}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    return str(path)


def installation(tmp_path: Path, **changes: Any) -> Any:
    return programs.Installation({"path": str(tmp_path / "edge"), "archive": None, "links": [], "units": [],
                                  "bundle": bundle(tmp_path / "bundle.tar"),
                                  "role": "worker", **changes})


def test_a_part_is_missing_until_its_stamp_is_written(tmp_path: Path) -> None:
    wanted = installation(tmp_path)
    assert wanted.missing() == ["requirements", "wheel", "files"]
    for name, stamp in wanted.stamps().items():
        programs.write(wanted.path / f".{name}", stamp)
    assert wanted.missing() == []


def test_other_requirements_mean_the_wheel_too(tmp_path: Path) -> None:
    wanted = installation(tmp_path)
    for name, stamp in wanted.stamps().items():
        programs.write(wanted.path / f".{name}", stamp)
    programs.write(wanted.path / ".requirements", b"of another Python\n")
    assert wanted.missing() == ["requirements", "wheel"]


def test_a_link_that_points_elsewhere_is_missing(tmp_path: Path) -> None:
    assert "links" in installation(tmp_path, links=["edge-test-program"]).missing()


def test_files_of_systemd_have_their_place_on_a_machine_and_others_none() -> None:
    assert programs.place("systemd/system/podman.service.d/edge.conf") == (
        "/usr/local/lib/systemd/system/podman.service.d/edge.conf")
    assert [programs.place(name) for name in ("scripts/install", "systemd/etc/master/rack.toml")] == ["", ""]


def test_every_folder_of_systemd_is_placed_or_read_by_the_playbooks() -> None:
    folders = {path.name for path in (ROOT / "systemd").iterdir() if path.is_dir()}
    assert folders - set(programs.PLACES) == {"etc", "system-preset"}


def test_files_are_placed_where_the_script_that_removes_them_looks() -> None:
    script = (ROOT / "scripts/install").read_text()
    places = {place.replace("/usr/local/lib", "$lib") for place in programs.PLACES.values()} - {"$lib/sysctl.d"}
    assert [place for place in sorted(places) if place not in script] == []


def test_every_setting_the_playbooks_use_is_documented_where_people_look() -> None:
    defaults = yaml.safe_load((ANSIBLE / "roles/edge/defaults/main.yml").read_text())
    elsewhere = {"edge_packages", "edge_packages_master", "edge_master", "edge_workers", "edge_server", "edge_agent",
                 "edge_cordoned"}
    used: set[str] = set()
    for path in [*ANSIBLE.glob("*.yml"), *ANSIBLE.glob("tasks/*.yml"), *ANSIBLE.glob("roles/*/t*/*")]:
        used |= set(re.findall(r"\bedge_[a-z_]+\b", path.read_text()))
    own = {name for name in used if name.startswith(("edge_server_", "edge_agent_"))} - set(defaults)
    assert used - own - elsewhere - set(defaults) == set()
