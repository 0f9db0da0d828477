"""Decides which registry credentials fit an image: those of the pod's imagePullSecrets, as Docker writes them.

A key names a registry, `registry.example.com:5000`, maybe with the beginning of a path and with `*` for whole or
partial labels of its name; see
https://kubernetes.io/docs/concepts/containers/images/#config-json.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

import msgspec

from edge.agent import environment
from edge.api import core
from edge.runtime import references
from edge.runtime.containers import Credentials, InvalidImageName

DOCKER_HUB = references.DEFAULT_REGISTRY
# Docker itself writes the first of these for its own registry.
_HUB_NAMES = ("index.docker.io", "registry-1.docker.io")


class _Entry(msgspec.Struct):
    username: str = ""
    password: str = ""
    auth: str = ""


class _Config(msgspec.Struct):
    auths: dict[str, _Entry] = {}


def find(secrets: Iterable[core.Secret], image: str) -> tuple[Credentials, ...]:
    """Return all credentials that fit, those of the most specific key first; unreadable secrets are passed over."""
    try:
        repository = references.parse(image).repository
    except InvalidImageName:
        return ()
    by_key: dict[str, list[Credentials]] = {}
    for secret in secrets:
        for address, entry in _entries(secret).items():
            if (found := _credentials(entry)) is not None:
                by_key.setdefault(_key(address), []).append(found)
    fitting = [each for key in sorted(by_key, reverse=True) if _fits(key, repository) for each in by_key[key]]
    if not fitting and repository.startswith(f"{DOCKER_HUB}/"):
        fitting = [each for name in _HUB_NAMES for each in by_key.get(name, ())]
    return tuple(dict.fromkeys(fitting))


def missing(pod: core.Pod, secrets: Iterable[str]) -> tuple[str, ...]:
    """Return the names of pull secrets that are not there."""
    there = set(secrets)
    names = (reference.name for reference in pod.spec.image_pull_secrets)
    return tuple(dict.fromkeys(name for name in names if name and name not in there))


def _entries(secret: core.Secret) -> dict[str, _Entry]:
    try:
        return dict(_readable(secret))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _readable(secret: core.Secret) -> Iterator[tuple[str, _Entry]]:
    config, old = (environment.secret_value(secret, f".{kind}")
                   if secret.type in ("", f"kubernetes.io/{kind}") else None for kind in (
                       "dockerconfigjson", "dockercfg"))
    if config is not None:
        yield from msgspec.json.decode(config, type=_Config).auths.items()
    if old is not None:
        yield from msgspec.json.decode(old, type=dict[str, _Entry]).items()


def _key(address: str) -> str:
    """Return a key without what Docker puts around it: `https://host/v1/` and `host` are the same."""
    host, _, path = address.removeprefix("https://").removeprefix("http://").partition("/")
    for version in ("v1/", "v2/"):
        path = path.removeprefix(version)
    return f"{host}/{path}" if path not in ("", "v1", "v2") else host


def _fits(key: str, repository: str) -> bool:
    """As the kubelet: as many labels on both sides, each one matching; the same port; the path begins like that."""
    host, _, path = key.partition("/")
    wanted, _, inside = repository.partition("/")
    name, _, port = host.partition(":")
    wanted_name, _, wanted_port = wanted.partition(":")
    labels, wanted_labels = name.split("."), wanted_name.split(".")
    return port == wanted_port and len(labels) == len(wanted_labels) and inside.startswith(path) and \
        all(fnmatchcase(there, pattern) for pattern, there in zip(labels, wanted_labels, strict=True))


def _credentials(entry: _Entry) -> Credentials | None:
    if not entry.auth:
        return Credentials(entry.username, entry.password) if entry.username else None
    try:
        padded = entry.auth + "=" * (-len(entry.auth) % 4)
        user, colon, password = base64.b64decode(padded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return Credentials(user, password.rstrip("\0")) if user and colon else None
