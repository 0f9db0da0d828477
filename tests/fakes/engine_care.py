"""An engine's own process and store in memory: it can hang, be gone, and have a broken store."""

from __future__ import annotations

from edge.runtime.repair import Damage
from tests.fakes.runtime import FakeRuntime


class FakeEngineCare:
    """Ends and starts a FakeRuntime. `damage` keeps it from starting until it is set aside."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._runtime = runtime
        self.hangs = False
        self.damage: Damage | None = None
        self.done: list[str] = []
        self.card_is_broken = False
        self.images_broken = False

    def hang(self) -> None:
        """Take connections and never answer."""
        self.hangs = True
        self._runtime.go_away()

    async def listens(self) -> bool:
        return self.hangs

    async def end(self) -> str:
        self.done.append("end")
        if not self.hangs:
            return ""
        self.hangs = False
        self._come_back()
        return "ended process 7"

    async def examine(self) -> Damage | None:
        self.done.append("examine")
        return self.damage

    async def start(self) -> str:
        self.done.append("start")
        self._come_back()
        return "systemctl restart podman.socket"

    async def set_aside(self, damage: Damage) -> tuple[str, ...]:
        if self.card_is_broken:
            raise OSError(30, "Read-only file system")
        self.done.append(f"set aside {damage.lost}")
        self.damage = None
        return damage.paths

    async def forget_images(self) -> tuple[str, ...]:
        self.done.append("forget images")
        self.images_broken = False
        return ("overlay-images/images.json",)

    def _come_back(self) -> None:
        if self.damage is None:
            self._runtime.away = False
