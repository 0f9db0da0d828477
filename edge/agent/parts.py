"""Effects: what runs beside the pods: each part is made from the settings and told of the others it needs.

A part that knows something of the node is asked at each look (`NodeWatch.ask`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from edge.agent import image_gc
from edge.agent.board import Board
from edge.agent.card import Card
from edge.agent.devices import Rule
from edge.agent.disk_use import DiskUse
from edge.agent.engine_keeper import EngineCare, EngineKeeper
from edge.agent.image_keeper import ImageKeeper
from edge.agent.log_keeper import LogKeeper
from edge.agent.log_rotation import Limits
from edge.agent.loop import Agent
from edge.agent.pressure import Pressure
from edge.agent.sampling import Sampler
from edge.agent.static_folder import StaticFolder
from edge.agent.system_oom import SystemOom
from edge.agent.volume_keeper import VolumeKeeper
from edge.clock import Clock
from edge.runtime.interface import Runtime

if TYPE_CHECKING:
    from edge.agent.settings import Settings


class Parts:
    """All parts of one agent. `images` and `sampler` are what the streams server asks."""

    def __init__(self, settings: Settings, agent: Agent, runtime: Runtime, care: EngineCare, clock: Clock) -> None:
        self._settings, self._agent, self._clock = settings, agent, clock
        data_dir = str(settings.data_dir)
        disks = DiskUse(runtime, lambda: agent.around)
        self.images = self._image_keeper(runtime)
        self.sampler = Sampler(runtime, agent.pods, clock, settings.node_name, disks=disks, data_dir=data_dir)
        pressure = Pressure(
            lambda: agent.watch.node.given, data_dir, pods=agent.pods, runtime=runtime, reporter=agent.reporter,
            sampler=self.sampler, disks=disks, clock=clock, changed=agent.watch.look, groups=agent.groups,
            reclaims=(self.images,), ooms=SystemOom())
        agent.pressures = pressure.holding
        board = self._board()
        for source in (pressure, board, Card(data_dir)):
            agent.watch.ask(source)
        self.running: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("board", board.run), ("static pods", self._static_folder().run), ("volumes", self._volume_keeper().run),
            ("engine care", EngineKeeper(care, runtime, agent.watch, agent.reporter, clock).run),
            ("logs", self._log_keeper().run), ("images", self.images.run), ("pressure", pressure.run))

    def _board(self) -> Board:
        rules = [Rule(resource=name, paths=tuple(one.paths), share=one.share, together=one.together,
                      enabled=one.enabled) for name, one in self._settings.devices.items()]
        return Board(rules, self._agent.claims, self._agent.reporter, self._clock,
                     changed=self._agent.devices_changed)

    def _static_folder(self) -> StaticFolder:
        settings, agent = self._settings, self._agent
        found = StaticFolder(settings.static_pod_dir, settings.node_name, settings.run_dir / "agent", agent.pods,
                             agent.reporter, self._clock)
        agent.awaited.append(found.known)
        return found

    def _image_keeper(self, runtime: Runtime) -> ImageKeeper:
        settings, agent = self._settings, self._agent
        policy = image_gc.Policy(settings.image_gc_high_percent, settings.image_gc_low_percent,
                                 settings.image_gc_min_age_seconds, settings.pinned_images)

        def tell(reason: str, message: str) -> None:
            agent.reporter.event(None, reason=reason, message=message, type="Warning")

        return ImageKeeper(runtime, self._clock, policy, tell, agent.images_changed, agent.disk_full)

    def _log_keeper(self) -> LogKeeper:
        settings = self._settings
        limits = Limits(max_bytes=settings.log_max_bytes, max_files=settings.log_max_files,
                        total_bytes=settings.logs_max_bytes, memory_bytes=settings.logs_memory_bytes)
        keeper = LogKeeper(str(settings.log_dir), str(settings.run_dir / "logs"), limits, self._clock,
                           self._agent.pods.views)
        keeper.prepare()
        return keeper

    def _volume_keeper(self) -> VolumeKeeper:
        settings, agent = self._settings, self._agent
        keeper = VolumeKeeper(settings.volumes_dir, settings.removed_volumes_seconds, agent.reporter, self._clock,
                              lambda: (worker.state.desired for worker in agent.pods.all()))
        agent.hears["desired/volumes"] = keeper.receive
        return keeper
