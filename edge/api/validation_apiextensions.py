"""Whether a CustomResourceDefinition can be served: names, versions, subresources, columns, conversion.

Errors of what all versions have in common are reported where the first API version of Kubernetes had it
(`spec.validation.openAPIV3Schema` beside the versions), because that is what Kubernetes still says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from edge.api import apiextensions as api
from edge.api import validation_kind_conversion, validation_schema
from edge.api import validation_words as words

APPROVAL = "api-approved.kubernetes.io"
_APPROVAL_WORDS = f'protected groups must have approval annotation "{APPROVAL}"'
_APPROVAL_LINK = ", see https://github.com/kubernetes/enhancements/pull/1111"
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_MOST_SELECTABLE = 8


def definition(obj: api.CustomResourceDefinition) -> words.Causes:
    """Yield what is wrong with a definition."""
    spec = obj.spec
    if obj.metadata.name != f"{spec.names.plural}.{spec.group}":
        yield words.invalid("metadata.name", obj.metadata.name, 'must be spec.names.plural+"."+spec.group')
    if not spec.group:
        yield words.required("spec.group")
    elif problem := words.dns_subdomain(spec.group):
        yield words.invalid("spec.group", spec.group, problem)
    elif "." not in spec.group:
        yield words.invalid("spec.group", spec.group, "should be a domain with at least one dot")
    yield from words.one_of("spec.scope", spec.scope, ("Cluster", "Namespaced"))
    yield from _schemas(spec)
    yield from _versions(spec)
    for field, value in (("plural", spec.names.plural), ("singular", spec.names.singular), ("kind", spec.names.kind),
                         ("listKind", spec.names.list_kind)):
        if not value:
            yield words.required(f"spec.names.{field}")
    yield from _names("spec.names", spec.names)
    yield from validation_kind_conversion.conversion(spec)
    yield from _names("status.acceptedNames", obj.status.accepted_names)
    yield from _stored_versions(obj)


def only_new(obj: api.CustomResourceDefinition) -> words.Causes:
    """Yield what a definition must have when it is made; one that is there already may go on without."""
    if _approval(obj):
        yield from _not_approved(obj)


def status(obj: api.CustomResourceDefinition) -> words.Causes:
    """Yield what is wrong with the status of a definition."""
    yield from _names("status.acceptedNames", obj.status.accepted_names)


def update(new: api.CustomResourceDefinition, old: api.CustomResourceDefinition) -> words.Causes:
    """Yield what may not change."""
    if established(old):
        yield from words.same("spec.scope", new.spec.scope, old.spec.scope)
        yield from words.same("spec.names.kind", new.spec.names.kind, old.spec.names.kind)
    yield from words.same("spec.group", new.spec.group, old.spec.group)
    yield from words.same("spec.names.plural", new.spec.names.plural, old.spec.names.plural)
    if _approval(new) and _approval(new) != _approval(old):
        yield from _not_approved(new)
    if new.spec.preserve_unknown_fields and not old.spec.preserve_unknown_fields:
        yield from preserving(new)


def preserving(obj: api.CustomResourceDefinition) -> words.Causes:
    """Yield the refusal of `preserveUnknownFields: true`, which only clients of v1beta1 may still send."""
    if obj.spec.preserve_unknown_fields:
        yield words.invalid("spec.preserveUnknownFields", True, "cannot set to true, set x-kubernetes-preserve-unknown-"
                                                                "fields to true in spec.versions[*].schema instead")


def warnings(obj: api.CustomResourceDefinition) -> tuple[str, ...]:
    """Return what the client that writes a definition should know."""
    return tuple(
        f"{path}: x-kubernetes-validations rules are stored, but not evaluated"
        for path, schema, _ in _each_schema(obj.spec) if validation_schema.has_rules(schema))


def established(obj: api.CustomResourceDefinition) -> bool:
    """Return whether a definition is served."""
    return any(one.type == "Established" and one.status == "True" for one in obj.status.conditions)


def _each_schema(spec: api.CustomResourceDefinitionSpec) -> Iterator[tuple[str, api.JSONSchemaProps, bool]]:
    """Yield path, schema, and whether status is on; a schema that all versions share is yielded once."""
    schemas = [one.schema.open_api_v3_schema if one.schema is not None else None for one in spec.versions]
    status = [one.subresources is not None and one.subresources.status is not None for one in spec.versions]
    if schemas and schemas[0] is not None and all(one == schemas[0] for one in schemas):
        yield "spec.validation.openAPIV3Schema", schemas[0], any(status)
        return
    for index, schema in enumerate(schemas):
        if schema is not None:
            yield f"spec.versions[{index}].schema.openAPIV3Schema", schema, status[index]


def _schemas(spec: api.CustomResourceDefinitionSpec) -> words.Causes:
    keeps = spec.preserve_unknown_fields
    for index, version in enumerate(spec.versions):
        if not keeps and (version.schema is None or version.schema.open_api_v3_schema is None):
            yield words.required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")
    for path, schema, status in _each_schema(spec):
        causes = validation_schema.schema(path, schema, status=status, must_be_structural=not keeps)
        yield from causes
        if keeps and not causes and validation_schema.has_defaults(schema):
            yield words.invalid("spec.preserveUnknownFields", True,
                                "must be false in order to use defaults in the schema")


def _versions(spec: api.CustomResourceDefinitionSpec) -> words.Causes:
    names = [one.name for one in spec.versions]
    for index, version in enumerate(spec.versions):
        path = f"spec.versions[{index}]"
        yield from words.check(f"{path}.name", version.name, words.dns_label_1035)
        yield from _deprecation(path, version)
        yield from _selectable(path, version)
    for path, subresources in _shared(spec, "subresources"):
        yield from _scale(f"{path}.scale", subresources.scale)
    for path, columns in _shared(spec, "additional_printer_columns"):
        for index, column in enumerate(columns):
            yield from _column(f"{path}[{index}]", column)
    if len(set(names)) < len(names):
        yield words.invalid("spec.versions", names, "must contain unique version names")
    if sum(one.storage for one in spec.versions) != 1:
        yield words.invalid("spec.versions", names, "must have exactly one version marked as storage version")


def _shared(spec: api.CustomResourceDefinitionSpec, attribute: str) -> Iterator[tuple[str, Any]]:
    """Yield path and value of a part of each version; one that all of them share is yielded once."""
    wire = {"subresources": "subresources", "additional_printer_columns": "additionalPrinterColumns"}[attribute]
    values = [getattr(one, attribute) for one in spec.versions]
    if values and values[0] and all(value == values[0] for value in values):
        yield f"spec.{wire}", values[0]
        return
    for index, value in enumerate(values):
        if value:
            yield f"spec.versions[{index}].{wire}", value


def _deprecation(path: str, version: api.CustomResourceDefinitionVersion) -> words.Causes:
    text, where = version.deprecation_warning, f"{path}.deprecationWarning"
    if text is None:
        return
    if not version.deprecated:
        yield words.invalid(where, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > 256:
        yield words.invalid(where, text, "must be <= 256 characters long")
    if not text:
        yield words.invalid(where, text, "must not be an empty string")
    if not text.isprintable():
        index = next(place for place, char in enumerate(text) if not char.isprintable())
        yield words.invalid(where, text, "must only contain printable UTF-8 characters; non-printable character found "
                                         f"at index {len(text[:index].encode())}")


def _selectable(path: str, version: api.CustomResourceDefinitionVersion) -> words.Causes:
    seen: set[str] = set()
    schema = version.schema.open_api_v3_schema if version.schema is not None else None
    for index, field in enumerate(version.selectable_fields):
        where = f"{path}.selectableFields[{index}].jsonPath"
        if not field.json_path:
            yield words.required(where)
        elif schema is None or (found := _below(schema, field.json_path)) is None:
            yield words.invalid(where, field.json_path, "is an invalid path: does not refer to a valid field")
        elif field.json_path.startswith(".metadata."):
            yield words.invalid(where, field.json_path, "must not point to fields in metadata")
        elif found.type not in ("string", "boolean", "integer"):
            yield words.invalid(where, field.json_path, "must point to a field of type string, boolean or integer. "
                                                        "Enum string fields and strings with formats are allowed.")
        elif field.json_path in seen:
            yield words.duplicate(where, field.json_path)
        seen.add(field.json_path)
    if len(seen) > _MOST_SELECTABLE:
        yield words.too_many(f"{path}.selectableFields", len(seen), _MOST_SELECTABLE)


def _below(schema: api.JSONSchemaProps, path: str) -> api.JSONSchemaProps | None:
    """Return the schema of a field named by a plain path such as `.spec.color`."""
    found: api.JSONSchemaProps | None = schema
    for name in path.split(".")[1:] if path.startswith(".") else [""]:
        found = found.properties.get(name) if found is not None else None
    return found


def _scale(path: str, scale: api.CustomResourceSubresourceScale | None) -> words.Causes:
    if scale is None:
        return
    for field, value, roots, optional in (
            ("specReplicasPath", scale.spec_replicas_path, (".spec.",), False),
            ("statusReplicasPath", scale.status_replicas_path, (".status.",), False),
            ("labelSelectorPath", scale.label_selector_path or "", (".spec.", ".status."), True)):
        where = f"{path}.{field}"
        if not value:
            if not optional:
                yield words.required(where)
        elif not value.startswith("."):
            yield words.invalid(where, value, "must be a simple json path starting with .")
        elif not value.startswith(roots):
            below = "either .spec or .status" if optional else roots[0].rstrip(".")
            yield words.invalid(where, value, f"should be a json path under {below}")


def _column(path: str, column: api.CustomResourceColumnDefinition) -> words.Causes:
    if not column.name:
        yield words.required(f"{path}.name")
    types = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not column.type:
        yield words.required(f"{path}.type", types)
    elif column.type not in _COLUMN_TYPES:
        yield words.invalid(f"{path}.type", column.type, types)
    if column.format and column.format not in _COLUMN_FORMATS:
        yield words.invalid(f"{path}.format", column.format, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not column.json_path:
        yield words.required(f"{path}.JSONPath")
    elif not column.json_path.startswith("."):
        yield words.invalid(f"{path}.JSONPath", column.json_path, "must be a simple json path starting with .")


def _names(path: str, names: api.CustomResourceDefinitionNames) -> words.Causes:
    mixed = "may have mixed case, but should otherwise match: "
    for field, value in (("plural", names.plural), ("singular", names.singular)):
        if value:
            yield from words.check(f"{path}.{field}", value, words.dns_label_1035)
    for field, value in (("kind", names.kind), ("listKind", names.list_kind)):
        if value and (problem := words.dns_label_1035(value.lower())):
            yield words.invalid(f"{path}.{field}", value, mixed + problem)
    for field, values in (("shortNames", names.short_names), ("categories", names.categories)):
        for index, value in enumerate(values):
            yield from words.check(f"{path}.{field}[{index}]", value, words.dns_label_1035)
    if names.kind and names.kind == names.list_kind:
        yield words.invalid(f"{path}.listKind", names.list_kind, "kind and listKind may not be the same")


def _stored_versions(obj: api.CustomResourceDefinition) -> words.Causes:
    stored, where = obj.status.stored_versions, "status.storedVersions"
    if not stored:
        yield words.invalid(where, [], "must have at least one stored version")
        return
    names = [one.name for one in obj.spec.versions]
    for version in obj.spec.versions:
        if version.storage and version.name not in stored:
            yield words.invalid(where, list(stored), f"must have the storage version {version.name}")
    for index, name in enumerate(stored):
        if name not in names:
            yield words.invalid(f"{where}[{index}]", name,
                                f"missing from spec.versions; {name} was previously a storage version, and must "
                                "remain in spec.versions until a storage migration ensures no data remains persisted "
                                f"in {name} and removes {name} from status.storedVersions")


def _approval(obj: api.CustomResourceDefinition) -> str:
    """Return `missing`, `invalid`, `bypassed` or `approved` for a group of the Kubernetes community; "" for others."""
    if not f".{obj.spec.group}".endswith((".k8s.io", ".kubernetes.io")):
        return ""
    text = obj.metadata.annotations.get(APPROVAL, "")
    if not text:
        return "missing"
    if text.startswith("unapproved"):
        return "bypassed"
    try:
        url = urlsplit(text)
    except ValueError:
        return "invalid"
    return "approved" if url.scheme and url.netloc else "invalid"


def _not_approved(obj: api.CustomResourceDefinition) -> words.Causes:
    state, where = _approval(obj), f"metadata.annotations[{APPROVAL}]"
    if state == "missing":
        yield words.required(where, _APPROVAL_WORDS + _APPROVAL_LINK)
    elif state == "invalid":
        yield words.invalid(where, obj.metadata.annotations[APPROVAL],
                            f'{_APPROVAL_WORDS} with either a URL or a reason starting with "unapproved"'
                            f"{_APPROVAL_LINK}")
