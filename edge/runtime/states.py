"""The engine's JSON as the agent's values: the only place that knows Podman's state names and field spellings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.runtime.containers import Container, Image, State

# Labels that say which container of which pod this is. Podman keeps them, so nothing needs to be remembered here.
POD_UID = "edge.pod.uid"
POD_NAME = "edge.pod.name"
POD_NAMESPACE = "edge.pod.namespace"
CONTAINER_NAME = "edge.container.name"
ATTEMPT = "edge.container.attempt"
SPEC_HASH = "edge.spec.hash"

# What becomes part of paths.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_STATES = {
    "configured": State.CREATED,
    "created": State.CREATED,
    "initialized": State.CREATED,
    "running": State.RUNNING,
    "paused": State.RUNNING,
    "stopping": State.RUNNING,
    "stopped": State.EXITED,
    "exited": State.EXITED,
    "removing": State.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What only an inspection tells about a container that has ended."""

    oom_killed: bool
    error: str
    started_at: str
    finished_at: str
    exit_code: int = 0


def container(row: Mapping[str, Any], ending: Ending | None = None) -> Container | None:
    """Return a container from a row of the list, or None when it is none of ours."""
    labels: dict[str, str] = row.get("Labels") or {}
    if not all(_NAME.fullmatch(labels.get(label, "")) for label in (POD_UID, CONTAINER_NAME)):
        return None  # An image may carry any label, and somebody run it by hand.
    state = state_of(row)
    ended = state is State.EXITED
    return Container(
        id=row["Id"],
        pod_uid=labels[POD_UID],
        name=labels[CONTAINER_NAME],
        attempt=_number(labels.get(ATTEMPT, "0")),
        spec_hash=labels.get(SPEC_HASH, ""),
        state=state,
        image=row.get("Image", ""),
        image_id=row.get("ImageID", ""),
        exit_code=row.get("ExitCode", 0) if ended else 0,
        oom_killed=ending.oom_killed if ending else False,
        error=ending.error if ending else "",
        created_at=when(row.get("Created", "")),
        started_at=(ending.started_at if ending else "") or _moment(row.get("StartedAt", 0)),
        finished_at=((ending.finished_at if ending else "") or _moment(row.get("ExitedAt", 0))) if ended else "",
        pid=row.get("Pid", 0) or 0,
        labels=labels,
    )


def state_of(row: Mapping[str, Any]) -> State:
    """Return the state of a row of the list; a word nobody knows yet is UNKNOWN."""
    return _STATES.get(str(row.get("State", "")).lower(), State.UNKNOWN)


def ending(inspection: Mapping[str, Any]) -> Ending:
    """Return the details of a container that has ended."""
    state: Mapping[str, Any] = inspection.get("State") or {}
    return Ending(
        oom_killed=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        started_at=when(str(state.get("StartedAt") or "")),
        finished_at=when(str(state.get("FinishedAt") or "")),
        exit_code=int(state.get("ExitCode") or 0),
    )


def stop_signal(inspection: Mapping[str, Any]) -> str:
    """Return the signal a container wants to be stopped with; Podman 4 gives its number, Podman 5 its name."""
    return str((inspection.get("Config") or {}).get("StopSignal") or "SIGTERM")


def image(row: Mapping[str, Any]) -> Image:
    """Return an image from a row of the list."""
    # An image that was pulled by its digest has that among its names.
    names: list[str] = row.get("Names") or row.get("RepoTags") or []
    digests = [*(row.get("RepoDigests") or ()), *(name for name in names if "@" in name)]
    return Image(
        id=str(row["Id"]).removeprefix("sha256:"),
        names=tuple(name for name in names if "@" not in name),
        size_bytes=row.get("Size", 0),
        architecture=row.get("Arch") or "",
        digests=tuple(dict.fromkeys(digests)),
        containers=max(0, row.get("Containers") or 0),
    )


def when(text: str) -> str:
    """Return a time of the engine as RFC 3339 UTC in whole seconds, "" for its zero time."""
    if not text or text.startswith("0001-"):
        return ""
    # Nanoseconds are more than fromisoformat takes.
    head, dot, tail = text.partition(".")
    zone = tail.lstrip("0123456789") if dot else ""
    try:
        return _render(datetime.fromisoformat(head + zone))
    except ValueError:
        return ""


def _moment(seconds: int) -> str:
    return _render(datetime.fromtimestamp(seconds, UTC)) if seconds > 0 else ""


def _render(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
