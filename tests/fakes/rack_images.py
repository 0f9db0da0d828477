"""The API of a rack as `edgectl image` uses it: nodes with images, some of them away. Stands for a Session."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edge.api import errors


class FakeRack:
    """`images` by node are what each agent answers, `away` are nodes that do not answer, `unready` are not Ready."""

    def __init__(self, *nodes: str) -> None:
        self.images: dict[str, list[dict[str, Any]]] = {node: [] for node in nodes}
        self.architecture = "arm64"
        self.away: set[str] = set()
        self.unready: set[str] = set()
        self.full: set[str] = set()
        self.loads: list[tuple[str, int]] = []
        self.loaded: dict[str, Any] = {}
        """What a node has after any load."""
        self._lock = threading.Lock()

    def put(self, name: str, *nodes: str, id: str = "1" * 64, used: bool = False, **more: Any) -> None:
        for node in nodes or self.images:
            self.images[node].append({"id": id, "names": [name], "sizeBytes": 2_000_000, "architecture": "arm64",
                                      "inUse": used, "pods": ["default/web"] if used else [], **more})

    def request(self, method: str, path: str, body: Any = None, timeout_seconds: float = 0) -> dict[str, Any]:
        if path == "/api/v1/nodes":
            return {"items": [self._node(name) for name in self.images]}
        node, rest = self._inside(path)
        if method == "GET" and rest == "images":
            return {"images": self.images[node]}
        assert method == "DELETE", path
        query = parse_qs(urlsplit(rest).query)
        return self._remove(node, query["reference"][0], "force" in query)

    def upload(self, path: str, file: Path, sent: Callable[[int], None]) -> dict[str, Any]:
        node, rest = self._inside(path)
        assert rest == "images/load"
        if node in self.full:
            raise errors.ApiError("no space left on device")
        sent(file.stat().st_size)
        with self._lock:
            self.loads.append((node, file.stat().st_size))
            self.images[node].append(self.loaded)
        return {"names": self.loaded["names"]}

    def _node(self, name: str) -> dict[str, Any]:
        told = [{"names": [*row["names"]], "sizeBytes": row["sizeBytes"]} for row in self.images[name]]
        return {"metadata": {"name": name}, "status": {
            "images": told, "nodeInfo": {"architecture": self.architecture},
            "conditions": [{"type": "Ready", "status": "Unknown" if name in self.unready else "True"}]}}

    def _inside(self, path: str) -> tuple[str, str]:
        found = re.fullmatch(r"/api/v1/nodes/([^/]+)/proxy/(.+)", path)
        assert found is not None, path
        if found[1] in self.away:
            raise errors.Unavailable(f"node {found[1]} does not answer")
        return found[1], found[2]

    def _remove(self, node: str, reference: str, force: bool) -> dict[str, Any]:
        with self._lock:
            for row in self.images[node]:
                if reference in (row["id"], *row["names"]):
                    if row["inUse"] and not force:
                        raise errors.Conflict(f'image "{reference}" is in use by default/web')
                    self.images[node].remove(row)
                    return {"removed": row["names"]}
        raise errors.NotFound(f'image "{reference}" is not on this node')
