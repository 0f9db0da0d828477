"""Decides what stands between a container and its next start: back-off, image, environment, creation.

`step` is read by the plan (what to do) and by the status (why it waits), so the two never disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.agent import backoff, credentials, environment, names, stopping, volumes
from edge.agent.actions import Action, CreateContainer, Emit, FindImage, PullImage, StartContainer
from edge.agent.memory import Pull
from edge.agent.view import View, is_current
from edge.api import core
from edge.runtime import spec
from edge.runtime.containers import Container, ContainerSpec, Image, State

# How long a failed pull is shown as ErrImagePull before it becomes ImagePullBackOff.
SHOW_ERROR_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Step:
    """The next step of one container: what to do, why it waits (empty: it is being created), when to look again."""

    actions: tuple[Action, ...] = ()
    reason: str = ""
    message: str = ""
    requeue_after: float | None = None


def step(view: View, container: core.Container) -> Step:
    """Return the next step towards a running container; it neither runs now nor has it ended for good."""
    latest = view.latest(container.name)
    path = stopping.field_path(view, container.name)
    if latest is not None and latest.state is State.CREATED and is_current(container, latest):
        return Step((StartContainer(latest.id, container.name, path),))
    held = _held_back(view, container, latest, path)
    if held is not None:
        return held
    attempt = 0 if latest is None else latest.attempt + (latest.state is not State.CREATED)
    image = _image(view, container, attempt, path)
    if isinstance(image, Step):
        return image
    failure = view.memory.failures.get(container.name)
    if failure is not None:
        left = backoff.remaining(failure.backoff, failure.failed_at, view.monotonic)
        if left > 0:
            return Step((), failure.reason, failure.message, left)
    try:
        made = _spec(view, container, attempt, image)
    except (environment.UnresolvedError, volumes.NotReadyError) as error:
        failed = Emit(f"Config/{container.name}/{attempt}/{error}", "Failed", f"Error: {error}", "Warning", path)
        return Step((failed,), "CreateContainerConfigError", str(error))
    failed_at = None
    if latest is not None and not _is_asked(view, latest):
        failed_at = view.memory.exits.get(latest.id)
    present = Emit(f"Present/{container.name}/{attempt}", "Pulled",
                   f'Container image "{container.image}" already present on machine', "Normal", path)
    said = () if container.name in view.memory.pulls else (present,)
    return Step((*said, CreateContainer(made, path, failed_at)))


def _is_asked(view: View, latest: Container) -> bool:
    """Return whether the container was stopped in order to start it again, which is no failure."""
    stop = view.memory.stops.get(latest.id)
    return stop is not None and stop.restart


def _held_back(view: View, container: core.Container, latest: Container | None, path: str) -> Step | None:
    """Return the crash loop back-off, if it holds the container back."""
    if latest is None or latest.state is not State.EXITED:
        return None
    wait, ended = view.memory.restarts.get(container.name), view.memory.exits.get(latest.id, view.monotonic)
    left = backoff.remaining(wait, ended, view.monotonic)
    if left <= 0 or wait is None or _is_asked(view, latest):
        return None
    metadata = view.pod.metadata
    whom = f"restarting failed container={container.name} pod={metadata.name}_{metadata.namespace}({metadata.uid})"
    said = Emit(f"BackOff/{latest.id}", "BackOff", f"Back-off restarting failed container {container.name} in pod "
                f"{metadata.name}_{metadata.namespace}({metadata.uid})", "Warning", path)
    return Step((said,), "CrashLoopBackOff", f"back-off {backoff.text(wait.delay_seconds)} {whom}", left)


def pull_policy(container: core.Container) -> str:
    """Return Always, IfNotPresent or Never; unsaid, Always for the tag `latest` or none."""
    if container.image_pull_policy:
        return container.image_pull_policy
    tail = container.image.rpartition("/")[2]
    return "Always" if "@" not in tail and (":" not in tail or tail.endswith(":latest")) else "IfNotPresent"


def _image(view: View, container: core.Container, attempt: int, path: str) -> Image | Step:
    """Return the image, or the step that gets it."""
    reference, policy = container.image, pull_policy(container)
    pull = view.memory.pulls.get(container.name)
    if not reference:
        return Step((), "InvalidImageName", f"container {container.name} names no image")
    current = pull if pull is not None and pull.attempt == attempt else None
    if (policy != "Always" or (current is not None and current.done)) and not _failed(current):
        if reference not in view.memory.images:
            return Step((FindImage(reference),))
        image = view.memory.images[reference]
        if image is not None:
            return image
        if policy == "Never":
            text = f'Container image "{reference}" is not present with pull policy of Never'
            said = Emit(f"Never/{container.name}/{attempt}", "ErrImageNeverPull", text, "Warning", path)
            return Step((said,), "ErrImageNeverPull", text)
    if current is None or current.done:
        return _pull(view, container, attempt, path)
    if not _failed(current):
        return Step()
    return _pull_failed(view, container, current, path)


def _failed(pull: Pull | None) -> bool:
    return pull is not None and bool(pull.reason)


def _pull(view: View, container: core.Container, attempt: int, path: str) -> Step:
    assert view.desired is not None
    held = [view.desired.secrets[ref.name] for ref in view.pod.spec.image_pull_secrets
            if ref.name in view.desired.secrets]
    said = Emit(f"Pulling/{container.name}/{attempt}/{view.monotonic}", "Pulling",
                f'Pulling image "{container.image}"', "Normal", path)
    return Step((said, PullImage(container.name, attempt, container.image, credentials.find(held, container.image))))


def _pull_failed(view: View, container: core.Container, pull: Pull, path: str) -> Step:
    left = backoff.remaining(pull.backoff, pull.failed_at, view.monotonic)
    key = f"{container.name}/{pull.attempt}/{pull.failed_at}"
    error = Emit(f"PullFailed/{key}", "Failed", f'Failed to pull image "{container.image}": {pull.message}',
                 "Warning", path)
    reason = Emit(f"PullReason/{key}", "Failed", f"Error: {pull.reason}", "Warning", path)
    if pull.reason == "InvalidImageName":
        text = f'Failed to apply default image tag "{container.image}": {pull.message}'
        return Step((Emit(f"Invalid/{key}", "InspectFailed", text, "Warning", path), reason), pull.reason, text)
    if left <= 0:
        return _pull(view, container, pull.attempt, path)
    shown = pull.failed_at + SHOW_ERROR_SECONDS - view.monotonic
    if shown > 0:
        return Step((error, reason), pull.reason, pull.message, shown)
    text = f'Back-off pulling image "{container.image}"'
    said = Emit(f"PullBackOff/{key}", "BackOff", text, "Normal", path)
    waits = Emit(f"PullWaits/{key}", "Failed", "Error: ImagePullBackOff", "Warning", path)
    return Step((error, reason, said, waits), "ImagePullBackOff", f"{text}: {pull.reason}: {pull.message}", left)


def _spec(view: View, container: core.Container, attempt: int, image: Image) -> ContainerSpec:
    """Raises UnresolvedError or NotReadyError."""
    assert view.desired is not None
    _check_user(view, container)
    env = environment.resolve(container, view.desired, view.address, view.around)
    known, metadata = dict(env), view.pod.metadata
    log_dir = view.around.pod_log_dir(metadata.namespace, metadata.name, view.uid)
    return spec.container_spec(view.pod, container, spec.Resolved(
        attempt=attempt, image_id=image.id, env=env, hostname=names.hostname(view.pod, view.around.node_name),
        command=tuple(environment.expand(word, known) for word in container.command),
        args=tuple(environment.expand(word, known) for word in container.args),
        mounts=volumes.mounts(container, attempt, view.desired, known, view.around),
        netns_path=view.sandbox.netns_path if view.sandbox else "", cgroup_parent=view.around.cgroup_parent,
        log_path=f"{log_dir}/{container.name}/{attempt}.log"))


def _check_user(view: View, container: core.Container) -> None:
    own, pod = container.security_context or core.SecurityContext(), view.pod.spec.security_context
    pod = pod or core.PodSecurityContext()
    wanted = own.run_as_non_root if own.run_as_non_root is not None else pod.run_as_non_root
    user = own.run_as_user if own.run_as_user is not None else pod.run_as_user
    if wanted and user == 0:
        raise environment.UnresolvedError("container's runAsUser breaks non-root policy "
                                     f'(pod: "{view.pod.metadata.name}_{view.pod.metadata.namespace}({view.uid})", '
                                     f"container: {container.name})")
