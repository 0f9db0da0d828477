"""What must hold of a whole Kubernetes object inside another: its apiVersion, kind and metadata."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.api import labels, meta
from edge.api import validation_words as words


def causes(value: dict[str, Any], path: str) -> words.Causes:
    """Yield what is wrong with the names and metadata of an embedded object."""
    version, kind = value.get("apiVersion", ""), value.get("kind", "")
    for field, given in ((f"{path}.apiVersion", version), (f"{path}.kind", kind)):
        if not isinstance(given, str):
            yield words.invalid(field, given, "must be a string")
        elif not given:
            yield words.required(field)
    if isinstance(version, str) and version.count("/") > 1:
        yield words.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    if isinstance(kind, str) and kind and (problem := words.dns_label_1035(kind.lower())):
        yield words.invalid(f"{path}.kind", kind, f"may have mixed case, but should otherwise match: {problem}")
    if value.get("metadata") is not None:
        yield from _metadata(value["metadata"], f"{path}.metadata")


def _metadata(raw: Any, path: str) -> words.Causes:
    try:
        metadata = msgspec.convert(raw, type=meta.ObjectMeta)
    except msgspec.ValidationError as error:
        yield words.invalid(path, raw, str(error))
        return
    for field, value, rule in (("name", metadata.name, words.path_segment),
                               ("generateName", metadata.generate_name, words.path_segment),
                               ("namespace", metadata.namespace, words.dns_label)):
        if value:
            yield from words.check(f"{path}.{field}", value, rule)
    yield from words.label_map(f"{path}.labels", metadata.labels)
    for key in metadata.annotations:
        if problem := labels.key_problem(key.lower()):
            yield words.invalid(f"{path}.annotations", key, problem)
