"""Looks after bootstrap tokens: says whether the one behind a request is still good, and removes those that expired.

A token is a Secret of type bootstrap.kubernetes.io/token in kube-system
(https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/). An expired one opens nothing any more; it
is removed so that lists stay readable, as Kubernetes' token cleaner does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime

from edge import logs
from edge.api import core, errors, times
from edge.client.interface import Client
from edge.clock import Clock

NAMESPACE = "kube-system"
PREFIX = "bootstrap-token-"
TYPE = "bootstrap.kubernetes.io/token"
CLEAN_SECONDS = 60.0
_USER = "system:bootstrap:"

log = logs.get("tokens")


def expires(data: Mapping[str, str]) -> datetime | None:
    """Return when the token of a Secret's data ends; None for never. Raises ValueError for what is no time."""
    try:
        text = base64.b64decode(data.get("expiration", ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("the expiration cannot be read") from error
    return times.parse(text) if text else None


def is_expired(data: Mapping[str, str], now: datetime) -> bool:
    """Return whether the token has ended; one whose end cannot be read opens nothing either, and is kept to be seen."""
    try:
        end = expires(data)
    except ValueError:
        return False
    return end is not None and end <= now


class Tokens:
    """The tokens as they are now."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock

    async def is_good(self, username: str) -> bool:
        """Return whether the token of a user like `system:bootstrap:abcdef` is there and lets him in.

        True for who came without a token.
        """
        if not username.startswith(_USER):
            return True
        try:
            secret = await self._client.get(core.Secret, PREFIX + username.removeprefix(_USER), NAMESPACE)
        except errors.NotFound:
            return False
        return not is_expired(secret.data, self._clock.now())

    async def clean(self) -> None:
        """Remove expired tokens, until cancelled."""
        while True:
            try:
                for secret in (await self._client.list(core.Secret, NAMESPACE)).items:
                    if secret.type == TYPE and is_expired(secret.data, self._clock.now()):
                        await self._client.delete(core.Secret, secret.metadata.name, NAMESPACE,
                                                  uid=secret.metadata.uid)
                        log.info("expired token removed", id=secret.metadata.name.removeprefix(PREFIX))
            except errors.ApiError as error:
                log.warning("tokens not looked after", reason=str(error))
            await self._clock.sleep(CLEAN_SECONDS)
