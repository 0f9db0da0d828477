"""VolatileLimit: bounds what Events, Leases and other objects that are never on the card take of the server's memory.

Nobody pays for them with disk space or a quota, and the controller that tidies Events up comes once a minute; without
this whoever may write Events could fill the memory of the master within seconds.
"""

from __future__ import annotations

from edge.api import codec, errors, meta, scheme
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import prefix_of
from edge.apiserver.write import SERVER
from edge.store.interface import Store

MOST_BYTES = 16 * 1024 * 1024
"""Some ten thousand usual Events; the server keeps two thousand."""
_RETRY_SECONDS = 5


class VolatileLimit(Plugin):
    """Everything volatile that is not written by the server itself."""

    name = "VolatileLimit"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._prefixes = tuple(prefix_of(resource, "") for resource in scheme.resources() if resource.volatile)
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        store.observe(self._saw)

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        return resource.volatile and operation in ("CREATE", "UPDATE")

    async def validate(self, request: Attributes) -> None:
        if self._bytes < MOST_BYTES or request.write.user.name == SERVER.name or not _grows(request.obj, request.old):
            return
        raise errors.TooManyRequests(
            f"{request.resource.group_resource} and what else is only kept in memory take {MOST_BYTES} bytes already, "
            "please try again later", details={"retryAfterSeconds": _RETRY_SECONDS})

    def _saw(self, key: str) -> None:
        if key.startswith(self._prefixes):
            record = self._store.get(key)
            self._bytes -= self._sizes.pop(key, 0)
            if record is not None:
                self._sizes[key] = size = len(record.value)
                self._bytes += size


def _grows(new: meta.Object | None, old: meta.Object | None) -> bool:
    """Return whether a write takes more than what it replaces: who renews a Lease is not stopped."""
    if old is None or new is None:
        return old is None
    return len(codec.encode(new)) > len(codec.encode(old))
