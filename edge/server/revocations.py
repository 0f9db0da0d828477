"""Has revoked keys take effect: ends what their owners do through the API, and asks the ground to shut the bus to them.

The list is a ConfigMap (`edge.pki.revocation`). The broker reads a list of certificates, signed by the authority: it
is left among the wishes, from where `edge-rack apply` takes it, as root, to the broker.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from edge import logs
from edge.api import core, meta
from edge.client import cache, view
from edge.clock import Clock, wait
from edge.pki import der, revocation

LOOK_SECONDS = 600.0
RETRY_SECONDS = 5.0
OWN = ("ca.crt", "server.crt", "edge-server.crt", "broker.crt")
"""Certificates whose keys cannot be revoked: the rack would be without its server."""

log = logs.get("revocations")


def own_keys(pki_dir: Path) -> tuple[str, ...]:
    """Return the hashes of the keys nobody can revoke."""
    found = []
    for name in OWN:
        try:
            found.append(der.key_hash(ssl.PEM_cert_to_DER_cert((pki_dir / name).read_text().strip())))
        except (OSError, ValueError):
            continue  # The start has looked at those it needs; the broker's may be on another machine.
    return tuple(found)


class Revocations:
    """The loop over the list of revoked keys."""

    def __init__(self, caches: cache.SharedCaches, clock: Clock, *, pki_dir: Path, wishes_dir: Path,
                 end: Callable[[], int]) -> None:
        """`end` cuts the connections of revoked keys and returns how many there were."""
        self._maps = caches.of(core.ConfigMap)
        self._clock = clock
        self._pki_dir = pki_dir
        self._file = wishes_dir / revocation.FILE
        self._end = end
        self._wake = asyncio.Event()
        self._known: Mapping[str, revocation.Revocation] = {}
        self._problem = ""
        self._maps.listen(self._changed)

    def keys(self) -> Mapping[str, revocation.Revocation]:
        """Return the revocations by the hash of the key: these are never given a certificate again."""
        listed = self._maps.get(view.key(revocation.NAME, revocation.NAMESPACE))
        return revocation.read(listed.data) if listed is not None else {}

    async def run(self) -> None:
        """Work until cancelled."""
        await self._maps.synced.wait()
        while True:
            listed = self.keys()
            own = own_keys(self._pki_dir) if listed else ()
            self._tell(listed, own)
            if listed and (ended := self._end()):
                log.info("connections of revoked keys ended", connections=ended)
            done = self._wish(listed, own)
            await wait(self._wake, self._clock, LOOK_SECONDS if done else RETRY_SECONDS)

    def _changed(self, old: meta.Object | None, new: meta.Object | None) -> None:
        subject = new or old
        if subject is not None and (subject.metadata.namespace, subject.metadata.name) == (
                revocation.NAMESPACE, revocation.NAME):
            self._wake.set()

    def _tell(self, listed: Mapping[str, revocation.Revocation], own: Collection[str]) -> None:
        for key in listed.keys() - self._known.keys():
            if key in own:
                log.error("a key of the server itself cannot be revoked; the entry is ignored", key=key)
            else:
                log.warning("key revoked", key=key, name=listed[key].name, by=listed[key].by, reason=listed[key].reason)
        for key in self._known.keys() - listed.keys():
            log.warning("revocation taken back", key=key, name=self._known[key].name)
        self._known = listed

    def _wish(self, listed: Mapping[str, revocation.Revocation], own: Collection[str]) -> bool:
        """Write the list of revoked certificates if it says something else; return whether it is as it should be."""
        wanted = revocation.serials(listed, own)
        if not wanted and not self._file.exists():
            return True
        # Only a rack that has revoked something carries the cryptography package for it.
        from edge.pki import authority, directory, revocation_list

        try:
            ca = directory.read_pair(self._pki_dir, directory.CA)
            if self._written(ca.certificate) != wanted:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                directory.write(self._file, revocation_list.make(ca, wanted), mode=0o644)
                log.info("list of revoked certificates written", path=str(self._file), certificates=len(wanted))
            self._problem = ""
        except (OSError, authority.PkiError) as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.error("the broker cannot be told of revoked keys yet", reason=self._problem)
            return False
        return True

    def _written(self, ca_certificate: bytes) -> Collection[int] | None:
        from edge.pki import authority, revocation_list

        try:
            return revocation_list.read(self._file.read_bytes(), ca_certificate)
        except (FileNotFoundError, authority.PkiError):
            return None
