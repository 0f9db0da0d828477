"""Reads request bodies: JSON, YAML or protobuf into a typed object, with the words Kubernetes has for what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from edge.api import codec, custom, errors, managed_fields, meta, scheme
from edge.apiserver import custom_bodies, duplicates, protobuf

LARGEST_REQUEST_BYTES = 3 * 1024 * 1024
LARGEST_OBJECT_BYTES = 1_572_864
_YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml")
_JSON_TYPES = ("", "application/json")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A typed object, and the warnings that go with the answer."""

    obj: meta.Object
    warnings: tuple[str, ...] = ()


def media_type(content_type: str) -> str:
    """Return the media type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def too_large() -> errors.TooLarge:
    """Return the 413 of a body that is over the limit."""
    return errors.TooLarge(f"Request entity too large: limit is {LARGEST_REQUEST_BYTES}")


def read(body: bytes, content_type: str) -> Any:
    """Return what the body says.

    Raises:
        errors.UnsupportedMediaType: for anything but JSON, YAML and the protobuf messages that are known.
        errors.BadRequest: when it does not parse.
    """
    media = media_type(content_type)
    if media in _YAML_TYPES:
        from edge.apiserver import yaml_bodies  # With the first one: a reader of YAML is 1 MiB, and programs send JSON.

        return yaml_bodies.read(body)
    if media == protobuf.MEDIA_TYPE:
        return protobuf.decode(body)
    if media not in _JSON_TYPES:
        raise errors.UnsupportedMediaType("the body of the request was in an unknown format - accepted media types "
                                          f"include: application/json, application/yaml, {protobuf.MEDIA_TYPE}")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.BadRequest(f"couldn't get version/kind; json parse error: {error}") from error


def mapping(value: Any) -> dict[str, Any]:
    """Return the value if it is an object. Raises errors.BadRequest otherwise."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise errors.BadRequest("couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of "
                                "type struct { APIVersion string; Kind string }")
    return value


def twice(body: bytes, content_type: str, value: Any) -> tuple[str, ...]:
    """Return what is to be said of fields that a body has more than once."""
    media = media_type(content_type)
    if media == protobuf.MEDIA_TYPE:
        return ()
    return duplicates.in_yaml(body) if media in _YAML_TYPES else duplicates.in_json(body, value)


def decode(resource: scheme.Resource, api_version: str, raw: dict[str, Any], field_validation: str = "",
           *, version_set: bool = True, repeated: tuple[str, ...] = ()) -> Decoded:
    """Return the object that was sent to a path of `api_version`, in its stored version.

    `repeated` is what `twice` said of the body.

    Raises:
        errors.BadRequest: for another kind or version, a wrong type, or (Strict) an unknown or repeated field.
    """
    if version_set:
        _check_kind(resource, api_version, raw)
    if isinstance(resource, custom.CustomResource):
        stored, paths = custom_bodies.completed(resource, api_version, raw)
    else:
        stored = raw
        if api_version != resource.api_version:
            stored = scheme.to_stored(resource, api_version, {**raw, "kind": resource.kind})
        paths = () if field_validation == "Ignore" else codec.unknown_fields(resource.type, stored)
    obj = codec.decode(resource, managed_fields.sent(stored))
    obj = msgspec.structs.replace(obj, api_version=resource.api_version, kind=resource.kind)
    if field_validation == "Ignore":
        return Decoded(obj)
    unknown = [*repeated, *(f'unknown field "{path}"' for path in paths)]
    if unknown and field_validation == "Strict":
        version = api_version.rpartition("/")[2]
        raise errors.BadRequest(f'{resource.kind} in version "{version}" cannot be handled as a {resource.kind}: '
                                f"strict decoding error: {', '.join(unknown)}")
    return Decoded(obj, tuple(unknown))


def _check_kind(resource: scheme.Resource, api_version: str, raw: dict[str, Any]) -> None:
    kind, version = raw.get("kind") or resource.kind, raw.get("apiVersion") or api_version
    if kind != resource.kind:
        raise errors.BadRequest(
            f'{kind} in version "{str(version).rpartition("/")[2]}" cannot be handled as a {resource.kind}: '
            f'no kind "{kind}" is registered for the path of "{resource.plural}"')
    if version != api_version:
        raise errors.BadRequest(f"the API version in the data ({version}) does not match the expected API version "
                                f"({api_version})")


def check_size(encoded: bytes) -> None:
    """Raise errors.TooLarge when an object is over what the store takes."""
    if len(encoded) > LARGEST_OBJECT_BYTES:
        raise errors.TooLarge(f"Request entity too large: limit is {LARGEST_OBJECT_BYTES}")
