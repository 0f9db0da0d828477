"""What the agent remembers of one pod between two rounds, as a value, and how each outcome changes it.

None of it has to survive the agent: after a restart the containers tell the attempt, and a fresh memory only means
that a back-off starts again. Times are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from edge.agent import backoff
from edge.agent.backoff import Backoff
from edge.api import times
from edge.runtime.containers import Container, Image, State

V = TypeVar("V")
START_ERROR_EXIT_CODE = 128
LOST_EXIT_CODE = 255


@dataclass(frozen=True, slots=True)
class Pull:
    """The last pull for one attempt of a container. With an empty reason it is in flight or `done`."""

    attempt: int
    done: bool = False
    reason: str = ""
    message: str = ""
    failed_at: float = 0.0
    backoff: Backoff | None = None
    reference: str = ""
    """What was pulled: a pod's image may change while it is."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A container that could not be created."""

    reason: str
    message: str
    failed_at: float
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class Stop:
    """A container that is being stopped. `hook` is empty, `running` or `done`."""

    since: float
    grace_seconds: float
    restart: bool = False
    hook: str = ""
    signal: str = ""
    """The last signal that was sent."""
    signalled_at: float = 0.0
    """When the first one was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Everything remembered of one pod; maps are by container name or by container id, as said."""

    began_at: float | None = None
    """When the pod began, by time that passed; None before its status says so."""
    files_key: str = ""
    """What the pod's files were made from; empty before they were."""
    images: Mapping[str, Image | None] = field(default_factory=dict)
    """By reference, as far as looked up."""
    pulls: Mapping[str, Pull] = field(default_factory=dict)
    """By container name."""
    failures: Mapping[str, Failure] = field(default_factory=dict)
    """By container name."""
    start_errors: Mapping[str, str] = field(default_factory=dict)
    """By container id."""
    exits: Mapping[str, float] = field(default_factory=dict)
    """By container id: when its end was first seen."""
    messages: Mapping[str, str] = field(default_factory=dict)
    """By container id: what it left in its termination log."""
    restarts: Mapping[str, Backoff] = field(default_factory=dict)
    """By container name."""
    stops: Mapping[str, Stop] = field(default_factory=dict)
    """By container id."""
    post_start: Mapping[str, str] = field(default_factory=dict)
    """By container id: `wanted`, `running`, `done`, or what went wrong after `failed: `."""
    said: frozenset[str] = frozenset()
    """Keys of the events that were sent."""
    admitted: bool = False
    """Whether the node has taken the pod."""
    rejected: bool = False
    failed: tuple[str, str] | None = None
    """Reason and message of a pod that has failed as a whole."""
    failed_grace_seconds: float | None = None
    """How long a pod gets that the node itself ends; None where the pod failed for another reason."""
    group_made: bool = False
    """The pod's control group is as it should be."""
    sparing: bool = False
    """The node is short of disk: keep no ended containers beyond need."""
    emptied: bool = False
    """What the pod has written into its volumes is gone."""
    ending_since: float | None = None
    """When the pod as a whole began to stop: it was deleted, or has failed or finished."""
    forgotten: bool = False


def observe(memory: Memory, containers: Iterable[Container], now: float) -> tuple[Memory, tuple[Container, ...]]:
    """Return the memory with newly seen ends, and the containers as the plan shall see them.

    A container that could not be started counts as ended with 128, one that a reboot cut off as ended with 255.
    """
    seen = tuple(_settled(c, memory.start_errors.get(c.id)) for c in containers)
    exits = {c.id: memory.exits.get(c.id, now) for c in seen if c.state is State.EXITED}
    if exits.keys() != memory.exits.keys():
        memory = replace(memory, exits=exits)
    return memory, seen


def began(memory: Memory, start_time: str | None, now: datetime, monotonic: float) -> Memory:
    """Return the memory with the moment the pod began, taken once from the start time in its status."""
    if memory.began_at is not None or not start_time:
        return memory
    return replace(memory, began_at=monotonic - max(0.0, (now - times.parse(start_time)).total_seconds()))


def _settled(container: Container, start_error: str | None) -> Container:
    if container.state is State.CREATED and start_error is not None:
        return replace(container, state=State.EXITED, exit_code=START_ERROR_EXIT_CODE, error=start_error)
    if container.state is State.CREATED and container.started_at:
        return replace(container, state=State.EXITED, exit_code=LOST_EXIT_CODE)
    return container


def pull_began(memory: Memory, name: str, attempt: int, reference: str = "") -> Memory:
    """Return the memory with a pull in flight; the back-off of an earlier failure with the same image is kept."""
    earlier = memory.pulls.get(name)
    wait = earlier.backoff if earlier is not None and earlier.reference == reference else None
    return replace(memory, pulls={**memory.pulls, name: Pull(attempt, backoff=wait, reference=reference)},
                   said=_unsaid(memory, name))


def pulled(memory: Memory, name: str, attempt: int, reference: str, image: Image) -> Memory:
    """Return the memory with the image there."""
    memory = found(memory, reference, image)
    if _is_outdated(memory, name, reference):
        return memory
    return replace(memory, pulls={**memory.pulls, name: Pull(attempt, done=True, reference=reference)})


def pull_failed(memory: Memory, name: str, attempt: int, reason: str, message: str, now: float,
                reference: str = "") -> Memory:
    """Return the memory with a failed pull and its next back-off."""
    if _is_outdated(memory, name, reference):
        return memory
    earlier = memory.pulls.get(name)
    wait = backoff.advance(earlier.backoff if earlier else None, now, now)
    return replace(memory, pulls={**memory.pulls,
                                  name: Pull(attempt, False, reason, message, now, wait, reference)})


def _is_outdated(memory: Memory, name: str, reference: str) -> bool:
    """Return whether another image is pulled for the container by now."""
    latest = memory.pulls.get(name)
    return latest is not None and latest.reference not in ("", reference)


def found(memory: Memory, reference: str, image: Image | None) -> Memory:
    """Return the memory with what is known of an image."""
    return replace(memory, images={**memory.images, reference: image})


def images_changed(memory: Memory) -> Memory:
    """Return the memory without what is known of images, after some came to the node or went.

    Failed pulls stay, with their back-off: a registry has nothing new because a neighbor was pulled.
    """
    return replace(memory, images={})


def created(memory: Memory, name: str, failed_at: float | None, now: float) -> Memory:
    """Return the memory after a container was created; images are looked up anew for the next one."""
    restarts = dict(memory.restarts)
    if failed_at is None:
        # The first one, or one with a new definition, which has not failed yet.
        restarts.pop(name, None)
    else:
        restarts[name] = backoff.advance(restarts.get(name), failed_at, now)
    return replace(memory, restarts=restarts, images={}, said=_unsaid(memory, name),
                   failures={n: f for n, f in memory.failures.items() if n != name},
                   pulls={n: p for n, p in memory.pulls.items() if n != name})


def create_failed(memory: Memory, name: str, message: str, now: float,
                  reason: str = "CreateContainerError") -> Memory:
    """Return the memory after a creation that the engine refused; as by the kubelet, it is tried again every 10 s."""
    failure = Failure(reason, message, now, backoff.advance(None, now, now))
    return replace(memory, images={}, failures={**memory.failures, name: failure})


def started(memory: Memory, container_id: str) -> Memory:
    """Return the memory after a start: a postStart hook is now due, if there is one."""
    return replace(memory, post_start={**memory.post_start, container_id: "wanted"})


def start_failed(memory: Memory, container_id: str, message: str) -> Memory:
    """Return the memory after a start that the engine refused."""
    return replace(memory, start_errors={**memory.start_errors, container_id: message})


def hook_began(memory: Memory, kind: str, container_id: str, grace: float, restart: bool, now: float) -> Memory:
    """Return the memory with a hook running; a preStop hook begins the stop."""
    if kind == "postStart":
        return replace(memory, post_start={**memory.post_start, container_id: "running"})
    return replace(memory, stops={**memory.stops, container_id: Stop(now, grace, restart, "running")})


def hook_ended(memory: Memory, kind: str, container_id: str, error: str) -> Memory:
    """Return the memory after a hook; only a failed postStart hook has consequences."""
    if kind == "postStart":
        outcome = f"failed: {error}" if error else "done"
        return replace(memory, post_start={**memory.post_start, container_id: outcome})
    stop = memory.stops.get(container_id)
    if stop is None:
        return memory
    return replace(memory, stops={**memory.stops, container_id: replace(stop, hook="done")})


def signalled(memory: Memory, container_id: str, signal: str, grace: float, restart: bool, now: float) -> Memory:
    """Return the memory after a signal; the first one begins the stop."""
    stop = memory.stops.get(container_id) or Stop(now, grace, restart)
    first = stop.signalled_at if stop.signal else now
    return replace(memory, stops={**memory.stops, container_id: replace(stop, signal=signal, signalled_at=first)})


def ending(memory: Memory, now: float) -> Memory:
    """Return the memory of a pod that stops as a whole; its grace counts from the first time this is said."""
    return memory if memory.ending_since is not None else replace(memory, ending_since=now)


def rejected(memory: Memory, reason: str, message: str) -> Memory:
    """Return the memory of a pod that the node does not take."""
    return replace(memory, rejected=True, failed=(reason, f"Pod was rejected: {message}"))


def removed(memory: Memory, container_id: str) -> Memory:
    """Return the memory without a container that was removed."""
    return replace(memory, said=_unsaid(memory, container_id), start_errors=_without(memory.start_errors, container_id),
                   exits=_without(memory.exits, container_id), messages=_without(memory.messages, container_id),
                   stops=_without(memory.stops, container_id), post_start=_without(memory.post_start, container_id))


def _unsaid(memory: Memory, part: str) -> frozenset[str]:
    """Return the event keys without those of one container, which will not be asked for again."""
    return frozenset(key for key in memory.said if part not in key.split("/"))


def _without(values: Mapping[str, V], key: str) -> dict[str, V]:
    return {other: value for other, value in values.items() if other != key}


def said(memory: Memory, key: str) -> Memory:
    """Return the memory with an event sent."""
    return replace(memory, said=memory.said | {key})
