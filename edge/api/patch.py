"""Applies the three kinds of patch a client sends: JSON patch, merge patch, strategic merge patch.

All of them take plain JSON values and return a new object; what was passed in is left alone.
https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from edge.api import errors, meta, patch_strategic

# Kubernetes' own limits: operations in one patch, and bytes that `copy` operations may add up to.
MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 * 1024 * 1024
_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


def json_patch(current: dict[str, Any], ops: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the object after the operations of a JSON patch (RFC 6902), all of them or none.

    Raises:
        errors.BadRequest: the patch is not one.
        errors.Invalid: an operation does not fit the object, or a `test` does not hold.
        errors.TooLarge: more than 10,000 operations, or copies of more than 3 MiB in all.
    """
    import jsonpatch  # With the first patch of this kind, which few clients send.
    import jsonpointer

    _check_operations(ops)
    result: Any = copy.deepcopy(current)
    copied = 0
    for op in ops:
        try:
            if op["op"] == "copy":
                copied += len(msgspec.json.encode(jsonpointer.resolve_pointer(result, op["from"])))
                if copied > MAX_COPIED_BYTES:
                    raise errors.TooLarge(f"the copy operations of the patch add up to more than {MAX_COPIED_BYTES} "
                                          "bytes")
            result = jsonpatch.apply_patch(result, [op], in_place=True)
        except RecursionError as error:
            raise errors.BadRequest("the patch is nested too deeply") from error
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, IndexError,
                ValueError, AttributeError) as error:
            raise _does_not_apply(op, error) from error
    if not isinstance(result, dict):
        raise errors.Invalid("the patch leaves something other than an object")
    return result


def _check_operations(ops: Any) -> None:
    if not isinstance(ops, list):
        raise errors.BadRequest("error decoding patch: a JSON patch is a list of operations")
    if len(ops) > MAX_OPERATIONS:
        raise errors.TooLarge(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}")
    for op in ops:
        if not isinstance(op, dict):
            raise errors.BadRequest("error decoding patch: an operation of a JSON patch is an object")
        if op.get("op") not in _OPERATIONS:
            raise errors.BadRequest(f"error decoding patch: unexpected kind: {op.get('op')}")
        for key in ("path", "from") if op["op"] in ("move", "copy") else ("path",):
            if not isinstance(op.get(key), str):
                raise errors.BadRequest(f'error decoding patch: operation "{op["op"]}" needs "{key}"')
        if op["op"] in ("add", "replace", "test") and "value" not in op:
            raise errors.BadRequest(f'error decoding patch: operation "{op["op"]}" needs "value"')


def _does_not_apply(op: dict[str, Any], error: Exception) -> errors.Invalid:
    """Word a failed operation: the server's generic sentence, with the operation that failed."""
    import jsonpointer

    if op["op"] == "test":
        why = f"testing value {op['path']} failed: test failed"
    elif isinstance(error, jsonpointer.JsonPointerException):  # its own words show the whole object
        place = f'from path: "{op["from"]}" or path: "{op["path"]}"' if "from" in op else f'path: "{op["path"]}"'
        why = f"{op['op']} operation does not apply: doc is missing {place}: missing value"
    else:
        why = f"{op['op']} operation does not apply: {op['path']}: {error}"
    return errors.Invalid(f"the server rejected our request due to an error in our request: {why}",
                          details={"causes": [{"reason": "UnexpectedServerResponse", "message": why}]})


def merge_patch(current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the object after a JSON merge patch (RFC 7396): maps merge, null deletes, everything else replaces.

    Raises:
        errors.BadRequest: the patch is not an object, or is nested too deeply.
    """
    if not isinstance(patch, dict):
        raise errors.BadRequest("a merge patch is an object")
    try:
        result = _merge(current, patch)
    except RecursionError as error:
        raise errors.BadRequest("the patch is nested too deeply") from error
    assert isinstance(result, dict)
    return result


def _merge(current: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def strategic_merge_patch(kind: type[meta.Struct], current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the object after a strategic merge patch: lists merge by the keys the type's fields declare.

    Raises:
        errors.BadRequest: the patch or one of its directives is malformed.
        errors.Invalid: an element of a list lacks its merge key.
    """
    if not isinstance(patch, dict):
        raise errors.BadRequest("a strategic merge patch is an object")
    try:
        return patch_strategic.merge(kind, copy.deepcopy(current), copy.deepcopy(patch))
    except RecursionError as error:
        raise errors.BadRequest("the patch is nested too deeply") from error
