"""The OpenAPI documents hold what kubectl looks up in them, and every reference leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from edge.api import scheme
from edge.apiserver import discovery, openapi

ALL = scheme.resources()
VERSIONS = [(group, version) for group, versions in discovery.served(ALL).items() for version in versions]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@pytest.mark.parametrize(("group", "version"), VERSIONS)
def test_every_reference_of_a_document_is_defined(group: str, version: str) -> None:
    document = openapi.v3_document(ALL, group, version, "0.1.0")
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known
    assert document["paths"]


def test_v2_is_closed_and_names_definitions_as_kubernetes_does() -> None:
    document = openapi.v2_document(ALL, "0.1.0")
    assert set(references(document)) <= {f"#/definitions/{name}" for name in document["definitions"]}
    for name in ("io.k8s.api.core.v1.Pod", "io.k8s.api.core.v1.Container", "io.k8s.api.apps.v1.Deployment",
                 "io.k8s.api.apps.v1.DeploymentList", "io.k8s.api.extensions.v1beta1.Deployment",
                 "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "io.k8s.api.core.v1.LocalObjectReference"):
        assert name in document["definitions"]


def test_schemas_carry_what_apply_merges_by() -> None:
    schemas = openapi.v3_document(ALL, "apps", "v1", "0.1.0")["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["items"] == {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}]}
    assert "containers" in schemas["io.k8s.api.core.v1.PodSpec"]["required"]
    assert schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"][
        "x-kubernetes-patch-strategy"] == "retainKeys"
    deployment = schemas["io.k8s.api.apps.v1.Deployment"]
    assert deployment["x-kubernetes-group-version-kind"] == [{"group": "apps", "version": "v1", "kind": "Deployment"}]
    spec = deployment["properties"]["spec"]["allOf"]
    assert spec == [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}]
    assert deployment["properties"]["metadata"]["description"]
    assert schemas["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"]["x-kubernetes-map-type"] == "atomic"
    pod = schemas["io.k8s.api.core.v1.PodSpec"]
    assert pod["properties"]["nodeSelector"]["x-kubernetes-map-type"] == "atomic"
    assert "x-kubernetes-map-type" not in pod


def test_fields_have_the_types_of_the_wire() -> None:
    schemas = openapi.v3_document(ALL, "", "v1", "0.1.0")["components"]["schemas"]
    metadata = schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"]
    assert metadata["labels"]["additionalProperties"] == {"type": "string"}
    assert metadata["creationTimestamp"]["format"] == "date-time"
    assert metadata["generation"]["type"] == "integer"
    port = schemas["io.k8s.api.core.v1.ServicePort"]["properties"]["targetPort"]
    assert port["allOf"][0]["$ref"].endswith("IntOrString")
    assert schemas["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["oneOf"] == [{"type": "integer"},
                                                                                  {"type": "string"}]


@pytest.mark.parametrize(("group", "version", "kind"), [
    ("apps", "v1", "Deployment"), ("", "v1", "Pod"), ("", "v1", "Node"), ("extensions", "v1beta1", "Deployment")])
def test_kubectl_finds_its_query_parameters_at_the_patch_of_a_kind(group: str, version: str, kind: str) -> None:
    document = openapi.v3_document(ALL, group, version, "0.1.0")
    wanted = {"group": group, "version": version, "kind": kind}
    patches = [path["patch"] for path in document["paths"].values()
               if path.get("patch", {}).get("x-kubernetes-group-version-kind") == wanted]
    assert patches
    for operation in patches:
        known = {each["name"] for each in operation["parameters"]}
        assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= known


def test_paths_of_namespaced_and_cluster_wide_resources() -> None:
    paths = openapi.v3_document(ALL, "", "v1", "0.1.0")["paths"]
    assert set(paths["/api/v1/namespaces/{namespace}/pods"]) == {"get", "post", "delete", "parameters"}
    assert set(paths["/api/v1/pods"]) == {"get", "parameters"}
    assert {"get", "put", "patch", "delete"} <= set(paths["/api/v1/nodes/{name}"])
    assert paths["/api/v1/namespaces/{namespace}/pods"]["get"]["x-kubernetes-action"] == "list"
    assert paths["/api/v1/namespaces/{namespace}/pods/{name}/exec"]["post"]["x-kubernetes-action"] == "connect"
    assert "/api/v1/namespaces/{namespace}/nodes" not in paths


def test_operation_ids_are_unique_in_a_document() -> None:
    found = [operation["operationId"] for path in openapi.v2_document(ALL, "0.1.0")["paths"].values()
             for method, operation in path.items() if method != "parameters"]
    assert len(found) == len(set(found))


def test_documents_are_built_once_and_indexed() -> None:
    asked = []

    def resources() -> tuple[scheme.Resource, ...]:
        asked.append(1)
        return ALL

    documents = openapi.Documents(resources, "0.1.0")
    index = msgspec.json.decode(documents.index().plain())
    expected = {f"apis/{group}/{version}" if group else f"api/{version}" for group, version in VERSIONS}
    assert set(index["paths"]) == expected
    assert index["paths"]["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")
    first = documents.v3("apps", "v1")
    assert first is documents.v3("apps", "v1")
    assert first is not None
    assert first.etag.startswith('"')
    assert msgspec.json.decode(first.plain())["openapi"] == "3.0.0"
    assert documents.v3("apps", "v7") is None
    documents.forget()
    again = documents.v3("apps", "v1")
    assert again is not first
    assert again == first
