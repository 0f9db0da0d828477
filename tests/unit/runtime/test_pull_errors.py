"""What an engine's words mean that could not get an image."""

from __future__ import annotations

import pytest

from edge.runtime import pull_errors
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

SOURCE = "initializing source docker://r.io/a:1: "


@pytest.mark.parametrize(("words", "kind"), [
    (SOURCE + "reading manifest 1 in r.io/a: manifest unknown: manifest unknown", ImageNotFound),
    (SOURCE + "reading manifest 1 in r.io/a: name unknown: repository not found", ImageNotFound),
    (SOURCE + "pinging container registry r.io: Get \"https://r.io/v2/\": dial tcp: lookup r.io: no such host",
     ImageNotFound),
    (SOURCE + "reading manifest 1 in r.io/a: unauthorized: authentication required", RegistryDenied),
    (SOURCE + "Requesting bearer token: invalid status code from registry 403 (Forbidden)", RegistryDenied),
    (SOURCE + "requested access to the resource is denied", RegistryDenied),
    (SOURCE + "unable to retrieve auth token: invalid username/password: unauthorized", RegistryDenied),
    (SOURCE + "pinging container registry r.io: dial tcp 10.0.0.1:443: connect: connection refused",
     RegistryUnavailable),
    (SOURCE + "dial tcp 10.0.0.1:443: connect: no route to host", RegistryUnavailable),
    (SOURCE + "dial tcp: lookup r.io on 10.0.0.1:53: read udp: i/o timeout", RegistryUnavailable),
    (SOURCE + "lookup r.io: Temporary failure in name resolution", RegistryUnavailable),
    (SOURCE + "invalid status code from registry 503 (Service Unavailable)", RegistryUnavailable),
    (SOURCE + "toomanyrequests: You have reached your pull rate limit", RegistryUnavailable),
    ("choosing an image from manifest list docker://r.io/a:1: no image found in image index for architecture arm64, "
     "variant \"v8\", OS linux", WrongArchitecture),
    ("no image found in manifest list for architecture arm, variant \"v7\", OS linux", WrongArchitecture),
    ("writing blob: storing blob to file \"/var/tmp/storage1/1\": write: no space left on device", DiskFull),
    ("invalid reference format", InvalidImageName),
    ("something else", RuntimeFailure)])
def test_a_failed_pull(words: str, kind: type[RuntimeFailure]) -> None:
    error = pull_errors.failure(words.replace(" ", "\n", 1))
    assert type(error) is kind
    assert str(error) == words


def test_a_failed_load() -> None:
    away = EngineAway("podman does not answer: no space left on device")
    assert pull_errors.load_failure(away) is away
    full = pull_errors.load_failure(RuntimeFailure("writing blob: no space left on device"))
    assert type(full) is DiskFull
    odd = RuntimeFailure("payload does not match any of the supported image formats")
    assert pull_errors.load_failure(odd) is odd
