"""The rules of a strategic merge patch, as `kubectl apply`, `edit`, `label`, `scale` and `set` rely on them.

Maps merge; a list merges when its field says so, by merge key or as a set, and is replaced otherwise. Directives:
`$patch: replace|delete|merge` in a map or an element, `$retainKeys`, `$deleteFromPrimitiveList/<field>` and
`$setElementOrder/<field>`. The order rule is Kubernetes': what the patch names comes in the patch's order, what only
the server has keeps its place before the neighbors it had.
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.api import errors, meta
from edge.api.patch_fields import UNKNOWN, Field, fields

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_REMOVE = "$deleteFromPrimitiveList/"

Identity = Callable[[Any], Any]


def merge(kind: type[meta.Struct] | None, current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Merge a patch into an object of the given type; both are consumed.

    Raises:
        errors.BadRequest: a directive is malformed.
        errors.Invalid: an element lacks its merge key.
    """
    if _PATCH in patch:
        directive = patch.pop(_PATCH)
        if directive == "delete":
            return {}
        if directive == "replace":
            return _clean_map(patch)
        if directive != "merge":
            raise _unknown_directive(directive)
    _retain_keys(current, patch)
    known = fields(kind) if kind else {}
    _ordered_lists(known, current, patch)
    for key, value in patch.items():
        if key.startswith(_REMOVE):
            _remove_from_set(current, key, value)
        elif value is None:
            current.pop(key, None)
        else:
            _merge_field(known.get(key, UNKNOWN), kind, current, key, value)
    return current


def _merge_field(field: Field, kind: type[meta.Struct] | None, current: dict[str, Any], key: str, value: Any) -> None:
    existing = current.get(key)
    if isinstance(value, dict) and isinstance(existing, dict):
        if field.replaces:
            value.setdefault(_PATCH, "replace")
        current[key] = _merge_map(field, existing, value)
    elif isinstance(value, list) and isinstance(existing, list) and field.merges:
        current[key] = _merge_list(field, existing, value, _named(kind, key))
    else:
        cleaned, keep = _clean(value)
        if keep:
            current[key] = cleaned
        else:
            current.pop(key, None)


def _merge_map(field: Field, existing: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Merge a map's value: a Struct by its fields, a free map with the Structs it may hold."""
    if field.container != "map" or field.inner is None:
        return merge(None if field.container else field.inner, existing, value)
    if _PATCH in value:
        return merge(None, existing, value)
    for key, item in value.items():
        _merge_field(Field(field.inner, "", "", ""), None, existing, key, item)
        if item is None:
            existing.pop(key, None)
    return existing


def _named(kind: type[meta.Struct] | None, key: str) -> str:
    return f"{kind.__name__}.{key}" if kind else key


# Lists.


def _merge_list(field: Field, existing: list[Any], patch: list[Any], where: str) -> list[Any]:
    if not existing and not patch:
        return existing
    if not any(isinstance(item, dict) for item in existing + patch):
        order = list(patch)
        return _in_order(list(dict.fromkeys(_hashable(existing + patch, where))), order, existing, _itself)
    if not field.merge_key:
        raise errors.Invalid(f"cannot merge lists without merge key for {where}")
    identity = _by_key(field.merge_key, where)
    before = list(existing)
    merged, items = _element_directives(field, existing, patch, where)
    places = _places(merged, identity)
    for item in items:
        _merge_element(field, merged, places, item, identity(item))
    return _in_order(merged, items, before, identity)


def _element_directives(field: Field, existing: list[Any], patch: list[Any],
                        where: str) -> tuple[list[Any], list[Any]]:
    """Carry out `$patch` in elements; return what is left of the list, and the elements still to merge."""
    items: list[Any] = []
    gone: set[Any] = set()
    replace = False
    for item in patch:
        directive = item.get(_PATCH) if isinstance(item, dict) else None
        if directive is None:
            items.append(item)
        elif directive == "delete":
            if field.merge_key not in item:
                raise _no_merge_key(item, field.merge_key, where)
            gone.add(_itself(item[field.merge_key]))
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            items.append({key: value for key, value in item.items() if key != _PATCH})
        else:
            raise _unknown_directive(directive)
    left = [old for old in existing if not (isinstance(old, dict) and _itself(old.get(field.merge_key)) in gone)]
    return ([], items) if replace else (left, items)


def _merge_element(field: Field, merged: list[Any], places: dict[Any, int], item: Any, name: Any) -> None:
    """Merge one element into the list; `places` says where which one is, as lists may have thousands."""
    position = places.get(name)
    if position is not None:
        merged[position] = merge(field.inner, merged[position], item)
        return
    cleaned, keep = _clean(item)
    if keep:
        places[name] = len(merged)
        merged.append(cleaned)


def _remove_from_set(current: dict[str, Any], key: str, gone: Any) -> None:
    if not isinstance(gone, list):
        raise errors.BadRequest(f"{key}: expected a list")
    name = key.removeprefix(_REMOVE)
    existing = current.get(name)
    if isinstance(existing, list):
        names = {_itself(item) for item in gone}
        current[name] = [item for item in existing if _itself(item) not in names]


def _ordered_lists(known: dict[str, Field], current: dict[str, Any], patch: dict[str, Any]) -> None:
    """Merge the lists whose order the patch gives, and take them and their directives out of the patch."""
    for key in [key for key in patch if key.startswith(_ORDER)]:
        order = patch.pop(key)
        if not isinstance(order, list):
            raise errors.BadRequest(f"{key}: expected a list")
        name = key.removeprefix(_ORDER)
        field = known.get(name, UNKNOWN)
        identity = _by_key(field.merge_key, name) if field.merge_key else _itself
        existing, change = current.get(name), patch.get(name)
        if change is None and name in patch:
            continue
        _check_order(change, order, identity, name)
        if isinstance(change, list) and isinstance(existing, list) and field.merges:
            merged = _merge_list(field, list(existing), change, name)
        elif isinstance(change, list):
            merged = _clean_list(change)
        elif isinstance(existing, list):
            merged = existing
        else:
            continue
        patch.pop(name, None)
        current[name] = _in_order(merged, order, existing if isinstance(existing, list) else [], identity)


def _check_order(change: Any, order: list[Any], identity: Identity, name: str) -> None:
    """The elements of a patch must stand in the order it asks for itself."""
    if not isinstance(change, list):
        return
    wanted = iter([identity(item) for item in order])
    for item in change:
        if isinstance(item, dict) and _PATCH in item:
            continue
        if identity(item) not in wanted:
            raise errors.BadRequest(f"The order in patch list:\n{change}\n doesn't match {_ORDER}{name} list:\n"
                                    f"{order}\n")


def _in_order(merged: list[Any], order: list[Any], before: list[Any], identity: Identity) -> list[Any]:
    """Sort a merged list: the elements of `order` in that order, the others where the server had them."""
    wanted = _places(order, identity)
    had = _places(before, identity)
    named = sorted((item for item in merged if identity(item) in wanted), key=lambda item: wanted[identity(item)])
    others = sorted((item for item in merged if identity(item) not in wanted),
                    key=lambda item: had.get(identity(item), len(had)))
    result: list[Any] = []
    i = j = 0
    while i < len(others) and j < len(named):
        left, right = had.get(identity(others[i])), had.get(identity(named[j]))
        if left is not None and right is not None and left < right:
            result.append(others[i])
            i += 1
        else:
            result.append(named[j])
            j += 1
    return result + others[i:] + named[j:]


def _places(items: list[Any], identity: Identity) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for position, item in enumerate(items):
        places.setdefault(identity(item), position)
    return places


def _itself(item: Any) -> Any:
    return item if isinstance(item, (str, int, float, bool, type(None))) else repr(item)


def _by_key(key: str, where: str) -> Identity:
    def identity(item: Any) -> Any:
        if not isinstance(item, dict) or key not in item:
            raise _no_merge_key(item, key, where)
        return _itself(item[key])

    return identity


def _hashable(items: list[Any], where: str) -> list[Any]:
    if any(isinstance(item, list) for item in items):
        raise errors.Invalid(f"lists of lists are not supported in {where}")
    return items


# What a patch brings along that was not there before: nulls and directives go, the rest stays.


def _clean(value: Any) -> tuple[Any, bool]:
    """Return a new value without nulls and directives, and whether there is one at all."""
    if isinstance(value, dict):
        directive = value.pop(_PATCH, None)
        if directive is not None and directive not in ("replace", "merge", "delete"):
            raise _unknown_directive(directive)
        return _clean_map(value), directive != "delete"
    if isinstance(value, list):
        return _clean_list(value), True
    return value, True


def _clean_map(value: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        if item is None or key == _RETAIN or key.startswith((_ORDER, _REMOVE)):
            continue
        cleaned, keep = _clean(item)
        if keep:
            result[key] = cleaned
    return result


def _clean_list(items: list[Any]) -> list[Any]:
    result: list[Any] = []
    for item in items:
        if isinstance(item, dict) and item.keys() == {_PATCH} and item[_PATCH] == "replace":
            continue
        cleaned, keep = _clean(item)
        if keep:
            result.append(cleaned)
    return result


def _retain_keys(current: dict[str, Any], patch: dict[str, Any]) -> None:
    if _RETAIN not in patch:
        return
    keep = patch.pop(_RETAIN)
    if not isinstance(keep, list):
        raise errors.BadRequest(f"{_RETAIN}: expected a list")
    for key, value in patch.items():
        if value is not None and not key.startswith("$") and key not in keep:
            raise errors.BadRequest(f"{_RETAIN} does not list {key}, which the patch sets")
    for key in [key for key in current if key not in keep]:
        del current[key]


def _unknown_directive(directive: Any) -> errors.BadRequest:
    return errors.BadRequest(f"unknown patch type: {directive} in map")


def _no_merge_key(item: Any, key: str, where: str) -> errors.Invalid:
    return errors.Invalid(f"map: {item} does not contain declared merge key: {key} ({where})")
