"""Acting as somebody else."""

from __future__ import annotations

import pytest

from edge.api import errors
from edge.apiserver import impersonation
from edge.apiserver.authenticate import User
from edge.apiserver.decision import Decision
from edge.apiserver.paths import ResourceRequest

ME = User("me", ("system:authenticated",))


def anything(user: User, request: ResourceRequest) -> Decision:
    assert (user, request.verb) == (ME, "impersonate")
    return Decision(True)


def act(*headers: tuple[str, str]) -> User:
    return impersonation.acting(ME, headers, anything)


def test_without_headers_one_is_oneself() -> None:
    assert impersonation.acting(ME, (("Accept", "*/*"),), lambda user, request: Decision(False)) is ME


def test_a_user_has_the_groups_asked_for_and_is_authenticated() -> None:
    assert act(("Impersonate-User", "jane")) == User("jane", ("system:authenticated",))
    assert act(("impersonate-user", "jane"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")).groups == (
        "a", "b", "system:authenticated")
    assert act(("Impersonate-User", "jane"), ("Impersonate-Group", "system:unauthenticated")).groups == (
        "system:unauthenticated",)
    assert act(("Impersonate-User", "system:anonymous")).groups == ("system:unauthenticated",)


def test_a_service_account_has_its_groups_unless_others_are_asked_for() -> None:
    name = ("Impersonate-User", "system:serviceaccount:team:robot")
    assert act(name).groups == ("system:serviceaccounts", "system:serviceaccounts:team", "system:authenticated")
    assert act(name, ("Impersonate-Group", "a")).groups == ("a", "system:authenticated")


def test_uid_and_extra() -> None:
    found = act(("Impersonate-User", "jane"), ("Impersonate-Uid", "7"), ("Impersonate-Extra-Scopes", "a"),
                ("Impersonate-Extra-Scopes", "b"), ("Impersonate-Extra-Example.com%2FTeam", "x"))
    assert found.uid == "7"
    assert found.extra == {"scopes": ("a", "b"), "example.com/team": ("x",)}


@pytest.mark.parametrize(("header", "asked"), [
    (("Impersonate-User", "jane"), ("", "users", "", "jane", "")),
    (("Impersonate-User", "system:serviceaccount:team:robot"), ("", "serviceaccounts", "", "robot", "team")),
    (("Impersonate-User", "system:serviceaccount:team"), ("", "users", "", "system:serviceaccount:team", "")),
    (("Impersonate-Group", "system:masters"), ("", "groups", "", "system:masters", "")),
    (("Impersonate-Uid", "7"), ("authentication.k8s.io", "uids", "", "7", "")),
    (("Impersonate-Extra-Scopes", "a"), ("authentication.k8s.io", "userextras", "scopes", "a", "")),
])
def test_each_header_has_to_be_allowed(header: tuple[str, str], asked: tuple[str, str, str, str, str]) -> None:
    def all_but_this(user: User, request: ResourceRequest) -> Decision:
        return Decision((request.group, request.resource, request.subresource, request.name,
                         request.namespace) != asked)

    headers = [header] if header[0] == "Impersonate-User" else [("Impersonate-User", "jane"), header]
    with pytest.raises(errors.Forbidden, match='User "me" cannot impersonate resource'):
        impersonation.acting(ME, headers, all_but_this)


@pytest.mark.parametrize("header", ["Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-Scopes"])
def test_nothing_without_a_user(header: str) -> None:
    with pytest.raises(errors.BadRequest, match="without impersonating a user"):
        act((header, "x"))
