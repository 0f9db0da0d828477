"""What a kubeconfig document says about reaching one cluster.

https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
Files it names are left to the caller to read; of the ways to log in, client certificates and tokens are supported.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class KubeconfigError(Exception):
    """The document is not a kubeconfig, or lacks what is needed. The text says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach a cluster, and as whom. Of each pair `x` and `x_file`, at most one is set."""

    server: str
    ca: bytes = b""
    """PEM."""
    ca_file: str = ""
    """Relative to the directory of the kubeconfig, as the other files."""
    certificate: bytes = b""
    certificate_file: str = ""
    key: bytes = b""
    key_file: str = ""
    token: str = ""
    token_file: str = ""
    server_name: str = ""
    """The name the server's certificate must carry; empty: that of the address."""
    namespace: str = "default"
    context: str = ""

    def __repr__(self) -> str:
        return f"Access(server={self.server!r}, context={self.context!r})"


def parse(document: object, context: str = "") -> Access:
    """Return what the named context (or the current one) says.

    Raises:
        KubeconfigError: it is missing, incomplete or unusable.
    """
    root = _mapping(document, "the kubeconfig")
    name = context or _text(root, "current-context", "the kubeconfig")
    if not name:
        raise KubeconfigError("the kubeconfig names no current-context, and none was asked for")
    chosen = _named(root, "contexts", "context", name)
    cluster_name, user_name = (_text(chosen, part, f'context "{name}"') for part in ("cluster", "user"))
    cluster = _named(root, "clusters", "cluster", cluster_name)
    user = _named(root, "users", "user", user_name) if user_name else {}
    where, who = f'cluster "{cluster_name}"', f'user "{user_name}"'
    server = _text(cluster, "server", where)
    if not server.startswith(("https://", "http://")):
        raise KubeconfigError(f"{where}: server must be an http or https address, not {server!r}")
    if cluster.get("insecure-skip-tls-verify"):
        raise KubeconfigError(f"{where}: insecure-skip-tls-verify is not supported; add certificate-authority-data")
    for unsupported in ("exec", "auth-provider", "username"):
        if user.get(unsupported):
            raise KubeconfigError(f"{who}: {unsupported} is not supported; use a client certificate or a token")
    ca, ca_file = _data(cluster, "certificate-authority", where)
    certificate, certificate_file = _data(user, "client-certificate", who)
    key, key_file = _data(user, "client-key", who)
    if bool(certificate or certificate_file) != bool(key or key_file):
        raise KubeconfigError(f"{who}: a client certificate needs its key, and a key its certificate")
    return Access(server=server, ca=ca, ca_file=ca_file, certificate=certificate, certificate_file=certificate_file,
                  key=key, key_file=key_file, token=_text(user, "token", who),
                  token_file=_text(user, "tokenFile", who), server_name=_text(cluster, "tls-server-name", where),
                  namespace=_text(chosen, "namespace", f'context "{name}"') or "default", context=name)


def contexts(document: object) -> tuple[str, ...]:
    """Return the names of the contexts, in their order. Raises KubeconfigError."""
    entries = _mapping(document, "the kubeconfig").get("contexts") or []
    if not isinstance(entries, list):
        raise KubeconfigError("contexts must be a list")
    return tuple(_text(_mapping(entry, "contexts"), "name", "contexts") for entry in entries)


def render(access: Access, *, cluster: str, user: str) -> dict[str, Any]:
    """Return a kubeconfig document with this access as its only and current context."""
    ca = {"certificate-authority-data": _base64(access.ca), "certificate-authority": access.ca_file,
          "tls-server-name": access.server_name}
    login = {"client-certificate-data": _base64(access.certificate), "client-certificate": access.certificate_file,
             "client-key-data": _base64(access.key), "client-key": access.key_file, "token": access.token,
             "tokenFile": access.token_file}
    name = access.context or f"{user}@{cluster}"
    context = {"cluster": cluster, "user": user, "namespace": access.namespace}
    return {"apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": cluster, "cluster": {"server": access.server, **_given(ca)}}],
            "users": [{"name": user, "user": _given(login)}],
            "contexts": [{"name": name, "context": context}]}


def _given(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise KubeconfigError(f"{where}: must be a mapping")
    return value


def _text(values: Mapping[str, Any], key: str, where: str) -> str:
    value = values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise KubeconfigError(f"{where}: {key} must be a string")
    return value


def _named(root: Mapping[str, Any], collection: str, part: str, name: str) -> Mapping[str, Any]:
    entries = root.get(collection) or []
    if not isinstance(entries, list):
        raise KubeconfigError(f"{collection} must be a list")
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == name:
            return _mapping(entry.get(part), f'{part} "{name}"')
    raise KubeconfigError(f'the kubeconfig has no {part} "{name}"')


def _data(values: Mapping[str, Any], key: str, where: str) -> tuple[bytes, str]:
    """Return what is given inline, else the file that has it; inline wins, as in kubectl."""
    inline = _text(values, f"{key}-data", where)
    if not inline:
        return b"", _text(values, key, where)
    try:
        return base64.b64decode(inline, validate=True), ""
    except binascii.Error as error:
        raise KubeconfigError(f"{where}: {key}-data is not base64: {error}") from error
