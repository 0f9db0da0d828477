"""Effects: what a request to the streams server is about: the pod, the container, the log, the streams.

What is wrong with it is an HTTP error in the words of a kubelet.
"""

from __future__ import annotations

import json

from aiohttp import web

from edge.agent import log_files, streams_exec
from edge.agent.streams_directory import ContainerView, PodDirectory, PodView
from edge.agent.streams_logs import LogPlace

# What the kubelet says in place of these reasons when somebody asks for a log that cannot be there yet.
_WAITING = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
RETRY_AFTER_SECONDS = "5"


def pod(directory: PodDirectory, request: web.Request) -> PodView:
    """Return the pod a path names. Raises HTTPNotFound."""
    namespace, name = request.match_info["namespace"], request.match_info["pod"]
    found = directory.find(namespace, name)
    if found is None:
        raise web.HTTPNotFound(text=f'pod "{namespace}/{name}" is not on this node\n')
    return found


def addressed(directory: PodDirectory, request: web.Request) -> PodView:
    """Return a pod that has an address. Raises HTTPServiceUnavailable."""
    found = pod(directory, request)
    if not found.address:
        raise web.HTTPServiceUnavailable(text=f'pod "{found.namespace}/{found.name}" has no address yet\n')
    return found


def container(directory: PodDirectory, request: web.Request) -> tuple[PodView, str, ContainerView]:
    """Return the container a path names. Raises HTTPBadRequest."""
    found, name = pod(directory, request), request.match_info["container"]
    if name not in found.containers:
        raise web.HTTPBadRequest(text=f'container "{name}" is not valid for pod "{found.name}"\n')
    return found, name, found.containers[name]


def running(directory: PodDirectory, request: web.Request) -> ContainerView:
    """Return a container that runs. Raises HTTPNotFound."""
    _, name, found = container(directory, request)
    if not found.running or not found.id:
        raise web.HTTPNotFound(text=f'container not found ("{name}")\n')
    return found


def log_place(view: PodView, name: str, *, previous: bool) -> LogPlace:
    """Return where a log is. Raises HTTPBadRequest, in the kubelet's words, when there is none yet."""
    found = view.containers[name]
    attempt = found.attempt - (1 if previous and not found.backing_off else 0)
    if attempt < 0 or (previous and not found.id):
        raise web.HTTPBadRequest(
            text=f'previous terminated container "{name}" in pod "{view.name}" not found\n')
    if not found.id:
        reason = _WAITING.get(found.waiting, found.waiting or "ContainerCreating")
        raise web.HTTPBadRequest(text=f'container "{name}" in pod "{view.name}" is waiting to start: {reason}\n')
    memory = (log_files.memory_of(f"{view.log_memory_dir}/{name}"),) if view.log_memory_dir else ()
    return LogPlace((f"{view.log_dir}/{name}", *memory), attempt)


def wanted(request: web.Request) -> streams_exec.Wanted:
    """Read which streams are asked for, in the kubelet's words or in the API's. Raises HTTPBadRequest."""

    def flag(*names: str) -> bool:
        return any(request.query.get(name, "").lower() in ("1", "true") for name in names)

    tty = flag("tty")
    stdin, stdout, stderr = flag("input", "stdin"), flag("output", "stdout"), flag("error", "stderr")
    if not (stdin or stdout or stderr):
        raise web.HTTPBadRequest(text="you must specify at least 1 of stdin, stdout, stderr\n")
    # A terminal has one output.
    return streams_exec.Wanted(stdin, stdout, stderr and not tty, tty)


def status(code: int, reason: str, message: str) -> web.HTTPException:
    """Return a refusal with a Status of Kubernetes as its body."""
    body = json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                       "reason": reason, "code": code})
    kind = web.HTTPTooManyRequests if code == 429 else web.HTTPInternalServerError
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if code == 429 else None
    return kind(text=body, content_type="application/json", headers=headers)
