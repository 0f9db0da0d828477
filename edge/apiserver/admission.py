"""Completes and judges an object on its way in: identity, defaults, what an update may change, validation.

The order is Kubernetes': defaults, then what admission adds for the kind, then validation of the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from edge.api import custom, defaults, errors, meta, scheme, times, validation
from edge.apiserver import admission_kinds, custom_bodies
from edge.apiserver.admission_kinds import Settings
from edge.apiserver.authenticate import User

O = TypeVar("O", bound=meta.Object)  # noqa: E741
# A generated name is cut so that base and suffix fit the 63 characters of a DNS label.
LONGEST_GENERATED_BASE = 58


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """What a create needs from outside: time, identity, chance, and who asks."""

    now: datetime
    uid: str
    suffix: str
    user: User
    settings: Settings = Settings()


def prepare(resource: scheme.Resource, obj: O, creation: Creation) -> O:
    """Return a new object with its identity, its defaults and what is added for its kind.

    Raises:
        errors.BadRequest: when a resourceVersion is set.
        errors.Invalid: when there is no name.
    """
    if obj.metadata.resource_version:
        raise errors.BadRequest("resourceVersion should not be set on objects to be created")
    name = obj.metadata.name
    if not name and obj.metadata.generate_name:
        name = obj.metadata.generate_name[:LONGEST_GENERATED_BASE] + creation.suffix
    if not name:
        cause = errors.Cause(reason="FieldValueRequired", field="metadata.name",
                             message="Required value: name or generateName is required")
        raise errors.invalid(resource.group, resource.kind, "", (cause,))
    metadata = msgspec.structs.replace(
        obj.metadata, name=name, uid=creation.uid, creation_timestamp=times.render(creation.now), self_link="",
        generation=1 if _counts_generations(resource) else 0, deletion_timestamp=None,
        deletion_grace_period_seconds=None, namespace=obj.metadata.namespace if resource.namespaced else "")
    obj = msgspec.structs.replace(obj, metadata=metadata, api_version=resource.api_version, kind=resource.kind)
    obj = defaults.apply(admission_kinds.without_status(resource, obj))
    return admission_kinds.on_create(obj, creation.user, creation.settings)


def judge_new(resource: scheme.Resource, obj: meta.Object, api_version: str = "") -> None:
    """Raise errors.Invalid when a complete new object may not be stored."""
    check(resource, obj, (*validation.create(obj), *_of_schema(resource, obj, None, api_version)))


def merge(resource: scheme.Resource, new: O, old: O, subresource: str = "") -> O:
    """Return what is to replace `old`: on the main resource the status is kept, on a subresource everything else is.

    Raises:
        errors.Conflict: when `new` has another uid.
        errors.Invalid: for finalizers that come too late.
    """
    check_uid(resource, new.metadata.uid, old)
    if new.metadata.deletion_timestamp and not old.metadata.deletion_timestamp:
        check(resource, old, (errors.Cause(
            reason="FieldValueInvalid", field="metadata.deletionTimestamp",
            message=f'Invalid value: "{new.metadata.deletion_timestamp}": field is immutable'),))
    if subresource:
        merged = admission_kinds.on_subresource(new, old, subresource)
    else:
        merged = msgspec.structs.replace(new, metadata=_kept_metadata(new.metadata, old.metadata),
                                         api_version=resource.api_version, kind=resource.kind)
        if "status" in resource.subresources:
            merged = custom.with_part(merged, "status", custom.part(old, "status"))
        merged = admission_kinds.on_update(defaults.apply(merged), old)
        _check_finalizers(resource, merged, old)
    return merged


def judge_change(resource: scheme.Resource, new: O, old: O, subresource: str = "", api_version: str = "") -> O:
    """Return the object that replaces `old`, its generation counted and its resourceVersion left to the store.

    Raises errors.Invalid when validation finds something wrong.
    """
    if old.metadata.generation and _specified(new) != _specified(old):
        metadata = msgspec.structs.replace(new.metadata, generation=old.metadata.generation + 1)
        new = msgspec.structs.replace(new, metadata=metadata)
    check(resource, new, (*validation.update(new, old, subresource), *_of_schema(resource, new, old, api_version)))
    return new


def check(resource: scheme.Resource, obj: meta.Object, causes: tuple[errors.Cause, ...]) -> None:
    """Raise errors.Invalid when there are causes."""
    if causes:
        raise errors.invalid(resource.group, resource.kind, obj.metadata.name, causes)


def check_uid(resource: scheme.Resource, uid: str, old: meta.Object) -> None:
    """Raise errors.Conflict when a uid is asked for and the object has another."""
    if uid and uid != old.metadata.uid:
        raise errors.conflict(resource.group_resource, old.metadata.name,
                              f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
                              f"{old.metadata.uid}")


def no_unique_name(resource: scheme.Resource, name: str) -> errors.AlreadyExists:
    """Return the 409 of a create whose generated names were all taken."""
    taken = errors.already_exists(resource.group_resource, name)
    taken.message += ", the server was not able to generate a unique name for the object"
    taken.details = {**(taken.details or {}), "retryAfterSeconds": 1}
    return taken


def namespace_closed(group_resource: str, name: str, namespace: str) -> errors.Forbidden:
    """Return the 403 of a create in a namespace that is on its way out."""
    text = (f'{group_resource} "{name}" is forbidden: unable to create new content in namespace {namespace} '
            "because it is being terminated")
    plural, _, group = group_resource.partition(".")
    details: dict[str, Any] = {"name": name, "group": group, "kind": plural, "causes": [
        {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated",
         "field": "metadata.namespace"}]}
    return errors.Forbidden(text, details={key: value for key, value in details.items() if value})


def with_revision(obj: O, revision: str) -> O:
    """Return the object with that resourceVersion."""
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, resource_version=revision))


def _counts_generations(resource: scheme.Resource) -> bool:
    if isinstance(resource, custom.CustomResource):
        return True
    return bool(resource.group) and "spec" in resource.type.__struct_fields__


def _specified(obj: meta.Object) -> Any:
    """Return the part of an object whose changes make a new generation."""
    if isinstance(obj, custom.Custom):
        return {key: value for key, value in obj.content.items() if key != "status"}
    return getattr(obj, "spec", None)


def _of_schema(resource: scheme.Resource, obj: meta.Object, old: meta.Object | None,
               api_version: str) -> tuple[errors.Cause, ...]:
    """Return what a custom object's own schema finds wrong."""
    if not isinstance(resource, custom.CustomResource) or not isinstance(obj, custom.Custom):
        return ()
    return custom_bodies.causes(resource, api_version, obj, old if isinstance(old, custom.Custom) else None)


def _kept_metadata(new: meta.ObjectMeta, old: meta.ObjectMeta) -> meta.ObjectMeta:
    """Return the new metadata with everything only the server may say taken from the old."""
    return msgspec.structs.replace(
        new, name=old.name, namespace=old.namespace, uid=old.uid, creation_timestamp=old.creation_timestamp,
        generation=old.generation, deletion_timestamp=old.deletion_timestamp, self_link="",
        deletion_grace_period_seconds=old.deletion_grace_period_seconds, generate_name=old.generate_name,
        resource_version=old.resource_version)


def _check_finalizers(resource: scheme.Resource, new: meta.Object, old: meta.Object) -> None:
    added = [name for name in new.metadata.finalizers if name not in old.metadata.finalizers]
    if old.metadata.deletion_timestamp and added:
        shown = ", ".join(f'"{name}"' for name in added)
        check(resource, new, (errors.Cause(
            reason="FieldValueForbidden", field="metadata.finalizers",
            message="Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
                    f"[]string{{{shown}}}"),))
