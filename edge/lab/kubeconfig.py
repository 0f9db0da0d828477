"""Adds the rack to a person's kubeconfig, and takes it out again. Pure: file contents in, file contents out.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import base64
from typing import Any

Config = dict[str, Any]


def build(server: str, ca: bytes, certificate: bytes, key: bytes, name: str) -> Config:
    """Return a kubeconfig of one cluster, one user and one context, all called `name`."""
    return {
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": _text(ca)}}],
        "users": [{"name": name, "user": {"client-certificate-data": _text(certificate),
                                          "client-key-data": _text(key)}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def merge(existing: Config, ours: Config) -> Config:
    """Return `existing` with our entries added or replaced, and ours as the current context."""
    merged = remove(existing, ours["current-context"])
    for part in ("clusters", "users", "contexts"):
        merged[part] = [*(merged.get(part) or []), *ours[part]]
    return {"apiVersion": "v1", "kind": "Config"} | merged | {"current-context": ours["current-context"]}


def remove(existing: Config, name: str) -> Config:
    """Return `existing` without the entries called `name`; another context becomes current if that one was."""
    left = dict(existing)
    for part in ("clusters", "users", "contexts"):
        left[part] = [entry for entry in existing.get(part) or [] if entry.get("name") != name]
    if left.get("current-context") == name:
        left["current-context"] = left["contexts"][0]["name"] if left["contexts"] else ""
    return left


def is_empty(config: Config) -> bool:
    """Return whether nothing is left worth a file."""
    return not any(config.get(part) for part in ("clusters", "users", "contexts"))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
