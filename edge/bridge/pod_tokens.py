"""Decides which tokens of its service account a pod needs on its node, when they are issued, and when anew.

A token is issued at the pod's creation and then anew whenever four fifths of its life, or a day, are over, as a
kubelet asks for new ones. The same time for the same stretch gives the same token, so that a server started anew
changes nothing. See https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge.api import core, mirror_pods, times
from edge.bridge import desired, interface
from edge.bus import messages

ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
DEFAULT_SECONDS = 3600
LONGEST = timedelta(hours=24)
"""A token is renewed at least so often."""
OLD_SECONDS, OLD_STRETCH = 365 * 24 * 3600, timedelta(days=90)
"""The token of a pod that was made by an older server, which has no volume for it."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one pod gets, and when it is time for new ones; None where it gets none."""

    account: str = ""
    volumes: tuple[messages.PodToken, ...] = ()
    due: datetime | None = None


def asked(pod: core.Pod) -> tuple[tuple[str, int], ...]:
    """Return audience and seconds of each token the pod's volumes ask for."""
    found = {(source.service_account_token.audience, source.service_account_token.expiration_seconds or DEFAULT_SECONDS)
             for volume in pod.spec.volumes if volume.projected is not None
             for source in volume.projected.sources if source.service_account_token is not None}
    return tuple(sorted(found))


def stretch(seconds: int) -> timedelta:
    """Return after which time a token that is good for so long is renewed."""
    return min(LONGEST, timedelta(seconds=seconds * 4 // 5))


def issued(created: datetime, now: datetime, every: timedelta) -> datetime:
    """Return when the token of now is issued: at the pod's creation, moved on by whole stretches."""
    return created + max(0, (now - created) // every) * every


def is_old(pod: core.Pod) -> bool:
    """Return whether the node has to mount the account where the pod's spec does not: no server would make it so now.
    """
    return any(all(mount.mount_path.rstrip("/") != ACCOUNT_PATH for mount in container.volume_mounts)
               for container in (*pod.spec.init_containers, *pod.spec.containers))


def tokens(pod: core.Pod, account: core.ServiceAccount | None, node: core.Node | None, now: datetime,
           sign: Callable[[core.Pod, core.ServiceAccount, interface.TokenRequest], str]) -> Tokens:
    """Return what a pod gets now."""
    if account is None or mirror_pods.is_mirror(pod):
        return Tokens()
    stamp = pod.metadata.creation_timestamp
    created = times.parse(stamp) if stamp else now
    due: list[datetime] = []

    def made(audience: str, seconds: int, every: timedelta) -> str:
        start = issued(created, now, every)
        due.append(start + every)
        return sign(pod, account, interface.TokenRequest(audience, seconds, start, node))

    old = made("", OLD_SECONDS, OLD_STRETCH) if is_old(pod) and desired.wants_token(pod, account) else ""
    volumes = tuple(messages.PodToken(audience, seconds, made(audience, seconds, stretch(seconds)))
                    for audience, seconds in asked(pod))
    return Tokens(old, volumes, min(due) if due else None)
