"""Certificates and tokens."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from edge.api import errors
from edge.apiserver import authenticate
from edge.apiserver.authenticate import Lookups, User

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TOKEN = "abcdef.0123456789abcdef"


def subject(name: str, *groups: str) -> dict[str, Any]:
    return {"subject": (*((("organizationName", group),) for group in groups), (("commonName", name),))}


def secret(**more: str) -> Mapping[str, str]:
    values = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
              **{key.replace("_", "-"): value for key, value in more.items()}}
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def ask(lookups: Lookups, header: str) -> User:
    return authenticate.authenticate(None, header, lookups, NOW)


def test_certificates_name_user_and_groups() -> None:
    found = authenticate.authenticate(subject("admin", "system:masters", "dev"), "", Lookups(), NOW)
    assert (found.name, found.groups) == ("admin", ("system:masters", "dev", "system:authenticated"))
    node = authenticate.of_certificate(subject("node-1", "system:nodes"))
    assert node.name == "system:node:node-1"
    with pytest.raises(errors.Unauthorized):
        authenticate.of_certificate({"subject": ()})


def test_without_credentials_one_is_anonymous() -> None:
    assert ask(Lookups(), "").name == "system:anonymous"


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "Bearer nonsense", "Bearer a.b.c",
                                    f"Bearer {TOKEN}"])
def test_wrong_credentials_are_refused(header: str) -> None:
    with pytest.raises(errors.Unauthorized, match=r"^Unauthorized$"):
        ask(Lookups(), header)


def test_bootstrap_tokens() -> None:
    found = ask(Lookups(bootstrap_secret=lambda token_id: secret() if token_id == "abcdef" else None),
                f"bearer {TOKEN}")
    assert (found.name, found.groups) == ("system:bootstrap:abcdef",
                                          ("system:bootstrappers", "system:authenticated"))


@pytest.mark.parametrize("data", [
    secret(token_secret="other"), secret(token_secret=""), secret(usage_bootstrap_authentication="false"),
    secret(expiration="2029-12-31T23:59:59Z"), secret(expiration="soon"), secret(token_id="ghijkl"),
    {"token-id": "%%%"}, {}])
def test_bootstrap_tokens_that_do_not_count(data: Mapping[str, str]) -> None:
    with pytest.raises(errors.Unauthorized):
        ask(Lookups(bootstrap_secret=lambda token_id: data), f"Bearer {TOKEN}")


def test_service_accounts() -> None:
    claims = {"sub": "system:serviceaccount:team:robot",
              "kubernetes.io": {"serviceaccount": {"uid": "u1"}, "pod": {"name": "web", "uid": "p1"}}}
    found = ask(Lookups(verify=lambda token: claims, account_uid=lambda namespace, name: "u1"), "Bearer a.b.c")
    assert (found.name, found.uid) == ("system:serviceaccount:team:robot", "u1")
    assert "system:serviceaccounts:team" in found.groups
    assert found.extra["authentication.kubernetes.io/pod-name"] == ("web",)
    for lookup in (lambda namespace, name: "", lambda namespace, name: "u2"):
        with pytest.raises(errors.Unauthorized):
            ask(Lookups(verify=lambda token: claims, account_uid=lookup), "Bearer a.b.c")


def test_a_token_made_for_a_pod_ends_with_the_pod() -> None:
    claims = {"sub": "system:serviceaccount:team:robot", "kubernetes.io": {"pod": {"name": "web", "uid": "p1"}}}

    def lookups(pod_uid: str) -> Lookups:
        return Lookups(verify=lambda token: claims, pod_uid=lambda namespace, name: pod_uid)

    assert ask(lookups("p1"), "Bearer a.b.c").name == "system:serviceaccount:team:robot"
    for uid in ("", "p2"):
        with pytest.raises(errors.Unauthorized):
            ask(lookups(uid), "Bearer a.b.c")


def test_static_tokens() -> None:
    admin = User("admin", ("system:masters",))
    assert ask(Lookups(static_tokens={"letmein": admin}), "Bearer letmein") is admin
