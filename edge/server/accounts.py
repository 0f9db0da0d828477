"""Service account tokens, with the key in the PKI directory. The key is loaded with the first token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from edge.api import authentication, core, times
from edge.apiserver import account_tokens
from edge.bridge import interface
from edge.clock import Clock
from edge.pki import tokens

LONGEST_SECONDS = 365 * 24 * 3600


class Accounts:
    """Signs and verifies tokens."""

    def __init__(self, key: Path, clock: Clock) -> None:
        self._path = key
        self._clock = clock
        self._signer: tokens.Signer | None = None

    def verify(self, token: str, audiences: tuple[str, ...] = tokens.AUDIENCES) -> Mapping[str, Any] | None:
        """Return the claims of a good token that is for one of the audiences, or None."""
        try:
            claims = self._key().verify(token, self._clock.now(), audiences)
        except tokens.TokenError:
            return None
        found: Mapping[str, Any] = msgspec.to_builtins(claims)
        return found

    def keys(self) -> Sequence[Mapping[str, str]]:
        """Return the public keys tokens are verified with, as JSON Web Keys."""
        return (self._key().jwk(),)

    def sign(self, account: core.ServiceAccount, spec: authentication.TokenRequestSpec,
             bound: account_tokens.Bound) -> authentication.TokenRequestStatus:
        """Answer a TokenRequest."""
        now = self._clock.now()
        seconds = min(spec.expiration_seconds or account_tokens.DEFAULT_SECONDS, LONGEST_SECONDS)
        pod, node, secret = _names(bound.pod), _names(bound.node), _names(bound.secret)
        if bound.pod is not None and bound.node is None and bound.pod.spec.node_name:
            node = (bound.pod.spec.node_name, "")
        owner = tokens.Account(*_account(account), *pod, *node, *secret)
        claims = tokens.claims(owner, issued=now, seconds=seconds, audiences=spec.audiences or tokens.AUDIENCES)
        return authentication.TokenRequestStatus(
            token=self._key().sign(tokens.with_id(claims)),
            expiration_timestamp=times.render(now + timedelta(seconds=seconds)))

    def of_pod(self, pod: core.Pod, account: core.ServiceAccount, request: interface.TokenRequest) -> str:
        """Return a token a pod gets on its node, bound to both as one that was asked for with a TokenRequest."""
        node = _names(request.node) if request.node is not None else (pod.spec.node_name, "")
        owner = tokens.Account(*_account(account), *_names(pod), *node)
        claims = tokens.claims(owner, issued=request.issued, seconds=min(request.seconds, LONGEST_SECONDS),
                               audiences=(request.audience,) if request.audience else tokens.AUDIENCES)
        return self._key().sign(tokens.with_id(claims))

    def of_secret(self, secret: core.Secret, account: core.ServiceAccount) -> str:
        """Return the token of a Secret of type kubernetes.io/service-account-token: it ends with the Secret."""
        created = secret.metadata.creation_timestamp
        issued = times.parse(created) if created else self._clock.now()
        name, uid = _names(secret)
        owner = tokens.Account(*_account(account), secret=name, secret_uid=uid)
        return self._key().sign(tokens.claims(owner, issued=issued, seconds=0))

    def _key(self) -> tokens.Signer:
        if self._signer is None:
            self._signer = tokens.Signer(self._path.read_bytes())
        return self._signer


def _account(account: core.ServiceAccount) -> tuple[str, str, str]:
    return account.metadata.namespace, account.metadata.name, account.metadata.uid


def _names(obj: core.Pod | core.Node | core.Secret | None) -> tuple[str, str]:
    return (obj.metadata.name, obj.metadata.uid) if obj is not None else ("", "")
