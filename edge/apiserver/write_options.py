"""What the query of a write says beside the object, checked: the field manager, force, dry runs, strictness.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.api import errors
from edge.apiserver.paths import ResourceRequest

LONGEST_MANAGER_BYTES = 128
VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions", "delete": "DeleteOptions",
          "deletecollection": "DeleteOptions"}


def manager(asked: ResourceRequest, user_agent: str) -> str:
    """Return the field manager: as asked for, or the first word of the User-Agent."""
    if asked.options.field_manager:
        return asked.options.field_manager
    prefix = "".join(character for character in user_agent.partition("/")[0] if character.isprintable())
    return prefix.encode()[:LONGEST_MANAGER_BYTES].decode(errors="ignore")


def check(asked: ResourceRequest, *, applies: bool = False) -> None:
    """Raise errors.Invalid, in Kubernetes' words, for what cannot be asked of a write."""
    kind = _KINDS.get(asked.verb)
    if kind is None:
        return
    name, causes = asked.options.field_manager, []
    if applies and not name:
        causes.append(errors.Cause(reason="FieldValueRequired", field="fieldManager",
                                   message="Required value: is required for apply patch"))
    if asked.verb == "patch" and not applies and "force" in asked.query:
        causes.append(errors.Cause(reason="FieldValueForbidden", field="force",
                                   message="Forbidden: may not be specified for non-apply patch"))
    if len(name.encode()) > LONGEST_MANAGER_BYTES:
        causes.append(errors.Cause(reason="FieldValueTooLong", field="fieldManager",
                                   message=f"Too long: may not be more than {LONGEST_MANAGER_BYTES} bytes"))
    position = 0
    for character in name:
        if not character.isprintable():
            where = f"invalid character U+{ord(character):04X} (at position {position})"
            causes.append(errors.Cause(reason="FieldValueInvalid", field="fieldManager",
                                       message=f'Invalid value: "{_quoted(name)}": {where}'))
        position += len(character.encode())
    causes = [*causes[:10], *dry_run(asked.query.get("dryRun", []))]
    if kind != "DeleteOptions" and asked.options.field_validation not in VALIDATIONS:
        supported = ", ".join(f'"{value}"' for value in VALIDATIONS)
        causes.append(errors.Cause(
            reason="FieldValueNotSupported", field="fieldValidation",
            message=f'Unsupported value: "{_quoted(asked.options.field_validation)}": supported values: {supported}'))
    if causes:
        raise errors.invalid("meta.k8s.io", kind, "", tuple(causes))


def dry_run(values: Sequence[str]) -> tuple[errors.Cause, ...]:
    """Return what is wrong with the values of dryRun: each has to be All."""
    if all(value == "All" for value in values):
        return ()
    shown = ", ".join(f'"{_quoted(value)}"' for value in values)
    return (errors.Cause(reason="FieldValueNotSupported", field="dryRun",
                         message=f'Unsupported value: []string{{{shown}}}: supported values: "All"'),)


def _quoted(text: str) -> str:
    return text.encode("unicode_escape").decode()
