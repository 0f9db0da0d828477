"""Decides when the node is short of something and which pod has to go, as the kubelet does.

A signal is what is left of something; a threshold says when that is too little. A hard threshold holds at once, a soft
one after its grace period. What was short counts as short for a while longer, so that the node's conditions do not
swing to and fro. https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from edge.api import core, meta, quantity

MEMORY, POD_MEMORY = "memory.available", "allocatableMemory.available"
NODE_DISK, NODE_INODES = "nodefs.available", "nodefs.inodesFree"
IMAGE_DISK, IMAGE_INODES = "imagefs.available", "imagefs.inodesFree"
PIDS = "pid.available"
SIGNALS = (MEMORY, NODE_DISK, NODE_INODES, IMAGE_DISK, IMAGE_INODES, PIDS)
DEFAULT_HARD: Mapping[str, str] = {MEMORY: "100Mi", NODE_DISK: "10%", NODE_INODES: "5%", IMAGE_DISK: "15%",
                                   IMAGE_INODES: "5%"}
TRANSITION_SECONDS = 300.0
HARD_GRACE_SECONDS = 1.0
RESOURCES = {MEMORY: "memory", POD_MEMORY: "memory", NODE_DISK: "ephemeral-storage", IMAGE_DISK: "ephemeral-storage",
             NODE_INODES: "inodes", IMAGE_INODES: "inodes", PIDS: "pids"}
DISK_SIGNALS = (NODE_DISK, NODE_INODES, IMAGE_DISK, IMAGE_INODES)
CONDITIONS = {signal: "DiskPressure" if signal in DISK_SIGNALS else "PIDPressure" if signal == PIDS else
              "MemoryPressure" for signal in RESOURCES}
_WORDS = {"MemoryPressure": ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available",
                             "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
          "DiskPressure": ("KubeletHasDiskPressure", "kubelet has disk pressure",
                           "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
          "PIDPressure": ("KubeletHasInsufficientPID", "kubelet has insufficient PID available",
                          "KubeletHasSufficientPID", "kubelet has sufficient PID available")}


@dataclass(frozen=True, slots=True)
class Observation:
    """What is left of something, and how much there is of it. Bytes or numbers."""

    available: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """When a signal is too low: below an amount, or below a share of the capacity."""

    signal: str
    amount: int = 0
    share: float = 0.0
    grace_seconds: float = 0.0
    """0 for a hard threshold."""
    reclaim_amount: int = 0
    reclaim_share: float = 0.0
    """What must be free beyond the threshold before it counts as no longer met."""

    def least(self, capacity: int) -> int:
        """Return the amount below which the threshold is met."""
        return self.amount or int(capacity * self.share)

    def enough(self, capacity: int) -> int:
        """Return the amount at which a threshold that was met no longer is."""
        return self.least(capacity) + (self.reclaim_amount or int(capacity * self.reclaim_share))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings say."""

    thresholds: tuple[Threshold, ...] = ()
    transition_seconds: float = TRANSITION_SECONDS
    max_pod_grace_seconds: float = 0.0
    """The most a pod gets to end after a soft threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is remembered from one look at the node to the next. Times are monotonic seconds."""

    met: tuple[Threshold, ...] = ()
    since: Mapping[Threshold, float] = field(default_factory=dict)
    last_seen: Mapping[str, float] = field(default_factory=dict)
    """When each condition was true last."""


def rules(hard: Mapping[str, str], soft: Mapping[str, str], soft_grace_seconds: Mapping[str, float],
          reclaim: Mapping[str, str], *, transition_seconds: float = TRANSITION_SECONDS,
          max_pod_grace_seconds: float = 0.0) -> Rules:
    """Return the rules that settings give; a threshold of 0% or 0 is none.

    Raises:
        ValueError: an unknown signal, an amount that is none, or a soft threshold without a grace period.
    """
    found = [*_thresholds(hard, {}, reclaim), *_thresholds(soft, soft_grace_seconds, reclaim)]
    for signal in soft:
        if not soft_grace_seconds.get(signal, 0) > 0:
            raise ValueError(f"the soft threshold of {signal} has no grace period")
    unknown = [signal for signal in (*soft_grace_seconds, *reclaim) if signal not in SIGNALS]
    if unknown:
        raise ValueError(f"unknown signal {unknown[0]}: want one of {', '.join(SIGNALS)}")
    # What all pods use together is bounded like the node's memory.
    found += [replace(each, signal=POD_MEMORY) for each in found if each.signal == MEMORY and not each.grace_seconds]
    return Rules(thresholds=tuple(found), transition_seconds=transition_seconds,
                 max_pod_grace_seconds=max_pod_grace_seconds)


def _thresholds(given: Mapping[str, str], grace: Mapping[str, float], reclaim: Mapping[str, str]) -> list[Threshold]:
    found = []
    for signal, text in given.items():
        if signal not in SIGNALS:
            raise ValueError(f"unknown signal {signal}: want one of {', '.join(SIGNALS)}")
        amount, share = _value(signal, text)
        more, more_share = _value(signal, reclaim.get(signal, "0"))
        if amount or share:
            found.append(Threshold(signal=signal, amount=amount, share=share, grace_seconds=grace.get(signal, 0.0),
                                   reclaim_amount=more, reclaim_share=more_share))
    return found


def _value(signal: str, text: str) -> tuple[int, float]:
    if text.endswith("%"):
        try:
            share = float(text[:-1]) / 100
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise ValueError(f'{signal}: "{text}" is no percentage from 0% to 100%')
        return 0, share
    try:
        amount = quantity.whole(text)
    except ValueError as error:
        raise ValueError(f'{signal}: "{text}" is no amount: {error}') from error
    if amount < 0:
        raise ValueError(f'{signal}: "{text}" is less than nothing')
    return amount, 0.0


DEFAULT_RULES = rules(DEFAULT_HARD, {}, {}, {})


def reserved(given: Rules, signal: str, capacity: int) -> int:
    """Return what a hard threshold keeps free, which pods therefore cannot be promised."""
    return max((each.least(capacity) for each in given.thresholds if each.signal == signal and not each.grace_seconds),
               default=0)


def met(thresholds: Iterable[Threshold], seen: Mapping[str, Observation], *, resolved: bool = False) -> \
        tuple[Threshold, ...]:
    """Return the thresholds that are met; with `resolved` those that are not yet met no longer."""
    found = []
    for each in thresholds:
        what = seen.get(each.signal)
        if what is None or what.capacity <= 0:
            continue
        least = each.enough(what.capacity) if resolved else each.least(what.capacity)
        if what.available < least:
            found.append(each)
    return tuple(found)


def advance(given: Rules, state: State, seen: Mapping[str, Observation], now: float) -> tuple[State, tuple[
        Threshold, ...]]:
    """Return the state after a look at the node, and the thresholds for which something has to be done now."""
    still = met(state.met, seen, resolved=True)
    active = tuple(dict.fromkeys((*met(given.thresholds, seen), *still)))
    since = {each: state.since.get(each, now) for each in active}
    last_seen = dict(state.last_seen) | {CONDITIONS[each.signal]: now for each in active}
    due = tuple(each for each in active if now - since[each] >= each.grace_seconds)
    # Only what has held for its grace period counts as met, so that only then the reclaim is asked for.
    return State(met=due, since=since, last_seen=last_seen), tuple(sorted(due, key=_order))


def _order(threshold: Threshold) -> tuple[bool, str, bool]:
    """Memory first: a node without it does nothing else."""
    return CONDITIONS[threshold.signal] != "MemoryPressure", threshold.signal, threshold.grace_seconds > 0


def pressures(given: Rules, state: State, now: float) -> tuple[str, ...]:
    """Return the conditions that hold, those that held a short while ago included."""
    return tuple(kind for kind in _WORDS if kind in state.last_seen
                 and (now - state.last_seen[kind] < given.transition_seconds or now == state.last_seen[kind]))


def conditions(holding: Iterable[str]) -> tuple[meta.Condition, ...]:
    """Return the node's conditions about pressure, without times."""
    found = set(holding)
    made = []
    for kind, (yes, yes_text, no, no_text) in _WORDS.items():
        holds = kind in found
        made.append(meta.Condition(type=kind, status="True" if holds else "False", reason=yes if holds else no,
                                   message=yes_text if holds else no_text))
    return tuple(made)


def grace_seconds(given: Rules, threshold: Threshold, pod: core.Pod) -> float:
    """Return how long a pod gets to end."""
    if not threshold.grace_seconds:
        return HARD_GRACE_SECONDS
    own = pod.spec.termination_grace_period_seconds
    return min(given.max_pod_grace_seconds, 30.0 if own is None else float(own))
