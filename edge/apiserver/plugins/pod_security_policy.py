"""Which Pod Security Standard a namespace asks for, by its labels.

https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge.api import validation_words as words
from edge.api.errors import Cause

PREFIX = "pod-security.kubernetes.io/"
PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
"""From the one that allows everything to the strictest."""
LATEST = "latest"
_NEWEST_MINOR = 10**6
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Standard:
    """A level, as it was in one version of Kubernetes."""

    level: str = PRIVILEGED
    version: str = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    @property
    def minor(self) -> int:
        """The second part of the version; that of `latest` is above all others."""
        return _NEWEST_MINOR if self.version == LATEST else int(self.version.partition(".")[2])

    def stricter_than(self, other: Standard) -> bool:
        """Return whether the level, versions apart, allows less than the other's."""
        return LEVELS.index(self.level) > LEVELS.index(other.level)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is refused, and what is only told to whoever asks, or to the log of an auditor."""

    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()


EVERYTHING_GOES = Policy()


def of_labels(labels: Mapping[str, str]) -> tuple[Policy, tuple[Cause, ...]]:
    """Return the policy of a namespace, and what is wrong with its labels.

    There is always a policy: a level or version that nobody can read is the strictest, but never warns.
    """
    if not any(key.startswith(PREFIX) for key in labels):
        return EVERYTHING_GOES, ()
    causes: list[Cause] = []
    modes = {mode: _standard(labels, mode, causes) for mode in ("enforce", "audit", "warn")}
    return Policy(**modes), tuple(causes)


def _standard(labels: Mapping[str, str], mode: str, causes: list[Cause]) -> Standard:
    level, version = labels.get(f"{PREFIX}{mode}", PRIVILEGED), labels.get(f"{PREFIX}{mode}-version", LATEST)
    if level not in LEVELS:
        causes.append(words.invalid(f"metadata.labels[{PREFIX}{mode}]", level, f"must be one of {', '.join(LEVELS)}"))
        level = RESTRICTED if mode == "enforce" else PRIVILEGED
    if version != LATEST and not _VERSION.fullmatch(version):
        causes.append(words.invalid(f"metadata.labels[{PREFIX}{mode}-version]", version,
                                    'must be "latest" or "v1.x"'))
        version = LATEST
    return Standard(level, version)
