"""JSON <-> objects: decodes what clients send, words what is wrong with it as Kubernetes does, finds unknown fields.

Go reads `null` as "not there"; so do we. The tables that tell which fields a type has are made once per type.
"""

from __future__ import annotations

import re
import types
import typing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from edge.api import custom, errors, meta
from edge.api.resource import Resource

_S = TypeVar("_S", bound=meta.Struct)

_GOT = {"int": "number", "float": "number", "str": "string", "bool": "bool", "array": "array", "object": "object",
        "null": "null"}
_WIDE = {"generation", "observedGeneration", "revision", "terminationGracePeriodSeconds", "activeDeadlineSeconds",
         "tolerationSeconds", "runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seconds", "sizeBytes",
         "deletionGracePeriodSeconds", "gracePeriodSeconds", "expirationSeconds", "uid", "gid"}
_encoder = msgspec.json.Encoder()
_mapping = msgspec.json.Decoder(dict[str, Any])


def decode(resource: Resource, raw: dict[str, Any]) -> meta.Object:
    """Return the object a client sent. Raises errors.BadRequest, in Kubernetes' words, for a wrong type."""
    if issubclass(resource.type, custom.Custom):
        return _custom(resource, resource.type, raw)
    try:
        return msgspec.convert(raw, type=resource.type)
    except msgspec.ValidationError:
        return _patiently(resource, raw)


def decode_bytes(resource: Resource, data: bytes) -> meta.Object:
    """Return the object of stored or sent JSON. Raises errors.BadRequest for a wrong type or broken JSON."""
    try:
        if issubclass(resource.type, custom.Custom):
            return decode(resource, _mapping.decode(data))
        return _decoder(resource.type).decode(data)
    except msgspec.ValidationError:
        return _patiently(resource, msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise errors.BadRequest(_refused(resource, f"json: {error}")) from error


def decode_struct(kind: type[_S], raw: dict[str, Any]) -> _S:
    """Return the struct of a body that is no stored resource: a Scale, Eviction, TokenRequest. Raises BadRequest."""
    try:
        return msgspec.convert(_without_nulls(raw), type=kind)
    except msgspec.ValidationError as error:
        raise errors.BadRequest(f"{kind.__name__} cannot be handled: {_go_words(kind, str(error))}") from error


def encode(obj: meta.Struct) -> bytes:
    """Return the object as JSON."""
    return _encoder.encode(custom.flat(obj) if isinstance(obj, custom.Custom) else obj)


def to_dict(obj: meta.Struct) -> dict[str, Any]:
    """Return the object as plain mappings and lists, as JSON would be read."""
    plain: dict[str, Any] = msgspec.json.decode(encode(obj))  # to_builtins would leave tuples
    return plain


def unknown_fields(kind: type[meta.Struct], raw: dict[str, Any]) -> tuple[str, ...]:
    """Return the paths of fields the type does not have, such as `spec.containers[0].imagee`, in order."""
    found: list[str] = []
    _find_unknown(kind, raw, "", found)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class FieldType:
    """What stands in a field: a scalar, or a struct alone, in a list or in a map."""

    shape: str
    """`scalar`, `struct`, `list`, `map` or `any`."""
    name: str
    """Python's name of the scalar: int, str, bool, or Quantity."""
    struct: type[meta.Struct] | None = None


@lru_cache(maxsize=1024)
def field_types(kind: type[meta.Struct]) -> dict[str, FieldType]:
    """Return wire name -> type of every field of a struct."""
    return {field.encode_name: _classify(field.type) for field in msgspec.structs.fields(kind)}


def _classify(hint: Any) -> FieldType:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _classify(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        if len(options) == 1:
            return _classify(options[0])
        structs = [option for option in options if isinstance(option, type) and issubclass(option, meta.Struct)]
        if structs:  # a schema, or something simpler in its place
            return _classify(structs[0])
        if set(options) == {int, float}:
            return FieldType("scalar", "float")
        return FieldType("scalar", "Quantity" if float in options else "IntOrString")
    if origin in (tuple, dict):
        inner = _classify(typing.get_args(hint)[0 if origin is tuple else 1])
        return FieldType("list" if origin is tuple else "map", inner.name, inner.struct)
    if isinstance(hint, type) and issubclass(hint, meta.Struct):
        return FieldType("struct", hint.__name__, hint)
    return FieldType("scalar", hint.__name__) if isinstance(hint, type) else FieldType("any", "any")


def _find_unknown(kind: type[meta.Struct], raw: dict[str, Any], path: str, found: list[str]) -> None:
    table = field_types(kind)
    for key, value in raw.items():
        here = f"{path}.{key}" if path else key
        field = table.get(key)
        if field is None:
            found.append(here)
        elif field.struct is not None:
            for suffix, item in _members(field.shape, value):
                if isinstance(item, dict):
                    _find_unknown(field.struct, item, here + suffix, found)


def _members(shape: str, value: Any) -> list[tuple[str, Any]]:
    """Return the structs below a field, each with what it adds to the path."""
    if shape == "list" and isinstance(value, list):
        return [(f"[{index}]", item) for index, item in enumerate(value)]
    if shape == "map" and isinstance(value, dict):
        return [(f".{key}", item) for key, item in value.items()]
    return [("", value)]


@lru_cache(maxsize=256)
def _decoder(kind: type[meta.Object]) -> msgspec.json.Decoder[meta.Object]:
    return msgspec.json.Decoder(kind)


def _custom(resource: Resource, kind: type[custom.Custom], raw: dict[str, Any]) -> custom.Custom:
    """Return an object whose kind is defined by its users: only its metadata has a type."""
    metadata = raw.get("metadata")
    try:
        typed = msgspec.convert(_without_nulls({} if metadata is None else metadata), type=meta.ObjectMeta)
    except msgspec.ValidationError as error:
        raise errors.BadRequest(_refused(resource, _go_words(meta.ObjectMeta, str(error)))) from error
    content = {key: value for key, value in raw.items() if key not in ("apiVersion", "kind", "metadata")}
    return kind(api_version=str(raw.get("apiVersion") or ""), kind=str(raw.get("kind") or ""), metadata=typed,
                content=content)


def _patiently(resource: Resource, raw: Any) -> meta.Object:
    """Decode once more without nulls; only this slower way words errors."""
    try:
        return msgspec.convert(_without_nulls(raw), type=resource.type)
    except msgspec.ValidationError as error:
        raise errors.BadRequest(_refused(resource, _go_words(resource.type, str(error)))) from error


def _without_nulls(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {key: _without_nulls(value) for key, value in raw.items() if value is not None}
    return [_without_nulls(item) for item in raw] if isinstance(raw, list) else raw


def _refused(resource: Resource, why: str) -> str:
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'


def _go_words(kind: type[meta.Struct], problem: str) -> str:
    """Turn "Expected `int`, got `str` - at `$.spec.replicas`" into the words of Go's decoder."""
    if "matching regex" in problem:  # only times have one
        where = problem.rpartition(" - at ")[2].strip("`").removeprefix("$.")
        return f'parsing time {where} as "2006-01-02T15:04:05Z07:00": cannot parse it'
    match = re.fullmatch(r"Expected `(.+?)`, got `(\w+)`(?: - at `(.+)`)?", problem)
    if match is None:
        return f"json: {problem}"
    expected, got, where = match.groups()
    path = re.sub(r"\[[^\]]*\]", "", where or "$").removeprefix("$").removeprefix(".")
    if not path:
        return f"json: cannot unmarshal {_GOT.get(got, got)} into Go value of type {kind.__name__}"
    owner, go_type = _go_type(kind, path.split("."), inside=(where or "").endswith("]"))
    return (f"json: cannot unmarshal {_GOT.get(got, got)} into Go struct field {owner}.{path} "
            f"of type {go_type or expected}")


def _go_type(kind: type[meta.Struct], path: list[str], *, inside: bool) -> tuple[str, str]:
    """Return the struct that owns the last field of a path, and what Go calls the type of that field."""
    owner = kind
    for key in path[:-1]:
        field = field_types(owner).get(key)
        if field is None or field.struct is None:
            return owner.__name__, ""
        owner = field.struct
    last = field_types(owner).get(path[-1])
    if last is None:
        return owner.__name__, ""
    scalars = {"str": "string", "float": "float64", "int": "int64" if path[-1] in _WIDE else "int32", "bool": "bool",
               "Quantity": "resource.Quantity", "IntOrString": "intstr.IntOrString"}
    name = scalars.get(last.name, f"v1.{last.name}")
    if not inside:
        name = {"list": f"[]{name}", "map": f"map[string]{name}"}.get(last.shape, name)
    return owner.__name__, name
