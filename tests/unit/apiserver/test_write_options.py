"""Who a write is by: the field manager, and what of it is refused."""

from __future__ import annotations

import pytest

from edge.api import errors
from edge.apiserver import paths, write_options

MAP = "/api/v1/namespaces/default/configmaps/a"


def asked(query: str, method: str = "PATCH") -> paths.ResourceRequest:
    found = paths.parse(method, MAP, query)
    assert found is not None
    return found


@pytest.mark.parametrize(("query", "agent", "manager"), [
    ("fieldManager=me", "kubectl/v1.32", "me"), ("", "kubectl/v1.32.4 (linux/amd64)", "kubectl"), ("", "", ""),
    ("", "curl", "curl"), ("", "a\x07b/1", "ab"), ("", "x" * 500, "x" * 128), ("", "ü" * 100, "ü" * 64)])
def test_the_manager_is_who_it_says_or_the_first_word_of_its_agent(query: str, agent: str, manager: str) -> None:
    assert write_options.manager(asked(query), agent) == manager


@pytest.mark.parametrize(("query", "method", "why"), [
    ("fieldManager=" + "x" * 129, "PUT", 'UpdateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be '
                                         "more than 128 bytes"),
    ("fieldManager=a%0Ab", "PATCH", 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\\nb": '
                                    "invalid character U+000A (at position 1)"),
    ("force=true", "PATCH", 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for '
                            "non-apply patch")])
def test_a_manager_that_is_none_and_force_without_apply_are_refused(query: str, method: str, why: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        write_options.check(asked(query, method))
    assert caught.value.message == why


def test_who_applies_has_to_say_who_it_is() -> None:
    with pytest.raises(errors.Invalid, match="fieldManager: Required value: is required for apply patch"):
        write_options.check(asked(""), applies=True)
    write_options.check(asked("fieldManager=me&force=true"), applies=True)


def test_a_read_is_not_asked_who_makes_it() -> None:
    write_options.check(asked("fieldManager=" + "x" * 500, "GET"))


def test_a_flood_of_broken_characters_is_not_repeated_in_full() -> None:
    with pytest.raises(errors.Invalid) as caught:
        write_options.check(asked("fieldManager=" + "%07" * 128))
    assert len((caught.value.details or {})["causes"]) == 10
