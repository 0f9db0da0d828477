"""Gathers what `/metrics` tells of this server, from the store and from the kernel, when it is asked.

Requests are not counted: that would cost something on each of them, for a page that most racks never read.
https://kubernetes.io/docs/reference/instrumentation/metrics/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge.apiserver import discovery
from edge.apiserver.catalog import Catalog
from edge.apiserver.lookup import prefix_of
from edge.apiserver.metrics_text import Gauge, single
from edge.store.interface import Store

PAGE_BYTES = 4096
_SELF = Path("/proc/self")


class ServerMetrics:
    """The numbers of one server."""

    def __init__(self, store: Store, catalog: Catalog, watches: Callable[[], int],
                 others: Callable[[], Sequence[Gauge]] = tuple) -> None:
        self._store = store
        self._catalog = catalog
        self._watches = watches
        self._others = others

    def read(self) -> tuple[Gauge, ...]:
        """Return the numbers of this moment."""
        build = {"git_version": f"v{discovery.KUBERNETES}"}
        return (Gauge("kubernetes_build_info", "The release of Kubernetes whose API this is.", ((build, 1),)),
                Gauge("apiserver_storage_objects", "Stored objects of each resource.", self._objects()),
                single("apiserver_storage_revision", "The newest resourceVersion.", self._store.revision, "counter"),
                Gauge("apiserver_longrunning_requests", "Requests that last, such as watches.",
                      (({"verb": "WATCH"}, self._watches()),)),
                *_process(), *self._others())

    def _objects(self) -> tuple[tuple[dict[str, str], float], ...]:
        found = []
        for resource in self._catalog.resources():
            if not resource.virtual:
                page = self._store.list(prefix_of(resource, ""), limit=1)
                found.append(({"resource": resource.group_resource}, float(len(page.records) + page.remaining)))
        return tuple(found)


def _process() -> tuple[Gauge, ...]:
    """Return what the kernel knows of this process; nothing where it does not tell."""
    try:
        pages = (_SELF / "statm").read_text().split()
        descriptors = sum(1 for _ in (_SELF / "fd").iterdir())
    except OSError:
        return ()
    return (single("process_virtual_memory_bytes", "Virtual memory size in bytes.", int(pages[0]) * PAGE_BYTES),
            single("process_resident_memory_bytes", "Resident memory size in bytes.", int(pages[1]) * PAGE_BYTES),
            single("process_open_fds", "Open file descriptors.", descriptors))
