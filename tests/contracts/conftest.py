"""What the suites of a Runtime share: a Podman service of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts import podman_service


@pytest.fixture(scope="module")
def podman() -> Iterator[podman_service.PodmanService]:
    """A private Podman service for the tests of one file."""
    if reason := podman_service.missing():
        pytest.skip(f"no Podman: {reason}")
    with podman_service.running() as service:
        yield service
