"""Effects: gets a container engine back that hangs or does not start, and tells the node's events what was done."""

from __future__ import annotations

from typing import Protocol

from edge import logs
from edge.agent import engine_care
from edge.agent.engine_care import Engine, Step
from edge.agent.node_watch import NodeWatch
from edge.agent.reporter import Reporter
from edge.clock import Clock
from edge.runtime.containers import ImagesUnreadable, RuntimeFailure
from edge.runtime.interface import Runtime
from edge.runtime.repair import Damage

LOOK_SECONDS = 5.0

log = logs.get("agent.engine")


class EngineCare(Protocol):
    """The engine's own process and store."""

    async def listens(self) -> bool: ...

    async def end(self) -> str: ...

    async def examine(self) -> Damage | None: ...

    async def start(self) -> str: ...

    async def set_aside(self, damage: Damage) -> tuple[str, ...]: ...

    async def forget_images(self) -> tuple[str, ...]: ...


class EngineKeeper:
    """Looks after the engine while it does not answer; sleeps while it does."""

    def __init__(self, care: EngineCare, runtime: Runtime, watch: NodeWatch, reporter: Reporter, clock: Clock) -> None:
        self._care, self._runtime, self._watch = care, runtime, watch
        self._reporter, self._clock = reporter, clock
        self._tries, self._tried_at = 0, 0.0

    async def run(self) -> None:
        """Look after the engine until cancelled."""
        while True:
            if not self._watch.engine_away.is_set():
                self._tries = 0
            await self._watch.engine_away.wait()
            await self.look()
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Do the next thing about an engine that does not answer."""
        now, since = self._clock.monotonic(), self._watch.away_since
        if since is None:
            return
        pings = await self._pings()
        engine = Engine(away_seconds=now - since, listens=await self._care.listens(), pings=pings,
                        images_readable=not pings or await self._images_readable(), tries=self._tries,
                        since_try_seconds=now - self._tried_at if self._tries else None)
        decided = engine_care.step(engine)
        if decided is Step.WAIT:
            return
        self._tries, self._tried_at = self._tries + 1, now
        try:
            await self._do(decided)
        except OSError as error:
            self._tell("ContainerStoreBroken", "The container store cannot be read and not be mended", str(error))

    async def _do(self, decided: Step) -> None:
        """Raises OSError: the store's files cannot be moved."""
        match decided:
            case Step.END:
                self._tell("ContainerRuntimeRestarted", "The container engine hangs", await self._care.end())
            case Step.FORGET_IMAGES:
                self._tell_reset("images", await self._care.forget_images())
                await self._care.end()
            case Step.EXAMINE:
                await self._examine()
            case Step.WAIT:
                pass

    async def _examine(self) -> None:
        damage = await self._care.examine()
        if damage is not None:
            self._tell_reset(damage.lost, await self._care.set_aside(damage))
        self._tell("ContainerRuntimeStarted", "The container engine does not listen", await self._care.start())

    async def _pings(self) -> bool:
        try:
            await self._runtime.version()
        except RuntimeFailure:
            return False
        return True

    async def _images_readable(self) -> bool:
        try:
            await self._runtime.images()
        except ImagesUnreadable:
            return False
        except RuntimeFailure:
            return True
        return True

    def _tell_reset(self, lost: str, moved: tuple[str, ...]) -> None:
        self._tell("ContainerStoreReset", f"The container store could not be read: the {lost} in it are lost and made "
                   "anew", f"moved aside {', '.join(moved)}" if moved else "")

    def _tell(self, reason: str, message: str, done: str) -> None:
        if done:
            log.warning("looked after the container engine", reason=message, done=done)
            self._reporter.event(None, reason=reason, message=f"{message}: {done}", type="Warning")
