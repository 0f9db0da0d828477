"""Schemathesis asks what our own OpenAPI documents say can be asked, and looks at what comes back.

A run here is short and always the same. A longer one, new each time:
`EDGE_FUZZ_EXAMPLES=100 .venv/bin/python -m pytest tests/integration/clients/test_schemathesis.py -k survives`.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from edge.api import scheme
from edge.apiserver import discovery
from tests.integration.clients import fuzzing
from tests.integration.clients.blocking import in_thread
from tests.integration.clients.fuzzing import Access
from tests.integration.conftest import Cluster

EXAMPLES = int(os.environ.get("EDGE_FUZZ_EXAMPLES", "0"))
SHORT_EXAMPLES = 2
DOCUMENTS = [f"apis/{group}/{version}" if group else f"api/{version}"
             for group, versions in discovery.served(scheme.resources()).items() for version in versions]
TODAY = [document for document in DOCUMENTS if "beta" not in document or "metrics" in document]


@pytest.fixture
def access(cluster: Cluster) -> Access:
    authority = cluster.authority
    return Access(cluster.url, authority.ca, authority.issue("kubernetes-admin", "system:masters"))


@pytest.mark.parametrize("document", DOCUMENTS if EXAMPLES else TODAY)
@in_thread
def test_the_server_survives_what_a_document_allows(access: Access, document: str) -> None:
    with access.session:
        found = fuzzing.explore(access, document, EXAMPLES or SHORT_EXAMPLES, thorough=EXAMPLES > 0)
    assert sum(found.codes.values()) == found.requests > 0
    assert not {code for code in found.codes if code >= 500} - {504}


@pytest.mark.parametrize("document", TODAY)
@in_thread
def test_what_is_served_is_as_described(access: Access, document: str) -> None:
    with access.session:
        described = access.ask("GET", f"/openapi/v3/{document}").json()
        schemathesis.openapi.from_dict(described).validate()
        read = sum(check_answer(access, operation) for operation in fuzzing.operations_of(described))
    stored = [kind for version, kind in fuzzing.MANIFESTS if version == document.partition("/")[2]]
    assert read >= 2 * len(stored)


@in_thread
def test_the_old_document_has_the_same_paths(access: Access) -> None:
    with access.session:
        old = schemathesis.openapi.from_dict(access.ask("GET", "/openapi/v2").json())
        old.validate()
        paths = {path for document in DOCUMENTS
                 for path in access.ask("GET", f"/openapi/v3/{document}").json()["paths"]}
    assert set(old) == paths


def check_answer(access: Access, operation: Any) -> bool:
    """Read an object or a list that is there, and compare the answer with its schema."""
    manifest = fuzzing.MANIFESTS.get(fuzzing.kind_of(operation))
    if operation.method != "get" or manifest is None or fuzzing.needs_a_node(operation):
        return False
    fuzzing.plant(access, operation)
    place = {"name": manifest["metadata"]["name"], "namespace": "default"}
    case = operation.Case(path_parameters={key: place[key] for key in place if f"{{{key}}}" in operation.path})
    answer = access.ask("GET", case.formatted_path)
    assert answer.status_code == 200, answer.text
    case.validate_response(answer, checks=[content_type_conformance, response_schema_conformance])
    return True
