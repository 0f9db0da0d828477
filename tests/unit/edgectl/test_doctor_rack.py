"""Every check of a rack through its API: where all is well, where it is not, and where nobody can tell."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from edge.dhcp.findings import Findings
from edge.edgectl.commands import doctor
from edge.edgectl.doctor import results
from edge.edgectl.doctor.rack import Facts
from edge.edgectl.doctor.results import Check, Level, Result
from tests.cases.doctor_boards import NOW
from tests.cases.doctor_racks import OFF, RACK, RACKS, Cases, Trouble, with_

CHECKS: dict[str, Check[Facts]] = {results.name_of(check): check for check in doctor.RACK}


def outcome(name: str, facts: Facts) -> tuple[Result, ...]:
    return results.run([CHECKS[name]], facts)


def troubles() -> Iterator[tuple[str, Trouble]]:
    for name, cases in RACKS.items():
        for trouble in cases.bad:
            yield name, trouble


def test_every_check_has_cases_and_says_what_it_looks_at() -> None:
    assert sorted(RACKS) == sorted(CHECKS)
    assert [name for name, check in CHECKS.items() if not results.looks_at(check)] == []
    assert len(CHECKS) == len(doctor.RACK), "two checks have the same name"


@pytest.mark.parametrize("name", RACKS)
def test_a_healthy_rack_is_ok(name: str) -> None:
    assert {each.level for each in outcome(name, RACKS[name].good)} == {Level.OK}


@pytest.mark.parametrize(("name", "trouble"), list(troubles()))
def test_trouble_is_named_with_what_to_do(name: str, trouble: Trouble) -> None:
    found = [each for each in outcome(name, trouble.facts) if each.level is not Level.OK]
    assert {each.level for each in found} == {trouble.level}, found
    assert any(trouble.says in each.says and trouble.next in each.next for each in found), found
    assert all(each.next for each in found), found


@pytest.mark.parametrize(("name", "cases"), [(name, cases) for name, cases in RACKS.items() if cases.unknown])
def test_what_cannot_be_read_is_unknown_and_no_problem(name: str, cases: Cases) -> None:
    assert cases.unknown is not None
    assert {each.level for each in outcome(name, cases.unknown)} == {Level.UNKNOWN}


@pytest.mark.parametrize(("name", "cases"), [(name, cases) for name, cases in RACKS.items() if cases.none])
def test_a_check_is_silent_where_it_does_not_concern(name: str, cases: Cases) -> None:
    assert [outcome(name, facts) for facts in cases.none] == [()] * len(cases.none)


def test_a_rack_that_is_off_is_one_problem_and_not_ten() -> None:
    assert [each.check for each in results.run(doctor.RACK, OFF)] == ["api"]


def test_a_rack_in_which_all_is_well_has_no_trouble() -> None:
    assert {each.level for each in results.run(doctor.RACK, RACK)} == {Level.OK}


def test_an_empty_rack_and_objects_without_anything_in_them_do_not_break_a_check() -> None:
    empty: dict[str, Any] = {"metadata": {}}
    nulls: dict[str, Any] = {"metadata": {"name": "x", "annotations": None}, "status": None, "spec": None}
    for objects in ((), (empty,), (nulls,)):
        results.run(doctor.RACK, replace(RACK, lists=dict.fromkeys(RACK.lists, objects), leases={}))


def test_an_old_look_at_the_wire_says_nothing_and_what_it_found_stays_said() -> None:
    old = "2026-11-20T12:00:00Z"
    assert outcome("wire", replace(RACK, findings=Findings(looked_at=old)))[0].level is Level.UNKNOWN
    assert outcome("wire", replace(RACK, findings=Findings()))[0].next == "on the master: `sudo edge-rack probe`"
    found = RACKS["wire"].bad[0].facts.findings
    assert found is not None
    stale = Findings(looked_at=old, findings=found.findings)
    assert outcome("wire", replace(RACK, findings=stale))[0].level is Level.PROBLEM


def test_requests_are_given_a_moment_before_a_person_is_called() -> None:
    young = {"metadata": {"name": "x", "creationTimestamp": "2026-11-21T11:59:50Z"}}
    found = outcome("certificate-requests", with_(certificatesigningrequests=(young,)))
    assert found[0].level is Level.OK
    later = replace(with_(certificatesigningrequests=(young,)), server_date=NOW.replace(hour=13))
    assert outcome("certificate-requests", later)[0].level is Level.WARNING
