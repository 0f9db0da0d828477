"""The table of docs/pods.md says what becomes of every field of a pod, and what is refused is refused. Made anew by

    EDGE_WRITE_DOCS=1 .venv/bin/python -m pytest tests/unit/agent/test_pod_fields.py
"""

from __future__ import annotations

import asyncio
import os
import typing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.agent import admission, checks, layout, mounts, plan, probes
from edge.agent.actions import Emit
from edge.agent.admission import NodeFacts
from edge.agent.volumes import NotReadyError
from edge.api import core, meta
from edge.clock import SystemClock
from tests.cases.pod_fields import ELSEWHERE, REFUSED, REFUSED_VALUES, SECTIONS, Fields
from tests.fakes.runtime import FakeRuntime
from tests.fakes.view import view

PAGE = Path(__file__).parents[3] / "docs" / "pods.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
TABLE: dict[str, Fields] = {name: fields for types in SECTIONS.values() for name, fields in types.items()}


def structs(annotation: Any) -> list[type[meta.Struct]]:
    """Return the types of objects inside a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, meta.Struct):
        return [annotation]
    return [found for each in typing.get_args(annotation) for found in structs(each)]


def own_fields(kind: type[meta.Struct]) -> dict[str, list[type[meta.Struct]]]:
    """Return the fields of a type by the names manifests have for them, without those of the type it extends."""
    (base,) = kind.__bases__
    above = {each.name for each in msgspec.structs.fields(base)}
    return {each.encode_name: structs(each.type) for each in msgspec.structs.fields(kind) if each.name not in above}


def reachable() -> dict[str, tuple[type[meta.Struct], list[str]]]:
    """Return every type of a pod's spec by its name, with the paths that lead to it; what does not work ends a path."""
    found: dict[str, tuple[type[meta.Struct], list[str]]] = {}
    waiting: list[tuple[type[meta.Struct], str]] = [(core.PodSpec, "spec")]
    while waiting:
        kind, path = waiting.pop(0)
        name = kind.__name__
        if name in ELSEWHERE:
            continue
        known = name in found
        found.setdefault(name, (kind, []))[1].append(path)
        if known:
            continue
        for field, below in own_fields(kind).items():
            verdict = TABLE.get(name, {}).get(field)
            if verdict is None or verdict.kind == "works":
                waiting += [(each, f"{path}.{field}") for each in below]
        waiting += [(base, path) for base in kind.__bases__ if base.__name__ in TABLE]
    return found


def test_the_table_has_every_field_and_no_other() -> None:
    types = reachable()
    wanted = {f"{name}.{field}" for name, (kind, _) in types.items() for field in own_fields(kind)}
    shown = {f"{name}.{field}" for name, fields in TABLE.items() for field in fields}
    assert sorted(wanted - shown) == [], "say in tests/cases/pod_fields.py what becomes of these fields"
    assert sorted(shown - wanted) == [], "there are no such fields"


def test_what_does_not_simply_work_is_explained() -> None:
    silent = [f"{name}.{field}" for name, fields in TABLE.items() for field, verdict in fields.items()
              if verdict.kind != "works" and not verdict.note]
    assert silent == []


def rows() -> str:
    """Return the tables, one for each part of a pod."""
    types, lines = reachable(), []
    for title, parts in SECTIONS.items():
        lines += [f"### {title}", ""]
        for name, fields in parts.items():
            paths = types[name][1]
            more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            lines += [f"**{name}**: " + ", ".join(f"`{path}`" for path in paths[:3]) + more, "",
                      "| field | | |", "| --- | --- | --- |"]
            told = ((field, fields[field]) for field in own_fields(types[name][0]))
            lines += [f"| {field} | {verdict.kind} | {verdict.note} |" for field, verdict in told]
            lines.append("")
    return "\n".join(lines)


def test_the_page_shows_the_table() -> None:
    page, table = PAGE.read_text(), rows()
    before, _, rest = page.partition(BEGIN)
    shown, _, after = rest.partition(END)
    if os.environ.get("EDGE_WRITE_DOCS"):
        PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}")
        return
    assert shown == table, "docs/pods.md is out of date: see the top of this file for how to make it anew"


def spec_of(fields: dict[str, Any]) -> core.PodSpec:
    return msgspec.convert({"containers": [{"name": "main", "image": "busybox:1"}], **fields}, core.PodSpec)


def refusals(spec: core.PodSpec) -> list[str]:
    """Return everything the node says against a pod, from the first look to its containers."""
    one = view(spec=spec, sandbox=False, files=False, has_files=False)
    assert one.desired is not None
    desired = msgspec.structs.replace(one.desired, runtime_handler=spec.runtime_class_name)
    one = replace(one, desired=desired)
    said = list(admission.refusal(one.pod, NodeFacts()) or ())
    said += [f"{each.reason}: {each.message}" for each in plan.plan(one).actions if isinstance(each, Emit)]
    said += layout.layout(desired, "10.244.1.2", one.around).problems
    for container in spec.containers:
        try:
            mounts.mounts(container, 0, desired, {}, one.around)
        except NotReadyError as error:
            said.append(str(error))
        for hook in (container.lifecycle.post_start,) if container.lifecycle is not None else ():
            assert hook is not None
            clock = SystemClock()
            target = probes.Target("c1", container, "127.0.0.1")
            said.append(asyncio.run(checks.hook(FakeRuntime(clock), clock, target, hook, 1.0)))
    return said


def test_a_pod_that_asks_for_nothing_special_is_not_refused() -> None:
    assert refusals(spec_of({})) == []


def test_every_field_that_is_refused_has_a_pod_that_shows_it() -> None:
    wanted = {f"{name}.{field}" for name, fields in TABLE.items() for field, verdict in fields.items()
              if verdict.kind == "refused"}
    assert wanted == REFUSED.keys()


@pytest.mark.parametrize("field", sorted(REFUSED))
def test_what_the_page_calls_refused_is_refused(field: str) -> None:
    assert refusals(spec_of(REFUSED[field])) != []


@pytest.mark.parametrize("what", sorted(REFUSED_VALUES))
def test_values_that_the_page_calls_refused_are_refused(what: str) -> None:
    fields, words = REFUSED_VALUES[what]
    assert any(words in each for each in refusals(spec_of(fields))), refusals(spec_of(fields))
