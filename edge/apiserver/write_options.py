"""What the query of a write says about its author, checked: the field manager, and force.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers
"""

from __future__ import annotations

from edge.api import errors
from edge.apiserver.paths import ResourceRequest

LONGEST_MANAGER_BYTES = 128
_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}


def manager(asked: ResourceRequest, user_agent: str) -> str:
    """Return the field manager: as asked for, or the first word of the User-Agent."""
    if asked.options.field_manager:
        return asked.options.field_manager
    prefix = "".join(character for character in user_agent.partition("/")[0] if character.isprintable())
    return prefix.encode()[:LONGEST_MANAGER_BYTES].decode(errors="ignore")


def check(asked: ResourceRequest, *, applies: bool = False) -> None:
    """Raise errors.Invalid, in Kubernetes' words, for a field manager that is none, or force without apply."""
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
    if causes:
        raise errors.invalid("meta.k8s.io", kind, "", tuple(causes[:10]))


def _quoted(text: str) -> str:
    return text.encode("unicode_escape").decode()
