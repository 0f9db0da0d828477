"""Clients nobody here wrote, signed in as the administrator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kubernetes import config
from kubernetes.client import ApiClient

from tests.integration.conftest import Cluster


@pytest.fixture
def api(cluster: Cluster) -> Iterator[ApiClient]:
    """The official client; its own checks of what it sends and gets are on, as they are by default."""
    with config.new_client_from_config(str(cluster.kubeconfig)) as client:
        assert client.configuration.client_side_validation
        yield client
        client.rest_client.pool_manager.clear()
