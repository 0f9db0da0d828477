"""Effects: TLS connections by the key of who is at their other end; those of revoked keys are refused and ended.

A key is looked for on every connection each time the list of revoked keys has changed, and on each request as long as
the list has entries: a rack where nothing was ever revoked pays one look into the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Collection, Iterable, Mapping

from edge.api import core
from edge.apiserver.lookup import Lookup
from edge.pki import der, names, revocation


class KeyRevoked(ssl.SSLError):
    """The other end has shown a certificate whose key was revoked."""


class Revoked:
    """The revoked keys as the store has them."""

    def __init__(self, lookup: Lookup, keep: Collection[str] = ()) -> None:
        """`keep` are keys that nobody can revoke: without its own the server would have no nodes any more."""
        self._lookup = lookup
        self._keep = frozenset(keep)
        self._read_of: core.ConfigMap | None = None
        self._found: dict[str, revocation.Revocation] = {}

    def keys(self) -> Mapping[str, revocation.Revocation]:
        """Return the revocations by the hash of the key."""
        listed = self._lookup.one(core.ConfigMap, revocation.NAMESPACE, revocation.NAME)
        if listed is not self._read_of:
            data = listed.data if listed is not None else {}
            self._found = {key: each for key, each in revocation.read(data).items() if key not in self._keep}
            self._read_of = listed
        return self._found

    def of(self, transport: asyncio.BaseTransport | None) -> str:
        """Return what is to be said of the revoked key at the other end of a connection, "" for any other."""
        if not self.keys():
            return ""
        key = key_of(transport)
        found = self.keys().get(key)
        return revocation.told(key, found) if found is not None else ""

    def of_node(self, node: core.Node) -> str:
        """Return what is to be said of a node whose present key is revoked, "" for any other."""
        key = node.metadata.annotations.get(names.KEY_ANNOTATION, "")
        found = self.keys().get(key)
        return revocation.told(key, found) if found is not None else ""

    def end(self, transports: Iterable[asyncio.BaseTransport | None]) -> int:
        """Cut the connections whose peer has a revoked key, and return how many there were."""
        ended = 0
        for transport in list(transports):
            if isinstance(transport, asyncio.Transport) and self.of(transport):
                cut(transport)
                ended += 1
        return ended

    def refuse(self, context: ssl.SSLContext) -> None:
        """Have connections that are made with these settings end in their handshake when the peer's key is revoked."""
        context.sslobject_class = _checked(self.keys)


def key_of(transport: asyncio.BaseTransport | None) -> str:
    """Return the hash of the key at the other end, "" where no certificate was shown."""
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    return der.key_hash(certificate) if certificate else ""


def cut(transport: asyncio.Transport) -> None:
    """End a connection at once, whatever still waits to be sent."""
    # Python 3.11.2 has nothing left to abort when it was told to close twice.
    with contextlib.suppress(AttributeError):
        transport.abort()


def _checked(revoked: Callable[[], Collection[str]]) -> type[ssl.SSLObject]:
    class Checked(ssl.SSLObject):
        """TLS as asyncio drives it, with one more question at the end of the handshake."""

        def do_handshake(self) -> None:
            super().do_handshake()
            listed = revoked()
            certificate = self.getpeercert(binary_form=True) if listed else None
            if certificate and der.key_hash(certificate) in listed:
                raise KeyRevoked(ssl.SSL_ERROR_SSL, "the peer's key was revoked")

    return Checked
