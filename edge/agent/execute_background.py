"""Effects: pulls images and runs hooks in the background of a pod: they delay neither its probes nor its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from edge.agent import actions, checks, memory, probes, stopping
from edge.agent.image_pulls import Outcome
from edge.agent.pod_state import PodState, Ports, Spawn
from edge.agent.view import every
from edge.api import core

LONGEST_HOOK_SECONDS = 24 * 3600.0


class Say(Protocol):
    """Sends an event of the pod."""

    def __call__(self, reason: str, message: str, kind: str = "Normal", field_path: str = "") -> None: ...


class Background:
    """What one pod has under way. `spawn` starts a part of it, `wake` has the worker look again."""

    def __init__(self, state: PodState, ports: Ports, spawn: Spawn, wake: Callable[[], None], event: Say) -> None:
        self._state, self._ports, self._spawn, self._wake, self._event = state, ports, spawn, wake, event
        self._pulling: set[asyncio.Task[Outcome]] = set()

    def begin_pull(self, action: actions.PullImage) -> None:
        """Fetch an image; the pod looks again once it is there or cannot be had."""
        self._state.memory = memory.pull_began(self._state.memory, action.container, action.attempt,
                                               action.reference)
        self._spawn(f"pull {action.container}", lambda: self._pull(action))

    def give_up_pulls(self) -> None:
        """Wait for no image any more: the pod is going."""
        for pull in self._pulling:
            pull.cancel()

    async def _pull(self, action: actions.PullImage) -> None:
        pull = asyncio.ensure_future(self._ports.pulls.run(action))
        self._pulling.add(pull)
        pull.add_done_callback(self._pulling.discard)
        outcome, name, attempt = await pull, action.container, action.attempt
        if outcome.image is None:
            self._state.memory = memory.pull_failed(self._state.memory, name, attempt, outcome.reason, outcome.message,
                                                    self._ports.clock.monotonic(), action.reference)
        else:
            self._state.memory = memory.pulled(self._state.memory, name, attempt, action.reference, outcome.image)
            self._event("Pulled", outcome.said, "Normal", action.field_path)
        if outcome.fetched:
            self._ports.images_changed()
        self._wake()

    def begin_hook(self, action: actions.RunHook) -> None:
        """Run a hook; the pod looks again once it has ended."""
        clock = self._ports.clock
        self._state.memory = memory.hook_began(self._state.memory, action.kind, action.container_id,
                                               action.grace_seconds, action.restart, clock.monotonic())
        self._spawn(f"{action.kind} {action.container_id}", lambda: self._hook(action))

    async def _hook(self, action: actions.RunHook) -> None:
        sandbox, spec = self._ports.sandboxes.get(self._state.uid), self._container_spec(action.container)
        target = probes.Target(action.container_id, spec,
                               sandbox.address if sandbox else self._ports.around().node_address)
        seconds = action.grace_seconds if action.kind == "preStop" else float("inf")
        error = await checks.hook(self._ports.runtime, self._ports.clock, target, action.handler,
                                  min(seconds, LONGEST_HOOK_SECONDS))
        if error:
            # As with the kubelet the event says no more: what a hook prints may be a secret.
            word = "PostStartHook" if action.kind == "postStart" else "PreStopHook"
            self._event(f"Failed{word}", f"{word} failed", "Warning", self._field_path(action.container))
        self._state.memory = memory.hook_ended(self._state.memory, action.kind, action.container_id, error)
        self._wake()

    def _field_path(self, name: str) -> str:
        pod = self._state.pod
        return stopping.pod_field_path(pod.spec if pod is not None else core.PodSpec(), name)

    def _container_spec(self, name: str) -> core.Container:
        pod = self._state.pod
        for container in every(pod.spec) if pod is not None else ():
            if container.name == name:
                return container
        return core.Container(name=name)
