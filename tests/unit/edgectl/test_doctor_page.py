"""The tables of docs/doctor.md show every check with its own words. Made anew by

    EDGE_WRITE_DOCS=1 .venv/bin/python -m pytest tests/unit/edgectl/test_doctor_page.py
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from edge.edgectl import main
from edge.edgectl.commands import doctor
from edge.edgectl.doctor import results
from edge.edgectl.doctor.results import Level, Result
from tests.cases.doctor_here import HERE
from tests.cases.doctor_pains import PAINS
from tests.cases.doctor_racks import RACKS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "doctor.md"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def checks_table(checks: Iterable[Any], cases: Any) -> str:
    """Return a table of checks: what they look at, and what they say of the first trouble they are shown."""
    rows = ["| check | looks at | says, for example | what to do |", "| --- | --- | --- | --- |"]
    for check in checks:
        name = results.name_of(check)
        found: list[Result] = [each for each in results.run([check], cases[name].bad[0].facts)
                               if each.level in (Level.PROBLEM, Level.WARNING)]
        rows.append(f"| {name} | {cell(results.looks_at(check))} | {found[0].level.value}: {cell(found[0].says)} | "
                    f"{cell(found[0].next)} |")
    return "\n".join(rows) + "\n"


def pains_table() -> str:
    lines = []
    for title, pains in PAINS.items():
        lines += [f"### {title}", "", "| trouble | cannot happen, since | else named by |", "| --- | --- | --- |"]
        for pain in pains:
            named = [part for part in (
                f"`edgectl doctor`: {', '.join(pain.rack)}" if pain.rack else "",
                f"`--here`: {', '.join(pain.here)}" if pain.here else "",
                f"`edge-rack check`: {', '.join(pain.ground)}" if pain.ground else "") if part]
            lines.append(f"| {cell(pain.what)} | {cell(pain.impossible)} | {'; '.join(named)} |")
        lines.append("")
    return "\n".join(lines)


@pytest.mark.parametrize(("name", "table"), [
    ("here", checks_table(doctor.HERE, HERE)), ("rack", checks_table(doctor.RACK, RACKS)), ("pains", pains_table())])
def test_the_page_shows_the_table(name: str, table: str) -> None:
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    page = PAGE.read_text()
    before, _, rest = page.partition(begin)
    shown, _, after = rest.partition(end)
    if os.environ.get("EDGE_WRITE_DOCS"):
        PAGE.write_text(f"{before}{begin}{table}{end}{after}")
        return
    assert shown == table, "docs/doctor.md is out of date: see the top of this file for how to make it anew"


def test_every_command_that_is_named_as_the_next_one_exists() -> None:
    shown: list[tuple[Any, Any]] = [(check, HERE) for check in doctor.HERE]
    shown += [(check, RACKS) for check in doctor.RACK]
    found = [each for check, cases in shown for trouble in cases[results.name_of(check)].bad
             for each in results.run([check], trouble.facts)]
    verbs = {verb for each in found for verb in re.findall(r"edgectl (?:-\S+ )*([a-z-]+)", each.next)}
    assert len(verbs) > 5
    assert verbs - {*main.COMMANDS, *main.KUBECTL} == set()


def test_every_pain_is_impossible_or_named_by_checks_there_are() -> None:
    here, rack = ({results.name_of(check) for check in checks} for checks in (doctor.HERE, doctor.RACK))
    text = (ROOT / "edge/rack/check.py").read_text() + (ROOT / "edge/rack/firewalls.py").read_text()
    reasons = {*re.findall(r'reason="(\w+)"', text), *re.findall(r'"(\w+)" if lost\.forward else "(\w+)"', text)[0]}
    for pains in PAINS.values():
        for pain in pains:
            assert pain.impossible or pain.here or pain.rack or pain.ground, pain.what
            assert set(pain.here) <= here, pain.what
            assert set(pain.rack) <= rack, pain.what
            assert set(pain.ground) <= reasons, pain.what
