"""Decides when a probe is due and what its results mean: thresholds, initial delay, gating by the startup probe.

Follows https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/. Times are monotonic
seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from edge.api import core

KINDS = ("startup", "liveness", "readiness")


class Result(Enum):
    """How one probe went. A warning is a success that is worth an event; an error says nothing of the container."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    ERROR = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One probe's result, and why."""

    result: Result
    text: str = ""

    @property
    def success(self) -> bool | None:
        """Whether it counts as a success; None where it counts as nothing."""
        return None if self.result is Result.ERROR else self.result is not Result.FAILURE


@dataclass(frozen=True, slots=True)
class Response:
    """The last answer to an HTTP probe. With a status of 300 to 399 it leads to another host, and has its body."""

    status: int
    location: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Target:
    """One running container whose probes are to be run; `was_ready` and `was_started` were reported of it before."""

    container_id: str
    container: core.Container
    address: str
    was_started: bool = False
    was_ready: bool = False
    ending: bool = False
    """Its pod is to go: only its readiness is of interest still."""


class PortError(Exception):
    """A probe names a port that is none; the text is Kubernetes'."""


@dataclass(frozen=True, slots=True)
class Track:
    """One probe of one running container. `verdict` is None until a threshold is reached."""

    kind: str
    probe: core.Probe
    began_at: float
    """When the container was seen running."""
    last_at: float | None = None
    verdict: bool | None = None
    successes: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes of a container say together. `broken` is empty, or the kind of the probe that failed."""

    started: bool = True
    ready: bool = True
    broken: str = ""


def tracks(container: core.Container, running_since: float, *, was_started: bool = False,
           was_ready: bool = False) -> tuple[Track, ...]:
    """Return the probes of a container, startup first.

    `was_started` and `was_ready` are what was reported of this very container before the agent was restarted, so that
    a restart of the agent takes no pod out of its services.
    """
    pairs = (("startup", container.startup_probe), ("liveness", container.liveness_probe),
             ("readiness", container.readiness_probe))
    before = {"startup": was_started or None, "readiness": was_ready or None}
    return tuple(Track(kind, probe, running_since, verdict=before.get(kind))
                 for kind, probe in pairs if probe is not None)


def health(all_tracks: tuple[Track, ...]) -> Health:
    """Return what follows for the container; readiness is false until its probe has succeeded."""
    by_kind = {track.kind: track for track in all_tracks}
    startup, liveness, readiness = (by_kind.get(kind) for kind in KINDS)
    started = startup is None or startup.verdict is True
    ready = started and (readiness is None or readiness.verdict is True)
    broken = next((track.kind for track in (startup, liveness) if track is not None and track.verdict is False), "")
    return Health(started, ready, broken)


def wait(track: Track, all_tracks: tuple[Track, ...], now: float) -> float | None:
    """Return in how many seconds the probe is due; None while another one or its own verdict holds it back."""
    if track.kind == "startup":
        if track.verdict is not None:
            return None
    elif not health(all_tracks).started:
        return None
    if track.kind == "liveness" and track.verdict is False:
        return None
    initial = track.began_at + (track.probe.initial_delay_seconds or 0)
    due = initial if track.last_at is None else max(initial, track.last_at + period(track.probe))
    return max(0.0, due - now)


def period(probe: core.Probe) -> float:
    """Return the seconds between two probes (10 unless said)."""
    return float(max(1, probe.period_seconds or 10))


def timeout(probe: core.Probe) -> float:
    """Return the seconds a probe may take (1 unless said)."""
    return float(max(1, probe.timeout_seconds or 1))


def record(track: Track, success: bool | None, now: float) -> Track:
    """Return the probe after one result; the verdict turns when the threshold of equal results is reached.

    None is a probe that could not be made: it changes nothing but the time of the next one.
    """
    if success is None:
        return replace(track, last_at=now)
    successes, failures = (track.successes + 1, 0) if success else (0, track.failures + 1)
    enough = max(1, track.probe.success_threshold or 1) if success else max(1, track.probe.failure_threshold or 3)
    # A readiness probe that has not succeeded yet says "not ready" at once.
    first_no = not success and track.kind == "readiness" and track.verdict is None
    verdict = success if max(successes, failures) >= enough or first_no else track.verdict
    return replace(track, last_at=now, verdict=verdict, successes=successes, failures=failures)


def grace(container: core.Container, kind: str, pod_grace: float) -> float:
    """Return the seconds a container that failed this probe is given to stop."""
    probe = container.startup_probe if kind == "startup" else container.liveness_probe
    if probe is None or probe.termination_grace_period_seconds is None:
        return pod_grace
    return float(probe.termination_grace_period_seconds)


def http_outcome(response: Response) -> Outcome:
    """Return what an HTTP answer means: 200 to 399 is a success, one that leads to another host worth a warning."""
    if 300 <= response.status < 400:
        body = response.body.decode(errors="replace")
        return Outcome(Result.WARNING, f"Probe terminated redirects, Response body: {body}")
    if 200 <= response.status < 300:
        return Outcome(Result.SUCCESS)
    return Outcome(Result.FAILURE, f"HTTP probe failed with statuscode: {response.status}")


def port_number(port: int | str, container: core.Container) -> int:
    """Return a port given as a number or as the name of one of the container's ports.

    Raises:
        PortError: there is no such port.
    """
    number = port if isinstance(port, int) else next(
        (each.container_port for each in container.ports if each.name == port), None)
    if number is None:
        if not str(port).isdecimal():
            raise PortError(f'strconv.Atoi: parsing "{port}": invalid syntax')
        number = int(port)
    if not 0 < number < 65536:
        raise PortError(f"invalid port number: {number}")
    return number


def event(kind: str, outcome: Outcome) -> tuple[str, str] | None:
    """Return the reason and the message of the event of one probe, None where there is none."""
    whose = f"{kind.capitalize()} probe"
    match outcome.result:
        case Result.FAILURE:
            return "Unhealthy", f"{whose} failed: {outcome.text}"
        case Result.ERROR:
            return "Unhealthy", f"{whose} errored and resulted in unknown state: {outcome.text}"
        case Result.WARNING:
            return "ProbeWarning", f"{whose} warning: {outcome.text}"
    return None
