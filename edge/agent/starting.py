"""Decides what stands between a container and its next start: back-off, image, environment, creation.

`step` is read by the plan (what to do) and by the status (why it waits), so the two never disagree.
"""

from __future__ import annotations

from dataclasses import replace

from edge.agent import (
    backoff,
    device_allocation,
    environment,
    grouping,
    mounts,
    names,
    processes,
    pulling,
    security,
    stopping,
    volumes,
)
from edge.agent.actions import CreateContainer, Emit, FindImage, StartContainer, Step
from edge.agent.view import View, is_current
from edge.api import core
from edge.runtime import spec
from edge.runtime.containers import Container, ContainerSpec, Image, State

# How soon to look again for devices that others have.
DEVICES_SECONDS = 5.0


def step(view: View, container: core.Container) -> Step:
    """Return the next step towards a running container; it neither runs now nor has it ended for good."""
    latest = view.latest(container.name)
    path = stopping.field_path(view, container.name)
    if latest is not None and latest.state is State.CREATED and is_current(container, latest) \
            and processes.is_in_place(view, container, latest):
        return Step((StartContainer(latest.id, container.name, path),))
    held = _held_back(view, container, latest, path)
    if held is not None:
        return held
    attempt = _attempt(view, container, latest)
    image = pulling.image(view, container, attempt, path)
    if isinstance(image, Step):
        return image
    failure = view.memory.failures.get(container.name)
    if failure is not None:
        left = backoff.remaining(failure.backoff, failure.failed_at, view.monotonic)
        if left > 0:
            return Step((), failure.reason, failure.message, left)
    if image.user is None and security.needs_image_user(view.pod.spec, container):
        return Step((FindImage(container.image, user=True),))
    try:
        made = _spec(view, container, attempt, image)
        paths, odd = _paths(view, container, made), _odd_names(view, container, attempt)
    except (environment.UnresolvedError, volumes.NotReadyError) as error:
        failed = Emit(f"Config/{container.name}/{attempt}/{error}", "Failed", f"Error: {error}", "Warning", path)
        again = DEVICES_SECONDS if isinstance(error, device_allocation.UnavailableError) else None
        return Step((failed,), "CreateContainerConfigError", str(error), again)
    failed_at = None
    if latest is not None and is_current(container, latest):
        failed_at = view.memory.exits.get(latest.id)
    said = pulling.said(view, container, image, attempt, path)
    return Step((*odd, *said, CreateContainer(made, path, failed_at, view.stock.version, paths)))


def _paths(view: View, container: core.Container, made: ContainerSpec) -> tuple[volumes.SubPath, ...]:
    """Raises NotReadyError."""
    assert view.desired is not None
    return mounts.sub_paths(container, view.desired, dict(made.env), view.around)


def _odd_names(view: View, container: core.Container, attempt: int) -> tuple[Emit, ...]:
    """Return the events about what cannot be a variable."""
    assert view.desired is not None
    return tuple(Emit(f"EnvNames/{container.name}/{attempt}/{text}", "InvalidEnvironmentVariableNames", text, "Warning")
                 for text in environment.skipped(container, view.desired))


def _attempt(view: View, container: core.Container, latest: Container | None) -> int:
    """Return the number of the next container of that name; it goes on where the last one that was told of left off."""
    if latest is not None:
        return latest.attempt + (latest.state is not State.CREATED)
    told = view.previous or core.PodStatus()
    return max((each.restart_count + 1 for each in (*told.init_container_statuses, *told.container_statuses)
                if each.name == container.name and each.container_id), default=0)


def _held_back(view: View, container: core.Container, latest: Container | None, path: str) -> Step | None:
    """Return the crash loop back-off, if it holds the container back."""
    if latest is None or latest.state is not State.EXITED or not is_current(container, latest):
        # A new definition has not failed yet.
        return None
    wait, ended = view.memory.restarts.get(container.name), view.memory.exits.get(latest.id, view.monotonic)
    left = backoff.remaining(wait, ended, view.monotonic)
    if left <= 0 or wait is None:
        return None
    metadata = view.pod.metadata
    whom = f"restarting failed container={container.name} pod={metadata.name}_{metadata.namespace}({metadata.uid})"
    said = Emit(f"BackOff/{latest.id}", "BackOff", f"Back-off restarting failed container {container.name} in pod "
                f"{metadata.name}_{metadata.namespace}({metadata.uid})", "Warning", path)
    return Step((said,), "CrashLoopBackOff", f"back-off {backoff.text(wait.delay_seconds)} {whom}", left)


def _spec(view: View, container: core.Container, attempt: int, image: Image) -> ContainerSpec:
    """Raises UnresolvedError or NotReadyError."""
    assert view.desired is not None
    security.check_user(view.pod, container, image.user)
    given = device_allocation.allocate(view.stock, view.uid, container)
    known = {**dict(given.env), **dict(environment.resolve(container, view.desired, view.address, view.around))}
    held = grouping.held(view, container)
    made = processes.shared(view, container, spec.container_spec(view.pod, container, spec.Resolved(
        attempt=attempt, image_id=image.id, env=tuple(known.items()), devices=given,
        hostname=names.kernel_hostname(view.pod, view.around),
        command=environment.expand_all(container.command, known),
        args=environment.expand_all(container.args, known),
        mounts=mounts.mounts(container, attempt, view.desired, known, view.around),
        netns_path=view.sandbox.netns_path if view.sandbox else "", cgroup_parent=held.cgroup_parent,
        pids_limit=held.pids_limit, oom_score=held.oom_score, oom_group=held.oom_group,
        image_user=image.user or "", sysctls=security.container_sysctls(view.pod.spec),
        confinement=security.confinement(view.pod.spec, container, view.around.policy, view.address),
        log_path=f"{view.around.log_links}/{view.uid}/{container.name}/{attempt}.log")))
    # The engine adds the labels of the image: what is not said here an image could say, and claim others' devices.
    return replace(made, labels={device_allocation.LABEL: "", processes.OWNER: "", **made.labels})
