"""The server's own small loops: essential objects, compaction."""

from __future__ import annotations

import ctypes
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from edge import logs
from edge.api import core, errors, meta, storage
from edge.client.interface import Client
from edge.clock import Clock
from edge.server import essentials
from edge.store.interface import Store

ESSENTIALS_SECONDS = 30.0
CERTIFICATE_SECONDS = 60.0

log = logs.get("server")


async def keep_essentials(client: Client, wanted: Sequence[meta.Object], clock: Clock) -> None:
    """Make the essential objects and put them right when somebody changes them."""
    while True:
        for obj in wanted:
            try:
                await _keep(client, obj)
            except errors.ApiError as error:
                log.warning("essential object not in order", kind=obj.kind, name=obj.metadata.name, reason=str(error))
        await clock.sleep(ESSENTIALS_SECONDS)


async def _keep(client: Client, wanted: meta.Object) -> None:
    try:
        found = await client.get(type(wanted), wanted.metadata.name, wanted.metadata.namespace)
    except errors.NotFound:
        await client.create(wanted)
        return
    if (fixed := essentials.repaired(found, wanted)) is not None:
        await client.update(fixed)


async def offer_storage(client: Client, clock: Clock) -> None:
    """Make the storage class of local directories, once in the life of a cluster and only where there is no other."""
    while True:
        try:
            namespace = await client.get(core.Namespace, "kube-system")
            if essentials.CLASS_OFFERED in namespace.metadata.annotations:
                return
            if not (await client.list(storage.StorageClass)).items:
                await client.create(essentials.local_class())
            await client.patch(core.Namespace, "kube-system", "", {"metadata": {"annotations": {
                essentials.CLASS_OFFERED: "true"}}})
        except errors.ApiError as error:
            log.warning("storage class not offered yet", reason=str(error))
        else:
            return
        await clock.sleep(ESSENTIALS_SECONDS)


async def compact(store: Store, clock: Clock, *, every_seconds: float, keep_revisions: int) -> None:
    """Forget old history from time to time, and give the memory it took back to the machine."""
    # glibc keeps what is freed for later; on a small master others need it more. Elsewhere there is no such call.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while True:
        await clock.sleep(every_seconds)
        await store.compact(keep_revisions)
        if trim is not None:
            trim(0)


async def keep_certificates(files: Sequence[Path], reload: Callable[[], None], clock: Clock) -> None:
    """Call `reload` when one of the files has been renewed; a pair that does not fit yet is tried again."""
    taken = _written(files)
    while True:
        await clock.sleep(CERTIFICATE_SECONDS)
        found = _written(files)
        if found == taken:
            continue
        try:
            reload()
        except (ssl.SSLError, OSError) as error:
            log.warning("renewed certificate cannot be used", reason=str(error))
            continue
        taken = found
        log.info("certificates taken up anew")


def _written(files: Sequence[Path]) -> tuple[tuple[int, int], ...]:
    """Return what changes when one of the files is written or replaced; (0, 0) for a missing one."""
    found: list[tuple[int, int]] = []
    for file in files:
        try:
            state = file.stat()
        except OSError:
            found.append((0, 0))
        else:
            found.append((state.st_mtime_ns, state.st_ino))
    return tuple(found)
