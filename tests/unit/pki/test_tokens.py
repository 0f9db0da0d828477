from __future__ import annotations

import base64
import json
from datetime import timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge.pki import authority, tokens
from tests.fakes.clock import START

KEY = authority.new_key()
ACCOUNT = tokens.Account("default", "web", "uid-1", "web-0", "uid-2")


def signed(**change: object) -> str:
    claims = tokens.claims(ACCOUNT, issued=START, seconds=600)
    return tokens.Signer(KEY).sign(msgspec.structs.replace(claims, **change))


def test_a_token_says_whom_it_belongs_to() -> None:
    claims = tokens.Signer(KEY).verify(signed(), START)
    assert claims.sub == "system:serviceaccount:default:web"
    assert tokens.account(claims) == ACCOUNT


def test_the_same_claims_give_the_same_token() -> None:
    assert signed() == signed()


@pytest.mark.parametrize(("token", "why"), [
    (signed(exp=int(START.timestamp()) - 60), "expired"),
    (signed(nbf=int(START.timestamp()) + 60), "not valid yet"),
    (signed(iss="https://elsewhere"), "issuer"),
    (signed(aud="vault"), "audience"),
    ("a.b.c", "not a JSON Web Token"), ("", "not a JSON Web Token"), ("..", "not a JSON Web Token"),
    ("x" * 20_000, "not a JSON Web Token"), ("é.é.é", "not a JSON Web Token"),
    (signed()[:-8], "wrong length"), (signed()[:-8] + "AAAAAAAA", "signature is wrong"),
    (tokens.Signer(authority.new_key()).sign(tokens.claims(ACCOUNT, issued=START, seconds=600)), "signature is wrong"),
])
def test_bad_tokens_are_refused(token: str, why: str) -> None:
    with pytest.raises(tokens.TokenError, match=why):
        tokens.Signer(KEY).verify(token, START)


def test_a_token_that_was_good_before_is_judged_anew() -> None:
    signer, token = tokens.Signer(KEY), signed()
    assert signer.verify(token, START) == signer.verify(token, START)
    with pytest.raises(tokens.TokenError, match="expired"):
        signer.verify(token, START + timedelta(hours=1))
    with pytest.raises(tokens.TokenError, match="another audience"):
        signer.verify(token, START, ("vault",))
    with pytest.raises(tokens.TokenError, match="signature is wrong"):
        signer.verify(token[:-8] + "AAAAAAAA", START)
    with pytest.raises(tokens.TokenError, match="not a JSON Web Token"):
        signer.verify(token + "\udc80", START)


def test_of_very_many_tokens_some_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_MOST_KNOWN", 2)
    signer = tokens.Signer(KEY)
    made = [signed(jti=str(number)) for number in range(5)]
    for _ in range(2):
        assert [signer.verify(token, START).jti for token in made] == list("01234")
    assert len(signer._known) == 2


def test_an_unsigned_token_is_refused() -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    with pytest.raises(tokens.TokenError, match="ES256"):
        tokens.Signer(KEY).verify(f"{head}.{signed().split('.')[1]}.", START)


def test_changed_claims_are_refused() -> None:
    head, _, signature = signed().split(".")
    claims = tokens.claims(tokens.Account("kube-system", "admin"), issued=START, seconds=600)
    body = base64.urlsafe_b64encode(msgspec.json.encode(claims)).rstrip(b"=").decode()
    with pytest.raises(tokens.TokenError, match="signature is wrong"):
        tokens.Signer(KEY).verify(f"{head}.{body}.{signature}", START)


def test_a_clock_that_is_a_little_off_does_no_harm() -> None:
    tokens.Signer(KEY).verify(signed(), START + timedelta(seconds=605))


@pytest.mark.parametrize("text", ["abcdef.0123456789abcdef", "  abcdef.0123456789abcdef\n"])
def test_bootstrap_tokens(text: str) -> None:
    assert tokens.parse_bootstrap(text) == tokens.BootstrapToken("abcdef", "0123456789abcdef")


@pytest.mark.parametrize("text", ["", "abcdef", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcdef0",
                                  "abcdef.0123456789abcde"])
def test_what_is_no_bootstrap_token(text: str) -> None:
    assert tokens.parse_bootstrap(text) is None


def test_a_bootstrap_token_does_not_show() -> None:
    assert "0123456789abcdef" not in repr(tokens.parse_bootstrap("abcdef.0123456789abcdef"))


def test_tokens_name_the_key_that_others_verify_them_with() -> None:
    signer = tokens.Signer(KEY)
    header = json.loads(base64.urlsafe_b64decode(signed().split(".")[0] + "=="))
    jwk = signer.jwk()
    assert header == {"alg": "ES256", "typ": "JWT", "kid": jwk["kid"]}
    assert (jwk["kty"], jwk["crv"], jwk["use"]) == ("EC", "P-256", "sig")
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[each] + "=="), "big") for each in "xy")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    assert public == authority.load_key(KEY).public_key()
    assert tokens.Signer(authority.new_key()).key_id != signer.key_id


def test_a_token_may_be_bound_to_a_node_or_a_secret_and_never_end() -> None:
    account = tokens.Account("default", "web", node="n", node_uid="1", secret="s", secret_uid="2")
    claims = tokens.claims(account, issued=START, seconds=0)
    assert claims.exp == 0
    found = tokens.Signer(KEY).verify(tokens.Signer(KEY).sign(claims), START + timedelta(days=9999))
    assert tokens.account(found) == account


def test_the_id_of_a_token_follows_from_what_it_says() -> None:
    one, other = (tokens.claims(ACCOUNT, issued=START, seconds=seconds) for seconds in (600, 601))
    assert tokens.with_id(one) == tokens.with_id(one)
    assert tokens.with_id(one).jti != tokens.with_id(other).jti
    assert len(tokens.with_id(one).jti) == 36
