"""Decides what the words of an engine mean that could not get an image: pulled from a registry or loaded from a file.

Podman has no codes for this, only its registry library's sentences.
"""

from __future__ import annotations

from edge.runtime.containers import (
    DiskFull,
    EngineAway,
    ImageNotFound,
    InvalidImageName,
    RegistryDenied,
    RegistryUnavailable,
    RuntimeFailure,
    WrongArchitecture,
)

# The first match holds: a proxy that is unauthorized also "cannot connect".
_MEANINGS: tuple[tuple[type[RuntimeFailure], tuple[str, ...]], ...] = (
    (DiskFull, ("no space left on device", "disk quota exceeded")),
    (WrongArchitecture, ("no image found in image index for", "no image found in manifest list for",
                         "no match for platform")),
    (InvalidImageName, ("invalid reference format", "repository name must be lowercase")),
    (RegistryDenied, ("unauthorized", "denied", "authentication required", "forbidden", "invalid username/password",
                      "unable to retrieve auth token")),
    (ImageNotFound, ("manifest unknown", "name unknown", "no such host", "repository not found", "404 (not found)",
                     "status code 404")),
    (RegistryUnavailable, ("connection refused", "network is unreachable", "no route to host", "i/o timeout",
                           "connection reset", "server misbehaving", "temporary failure in name resolution",
                           "tls handshake timeout", "context deadline exceeded", "too many requests",
                           "toomanyrequests", "invalid status code from registry 5", "status code 50",
                           "service unavailable", "bad gateway", "unexpected eof")),
)


def failure(text: str) -> RuntimeFailure:
    """Return what a failed pull means, with the engine's words, which name the image, in one line."""
    line = " ".join(text.split())
    return meaning(line)(line)


def load_failure(error: RuntimeFailure) -> RuntimeFailure:
    """Return what a failed load means; an engine that is away stays that."""
    if isinstance(error, EngineAway):
        return error
    return DiskFull(str(error)) if meaning(str(error)) is DiskFull else error


def meaning(text: str) -> type[RuntimeFailure]:
    """Return the exception for an engine's words."""
    lowered = text.lower()
    return next((kind for kind, words in _MEANINGS if any(word in lowered for word in words)), RuntimeFailure)
