"""Judges what a list or a watch asks of revisions, in Kubernetes' words, and fills in what a plain watch means.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from dataclasses import replace

from edge.api import errors
from edge.apiserver.paths import Options

EXACT, NOT_OLDER = "Exact", "NotOlderThan"
_MATCH = "resourceVersionMatch"


def for_list(options: Options) -> None:
    """Raise errors.Invalid for options that a list cannot have together."""
    match, causes = options.resource_version_match, []
    if match:
        if not options.resource_version:
            causes.append(_forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided"))
        if options.continue_token:
            causes.append(_forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
        if match not in (EXACT, NOT_OLDER):
            causes.append(_not_supported(match, EXACT, NOT_OLDER, ""))
        if match == EXACT and options.resource_version == "0":
            causes.append(_forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if options.send_initial_events is not None:
        causes.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    _refuse(causes)


def for_watch(options: Options) -> Options:
    """Return a watch's options with what is meant by those that are not there.

    Raises errors.Invalid for options that a watch cannot have together.
    """
    match, causes = options.resource_version_match, []
    if options.send_initial_events is None and not match and options.resource_version in ("", "0"):
        return replace(options, send_initial_events=True, resource_version_match=NOT_OLDER)
    if options.send_initial_events is not None and match != NOT_OLDER:
        causes.append(_forbidden(_MATCH, f"sendInitialEvents requires setting {_MATCH} to {NOT_OLDER}"))
    if match:
        if options.send_initial_events is None:
            causes.append(_forbidden(_MATCH, f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"))
        if match != NOT_OLDER:
            causes.append(_not_supported(match, NOT_OLDER))
        if options.continue_token:
            causes.append(_forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided"))
    _refuse(causes)
    return options


def _forbidden(field: str, why: str) -> errors.Cause:
    return errors.Cause(reason="FieldValueForbidden", field=field, message=f"Forbidden: {why}")


def _not_supported(match: str, *supported: str) -> errors.Cause:
    values = ", ".join(f'"{value}"' for value in supported)
    return errors.Cause(reason="FieldValueNotSupported", field=_MATCH,
                        message=f'Unsupported value: "{match}": supported values: {values}')


def _refuse(causes: list[errors.Cause]) -> None:
    if causes:
        raise errors.invalid("meta.k8s.io", "ListOptions", "", tuple(causes))
