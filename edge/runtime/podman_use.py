"""What Podman tells of the machine it runs on and of what its containers take of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from edge.runtime.podman_http import PodmanConnection, understood


class PodmanUse(PodmanConnection):
    """The part of a Runtime that tells where and how much."""

    async def cgroup_manager(self) -> str:
        answer = await self._call("GET", "/info")
        return str((answer.get("host") or {}).get("cgroupManager") or "cgroupfs")

    async def layer_sizes(self, container_ids: Collection[str]) -> Mapping[str, int]:
        if not container_ids:
            return {}
        filters = msgspec.json.encode({"id": sorted(container_ids)}).decode()
        rows = await self._call("GET", "/containers/json", {"all": "true", "size": "true", "filters": filters})
        with understood("a list of containers"):
            return {row["Id"]: int((row.get("Size") or {}).get("rwSize") or 0) for row in rows or ()}
