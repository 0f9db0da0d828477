"""Decides how a container gets its image: by its pull policy, with which credentials, and what is said while it waits.

See https://kubernetes.io/docs/concepts/containers/images/. Reasons, messages and events are the kubelet's words.
"""

from __future__ import annotations

from edge.agent import backoff, credentials
from edge.agent.actions import Emit, FindImage, PullImage, Step
from edge.agent.memory import Pull
from edge.agent.view import View
from edge.api import core, times
from edge.runtime import references
from edge.runtime.containers import Container, Image, InvalidImageName

# How long a failed pull is shown as ErrImagePull before it becomes ImagePullBackOff.
SHOW_ERROR_SECONDS = 2.0
# What a machine runs besides programs made for it.
_ALSO_RUNS = {"arm64": ("arm",), "amd64": ("386",)}
# How a shell and the kernel end when a program is not for this machine, and how soon.
_EXEC_EXIT_CODES = (1, 126, 127, 255)
_EXEC_FORMAT = "exec format error"


def pull_policy(container: core.Container) -> str:
    """Return Always, IfNotPresent or Never; unsaid, Always for the tag `latest` or none."""
    if container.image_pull_policy:
        return container.image_pull_policy
    tail = container.image.rpartition("/")[2]
    return "Always" if "@" not in tail and (":" not in tail or tail.endswith(":latest")) else "IfNotPresent"


def image(view: View, container: core.Container, attempt: int, path: str) -> Image | Step:
    """Return the image for an attempt of a container, or the step that gets it."""
    reference, policy = container.image, pull_policy(container)
    if (wrong := _invalid(container, attempt, path)) is not None:
        return wrong
    pull = view.memory.pulls.get(container.name)
    current = pull if pull is not None and (pull.attempt, pull.reference or reference) == (attempt, reference) else None
    failed = current is not None and bool(current.reason)
    if current is not None and not current.done and not failed:
        return Step()
    if policy != "Always" or (current is not None and current.done):
        if reference not in view.memory.images:
            shown = _pull_failed(view, container, current, path) if current is not None and failed else Step()
            return Step((FindImage(reference),), shown.reason, shown.message)
        found = view.memory.images[reference]
        if found is not None:
            return found
        if policy == "Never":
            return _never(container, attempt, path)
    if current is None or current.done:
        return _pull(view, container, attempt, path)
    return _pull_failed(view, container, current, path)


def _invalid(container: core.Container, attempt: int, path: str) -> Step | None:
    reference = container.image
    try:
        references.parse(reference)
        return None
    except InvalidImageName as error:
        text = f'Failed to apply default image tag "{reference[:references.LONGEST_NAME]}": {error}'
    key = f"{container.name}/{attempt}"
    said = Emit(f"Invalid/{key}", "InspectFailed", text, "Warning", path)
    return Step((said, _error(f"InvalidReason/{key}", "InvalidImageName", path)), "InvalidImageName", text)


def _never(container: core.Container, attempt: int, path: str) -> Step:
    key = f"{container.name}/{attempt}"
    text = f'Container image "{container.image}" is not present with pull policy of Never'
    said = Emit(f"Never/{key}", "ErrImageNeverPull", text, "Warning", path)
    return Step((said, _error(f"NeverReason/{key}", "ErrImageNeverPull", path)), "ErrImageNeverPull", text)


def _error(key: str, reason: str, path: str) -> Emit:
    return Emit(key, "Failed", f"Error: {reason}", "Warning", path)


def _pull(view: View, container: core.Container, attempt: int, path: str) -> Step:
    assert view.desired is not None
    there, reference = view.desired.secrets, container.image
    held = [there[each.name] for each in view.pod.spec.image_pull_secrets if each.name in there]
    said = [Emit(f"Pulling/{container.name}/{attempt}/{view.monotonic}", "Pulling", f'Pulling image "{reference}"',
                 "Normal", path)]
    if gone := ", ".join(credentials.missing(view.pod, there)):
        said.insert(0, Emit(f"PullSecrets/{gone}", "FailedToRetrieveImagePullSecret",
                            f"Unable to retrieve some image pull secrets ({gone}); attempting to pull the image may "
                            "not succeed.", "Warning"))
    return Step((*said, PullImage(container.name, attempt, reference, credentials.find(held, reference), path,
                                  look_first=pull_policy(container) != "Always")))


def _pull_failed(view: View, container: core.Container, pull: Pull, path: str) -> Step:
    left = backoff.remaining(pull.backoff, pull.failed_at, view.monotonic)
    if left <= 0:
        return _pull(view, container, pull.attempt, path)
    reference, key = container.image, f"{container.name}/{pull.attempt}/{pull.failed_at}"
    message = pull.message
    if reference.startswith(f"{references.LOCAL_REGISTRY}/"):
        message += ". Such an image comes from no registry: load it with `edgectl image load`"
    error = Emit(f"PullFailed/{key}", "Failed", f'Failed to pull image "{reference}": {message}', "Warning", path)
    said = (error, _error(f"PullReason/{key}", pull.reason, path))
    if pull.reason == "RegistryUnavailable":
        message = f"image pull failed for {reference} because the registry is unavailable: {message}"
    shown = pull.failed_at + SHOW_ERROR_SECONDS - view.monotonic
    if shown > 0:
        return Step(said, pull.reason, message, shown)
    text = f'Back-off pulling image "{reference}"'
    waits = Emit(f"PullBackOff/{key}", "BackOff", text, "Normal", path)
    return Step((*said, waits, _error(f"PullWaits/{key}", "ImagePullBackOff", path)), "ImagePullBackOff",
                f"{text}: {pull.reason}: {message}", left)


def said(view: View, container: core.Container, found: Image, attempt: int, path: str) -> tuple[Emit, ...]:
    """Return what is said of an image before a container is made from it."""
    events = []
    if container.name not in view.memory.pulls:
        events.append(Emit(f"Present/{container.name}/{attempt}", "Pulled", present(container.image), "Normal", path))
    if text := foreign(found, view.around.architecture):
        events.append(Emit(f"Foreign/{found.id}", "ImageArchitectureMismatch", f'Image "{container.image}" {text}',
                           "Warning", path))
    return tuple(events)


def present(reference: str) -> str:
    """Return the message of an image that needs no pull."""
    return f'Container image "{reference}" already present on machine'


def foreign(found: Image, architecture: str) -> str:
    """Return what is wrong with running an image on a node of that architecture; empty when nothing is known to be."""
    if not found.architecture or not architecture or found.architecture == architecture or \
            found.architecture in _ALSO_RUNS.get(architecture, ()):
        return ""
    return (f"is for {found.architecture} and this node is {architecture}: its programs most likely end with "
            f'"{_EXEC_FORMAT}". Use a tag or digest that has {architecture}, or build it with '
            f"`--platform linux/{architecture}`")


def no_variant(error: str, architecture: str) -> str:
    """Return the message of a pull from a list of images that has none for the node."""
    return (f"{error}. The image has no variant for this node ({architecture or 'its architecture'}): use another tag "
            f"or image, or build it with `--platform linux/{architecture or 'ARCHITECTURE'}`")


def may_be_foreign(container: Container) -> bool:
    """Return whether a container ended the way one does whose program is not for this machine: at once."""
    if container.exit_code not in _EXEC_EXIT_CODES or not container.started_at or not container.finished_at:
        return False
    return (times.parse(container.finished_at) - times.parse(container.started_at)).total_seconds() <= 1


def foreign_exit(container: Container, log: str, architecture: str) -> str:
    """Return the last words of a container whose log says that its program is not for this machine, else nothing."""
    if _EXEC_FORMAT not in log.lower():
        return ""
    return (f'{_EXEC_FORMAT}: a program of image "{container.image}" is not for this node '
            f"({architecture or 'its architecture'})")


def duration(seconds: float) -> str:
    """Return seconds as Kubernetes prints them, in milliseconds: `85ms`, `1.5s`, `2m3.25s`."""
    milliseconds = int(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + text
