"""Decides what of a pod's desired state a card keeps, what stays in memory, and how the two come together again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from edge.api import core
from edge.bus import messages


class Hidden(msgspec.Struct, frozen=True, omit_defaults=True):
    """What belongs to one revision of a pod and is kept in memory only."""

    revision: str
    secrets: dict[str, core.Secret] = {}
    account_token: str = ""
    tokens: tuple[messages.PodToken, ...] = ()

    def __hash__(self) -> int:
        return hash((self.revision, self.account_token, self.tokens))

    def __repr__(self) -> str:
        return f"Hidden(revision={self.revision!r})"


def has_secrets(pod: messages.DesiredPod) -> bool:
    """Return whether there is anything in it that a card shall not keep."""
    return bool(pod.secrets or pod.service_account_token or any(held.token for held in pod.tokens))


def withheld(pod: messages.DesiredPod, *, secrets: bool) -> messages.DesiredPod:
    """Return a pod without tokens, and without `secrets` if wanted; it says what is missing."""
    if pod.withheld is not None:
        return pod
    lacking = messages.Withheld(tuple(sorted(pod.secrets)) if secrets else (), bool(pod.service_account_token))
    # What is kept of tokens is nothing, so that a renewed one is no reason to write.
    return replace(pod, secrets={} if secrets else pod.secrets, service_account_token="", tokens=(), withheld=lacking)


def hidden(pods: Mapping[str, messages.DesiredPod]) -> dict[str, Hidden]:
    """Return by uid what is to be kept in memory: of the pods of which everything is known."""
    return {uid: Hidden(pod.revision, pod.secrets, pod.service_account_token, pod.tokens)
            for uid, pod in pods.items() if pod.withheld is None}


def restored(pod: messages.DesiredPod, candidates: Iterable[Hidden]) -> messages.DesiredPod:
    """Return a pod from the card with what belongs to it, where that is there; else as the card has it."""
    for held in candidates:
        if held.revision == pod.revision:
            return replace(pod, secrets=held.secrets, service_account_token=held.account_token, tokens=held.tokens,
                           withheld=None)
    return pod
