"""What every test of an agent leaves: nothing that is mounted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.agent import mounting


@pytest.fixture(autouse=True)
def nothing_mounted(tmp_path: Path) -> Iterator[None]:
    """Unmount what an agent that was stopped has left to its pods; a directory with mounts cannot be removed."""
    yield
    mounting.unmount_below(str(tmp_path))
