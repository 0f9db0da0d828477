"""Decides which images go when the disk fills up: those that nobody has used for longest, until enough is free.

As the kubelet: nothing below the high threshold; above it, down to the low one. What is in use, pinned, or was in use
or new a moment ago stays; see https://kubernetes.io/docs/concepts/architecture/garbage-collection/#containers-images.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from edge.runtime.containers import Image


@dataclass(frozen=True, slots=True)
class Policy:
    """When images are removed, and which never; the file system's use in percent."""

    high_percent: int = 85
    low_percent: int = 80
    least_age_seconds: float = 120.0
    pinned: tuple[str, ...] = ()
    """Names as patterns, such as `docker.io/library/*`."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that images are on."""

    bytes: int
    free_bytes: int

    @property
    def used_percent(self) -> int:
        """Return how full it is, as the kubelet counts: rounded in favor of being full."""
        return 100 - self.free_bytes * 100 // self.bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """Since when an image is known and when it was last seen in use (monotonic); None: never."""

    since: float
    used: float | None = None


def observe(seen: Mapping[str, Seen], images: Collection[Image], in_use: Collection[str], now: float,
            *, first: bool = False) -> dict[str, Seen]:
    """Return what is known of the images, by id, after a look at all of them.

    Args:
        seen: what was known before.
        images: all images on the node.
        in_use: the ids of those with containers.
        now: monotonic seconds.
        first: whether this is the first look; nobody knows how old images are then, and they count as old.
    """
    since = float("-inf") if first else now
    found = {}
    for image in images:
        before = seen.get(image.id, Seen(since))
        found[image.id] = Seen(before.since, now) if image.id in in_use else before
    return found


def to_free(disk: Disk, policy: Policy) -> int:
    """Return how many bytes have to be freed; 0 while the disk is not full enough, or when that is switched off."""
    if policy.high_percent >= 100 or disk.bytes <= 0 or disk.used_percent < policy.high_percent:
        return 0
    return max(0, disk.bytes * (100 - policy.low_percent) // 100 - disk.free_bytes)


def removable(images: Collection[Image], seen: Mapping[str, Seen], in_use: Collection[str], policy: Policy,
              now: float) -> tuple[Image, ...]:
    """Return the images that may go, in the order in which they go."""
    found = [image for image in images if image.id not in in_use and not is_pinned(image, policy)
             and _is_old(seen.get(image.id), policy, now)]

    def order(image: Image) -> tuple[float, float, str]:
        known = seen[image.id]
        return known.used if known.used is not None else float("-inf"), known.since, image.id

    return tuple(sorted(found, key=order))


def _is_old(seen: Seen | None, policy: Policy, now: float) -> bool:
    if seen is None:
        return False
    last = seen.since if seen.used is None else max(seen.since, seen.used)
    return now - last >= policy.least_age_seconds


def is_pinned(image: Image, policy: Policy) -> bool:
    """Return whether an image is never removed to make room."""
    return any(fnmatchcase(name, pattern) for name in (*image.names, *image.digests) for pattern in policy.pinned)


def too_little(wanted: int, freed: int) -> str:
    """Return what the kubelet says when there was not enough to remove."""
    return ("Failed to garbage collect required amount of images. "
            f"Attempted to free {wanted} bytes, but only found {freed} bytes eligible to free.")
