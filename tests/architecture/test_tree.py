"""The tree is as ARCHITECTURE.md says, and its files and functions stay small."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "edge").rglob("*.py"))
PACKAGES = sorted(path.parent for path in (ROOT / "edge").glob("*/__init__.py"))
DOCUMENTS = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "hardware.md")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_FAKE_LINES = 500, 60, 240
BANNED = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "handler", "handlers", "core"}
KUBERNETES_GROUP = Path("edge/api/core.py")
"""The API group of Kubernetes has that name."""
TOP = ("edge", "ansible", "systemd", "tests", "scripts", "examples", "docs", "bench", "requirements", ".ci")


def inside(path: Path) -> str:
    return str(path.relative_to(ROOT))


def named_paths(text: str) -> Iterator[str]:
    """Yield the paths of this repository and modules of `edge` that a document names in code spans and links."""
    for span in re.findall(r"`([^`\n]+)`", text):
        for word in re.findall(r"[\w./*-]+", span):
            path = word.removeprefix("./").rstrip(".")
            if path.split("/")[0] in TOP and "/" in path and not path.startswith("edge/v1"):  # topics
                yield path
            elif re.fullmatch(r"edge(\.\w+)+", word):
                yield word
    yield from re.findall(r"\]\(([^)#:\s]+)\)", text)


def exists(name: str, base: Path) -> bool:
    name = name.replace("NAME", "*")
    if re.fullmatch(r"edge(\.\w+)+", name):
        path = ROOT / name.replace(".", "/")
        return path.is_dir() or path.with_suffix(".py").is_file() or path.parent.with_suffix(".py").is_file()
    if "*" in name:
        return any(ROOT.glob(name))
    return (ROOT / name).exists() or (base / name).exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=inside)
def test_every_path_and_module_a_document_names_exists(document: Path) -> None:
    missing = sorted({name for name in named_paths(document.read_text()) if not exists(name, document.parent)})
    assert missing == []


def test_the_map_names_every_package_and_plumbing_module() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    names = [f"edge/{path.name}" for path in PACKAGES]
    names += [f"edge/{path.name}" for path in (ROOT / "edge").glob("*.py") if path.name != "__init__.py"]
    assert [name for name in names if f"`{name}" not in text] == []


def test_the_map_names_every_decision_record() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert [path.name for path in (ROOT / "docs/adr").glob("*.md") if f"docs/adr/{path.name}" not in text] == []


@pytest.mark.parametrize("module", MODULES, ids=inside)
def test_a_module_is_small_and_says_what_it_is_for(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    tree = ast.parse(text)
    assert (ast.get_docstring(tree) or "").strip(), "no docstring"
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines" for node in functions
            if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES]
    assert long == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = [inside(path) for path in MODULES if path.stem in BANNED]
    assert names == [str(KUBERNETES_GROUP)]


def test_unit_tests_mirror_the_packages() -> None:
    packages = {path.name for path in PACKAGES}
    tested = {path.name for path in (ROOT / "tests/unit").iterdir() if path.is_dir() and any(path.rglob("test_*.py"))}
    # The collection's modules are tested too; they are no package of ours, since they run by themselves on machines.
    assert tested - {"ansible"} <= packages, "a folder of unit tests has no package"
    assert packages - tested == set(), "a package has no unit tests"


def test_fakes_stay_small() -> None:
    # One that grows past this says that its interface is too wide.
    long = {path.name: count for path in (ROOT / "tests/fakes").glob("*.py")
            if (count := len(path.read_text().splitlines())) > MAX_FAKE_LINES}
    assert long == {}
