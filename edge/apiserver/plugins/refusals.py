"""How plugins say no."""

from __future__ import annotations

from collections.abc import Iterable

from edge.api import errors
from edge.apiserver.admit import Attributes


def aggregated(reasons: Iterable[str]) -> str:
    """Return several reasons as one: `[a, b]`; a single one as it is."""
    different = tuple(dict.fromkeys(reasons))
    return different[0] if len(different) == 1 else f"[{', '.join(different)}]"


def early(request: Attributes, why: str) -> errors.Forbidden:
    """Return the 403 of a plugin that changes objects; a name that is still to be generated is shown as its prefix."""
    name = request.name
    if request.obj is not None and (prefix := request.obj.metadata.generate_name) and name.startswith(prefix[:58]):
        name = prefix
    return errors.forbidden(request.resource.group_resource, name, why)
