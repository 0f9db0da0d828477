"""Every check of a board: where all is well, where it is not, and where nobody can tell."""

import json
from collections.abc import Iterator

import pytest

from edge.edgectl.commands import doctor
from edge.edgectl.doctor import here_gather, results
from edge.edgectl.doctor.here import Facts
from edge.edgectl.doctor.results import Check, Level, Result
from tests.cases.doctor_boards import HEALTHY, NOW, Cases, Trouble
from tests.cases.doctor_here import HERE

CHECKS: dict[str, Check[Facts]] = {results.name_of(check): check for check in doctor.HERE}


def outcome(name: str, facts: Facts) -> tuple[Result, ...]:
    return results.run([CHECKS[name]], facts)


def troubles() -> Iterator[tuple[str, Trouble]]:
    for name, cases in HERE.items():
        for trouble in cases.bad:
            yield name, trouble


def test_every_check_has_cases_and_says_what_it_looks_at() -> None:
    assert sorted(HERE) == sorted(CHECKS)
    assert [name for name, check in CHECKS.items() if not results.looks_at(check)] == []
    assert len(CHECKS) == len(doctor.HERE), "two checks have the same name"


@pytest.mark.parametrize("name", HERE)
def test_a_healthy_board_is_ok(name: str) -> None:
    found = outcome(name, HERE[name].good)
    assert {each.level for each in found} == {Level.OK}, found


@pytest.mark.parametrize(("name", "trouble"), list(troubles()))
def test_trouble_is_named_with_what_to_do(name: str, trouble: Trouble) -> None:
    found = outcome(name, trouble.facts)
    assert {each.level for each in found} == {trouble.level}, found
    assert any(trouble.says in each.says and trouble.next in each.next for each in found), found
    assert all(each.next for each in found), found


@pytest.mark.parametrize(("name", "cases"), [(name, cases) for name, cases in HERE.items() if cases.unknown])
def test_what_cannot_be_read_is_unknown_and_no_problem(name: str, cases: Cases) -> None:
    assert cases.unknown is not None
    assert {each.level for each in outcome(name, cases.unknown)} == {Level.UNKNOWN}


@pytest.mark.parametrize(("name", "cases"), [(name, cases) for name, cases in HERE.items() if cases.none])
def test_a_check_is_silent_where_it_does_not_concern(name: str, cases: Cases) -> None:
    assert [outcome(name, facts) for facts in cases.none] == [()] * len(cases.none)


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_boards_have_no_trouble_at_all(name: str) -> None:
    found = results.run(doctor.HERE, HEALTHY[name])
    assert [each for each in found if each.level in (Level.PROBLEM, Level.WARNING)] == []


def test_a_board_nothing_can_be_read_of_has_no_false_problems() -> None:
    found = results.run(doctor.HERE, Facts(now=NOW))
    bad = {each.check for each in found if each.level is Level.PROBLEM}
    assert bad == {"container-engine", "name-servers"}, "nothing but what is really missing"


def test_whatever_a_file_or_a_program_says_no_check_fails() -> None:
    for name, cases in HERE.items():
        for nonsense in ("", "\0", "ÿ\n=\n", "[]", "[null]", "{}", '[{"addr_info":[{}]}]', "1 2 3 4 5 6\n" * 3, "0x",
                         '{"problems": [1, {"message": 2}]}', '{"findings": 3}', "}{"):
            facts = cases.good
            garbled = Facts(now=NOW, files=dict.fromkeys(facts.files, nonsense), folders=facts.folders, page=nonsense,
                            said={argv: type(one)(one.code, nonsense) for argv, one in facts.said.items()},
                            disks=facts.disks)
            assert all(isinstance(each.level, Level) for each in outcome(name, garbled))


class Recording(dict):  # type: ignore[type-arg]
    """A mapping that knows what was asked of it."""

    def __init__(self, values: object) -> None:
        super().__init__(values)  # type: ignore[call-overload]
        self.asked: set[object] = set()

    def get(self, key: object, default: object = None) -> object:
        self.asked.add(key)
        return super().get(key, default)


def test_whatever_a_check_asks_for_is_gathered() -> None:
    files, said, folders = set(), set(), set()
    for name, cases in HERE.items():
        for facts in (cases.good, *(each.facts for each in cases.bad)):
            watched = Facts(now=facts.now, files=Recording(facts.files), said=Recording(facts.said),
                            folders=Recording(facts.folders), disks=facts.disks, page=facts.page)
            outcome(name, watched)
            files |= watched.files.asked  # type: ignore[attr-defined]
            said |= watched.said.asked  # type: ignore[attr-defined]
            folders |= watched.folders.asked  # type: ignore[attr-defined]
    patterns = [each for each in here_gather.FILES if "*" in each]
    assert {path for path in files if path not in here_gather.FILES
            and not any(path.startswith(each.partition("*")[0]) for each in patterns)} == set()
    asked_later = {("edge-rack", "check"), ("edge-rack", "probe"), ("getent", "ahostsv4", "deb.debian.org")}
    assert said - set(here_gather.COMMANDS) - asked_later == set()
    assert folders <= set(here_gather.FOLDERS)


def test_a_report_is_lines_for_people_and_a_document_for_programs() -> None:
    found = results.run(doctor.HERE, HERE["ground"].bad[0].facts)
    lines = results.as_lines(found)
    at = next(index for index, line in enumerate(lines) if "PacketRulesMissing" in line)
    assert lines[at].startswith("problem  ground ")
    assert lines[at + 1].strip() == "-> run edge-rack apply"
    assert lines[-1] == "1 problem; 1 could not be looked at"
    document = json.loads(json.dumps(results.as_json(found)))
    assert document["problems"] == 1
    assert {"check": "ground", "level": "problem", "next": "run edge-rack apply"}.items() <= next(
        each for each in document["results"] if each["level"] == "problem").items()
    assert results.summary(results.run(doctor.HERE, HEALTHY["Pi 5, Debian 13"])).startswith("all is well: ")
