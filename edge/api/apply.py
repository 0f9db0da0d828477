"""Server-side apply: merges what a client declares into the live object, and keeps account of who declared what.

What an applier leaves out that it declared before is removed, unless somebody else owns it. What others own with
another value is a conflict, unless the applier forces it.

An object on which nobody has applied yet has no managed fields: they would cost card and memory for nothing. So the
first apply first settles who owns what is there (`docs/adr/managed-fields.md`).
https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from edge.api import errors, fieldsets, managed_fields
from edge.api.comparison import compare, everything
from edge.api.fieldsets import FieldSet
from edge.api.managed_fields import APPLY, UPDATE, Claim, Managed, Owner, Scope
from edge.api.shaped_values import fields_of, merge, problems, with_parents, without
from edge.api.shaped_values import same as same_values
from edge.api.shapes import Shape

Json = dict[str, Any]

BEFORE, CLIENT_SIDE, KUBECTL = "before-first-apply", "kubectl-client-side-apply", "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LARGEST_ANNOTATIONS_BYTES = 256 * 1024
_ANNOTATION = ("f:metadata", "f:annotations", f"f:{LAST_APPLIED}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Applier:
    """Who applies, and how."""

    manager: str
    api_version: str
    """The version that the live object and the configuration are in."""
    subresource: str = ""
    force: bool = False

    @property
    def owner(self) -> Owner:
        """Its entry of the managed fields."""
        return managed_fields.owner_of(self.manager, APPLY, self.api_version, self.subresource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What applying to a kind needs to know of it."""

    shape: Shape
    scope: Scope
    complete: Callable[[Json], Json | None] = lambda config: None
    """Returns a configuration with its defaults, or None when it is not one of this kind."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The object that comes of it, without managed fields, and who manages it then."""

    obj: Json
    managed: Managed


def check(config: Json, shape: Shape, *, what: str, strict: bool = False) -> None:
    """Raise errors.BadRequest for a configuration that cannot be applied; `what` names it.

    With `strict`, fields that the kind does not have are a reason, too.
    """
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise errors.BadRequest("metadata.managedFields must be nil")
    found = [f"{fieldsets.show(path)}: {why}" for path, why in problems(shape, config, strict=strict)]
    if found:
        text = found[0] if len(found) == 1 else "\n  ".join(["errors:", *found])
        raise errors.BadRequest(f"failed to create typed patch object ({what}): {text}")


def apply(live: Json, config: Json, managed: Managed, applier: Applier, terms: Terms, now: str) -> Applied:
    """Return the live object with a configuration applied; nothing at all is `live` when it does not exist yet.

    Raises errors.Conflict when others own fields with another value.
    """
    shape, owner = terms.shape, applier.owner
    live = _without_managed_fields(live)
    managed = _settled(managed, live, applier, terms, now)
    declared = terms.scope.of(fields_of(shape, config))
    last = managed.get(owner)
    others = {other: claim for other, claim in managed.items() if other != owner}
    obj = merge(shape, live, config)
    if last is not None:
        obj = _pruned(shape, obj, last.fields, declared, others)
    compared = terms.scope.narrow(compare(shape, live, obj))
    conflicts = {other: shared for other, claim in others.items()
                 if (shared := claim.fields & (compared.added | compared.modified))}
    if conflicts and not applier.force:
        _refuse(conflicts, _taken_over(live, applier, terms))
    after = managed_fields.taken(others, compared.added | compared.modified | compared.removed)
    fields = terms.scope.tracked(declared)
    if fields:
        unchanged = last is not None and last.fields == fields and same_values(live, obj)
        after[owner] = Claim(fields, applier.api_version, last.time if unchanged and last else now)
    return Applied(_annotated(obj, config) if applier.manager == KUBECTL else obj, after)


def _pruned(shape: Shape, merged: Json, last: FieldSet, declared: FieldSet, others: Managed) -> Json:
    """Return the merged object without what its applier declared last time, does not any more, and nobody else owns.

    A named field goes when nobody owns anything in it.
    """
    last = with_parents(shape, last)
    owned = declared
    for claim in others.values():
        owned |= claim.fields
    there = with_parents(shape, fields_of(shape, merged))
    left = with_parents(shape, fields_of(shape, without(shape, merged, last)))
    kept = without(shape, merged, there - (left | with_parents(shape, owned)))
    gone = (there - with_parents(shape, fields_of(shape, kept))) & last
    pruned: Json = without(shape, merged, gone)
    return pruned


def _settled(managed: Managed, live: Json, applier: Applier, terms: Terms, now: str) -> Managed:
    """Return the managed fields with owners for what was there before anybody tracked this part of the object.

    What `kubectl apply` wrote on the client's side is known by its annotation, and stays kubectl's; the rest belongs to
    whatever was before.
    """
    if not live or any(terms.scope.of(claim.fields) for claim in managed.values()):
        return managed
    there = terms.scope.tracked(fieldsets.of_paths(everything(terms.shape, live)))
    version, subresource = applier.api_version, applier.subresource
    kubectls = _client_side(live, terms) & there
    owners = {managed_fields.owner_of(CLIENT_SIDE, UPDATE, version, subresource): kubectls,
              managed_fields.owner_of(BEFORE, UPDATE, version, subresource): there - kubectls}
    return {**managed, **{owner: Claim(fields, version, now) for owner, fields in owners.items() if fields}}


def _client_side(live: Json, terms: Terms) -> FieldSet:
    """Return the fields that are still as the last client-side apply has left them, defaults included."""
    config = _last_applied(live)
    completed = terms.complete(config) if config is not None else None
    if completed is None:
        return fieldsets.NOTHING
    compared = compare(terms.shape, completed, live)
    written = fieldsets.of_paths(everything(terms.shape, completed))
    return (written - compared.modified - compared.removed) | fieldsets.of_paths([_ANNOTATION, _ANNOTATION[:2]])


def _taken_over(live: Json, applier: Applier, terms: Terms) -> FieldSet:
    """Return the fields that kubectl may take without force: those its own client-side apply has written."""
    config = _last_applied(live)
    if applier.manager != KUBECTL or config is None or config.get("apiVersion") != applier.api_version:
        return fieldsets.NOTHING
    compared = compare(terms.shape, config, live)
    return fields_of(terms.shape, config) - compared.modified - compared.added - compared.removed


def _refuse(conflicts: Mapping[Owner, FieldSet], allowed: FieldSet) -> None:
    """Raise errors.Conflict, in Kubernetes' words, when something is left that is not allowed."""
    left = [(owner, fieldsets.show(path)) for owner, fields in sorted(conflicts.items())
            for path in (fields - allowed).paths()]
    if not left:
        return
    causes = [{"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": field}
              for owner, field in left]
    if len(left) == 1:
        text = f"Apply failed with 1 conflict: conflict with {left[0][0]}: {left[0][1]}"
    else:
        lines: list[str] = []
        for owner in dict.fromkeys(owner for owner, _ in left):
            lines += [f"conflicts with {owner}:", *(f"- {field}" for other, field in left if other == owner)]
        text = f"Apply failed with {len(left)} conflicts: " + "\n".join(lines)
    raise errors.Conflict(text, details={"causes": causes})


def _last_applied(obj: Json) -> Json | None:
    """Return the configuration that a client-side apply has left in its annotation, if it is readable."""
    text = _annotations(obj).get(LAST_APPLIED)
    if not isinstance(text, str) or not text:
        return None
    try:
        config = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return config if isinstance(config, dict) else None


def _annotated(obj: Json, config: Json) -> Json:
    """Return the object with the annotation of client-side apply brought up to date, if it has one."""
    annotations = _annotations(obj)
    if not annotations.get(LAST_APPLIED):
        return obj
    metadata = dict(config.get("metadata") or {})
    if LAST_APPLIED in _annotations(config):
        metadata["annotations"] = {name: value for name, value in metadata["annotations"].items()
                                   if name != LAST_APPLIED}
    text = msgspec.json.encode({**config, "metadata": metadata}, order="sorted").decode() + "\n"
    annotations = {**annotations, LAST_APPLIED: text}
    if sum(len(name) + len(str(value)) for name, value in annotations.items()) > LARGEST_ANNOTATIONS_BYTES:
        del annotations[LAST_APPLIED]
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def _annotations(obj: Json) -> Json:
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def _without_managed_fields(obj: Json) -> Json:
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
