"""Decides which registry credentials fit an image: those of the pod's imagePullSecrets, as Docker writes them.

See https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

import msgspec

from edge.agent import environment
from edge.api import core
from edge.runtime.containers import Credentials

DOCKER_HUB = "docker.io"


class _Entry(msgspec.Struct):
    username: str = ""
    password: str = ""
    auth: str = ""


class _Config(msgspec.Struct):
    auths: dict[str, _Entry] = {}


def registry(image: str) -> str:
    """Return the registry of an image reference: its first part when that looks like a host, else Docker's."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else DOCKER_HUB


def find(secrets: Iterable[core.Secret], image: str) -> Credentials | None:
    """Return the first credentials for the image's registry; secrets that cannot be read are passed over."""
    wanted = registry(image)
    for secret in secrets:
        for host, entry in _entries(secret).items():
            if _host(host) == wanted and (found := _credentials(entry)) is not None:
                return found
    return None


def _entries(secret: core.Secret) -> dict[str, _Entry]:
    try:
        if (config := environment.secret_value(secret, ".dockerconfigjson")) is not None:
            return msgspec.json.decode(config, type=_Config).auths
        if (old := environment.secret_value(secret, ".dockercfg")) is not None:
            return msgspec.json.decode(old, type=dict[str, _Entry])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return {}


def _host(address: str) -> str:
    host = address.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return DOCKER_HUB if host in ("index.docker.io", "registry-1.docker.io") else host


def _credentials(entry: _Entry) -> Credentials | None:
    if entry.username:
        return Credentials(entry.username, entry.password)
    try:
        user, _, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return Credentials(user, password) if user else None
