"""Server-side apply over the store: makes the object that is not there, merges into the one that is.

What is merged and who may is decided in `edge.api.apply`; admission and validation see the result as any other write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from edge.api import apply, autoscaling, codec, errors, managed_fields, meta, scheme, shaped_values, times
from edge.api.apply import Json
from edge.apiserver import bodies, scale, tracking
from edge.apiserver.lookup import key_of
from edge.apiserver.service import ATTEMPTS, Service
from edge.apiserver.write import Write
from edge.store.interface import Record

MEDIA_TYPE = "application/apply-patch+yaml"
_SCALE = autoscaling.Scale.__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a client applies, and how it wants that to be done."""

    body: Json
    force: bool = False
    field_validation: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """The record that came of it."""

    record: Record
    created: bool = False
    warnings: tuple[str, ...] = ()


def read(body: bytes) -> Json:
    """Return the configuration of a request; most clients send JSON, which is quicker to read than YAML.

    Raises errors.BadRequest when it is no object.
    """
    media = "application/json" if body[:1] == b"{" else "application/yaml"
    try:
        return bodies.mapping(bodies.read(body, media))
    except errors.BadRequest:
        if media == "application/yaml":
            raise
        return bodies.mapping(bodies.read(body, "application/yaml"))  # a flow mapping of YAML begins like JSON


async def put(service: Service, resource: scheme.Resource, namespace: str, name: str, config: Configuration,
              write: Write, may_create: Callable[[], None] = lambda: None) -> Applied:
    """Apply a configuration to an object, or create it.

    `may_create` raises errors.Forbidden for who may only change what is there.

    Raises:
        errors.BadRequest, errors.Invalid: for a configuration that is none.
        errors.Conflict: when others own fields with another value, or resourceVersion is not current.
        errors.NotFound: the object of a subresource, or the namespace, is not there.
    """
    one = _Apply(service, resource, namespace, name, config, write)
    key = key_of(resource, namespace, name)
    for _ in range(ATTEMPTS):
        missing = service.store.get(key) is None and not one.subresource
        try:
            if missing:
                may_create()
                return Applied(await service.create(resource, namespace, one.new(), one.write), True, one.warnings)
            return Applied(await service.update(resource, namespace, name, one.changed, one.write), False, one.warnings)
        except errors.AlreadyExists:
            continue
        except errors.NotFound:
            if missing or one.subresource or service.store.get(key) is not None:
                raise
    raise errors.conflict(resource.group_resource, name)


async def put_scale(service: Service, resource: scheme.Resource, namespace: str, name: str, config: Configuration,
                    write: Write) -> Applied:
    """Apply a Scale: the one field of the controller that it stands for. Raises what `put` raises."""
    body = config.body
    if (body.get("apiVersion"), body.get("kind")) != ("autoscaling/v1", _SCALE):
        raise _wrong_type(body)
    sent = codec.decode_struct(autoscaling.Scale, body)
    target: Any = None
    if isinstance(body.get("spec"), dict) and "replicas" in body["spec"]:
        target = sent.spec.replicas
    whole: Json = {"apiVersion": resource.api_version, "kind": resource.kind,
                   "metadata": {"name": sent.metadata.name or name}}
    if sent.metadata.resource_version:
        whole["metadata"]["resourceVersion"] = sent.metadata.resource_version
    if target is not None:
        section = whole
        *parents, last = scale.replicas_path(resource)
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = target
    through = replace(write, subresource="", through="scale", api_version=resource.api_version)
    return await put(service, resource, namespace, name, replace(config, body=whole), through)


class _Apply:
    """One configuration, checked, that is applied to whatever is there at the moment."""

    def __init__(self, service: Service, resource: scheme.Resource, namespace: str, name: str, config: Configuration,
                 write: Write) -> None:
        version = write.api_version or resource.api_version
        self.subresource = write.subresource or write.through
        self.write = replace(write, applied=True, api_version=version)
        self._clock, self._resource, self._name = service.clock, resource, name
        self._applier = apply.Applier(manager=write.manager, api_version=version, subresource=self.subresource,
                                      force=config.force)
        self._terms = tracking.terms_of(resource, version, self.subresource)
        self._config, self.warnings = self._checked(config, namespace, version)

    def new(self) -> meta.Object:
        """Return the object that does not exist yet. Raises errors.BadRequest for another name than the URL's."""
        obj = self._done({}, ())
        if not obj.metadata.name:
            raise errors.BadRequest(f"the name of the object ({self._name} based on URL) was undeterminable: name must "
                                    "be provided")
        if obj.metadata.name != self._name:
            raise errors.BadRequest(f"the name of the object ({obj.metadata.name}) does not match the name on the URL "
                                    f"({self._name})")
        if obj.metadata.uid:
            raise errors.conflict(self._resource.group_resource, self._name,
                                  f"uid mismatch: the provided object specified uid {obj.metadata.uid}, and no "
                                  "existing object was found")
        return obj

    def changed(self, old: meta.Object) -> meta.Object:
        """Return the object with the configuration applied. Raises errors.Conflict."""
        live = scheme.to_version(self._resource, self._applier.api_version, codec.to_dict(old))
        return self._done(live, old.metadata.managed_fields)

    def _done(self, live: Json, entries: tuple[meta.ManagedFieldsEntry, ...]) -> meta.Object:
        try:
            done = apply.apply(live, self._config, tracking.managed_by(self._resource, entries), self._applier,
                               self._terms, times.render(self._clock.now()))
            obj = bodies.decode(self._resource, self._applier.api_version, done.obj, "Ignore").obj
        except RecursionError as error:
            raise errors.BadRequest("the object is nested too deeply") from error
        return tracking.with_entries(obj, managed_fields.write(done.managed))

    def _checked(self, config: Configuration, namespace: str, version: str) -> tuple[Json, tuple[str, ...]]:
        """Return what of the configuration is declared, and what its client should be told."""
        resource, shape, body = self._resource, self._terms.shape, config.body
        if (body.get("apiVersion"), body.get("kind")) != (version, resource.kind):
            raise _wrong_type(body)
        known = version == resource.api_version or not resource.old_versions  # an old version may have other fields
        number = version.rpartition("/")[2]
        apply.check(body, shape, strict=known and config.field_validation == "Strict",
                    what=f"{namespace}/{self._name}; {resource.group}/{number}, Kind={resource.kind}")
        warnings = bodies.decode(resource, version, body, config.field_validation).warnings
        return (shaped_values.declared(shape, body) if known else body), warnings


def _wrong_type(body: Json) -> errors.BadRequest:
    group, _, version = str(body.get("apiVersion") or "").rpartition("/")
    return errors.BadRequest(f"invalid object type: {group}/{version}, Kind={body.get('kind') or ''}")
