"""The import rules of pyproject.toml hold, and what they cannot say themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest

from edge.controllers import registry

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
    "tool"]["importlinter"]["contracts"]
PURITY = next(contract for contract in CONTRACTS if contract["name"].startswith("A module is pure"))
EFFECTS = {line.removesuffix(" -> **") for line in PURITY["ignore_imports"] if line.endswith(" -> **")}
ENTRY_POINTS = ("edge.server", "edge.lab", "edge.edgectl")
"""Programs that are effects throughout; what is pure in them is small and tested as such."""

VALUES_OF_EFFECTS = {
    "edge.agent.settings -> edge.agent.machine": "for the default of board_serial, read once with the file",
    "edge.apiserver.certificate_subjects -> edge.pki.authority": "for PkiError, a value",
    "edge.pki.users -> edge.pki.authority": "for PkiError and the values certificates are made of",
    "edge.pki.revocation_list -> edge.pki.authority": "for PkiError and the values lists are made of",
    "edge.pki.tokens -> edge.pki.authority": "reads a key with the cryptography package, when the first token comes",
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("edge", cache_dir=None)


def test_the_contracts_hold() -> None:
    checked = subprocess.run([sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()",
                              "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False,
                             env=os.environ | {"PYTHONUTF8": "1"})
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_pure_modules_import_no_module_with_effects(graph: grimp.ImportGraph) -> None:
    found = [f"{importer} -> {effect}" for effect in sorted(EFFECTS)
             for importer in sorted(graph.find_modules_that_directly_import(effect))
             if importer not in EFFECTS and not importer.startswith(ENTRY_POINTS)]
    assert set(found) == set(VALUES_OF_EFFECTS)


def test_the_list_of_effects_names_modules_that_exist(graph: grimp.ImportGraph) -> None:
    assert EFFECTS - graph.modules == set()


def test_every_controller_is_kept_from_the_others() -> None:
    independent = next(contract for contract in CONTRACTS if contract["type"] == "independence")
    assert set(independent["modules"]) == {factory.__module__ for factory in registry._ALL}
