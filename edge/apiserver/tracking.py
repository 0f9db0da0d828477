"""Keeps the managed fields of objects right at every write, for the kinds that are served.

An object on which nobody has applied has none, and stays that way; a write to any other object notes who changed which
fields (`edge.api.managed_fields`). Who knows nothing of managed fields cannot take them away by leaving them out.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from edge.api import codec, custom, defaults, errors, managed_fields, meta, scheme, shapes, times
from edge.api.apply import Terms
from edge.api.comparison import compare
from edge.api.managed_fields import UPDATE, Claim, Owner
from edge.apiserver import bodies
from edge.apiserver.write import Write

O = TypeVar("O", bound=meta.Object)  # noqa: E741

UNKNOWN = "unknown"
"""A client that does not say who it is."""


def terms_of(resource: scheme.Resource, api_version: str, subresource: str) -> Terms:
    """Return what applying to a resource through a version and a subresource needs to know."""
    return Terms(shape=shape_of(resource, api_version),
                 scope=managed_fields.scope_of(subresource, has_status="status" in resource.subresources),
                 complete=lambda config: _completed(resource, api_version, config))


def shape_of(resource: scheme.Resource, api_version: str) -> shapes.Shape:
    """Return how objects of a resource are merged. Built-in kinds are alike in all their versions."""
    if not isinstance(resource, custom.CustomResource):
        return shapes.of_struct(resource.type)
    version = resource.version_of(api_version)
    return shapes.of_custom(version.described if version is not None else None)


def managed_by(resource: scheme.Resource, entries: tuple[meta.ManagedFieldsEntry, ...]) -> dict[Owner, Claim]:
    """Return what entries say, without those of versions that are not served; nothing when they are broken."""
    try:
        return managed_fields.served(managed_fields.read(entries), _versions(resource))
    except ValueError:
        return {}


def forgotten(obj: O) -> O:
    """Return the object without managed fields."""
    return with_entries(obj, ())


def with_entries(obj: O, entries: tuple[meta.ManagedFieldsEntry, ...]) -> O:
    """Return the object with other managed fields."""
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, managed_fields=entries))


def tracked(resource: scheme.Resource, old: meta.Object, asked: meta.Object, new: O, write: Write, now: datetime) -> O:
    """Return an object on its way into the store with the managed fields it has then.

    `asked` is what the client wants, `new` what has become of it. Raises errors.BadRequest for an object that is nested
    too deeply to be compared.
    """
    if write.applied:
        return with_entries(new, _applied(resource, old, asked, new))
    before = old.metadata.managed_fields
    if not write.subresource:
        if asked.metadata.managed_fields == managed_fields.RESET:
            return forgotten(new)
        if managed_by(resource, asked.metadata.managed_fields):
            before = asked.metadata.managed_fields
    version = write.api_version or resource.api_version
    subresource = write.subresource or write.through
    writer = managed_fields.owner_of(write.manager or UNKNOWN, UPDATE, version, subresource)
    scope = managed_fields.scope_of(subresource, has_status="status" in resource.subresources)
    managed = managed_by(resource, before)
    if not managed:
        return forgotten(new)
    try:
        compared = compare(shape_of(resource, version), _bare(old), _bare(new))
    except RecursionError as error:
        raise errors.BadRequest("the object is nested too deeply") from error
    after = managed_fields.updated(managed, compared, writer, scope, times.render(now))
    unchanged = after == managed and len(before) == len(managed)
    return with_entries(new, before if unchanged else managed_fields.write(after))


def _applied(resource: scheme.Resource, old: meta.Object, asked: meta.Object,
             new: meta.Object) -> tuple[meta.ManagedFieldsEntry, ...]:
    """Return the entries as the apply has worked them out; the old ones when nothing but their time would change."""
    entries, before = asked.metadata.managed_fields, old.metadata.managed_fields
    if managed_fields.same(managed_by(resource, entries), managed_by(resource, before)) and _bare(new) == _bare(old):
        return before
    return entries


def _bare(obj: meta.Object) -> dict[str, Any]:
    """Return the object as JSON, without what no comparison should see."""
    plain = msgspec.structs.replace(obj.metadata, managed_fields=(), resource_version="")
    return codec.to_dict(msgspec.structs.replace(obj, metadata=plain))


def _versions(resource: scheme.Resource) -> set[str]:
    names = {resource.api_version, *resource.old_versions}
    if isinstance(resource, custom.CustomResource):
        names |= {f"{resource.group}/{name}" for name in resource.versions}
    return names


def _completed(resource: scheme.Resource, api_version: str, config: dict[str, Any]) -> dict[str, Any] | None:
    """Return a configuration of any version of a kind, with its defaults, in one version."""
    sent = config.get("apiVersion")
    if config.get("kind") != resource.kind or sent not in _versions(resource):
        return None
    try:
        obj = defaults.apply(bodies.decode(resource, str(sent), config, "Ignore").obj)
    except errors.ApiError:
        return None
    return scheme.to_version(resource, api_version, codec.to_dict(obj))
