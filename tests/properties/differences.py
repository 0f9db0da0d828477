"""Three ways to say how one object becomes another: the patches a client would send, made from what both are.

Written from the documents, not from the code that applies them. Where there are several ways to say a thing, `choose`
picks one, so that every directive has its turn.
https://www.rfc-editor.org/rfc/rfc6902, https://www.rfc-editor.org/rfc/rfc7396
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edge.api import meta, patch_fields
from edge.api.patch_fields import UNKNOWN, Field
from tests.properties.objects import Json, same

Choose = Callable[[int], int]
"""Returns a number below its argument."""


# RFC 6902.


def json_patch(old: Json, new: Json, choose: Choose) -> list[Json]:
    """Return the operations that make one object another."""
    return list(_operations("", old, new, choose))


def _operations(path: str, old: Any, new: Any, choose: Choose) -> Iterator[Json]:
    if same(old, new):
        return
    way = choose(6)
    if way == 0:
        yield {"op": "test", "path": path, "value": old}
    if way != 1 and isinstance(old, dict) and isinstance(new, dict):
        yield from _members(path, old, new, choose)
    elif way != 1 and isinstance(old, list) and isinstance(new, list):
        yield from _elements(path, old, new, choose)
    else:
        yield {"op": "replace", "path": path, "value": new}


def _members(path: str, old: Json, new: Json, choose: Choose) -> Iterator[Json]:
    gone = [key for key in old if key not in new]
    stays = [key for key in old if key in new]
    for key in (key for key in new if key not in old):
        here = _below(path, key)
        moved = next((each for each in gone if same(old[each], new[key])), None)
        copied = next((each for each in stays if same(old[each], new[key])), None)
        if moved is not None and choose(2):
            gone.remove(moved)
            yield {"op": "move", "from": _below(path, moved), "path": here}
        elif copied is not None and choose(2):
            yield {"op": "copy", "from": _below(path, copied), "path": here}
        else:
            yield {"op": "add", "path": here, "value": new[key]}
    for key in gone:
        yield {"op": "remove", "path": _below(path, key)}
    for key in (key for key in new if key in old):
        yield from _operations(_below(path, key), old[key], new[key], choose)


def _elements(path: str, old: list[Any], new: list[Any], choose: Choose) -> Iterator[Json]:
    """Leave what both begin and end with, change what stands between in both, then remove or add the rest."""
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1]) if choose(2) else 0
    before, after = old[start:len(old) - end], new[start:len(new) - end]
    both = min(len(before), len(after))
    for index in range(both):
        yield from _operations(f"{path}/{start + index}", before[index], after[index], choose)
    for _ in before[both:]:
        yield {"op": "remove", "path": f"{path}/{start + both}"}
    for index, item in enumerate(after[both:], start + both):
        last = end == 0 and choose(2)
        yield {"op": "add", "path": f"{path}/-" if last else f"{path}/{index}", "value": item}


def _common(one: list[Any], other: list[Any]) -> int:
    return next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if not same(a, b)),
                min(len(one), len(other)))


def _below(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"


# RFC 7396.


def merge_patch(old: Any, new: Any) -> Any:
    """Return the merge patch that makes one value another; no field of the new one may be null."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    gone: Json = {key: None for key in old if key not in new}
    return gone | {key: merge_patch(old.get(key), value) for key, value in new.items()
                   if key not in old or not same(old[key], value)}


# Strategic merge patch.


def strategic_patch(kind: type[meta.Struct] | None, old: Json, new: Json, choose: Choose) -> Json:
    """Return the strategic merge patch that makes one object another; lists merge by what the fields of `kind` say."""
    known = patch_fields.fields(kind) if kind else {}
    patch: Json = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif not same(old[key], value):
            patch |= _changed(known.get(key, UNKNOWN), key, old[key], value, choose)
    return patch


def _changed(field: Field, key: str, old: Any, new: Any, choose: Choose) -> Json:
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: _map(field, old, new, choose)}
    if not isinstance(old, list) or not isinstance(new, list) or not field.merges:
        return {key: new}
    if not field.merge_key:
        return _set(key, old, new)
    return _list(field, key, old, new, choose)


def _map(field: Field, old: Json, new: Json, choose: Choose, *, in_list: bool = False) -> Json:
    # In an element the directive would mean the whole list.
    if not in_list and (field.replaces or choose(8) == 0):
        return {"$patch": "replace", **new}
    made = strategic_patch(None if field.container == "map" else field.inner, old, new, choose)
    if "retainKeys" in field.strategy.split(",") or choose(8) == 0:
        made["$retainKeys"] = sorted(new)
    return made


def _set(key: str, old: list[Any], new: list[Any]) -> Json:
    made: Json = {f"$setElementOrder/{key}": new}
    if gone := [item for item in old if item not in new]:
        made[f"$deleteFromPrimitiveList/{key}"] = gone
    if added := [item for item in new if item not in old]:
        made[key] = added
    return made


def _list(field: Field, key: str, old: list[Json], new: list[Json], choose: Choose) -> Json:
    by = field.merge_key
    if choose(8) == 0:
        return {key: [{"$patch": "replace"}, *new]}
    before = {item[by]: item for item in old}
    wanted = {item[by] for item in new}
    items: list[Json] = []
    for item in new:
        if item[by] not in before:
            items.append(item)
        elif not same(before[item[by]], item):
            items.append({**_map(field, before[item[by]], item, choose, in_list=True), by: item[by]})
    gone = [{by: name, "$patch": "delete"} for name in before if name not in wanted]
    made: Json = {f"$setElementOrder/{key}": [{by: item[by]} for item in new]}
    if items or gone:
        made[key] = [*gone, *items] if choose(2) else [*items, *gone]
    return made
