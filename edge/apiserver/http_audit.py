"""Follows each request for the audit log: an id for the client, and an event when it is answered."""

from __future__ import annotations

from aiohttp import web

from edge.api import errors
from edge.apiserver import audit, http_answers
from edge.apiserver.audit_log import AuditLog
from edge.clock import Clock
from edge.ids import Ids

_SWITCHED = 101


class Auditor:
    """Makes the trail of a request and closes it."""

    def __init__(self, log: AuditLog, clock: Clock, ids: Ids) -> None:
        self._log = log
        self._clock = clock
        self._ids = ids

    def begin(self, request: web.BaseRequest) -> audit.Trail:
        """Return the trail of a request, which is the current one from now on."""
        sent = request.headers.get(audit.HEADER)
        trail = audit.Trail((audit.request_id(sent) if sent else "") or self._ids.uid(), self._clock.now())
        audit.CURRENT.set(trail)
        return trail

    def end(self, request: web.BaseRequest, trail: audit.Trail, response: web.StreamResponse | None,
            error: errors.ApiError | None = None) -> None:
        """Mark the response, and write the event if it is wanted. No response: the client had gone."""
        code = 0
        if isinstance(response, http_answers.Taken):
            code = _SWITCHED
        elif response is not None:
            code = response.status
            if not response.prepared:
                response.headers[audit.HEADER] = trail.id
        log = self._log
        if log.enabled and audit.wanted(trail, request.method, code, mutating_only=log.settings.mutating_only):
            headers = request.headers
            log.add(audit.event(trail, audit.Connection(
                method=request.method, path=request.raw_path, address=request.remote or "",
                forwarded=headers.get("X-Forwarded-For", ""), user_agent=headers.get("User-Agent", "")),
                audit.Ending(code=code, now=self._clock.now(), reason=error.reason if error else "",
                             message=error.message if error else "")))
