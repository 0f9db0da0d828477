"""Writes Events through the API: a repeated one is counted, many similar ones become one.

An Event is told, never relied upon: when it cannot be written it is logged and forgotten.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from edge import logs
from edge.api import core, errors, meta, times
from edge.client import interface
from edge.clock import Clock
from edge.ids import Ids

REMEMBERED = 4096
"""Events a recorder can count on; the least recently used are forgotten."""
SIMILAR = 10
"""Events about one object with one reason that may differ in their message; further ones are combined."""
SIMILAR_SECONDS = 600.0
LONGEST_MESSAGE = 1024
LONGEST_NAME = 240

log = logs.get("events")

_Subject = tuple[str, str, str, str, str, str]
"""Kind, namespace, uid or name, and part of what it is about; type and reason."""


@dataclass(slots=True)
class _Written:
    name: str
    namespace: str
    count: int


@dataclass(slots=True)
class _Group:
    since: float
    messages: int


class Recorder:
    """Records events in the name of one component."""

    def __init__(self, client: interface.Client, clock: Clock, ids: Ids, *, component: str, host: str = "") -> None:
        self._client, self._clock, self._ids = client, clock, ids
        self._source = core.EventSource(component=component, host=host)
        self._written: OrderedDict[tuple[_Subject, str], _Written] = OrderedDict()
        self._groups: OrderedDict[_Subject, _Group] = OrderedDict()
        self._last_stamp = 0
        self._turn = asyncio.Lock()  # Two that are the same and come at the same time are one, counted twice.

    async def record(self, about: meta.ObjectReference, kind: str, reason: str, message: str) -> None:
        """Create the event, or count it when the same was recorded before. `kind` is Normal or Warning."""
        subject = (about.kind, about.namespace, about.uid or about.name, about.field_path, kind, reason)
        text = message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE - 3] + "..."
        identity, stamp = (subject, text), self._stamp()
        if identity not in self._written and self._is_crowded(subject):
            text = f"(combined from similar events): {text}"[:LONGEST_MESSAGE]
            identity = (subject, "")
        try:
            async with self._turn:
                await self._write(identity, about, text, stamp)
        except errors.ApiError as error:
            log.debug("event not written", reason=reason, object=about.name, error=error.message)

    async def _write(self, identity: tuple[_Subject, str], about: meta.ObjectReference, text: str,
                     stamp: int) -> None:
        known = self._written.get(identity)
        now = times.render(self._clock.now())
        if known is not None:
            known.count += 1
            self._written.move_to_end(identity)
            change: dict[str, Any] = {"count": known.count, "lastTimestamp": now, "message": text}
            try:
                await self._client.patch(core.Event, known.name, known.namespace, change)
                return
            except errors.NotFound:
                del self._written[identity]  # Expired in the meantime: begin anew.
        event = self._event(identity[0], about, text, now, stamp)
        await self._client.create(event)
        self._written[identity] = _Written(event.metadata.name, event.metadata.namespace, 1)
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    def _event(self, subject: _Subject, about: meta.ObjectReference, text: str, now: str, stamp: int) -> core.Event:
        name = f"{about.name[:LONGEST_NAME]}.{stamp:x}{self._ids.suffix(3)}"
        return core.Event(
            api_version="v1", kind="Event", type=subject[4], reason=subject[5], message=text, involved_object=about,
            metadata=meta.ObjectMeta(name=name, namespace=about.namespace or "default"), source=self._source, count=1,
            first_timestamp=now, last_timestamp=now, reporting_component=self._source.component,
            reporting_instance=self._source.host)

    def _stamp(self) -> int:
        """Return microseconds that only grow: events of the same second are listed by name, so in their order."""
        self._last_stamp = max(self._last_stamp + 1, int(self._clock.now().timestamp() * 1_000_000))
        return self._last_stamp

    def _is_crowded(self, subject: _Subject) -> bool:
        now = self._clock.monotonic()
        group = self._groups.get(subject)
        if group is None or now - group.since > SIMILAR_SECONDS:
            group = self._groups[subject] = _Group(now, 0)
        self._groups.move_to_end(subject)
        while len(self._groups) > REMEMBERED:
            self._groups.popitem(last=False)
        group.messages += 1
        return group.messages > SIMILAR
