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
    found = ask(Lookups(verify=lambda token, audiences: claims, account_uid=lambda namespace, name: "u1"),
                "Bearer a.b.c")
    assert (found.name, found.uid) == ("system:serviceaccount:team:robot", "u1")
    assert "system:serviceaccounts:team" in found.groups
    assert found.extra["authentication.kubernetes.io/pod-name"] == ("web",)
    for lookup in (lambda namespace, name: "", lambda namespace, name: "u2"):
        with pytest.raises(errors.Unauthorized):
            ask(Lookups(verify=lambda token, audiences: claims, account_uid=lookup), "Bearer a.b.c")


@pytest.mark.parametrize("kind", ["pod", "secret", "node"])
def test_a_token_ends_with_what_it_is_bound_to(kind: str) -> None:
    claims = {"sub": "system:serviceaccount:team:robot", "kubernetes.io": {kind: {"name": "web", "uid": "u1"}}}

    def lookups(uid: str) -> Lookups:
        known = {(kind, "team", "web"): uid}
        return Lookups(verify=lambda token, audiences: claims,
                       bound_uid=lambda of, namespace, name: known[of, namespace, name])

    found = ask(lookups("u1"), "Bearer a.b.c")
    assert found.name == "system:serviceaccount:team:robot"
    assert (f"authentication.kubernetes.io/{kind}-name" in found.extra) is (kind != "secret")
    for uid in ("", "u2"):
        with pytest.raises(errors.Unauthorized):
            ask(lookups(uid), "Bearer a.b.c")


def test_a_token_bound_to_nothing_that_can_be_known_is_refused() -> None:
    claims = {"sub": "system:serviceaccount:team:robot", "kubernetes.io": {"pod": {"name": "web"}}}
    with pytest.raises(errors.Unauthorized):
        ask(Lookups(verify=lambda token, audiences: claims, bound_uid=lambda kind, namespace, name: ""), "Bearer a.b.c")


def test_a_pods_token_tells_its_node_and_outlives_it() -> None:
    claims = {"sub": "system:serviceaccount:team:robot", "jti": "j", "kubernetes.io": {
        "pod": {"name": "web", "uid": "p1"}, "node": {"name": "n", "uid": "n1"}}}
    found = ask(Lookups(verify=lambda token, audiences: claims,
                        bound_uid=lambda kind, namespace, name: {"pod": "p1"}.get(kind, "")), "Bearer a.b.c")
    assert found.extra["authentication.kubernetes.io/node-name"] == ("n",)
    assert found.extra["authentication.kubernetes.io/credential-id"] == ("JTI=j",)


def test_audiences() -> None:
    def verify(token: str, audiences: tuple[str, ...]) -> Mapping[str, Any] | None:
        heard = {"vault", "tower"} & set(audiences)
        return {"sub": "system:serviceaccount:team:robot", "aud": ("vault", "tower")} if heard else None

    def of(token: str, *audiences: str) -> tuple[str, ...] | None:
        lookups = Lookups(verify=verify, static_tokens={"letmein": User("admin")})
        holder = authenticate.of_token(token, lookups, NOW, audiences or authenticate.API_AUDIENCES)
        return None if holder is None else holder.audiences

    assert of("a.b.c", "vault", "other") == ("vault",)
    assert of("a.b.c", "other") is None
    assert of("a.b.c") is None
    assert of("letmein") == authenticate.API_AUDIENCES
    assert of("letmein", "vault") is None
    assert of("letmein", "vault", *authenticate.API_AUDIENCES) == authenticate.API_AUDIENCES


@pytest.mark.parametrize("claims", [
    {}, {"sub": "somebody"}, {"sub": "system:serviceaccount:team"}, {"sub": "system:node:a:b"}])
def test_claims_of_nobody(claims: Mapping[str, Any]) -> None:
    with pytest.raises(errors.Unauthorized):
        ask(Lookups(verify=lambda token, audiences: claims), "Bearer a.b.c")


def test_static_tokens() -> None:
    admin = User("admin", ("system:masters",))
    assert ask(Lookups(static_tokens={"letmein": admin}), "Bearer letmein") is admin


def in_protocol(token: str) -> str:
    return "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def test_a_token_among_the_protocols_of_a_websocket() -> None:
    offered = f"v4.channel.k8s.io, {in_protocol('tökén')}"
    assert authenticate.authorization("", [offered]) == "Bearer tökén"
    assert authenticate.authorization("Bearer x", ["v4.channel.k8s.io"]) == "Bearer x"
    assert authenticate.authorization("Bearer x", []) == "Bearer x"
    assert authenticate.shown_header("Sec-WebSocket-Protocol", offered) == "v4.channel.k8s.io"
    assert authenticate.shown_header("X-Other", offered) == offered


@pytest.mark.parametrize("offered", [
    [in_protocol("x")], [in_protocol("x"), in_protocol("y"), "v4.channel.k8s.io"],
    ["base64url.bearer.authorization.k8s.io.%%%", "v4.channel.k8s.io"],
    ["base64url.bearer.authorization.k8s.io._w", "v4.channel.k8s.io"]])
def test_tokens_among_protocols_that_are_none(offered: list[str]) -> None:
    with pytest.raises(errors.Unauthorized):
        authenticate.authorization("", offered)
