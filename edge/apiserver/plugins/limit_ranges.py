"""What LimitRanges give to containers that ask for nothing, and what they refuse, in Kubernetes' words.

https://kubernetes.io/docs/concepts/policy/limit-range/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from edge.api import amounts, core, meta, persistent_volumes, pod_amounts, quotas
from edge.api.amounts import Amount, Amounts

C = TypeVar("C", bound=core.Container)
ANNOTATION = "kubernetes.io/limit-ranger"


# --- defaults

def with_defaults(pod: core.Pod, ranges: Iterable[quotas.LimitRange]) -> core.Pod:
    """Return the pod with the requests and limits that its containers leave to the namespace."""
    for limit_range in ranges:
        pod = _filled(pod, limit_range)
    return pod


def _filled(pod: core.Pod, limit_range: quotas.LimitRange) -> core.Pod:
    requests: dict[str, meta.Quantity] = {}
    limits: dict[str, meta.Quantity] = {}
    for item in limit_range.spec.limits:
        if item.type == "Container":
            requests |= item.default_request
            limits |= item.default
    said: list[str] = []
    containers = tuple(_with(container, requests, limits, "container", said) for container in pod.spec.containers)
    inits = tuple(_with(container, requests, limits, "init container", said)
                  for container in pod.spec.init_containers)
    if not said:
        return pod
    annotations = {**pod.metadata.annotations, ANNOTATION: f"LimitRanger plugin set: {'; '.join(said)}"}
    return replace(pod, metadata=replace(pod.metadata, annotations=annotations),
                   spec=replace(pod.spec, containers=containers, init_containers=inits))


def _with(container: C, requests: dict[str, meta.Quantity], limits: dict[str, meta.Quantity], what: str,
          said: list[str]) -> C:
    own = container.resources
    for kind, defaults, known in (("request", requests, own.requests), ("limit", limits, own.limits)):
        if missing := sorted(defaults.keys() - known.keys()):
            said.append(f"{', '.join(missing)} {kind} for {what} {container.name}")
    resources = replace(own, requests={**requests, **own.requests}, limits={**limits, **own.limits})
    return container if resources == own else replace(container, resources=resources)


# --- limits

def refusals(obj: core.Pod | persistent_volumes.PersistentVolumeClaim, limit_range: quotas.LimitRange) -> list[str]:
    """Return everything a LimitRange has against a pod or a claim."""
    found: list[str] = []
    for item in limit_range.spec.limits:
        if isinstance(obj, core.Pod):
            found += _of_pod(obj.spec, item)
        elif item.type == "PersistentVolumeClaim":
            asked = amounts.read(obj.spec.resources.requests)
            found += [*_too_little(item, asked, {}), *_claims_too_much(item, asked)]
    return found


def _of_pod(spec: core.PodSpec, item: quotas.LimitRangeItem) -> Iterator[str]:
    if item.type == "Container":
        for container in (*spec.containers, *spec.init_containers):
            own = container.resources
            yield from _of(item, amounts.read(own.requests), amounts.read(own.limits))
    elif item.type == "Pod":
        yield from _of(item, pod_amounts.requests(spec, overhead=False), pod_amounts.limits(spec, overhead=False))


def _of(item: quotas.LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    yield from _too_little(item, requests, limits)
    yield from _too_much(item, requests, limits)
    yield from _too_far(item, requests, limits)


def _bounds(written: dict[str, meta.Quantity]) -> Iterator[tuple[str, Amount]]:
    return ((name, amounts.of(written[name])) for name in sorted(written))


def _too_little(item: quotas.LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, least in _bounds(item.min):
        said = f"minimum {name} usage per {item.type} is {least}"
        if name not in requests:
            yield f"{said}.  No request is specified"
        elif requests[name].nano < least.nano:
            yield f"{said}, but request is {requests[name]}"
        elif name in limits and limits[name].nano < least.nano:
            yield f"{said}, but limit is {limits[name]}"


def _too_much(item: quotas.LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, most in _bounds(item.max):
        said = f"maximum {name} usage per {item.type} is {most}"
        if name not in limits:
            yield f"{said}.  No limit is specified"
        elif limits[name].nano > most.nano:
            yield f"{said}, but limit is {limits[name]}"
        elif name in requests and requests[name].nano > most.nano:
            yield f"{said}, but request is {requests[name]}"


def _claims_too_much(item: quotas.LimitRangeItem, requests: Amounts) -> Iterator[str]:
    for name, most in _bounds(item.max):
        said = f"maximum {name} usage per {item.type} is {most}"
        if name not in requests:
            yield f"{said}.  No request is specified"
        elif requests[name].nano > most.nano:
            yield f"{said}, but request is {requests[name]}"


def _too_far(item: quotas.LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    """Yield where a limit is too many times the request."""
    for name, most in _bounds(item.max_limit_request_ratio):
        said = f"{name} max limit to request ratio per {item.type} is {most}, but"
        request, limit = requests.get(name, amounts.NONE).nano, limits.get(name, amounts.NONE).nano
        if not request:
            yield f"{said} no request is specified or request is 0"
        elif not limit:
            yield f"{said} no limit is specified or limit is 0"
        elif limit * amounts.ONE.nano > most.nano * request:
            yield f"{said} provided ratio is {limit / request:f}"
