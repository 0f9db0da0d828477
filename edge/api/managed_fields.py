"""Who manages which fields of an object: what `metadata.managedFields` says, and how a write changes it.

A write makes its author the owner of every field it gave another value, and takes those fields from everybody else.
What identity, time and version of an object are made of is nobody's.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.api import fieldsets, meta
from edge.api.comparison import Comparison
from edge.api.fieldsets import FieldSet

APPLY, UPDATE = "Apply", "Update"
ANCIENT = "ancient-changes"
MOST_UPDATERS = 10
"""Entries of updates that are kept apart; older ones are put together."""
RESET = (meta.ManagedFieldsEntry(),)
"""What a client sends to have the managed fields of an object forgotten."""
_META = "f:metadata"
_NOBODYS = fieldsets.of_paths([("f:apiVersion",), ("f:kind",), (_META,), *(
    (_META, f"f:{name}") for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
        "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"))])


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """Who owns fields: one entry of the managed fields."""

    manager: str
    operation: str
    subresource: str = ""
    api_version: str = ""
    """Of an update, the version it was made in. Who applies has one entry, whatever the version."""

    def __str__(self) -> str:
        name = f'"{self.manager}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")
        return f"{name} using {self.api_version}" if self.operation == UPDATE else name


@dataclass(frozen=True, slots=True)
class Claim:
    """The fields of one owner."""

    fields: FieldSet
    api_version: str
    time: str = ""


Managed = Mapping[Owner, Claim]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of an object a request can write, and so own."""

    only: str = ""
    """The one top-level field a subresource writes; empty for the main resource."""
    never: str = ""
    """A top-level field that only a subresource writes."""

    def of(self, fields: FieldSet) -> FieldSet:
        """Return the fields that belong to the part."""
        if self.only:
            return fields.only(f"f:{self.only}")
        return fields.apart_from(f"f:{self.never}") if self.never else fields

    def tracked(self, fields: FieldSet) -> FieldSet:
        """Return the fields of the part that can have an owner."""
        return self.of(fields) - _NOBODYS

    def narrow(self, compared: Comparison) -> Comparison:
        """Return the differences in the part."""
        return Comparison(self.of(compared.added), self.of(compared.modified), self.of(compared.removed))


def scope_of(subresource: str, *, has_status: bool) -> Scope:
    """Return the part of an object that a subresource, or the main resource, writes."""
    if not subresource:
        return Scope(never="status" if has_status else "")
    return Scope(only="status" if subresource in ("status", "approval") else "spec")


def owner_of(manager: str, operation: str, api_version: str, subresource: str = "") -> Owner:
    """Return the owner that an entry names."""
    return Owner(manager, operation, subresource, api_version if operation == UPDATE else "")


def read(entries: Iterable[meta.ManagedFieldsEntry]) -> dict[Owner, Claim]:
    """Return what the entries say. Raises ValueError when one of them is none that a server has written."""
    managed: dict[Owner, Claim] = {}
    for entry in entries:
        if entry.operation not in (APPLY, UPDATE):
            raise ValueError("operation must be `Apply` or `Update`")
        if not entry.api_version:
            raise ValueError("apiVersion must not be empty")
        if entry.fields_type != "FieldsV1":
            raise ValueError(f'invalid fieldsType "{entry.fields_type}"')
        owner = owner_of(entry.manager, entry.operation, entry.api_version, entry.subresource)
        managed[owner] = Claim(fieldsets.parse(entry.fields_v1 or {}), entry.api_version, entry.time or "")
    return managed


def write(managed: Managed) -> tuple[meta.ManagedFieldsEntry, ...]:
    """Return the entries in their order: who applies first, then by time."""
    ordered = sorted(managed.items(), key=lambda item: (item[0].operation, item[1].time, item[0].manager,
                                                        item[1].api_version, item[0].subresource))
    return tuple(meta.ManagedFieldsEntry(
        manager=owner.manager, operation=owner.operation, api_version=claim.api_version, time=claim.time or None,
        fields_type="FieldsV1", fields_v1=fieldsets.write(claim.fields), subresource=owner.subresource)
        for owner, claim in ordered)


def sent(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object with what asks for its managed fields to be forgotten in one form: an empty list is `[{}]`, too.

    A Struct cannot tell an empty list from none, and none means that they stay.
    """
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("managedFields") != []:
        return obj
    return {**obj, "metadata": {**metadata, "managedFields": [{}]}}


def same(one: Managed, other: Managed) -> bool:
    """Return whether the same owners have the same fields, whenever they took them."""
    return {owner: replace(claim, time="") for owner, claim in one.items()} \
        == {owner: replace(claim, time="") for owner, claim in other.items()}


def served(managed: Managed, versions: Collection[str]) -> dict[Owner, Claim]:
    """Return the managed fields without entries of versions that are no longer there, and without empty ones."""
    return {owner: claim for owner, claim in managed.items() if claim.api_version in versions and claim.fields}


def taken(managed: Managed, fields: FieldSet, keeper: Owner | None = None) -> dict[Owner, Claim]:
    """Return the managed fields without these, except those of one owner."""
    left = {owner: claim if owner == keeper else replace(claim, fields=claim.fields - fields)
            for owner, claim in managed.items()}
    return {owner: claim for owner, claim in left.items() if claim.fields or owner == keeper}


def updated(managed: Managed, compared: Comparison, writer: Owner, scope: Scope, now: str) -> dict[Owner, Claim]:
    """Return who manages what after an update by one owner: the fields it changed are its own, and only its own."""
    compared = scope.narrow(compared)
    written = compared.added | compared.modified
    after = taken(taken(managed, written, writer), compared.removed)
    mine = scope.tracked(written)
    if mine:
        had = managed[writer].fields - compared.removed if writer in managed else fieldsets.NOTHING
        after[writer] = Claim(had | mine, writer.api_version, now)
    return _capped(after)


def _capped(managed: dict[Owner, Claim]) -> dict[Owner, Claim]:
    """Put the oldest updates of a version together, until there are not too many."""
    updaters = sorted((owner for owner in managed if owner.operation == UPDATE),
                      key=lambda owner: (managed[owner].time, owner))
    count, first = len(updaters), dict[str, Owner]()
    for owner in updaters:
        if count <= MOST_UPDATERS:
            break
        oldest = first.setdefault(owner.api_version, owner)
        if oldest == owner:
            continue
        bucket = owner_of(ANCIENT, UPDATE, owner.api_version)
        if bucket not in managed:
            managed[bucket] = managed.pop(oldest)
        if bucket != owner:
            claim = managed.pop(owner)
            managed[bucket] = replace(claim, fields=claim.fields | managed[bucket].fields)
            count -= 1
    return managed
