"""One-shot requests to the rack's API with the person's kubeconfig, on the standard library: quick to start."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from edge.api import errors
from edge.client import kubeconfig
from edge.edgectl.failures import CtlError

TIMEOUT_SECONDS = 120.0
# A node answers an upload once the image is unpacked on its card.
LONG_TIMEOUT_SECONDS = 1800.0
PIECE_BYTES = 256 * 1024
ON_MASTER = Path("/etc/edge/admin.conf")
"""What an installation leaves for root on the master."""


def default_path() -> Path:
    """Return the kubeconfig kubectl would read; on the master, where there is none of that, the one of root."""
    own = Path(os.environ.get("KUBECONFIG", "").split(":")[0] or Path.home() / ".kube" / "config")
    return ON_MASTER if not own.exists() and os.access(ON_MASTER, os.R_OK) else own


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever it was."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes


class Session:
    """A rack's API as one context of a kubeconfig names it."""

    def __init__(self, access: kubeconfig.Access) -> None:
        parts = urlsplit(access.server)
        self.host, self.port = parts.hostname or "localhost", parts.port or 443
        self._ssl = _ssl_context(access)
        self._headers = {"Accept": "application/json"}
        if access.token:
            self._headers["Authorization"] = f"Bearer {access.token}"
        self.server = access.server
        self.ca = access.ca
        self.certificate = access.certificate
        self.context = access.context

    def request(self, method: str, path: str, body: Any = None,
                timeout_seconds: float = TIMEOUT_SECONDS) -> dict[str, Any]:
        """Send one request with a JSON body and return the JSON answer; the body of a PATCH is a merge patch.

        Raises:
            errors.ApiError: the server refused, in its words.
            CtlError: the server cannot be reached.
        """
        data = None if body is None else json.dumps(body).encode()
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return self._send(method, path, data, {"Content-Type": kind}, timeout_seconds)

    def upload(self, path: str, file: Path, sent: Callable[[int], None]) -> dict[str, Any]:
        """POST a file and return the JSON answer; `sent` hears of each piece. Raises as `request` does."""
        headers = {"Content-Type": "application/x-tar", "Content-Length": str(file.stat().st_size)}
        return self._send("POST", path, _pieces(file, sent), headers, LONG_TIMEOUT_SECONDS)

    def ask(self, path: str, timeout_seconds: float) -> Answer:
        """GET a path and return the answer, a refusal too.

        Raises:
            OSError, http.client.HTTPException: nothing came back; an `ssl.SSLError` says what does not fit.
        """
        connection = http.client.HTTPSConnection(self.host, self.port, context=self._ssl, timeout=timeout_seconds)
        try:
            connection.request("GET", path, headers=self._headers)
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()},
                          response.read())
        finally:
            connection.close()

    def _send(self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: dict[str, str],
              timeout_seconds: float = TIMEOUT_SECONDS) -> dict[str, Any]:
        connection = http.client.HTTPSConnection(self.host, self.port, context=self._ssl,
                                                 timeout=timeout_seconds)
        try:
            try:
                connection.request(method, path, body=body, headers=self._headers | headers)
            except (BrokenPipeError, ConnectionResetError):
                # Whoever refuses a large body may answer and hang up before it has come.
                if body is None or connection.sock is None:
                    raise
            response = connection.getresponse()
            content = response.read()
        except ssl.SSLCertVerificationError as error:
            raise CtlError(f"{self.server} is not the rack of this kubeconfig: {error.verify_message}") from error
        except (OSError, http.client.HTTPException) as error:
            raise CtlError(f"cannot reach {self.server}: {error}. Is the rack on, and is this machine on its home "
                           "network?") from error
        finally:
            connection.close()
        return _answer(response.status, content)


def open_session(path: Path | None, context: str | None) -> Session:
    """Return the session of a kubeconfig's context.

    Raises:
        CtlError: the file is missing or is no kubeconfig, or has no such context.
    """
    path = path or default_path()
    try:
        return Session(_with_files(kubeconfig.parse(yaml.safe_load(path.read_text()), context or ""), path.parent))
    except FileNotFoundError as error:
        raise CtlError(f"{error.filename or path}: no such file. Name a kubeconfig with --kubeconfig or $KUBECONFIG; "
                       "`edgectl lab up` writes one for a rack on this machine") from error
    except (OSError, kubeconfig.KubeconfigError, yaml.YAMLError) as error:
        raise CtlError(f"{path}: {error}") from error


def _pieces(path: Path, sent: Callable[[int], None]) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
            sent(len(piece))


def _with_files(access: kubeconfig.Access, directory: Path) -> kubeconfig.Access:
    """Return the access with what its files hold; their paths are relative to the kubeconfig's directory."""

    def read(inline: bytes, name: str) -> bytes:
        return inline or (directory.joinpath(name).read_bytes() if name else b"")

    token = access.token or read(b"", access.token_file).decode().strip()
    return replace(access, ca=read(access.ca, access.ca_file), token=token,
                   certificate=read(access.certificate, access.certificate_file),
                   key=read(access.key, access.key_file))


def _answer(status: int, content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content) if content else {}
    except ValueError:
        body = {"message": content.decode(errors="replace").strip(), "code": status}
    if status >= 400:
        raise errors.from_status(body if isinstance(body, dict) else {"message": str(body), "code": status})
    return body if isinstance(body, dict) else {"items": body}


def _ssl_context(access: kubeconfig.Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=access.ca.decode() if access.ca else None)
    if access.certificate and access.key:
        # The ssl module reads keys from files only; this one is ours alone and gone at once.
        with tempfile.NamedTemporaryFile(prefix="edgectl-") as file:
            file.write(access.certificate + b"\n" + access.key)
            file.flush()
            context.load_cert_chain(file.name)
    return context
