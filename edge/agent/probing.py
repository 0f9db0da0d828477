"""Effects: runs the probes of one pod's containers when they are due, and keeps their results up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from edge.agent import checks, probes
from edge.agent.probes import Health, Outcome, Result, Target, Track
from edge.api import core
from edge.clock import Clock, wait
from edge.runtime.containers import EngineAway
from edge.runtime.interface import Runtime

NOTHING = Outcome(Result.ERROR)
"""Of a probe that could not be made because the engine is away."""


class Prober:
    """Runs the probes of one pod's containers. `changed` is called when a verdict turns, `said` of each result."""

    def __init__(self, runtime: Runtime, clock: Clock, changed: Callable[[], None],
                 said: Callable[[core.Container, str, Outcome], None]) -> None:
        self._runtime, self._clock, self._changed, self._said = runtime, clock, changed, said
        self._targets: dict[str, Target] = {}
        self._tracks: dict[str, tuple[Track, ...]] = {}
        self._in_flight: set[tuple[str, str]] = set()
        self._wake = asyncio.Event()

    def watch(self, targets: Mapping[str, Target]) -> None:
        """Probe these containers, and no others, from now on."""
        if targets.keys() == self._targets.keys():
            self._targets.update(targets)
            return
        for container_id, target in targets.items():
            if container_id not in self._tracks:
                self._tracks[container_id] = probes.tracks(target.container, self._clock.monotonic(),
                                                           was_started=target.was_started, was_ready=target.was_ready)
        self._tracks = {key: tracks for key, tracks in self._tracks.items() if key in targets}
        self._targets = dict(targets)
        self._wake.set()

    def health(self) -> dict[str, Health]:
        """Return what the probes say of each container that is watched."""
        return {container_id: probes.health(tracks) for container_id, tracks in self._tracks.items()}

    async def run(self) -> None:
        """Probe until cancelled."""
        self._in_flight.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                due = self._due()
                for container_id, track, seconds in due:
                    if seconds <= 0:
                        self._in_flight.add((container_id, track.kind))
                        group.create_task(self._probe(self._targets[container_id], track))
                waits = [seconds for _, _, seconds in due if seconds > 0]
                await wait(self._wake, self._clock, min(waits, default=None))

    def _due(self) -> list[tuple[str, Track, float]]:
        now, found = self._clock.monotonic(), []
        for container_id, tracks in self._tracks.items():
            for track in tracks:
                if self._targets[container_id].ending and track.kind != "readiness":
                    continue
                seconds = probes.wait(track, tracks, now)
                if seconds is not None and (container_id, track.kind) not in self._in_flight:
                    found.append((container_id, track, seconds))
        return found

    async def _probe(self, target: Target, track: Track) -> None:
        container_id, outcome = target.container_id, NOTHING
        try:
            outcome = await checks.probe(self._runtime, target, track.probe)
        except EngineAway:
            pass  # That says nothing of the container.
        finally:
            self._in_flight.discard((container_id, track.kind))
        tracks = self._tracks.get(container_id)
        if tracks is None:
            return
        before = probes.health(tracks)
        now = self._clock.monotonic()
        self._tracks[container_id] = tuple(
            probes.record(each, outcome.success, now) if each.kind == track.kind else each for each in tracks)
        if outcome is not NOTHING:
            self._said(target.container, track.kind, outcome)
        if probes.health(self._tracks[container_id]) != before:
            self._changed()
        self._wake.set()
