"""The protobuf form of OpenAPI v2 holds the same definitions and operations as the JSON form."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from edge.api import scheme
from edge.apiserver import openapi, openapi_protobuf

DOCUMENT = openapi.v2_document(scheme.resources(), "0.1.0")
ENCODED = openapi_protobuf.encode(DOCUMENT)


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of every length-delimited field."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value, at = varint(data, at)
        if tag & 7 == 2:
            yield tag >> 3, data[at:at + value]
            at += value
    assert at == len(data)


def one(data: bytes, number: int) -> bytes:
    return next(content for field, content in fields(data) if field == number)


def every(data: bytes, number: int) -> list[bytes]:
    return [content for field, content in fields(data) if field == number]


def named(data: bytes, number: int) -> dict[str, bytes]:
    return {one(entry, 1).decode(): one(entry, 2) for entry in every(data, number)}


def test_every_definition_is_there_with_its_properties() -> None:
    definitions = named(one(ENCODED, 9), 1)
    assert list(definitions) == list(DOCUMENT["definitions"])
    spec = definitions["io.k8s.api.core.v1.PodSpec"]
    properties = named(one(spec, 25), 1)
    assert set(properties) == set(DOCUMENT["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"])
    containers = properties["containers"]
    assert one(one(containers, 22), 1) == b"array"
    assert one(one(one(containers, 23), 1), 1) == b"#/definitions/io.k8s.api.core.v1.Container"
    extensions = {name: msgspec.json.decode(one(value, 2)) for name, value in named(containers, 31).items()}
    assert extensions["x-kubernetes-patch-merge-key"] == "name"


def test_the_patch_of_a_kind_has_its_query_parameters() -> None:
    path = named(one(ENCODED, 8), 2)["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    operation = one(path, 8)
    kind = msgspec.json.decode(one(named(operation, 13)["x-kubernetes-group-version-kind"], 2))
    assert kind == {"group": "apps", "version": "v1", "kind": "Deployment"}
    parameters = [one(each, 1) for each in every(operation, 8)]
    found = {one(one(one(each, 2), 3), 4).decode() for each in parameters if every(each, 2)}
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= found
