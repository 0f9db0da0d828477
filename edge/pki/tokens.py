"""Bootstrap tokens and service account tokens: parse, compare, sign, verify.

Bootstrap tokens have kubeadm's form
(https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/). Service account tokens are JSON Web
Tokens (RFC 7519) signed with ES256 (RFC 7518, 3.4), with Kubernetes' claims. Signing is deterministic (RFC 6979), so
that the same claims give the same token and a restarted server sends the nodes what they already have. The
cryptography package is loaded with the first key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCES = (ISSUER,)
_BOOTSTRAP = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_HEADER = {"alg": "ES256", "typ": "JWT"}
_LEEWAY_SECONDS = 10
_MAX_BYTES = 16 * 1024
_MOST_KNOWN = 256
"""Tokens whose signature is not checked again."""


class TokenError(Exception):
    """The token is not good; the text says why and holds nothing of the token."""


@dataclass(frozen=True, slots=True, repr=False)
class BootstrapToken:
    """`id.secret`: the id may be shown, the secret may not."""

    id: str
    secret: str


def parse_bootstrap(text: str) -> BootstrapToken | None:
    """Return the parts of a bootstrap token, or None when it has not that form."""
    found = _BOOTSTRAP.fullmatch(text.strip())
    return BootstrapToken(found[1], found[2]) if found else None


def same(one: str, other: str) -> bool:
    """Compare two secrets in a time that says nothing about them."""
    return hmac.compare_digest(one.encode(), other.encode())


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a service account token says. Times are seconds since 1970, `exp` 0 means that it never ends."""

    iss: str = ISSUER
    sub: str = ""
    aud: tuple[str, ...] | str = AUDIENCES
    exp: int = 0
    iat: int = 0
    nbf: int = 0
    jti: str = ""
    kubernetes: dict[str, object] = msgspec.field(default_factory=dict, name="kubernetes.io")


@dataclass(frozen=True, slots=True)
class Account:
    """The service account a token belongs to, and what else it is bound to."""

    namespace: str
    name: str
    uid: str = ""
    pod: str = ""
    pod_uid: str = ""
    node: str = ""
    node_uid: str = ""
    secret: str = ""
    secret_uid: str = ""


def claims(account: Account, *, issued: datetime, seconds: int, audiences: tuple[str, ...] = AUDIENCES) -> Claims:
    """Return the claims of a token for a service account, bound to what the account names; 0 seconds never end."""
    bound: dict[str, object] = {"namespace": account.namespace,
                                "serviceaccount": {"name": account.name, "uid": account.uid}}
    for kind, name, uid in (("pod", account.pod, account.pod_uid), ("node", account.node, account.node_uid),
                            ("secret", account.secret, account.secret_uid)):
        if name:
            bound[kind] = {"name": name, "uid": uid}
    start = int(issued.timestamp())
    return Claims(sub=f"system:serviceaccount:{account.namespace}:{account.name}", aud=audiences, iat=start,
                  exp=start + seconds if seconds else 0, kubernetes=bound)


def with_id(content: Claims) -> Claims:
    """Return the claims with an id of their own, worked out from them: the same claims have the same one."""
    digest = hashlib.sha256(msgspec.json.encode(content)).hexdigest()
    parts = (digest[:8], digest[8:12], f"4{digest[13:16]}", f"8{digest[17:20]}", digest[20:32])
    return msgspec.structs.replace(content, jti="-".join(parts))


def account(found: Claims) -> Account:
    """Return whom the claims speak of. Raises TokenError when subject and binding do not name one account."""
    parts = found.sub.split(":")
    if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"] or not all(parts):
        raise TokenError("the subject is not a service account")
    uid = _entry(found, "serviceaccount")[1]
    return Account(parts[2], parts[3], uid, *_entry(found, "pod"), *_entry(found, "node"), *_entry(found, "secret"))


class Signer:
    """Signs and verifies with the key in `sa.key`."""

    def __init__(self, key: bytes) -> None:
        from edge.pki import authority

        self._key: ec.EllipticCurvePrivateKey = authority.load_key(key)
        self._public = self._key.public_key()
        self.key_id = _key_id(self._public)
        self._known: dict[bytes, Claims] = {}
        """Claims by the hash of their token: the last ones whose signature was good."""

    def jwk(self) -> dict[str, str]:
        """Return the public key as a JSON Web Key (RFC 7517), for others who verify tokens."""
        numbers = self._public.public_numbers()
        return {"use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256",
                "x": _pack(numbers.x.to_bytes(32, "big")), "y": _pack(numbers.y.to_bytes(32, "big"))}

    def sign(self, content: Claims) -> str:
        """Return the token."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        header = _HEADER | {"kid": self.key_id}
        text = f"{_pack(msgspec.json.encode(header))}.{_pack(msgspec.json.encode(content))}"
        der = self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = utils.decode_dss_signature(der)
        return f"{text}.{_pack(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def verify(self, token: str, now: datetime, audiences: tuple[str, ...] = AUDIENCES) -> Claims:
        """Return the claims of a good token.

        Raises:
            TokenError: malformed, another algorithm or issuer, a wrong signature, for someone else, or out of date.
        """
        found = self._signed(token)
        heard = (found.aud,) if isinstance(found.aud, str) else found.aud
        if audiences and not set(heard) & set(audiences):
            raise TokenError("the token is for another audience")
        seconds = now.timestamp()
        if found.exp and seconds > found.exp + _LEEWAY_SECONDS:
            raise TokenError("the token has expired")
        if seconds < found.nbf - _LEEWAY_SECONDS:
            raise TokenError("the token is not valid yet")
        return found

    def _signed(self, token: str) -> Claims:
        """Return what a token of ours says, whether it is good now or not; only a new one costs a signature's check."""
        at = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        found = self._known.get(at)
        if found is None:
            content, signed, signature = _unpack_token(token)
            self._check_signature(signed, signature)
            try:
                found = msgspec.json.decode(content, type=Claims)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise TokenError("the claims cannot be read") from error
            if found.iss != ISSUER:
                raise TokenError("the token has another issuer")
            while len(self._known) >= _MOST_KNOWN:
                self._known.pop(next(iter(self._known)))
            self._known[at] = found
        return found

    def _check_signature(self, signed: bytes, signature: bytes) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        if len(signature) != 64:
            raise TokenError("the signature has the wrong length")
        der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        try:
            self._public.verify(der, signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise TokenError("the signature is wrong") from error


def _unpack_token(token: str) -> tuple[bytes, bytes, bytes]:
    parts = token.split(".")
    if len(token) > _MAX_BYTES or len(parts) != 3:
        raise TokenError("not a JSON Web Token")
    try:
        header = msgspec.json.decode(_unpack(parts[0]), type=dict[str, object])
        content, signature = _unpack(parts[1]), _unpack(parts[2])
    except (ValueError, msgspec.MsgspecError) as error:
        raise TokenError("not a JSON Web Token") from error
    if header.get("alg") != "ES256":
        raise TokenError("the token is not signed with ES256")
    return content, f"{parts[0]}.{parts[1]}".encode(), signature


def _entry(found: Claims, kind: str) -> tuple[str, str]:
    entry = found.kubernetes.get(kind)
    if not isinstance(entry, dict):
        return "", ""
    return str(entry.get("name", "")), str(entry.get("uid", ""))


def _key_id(key: ec.EllipticCurvePublicKey) -> str:
    """Return the name Kubernetes gives a key: the hash of its DER form."""
    from cryptography.hazmat.primitives import serialization

    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _pack(hashlib.sha256(der).digest())


def _pack(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _unpack(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
