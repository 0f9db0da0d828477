"""Service account tokens, with the key in the PKI directory. The key is loaded with the first token."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from edge.api import authentication, core, times
from edge.bridge import desired
from edge.clock import Clock
from edge.pki import tokens

DEFAULT_SECONDS = 3600
LONGEST_SECONDS = 365 * 24 * 3600


class Accounts:
    """Signs and verifies tokens."""

    def __init__(self, key: Path, clock: Clock) -> None:
        self._path = key
        self._clock = clock
        self._signer: tokens.Signer | None = None

    def verify(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a good token, or None."""
        try:
            claims = self._key().verify(token, self._clock.now())
        except tokens.TokenError:
            return None
        found: Mapping[str, Any] = msgspec.to_builtins(claims)
        return found

    def sign(self, account: core.ServiceAccount,
             request: authentication.TokenRequest) -> authentication.TokenRequestStatus:
        """Answer a TokenRequest."""
        spec, now = request.spec, self._clock.now()
        seconds = min(spec.expiration_seconds or DEFAULT_SECONDS, LONGEST_SECONDS)
        bound = spec.bound_object_ref
        pod = bound if bound is not None and bound.kind == "Pod" else None
        owner = tokens.Account(account.metadata.namespace, account.metadata.name, account.metadata.uid,
                               pod.name if pod else "", pod.uid if pod else "")
        claims = tokens.claims(owner, issued=now, seconds=seconds, audiences=spec.audiences or tokens.AUDIENCES)
        return authentication.TokenRequestStatus(
            token=self._key().sign(claims), expiration_timestamp=times.render(now + timedelta(seconds=seconds)))

    def of_pod(self, pod: core.Pod, account: core.ServiceAccount) -> str:
        """Return the token a pod gets on its node."""
        now = self._clock.now()
        created = pod.metadata.creation_timestamp
        issued = desired.token_issued(times.parse(created), now) if created else now
        owner = tokens.Account(account.metadata.namespace, account.metadata.name, account.metadata.uid,
                               pod.metadata.name, pod.metadata.uid)
        return self._key().sign(tokens.claims(owner, issued=issued, seconds=desired.TOKEN_SECONDS))

    def _key(self) -> tokens.Signer:
        if self._signer is None:
            self._signer = tokens.Signer(self._path.read_bytes())
        return self._signer
