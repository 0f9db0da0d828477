"""Loads files of the collection as Ansible does on a machine: each by itself."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
ANSIBLE = ROOT / "ansible"
PLUGINS = ANSIBLE / "collections/ansible_collections/edge/cluster/plugins"


def load(name: str) -> Any:
    """Return the module in a file of the collection's plugins."""
    path = PLUGINS / name
    spec = importlib.util.spec_from_file_location(f"edge_cluster_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
