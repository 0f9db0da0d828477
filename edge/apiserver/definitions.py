"""CustomResourceDefinitions -> the resources they define, and what a definition says of itself once it is accepted.

A definition that is accepted is served with the very next request: nothing has to notice it first.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

import msgspec

from edge.api import apiextensions, custom, meta, scheme, structural, times
from edge.api.apiextensions import CustomResourceDefinition

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_STABLE = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_STAGES = {None: 2, "beta": 1, "alpha": 0}
_REPLACE = msgspec.structs.replace


def version_order(name: str) -> tuple[object, ...]:
    """Return a key that sorts versions as Kubernetes prefers them: v2, v1, v1beta1, v1alpha1, then others by name."""
    match = _STABLE.fullmatch(name)
    if match is None:
        return (1, name)
    return (0, -_STAGES[match[2]], -int(match[1]), -int(match[3] or 0))


class Definitions:
    """Makes resources of definitions. What has not changed is not made anew: types and compiled schemas are kept."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[CustomResourceDefinition, custom.CustomResource]] = {}

    def resources(self, definitions: Iterable[CustomResourceDefinition]) -> tuple[custom.CustomResource, ...]:
        """Return what the established definitions define."""
        made = {}
        for definition in definitions:
            if not established(definition):
                continue
            uid = definition.metadata.uid
            known = self._made.get(uid)
            if known is None:
                kind, stub = custom.new_types(definition.spec.names.kind)
                made[uid] = (definition, of(definition, kind, stub))
            elif (known[0].spec, known[0].metadata.deletion_timestamp) != (
                    definition.spec, definition.metadata.deletion_timestamp):
                made[uid] = (definition, of(definition, known[1].type, known[1].stub))
            else:
                made[uid] = known
        self._made = made
        return tuple(resource for _, resource in made.values())


def established(definition: CustomResourceDefinition) -> bool:
    """Return whether the kind is served."""
    return any(each.type == "Established" and each.status == "True" for each in definition.status.conditions)


def of(definition: CustomResourceDefinition, kind: type[meta.Object], stub: type[meta.Object]) -> custom.CustomResource:
    """Return the resource of an established definition."""
    spec, names = definition.spec, definition.status.accepted_names
    served = sorted((version for version in spec.versions if version.served),
                    key=lambda version: version_order(version.name))
    stored = next((version.name for version in spec.versions if version.storage), served[0].name if served else "")
    status = any(version.subresources and version.subresources.status for version in served)
    scale = any(version.subresources and version.subresources.scale for version in served)
    return custom.CustomResource(
        group=spec.group, version=stored, kind=names.kind, plural=names.plural, type=kind, stub=stub,
        namespaced=spec.scope != "Cluster", short_names=names.short_names, categories=names.categories,
        subresources=(*(("scale",) if scale else ()), *(("status",) if status else ())),
        own_singular=names.singular, own_list_kind=names.list_kind,
        terminating=definition.metadata.deletion_timestamp is not None, mixed=len(spec.versions) > 1,
        versions={version.name: _version(spec, names.kind, version) for version in served})


def _version(spec: apiextensions.CustomResourceDefinitionSpec, kind: str,
             version: apiextensions.CustomResourceDefinitionVersion) -> custom.Version:
    schema = version.schema.open_api_v3_schema if version.schema else None
    below = version.subresources
    warning = ""
    if version.deprecated:
        warning = version.deprecation_warning or f"{spec.group}/{version.name} {kind} is deprecated"
    prunes = not spec.preserve_unknown_fields
    return custom.Version(
        name=version.name, warning=warning, columns=version.additional_printer_columns, described=schema,
        prunes=prunes, schema=None if schema is None else structural.compile(schema, prunes=prunes),
        status=bool(below and below.status), scale=below.scale if below else None,
        selectable=tuple(field.json_path.removeprefix(".") for field in version.selectable_fields))


def accepted(definition: CustomResourceDefinition, others: Iterable[CustomResourceDefinition],
             now: datetime) -> CustomResourceDefinition:
    """Return the definition with what is decided of it: which names it gets, and whether it is served."""
    names = definition.spec.names
    problem = _conflict(definition, others)
    conditions = {each.type: each for each in definition.status.conditions}
    given = names if not problem else definition.status.accepted_names
    news = [meta.Condition(type="NamesAccepted", status="False" if problem else "True",
                           reason=problem[0] if problem else "NoConflicts",
                           message=problem[1] if problem else "no conflicts found")]
    was = conditions.get("Established")
    if was is None or was.status != "True":
        news.append(meta.Condition(
            type="Established", status="False" if problem else "True",
            reason="NotAccepted" if problem else "InitialNamesAccepted",
            message="not all names are accepted" if problem else "the initial names have been accepted"))
    for new in news:
        old = conditions.get(new.type)
        since = old.last_transition_time if old and old.status == new.status else times.render(now)
        conditions[new.type] = _REPLACE(new, last_transition_time=since)
    stored = definition.status.stored_versions
    stored += tuple(version.name for version in definition.spec.versions
                    if version.storage and version.name not in stored)
    status = _REPLACE(definition.status, conditions=tuple(conditions.values()), accepted_names=given,
                      stored_versions=stored)
    return _REPLACE(definition, status=status)


def _conflict(definition: CustomResourceDefinition,
              others: Iterable[CustomResourceDefinition]) -> tuple[str, str] | None:
    """Return reason and message when another kind of the group has one of the names."""
    group, names = definition.spec.group, definition.spec.names
    taken: dict[str, set[str]] = {"resources": set(), "kinds": set()}
    for each in scheme.resources():
        if each.group == group:
            taken["resources"] |= {each.plural, each.singular, *each.short_names}
            taken["kinds"] |= {each.kind, each.list_kind}
    for other in others:
        if other.metadata.name != definition.metadata.name and other.spec.group == group:
            theirs = other.status.accepted_names
            taken["resources"] |= {theirs.plural, theirs.singular, *theirs.short_names} - {""}
            taken["kinds"] |= {theirs.kind, theirs.list_kind} - {""}
    for reason, wanted, used in (
            ("PluralConflict", (names.plural,), taken["resources"]),
            ("SingularConflict", (names.singular,), taken["resources"]),
            ("ShortNamesConflict", names.short_names, taken["resources"]),
            ("KindConflict", (names.kind,), taken["kinds"]),
            ("ListKindConflict", (names.list_kind,), taken["kinds"])):
        for name in wanted:
            if name in used:
                return reason, f'"{name}" is already in use'
    return None


def prepared(definition: CustomResourceDefinition, others: Iterable[CustomResourceDefinition],
             now: datetime) -> CustomResourceDefinition:
    """Return a definition on its way into the store, with its status and the finalizer that ends its objects."""
    finalizers = definition.metadata.finalizers
    if CLEANUP not in finalizers and definition.metadata.deletion_timestamp is None:
        metadata = _REPLACE(definition.metadata, finalizers=(*finalizers, CLEANUP))
        definition = _REPLACE(definition, metadata=metadata)
    return accepted(definition, others, now)
