"""The subresources that change something: scale and binding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edge.api import autoscaling, codec, core, errors, meta, scheme
from edge.apiserver import binding, scale
from edge.apiserver.service import Service
from edge.apiserver.write import BY_SERVER, Write
from edge.store.interface import KeyNotFound, Record, RevisionMismatch


@dataclass(frozen=True, slots=True)
class Scaled:
    """The Scale that answers a request, and the record behind it."""

    scale: autoscaling.Scale
    record: Record


def get_scale(service: Service, resource: scheme.Resource, namespace: str, name: str) -> autoscaling.Scale:
    """Return how far a controller is scaled. Raises errors.NotFound."""
    return scale.of(resource, service.decode(resource, service.get(resource, namespace, name)))


async def set_scale(service: Service, resource: scheme.Resource, namespace: str, name: str,
                    change: Callable[[autoscaling.Scale], autoscaling.Scale], write: Write = BY_SERVER) -> Scaled:
    """Change how far a controller is scaled. Raises errors.NotFound, errors.Conflict, errors.Invalid."""
    def rescale(obj: meta.Object) -> meta.Object:
        return scale.applied(resource, obj, change(scale.of(resource, obj)))

    record = await service.update(resource, namespace, name, rescale,
                                  replace(write, subresource="", through="scale"))
    return Scaled(scale_of(resource, record), record)


def scale_of(resource: scheme.Resource, record: Record) -> autoscaling.Scale:
    """Return how far a controller is scaled that was just written."""
    return scale.of(resource, codec.decode_bytes(resource, record.value))


async def bind(service: Service, namespace: str, name: str, wanted: core.Binding, *, dry_run: bool = False) -> Record:
    """Bind a pod to a node. Raises errors.NotFound, errors.Conflict when it is bound, errors.Invalid."""
    resource = scheme.of_type(core.Pod)
    for _ in range(8):
        record = service.get(resource, namespace, name)
        pod = binding.bound(service.decode(resource, record), wanted, service.clock.now())
        if dry_run:
            return record
        try:
            return await service.replace_record(record, pod)
        except RevisionMismatch:
            continue
        except KeyNotFound as error:
            raise errors.not_found(resource.group_resource, name) from error
    raise errors.conflict("pods/binding", name)
