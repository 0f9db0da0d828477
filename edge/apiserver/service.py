"""The verbs that write, over those that read. Decisions are in `admission`, `deletion` and `allocate`; here they act.

Everything here speaks the stored version and hands out records, whose bytes go to the wire as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import msgspec

from edge.api import codec, core, custom, errors, meta, scheme
from edge.api.apiextensions import CustomResourceDefinition
from edge.apiserver import (
    admission,
    admission_kinds,
    admit,
    allocate,
    bodies,
    definitions,
    deletion,
    tracking,
)
from edge.apiserver.catalog import Catalog
from edge.apiserver.listing import Listing
from edge.apiserver.lookup import key_of, prefix_of
from edge.apiserver.paths import Options
from edge.apiserver.service_reading import Reader
from edge.apiserver.write import BY_SERVER, Write
from edge.clock import Clock
from edge.ids import Ids
from edge.store import interface as store_interface
from edge.store.interface import Record, Store

ATTEMPTS = 8
"""How often a write without a resourceVersion is tried again when somebody else was faster."""

Change = Callable[[meta.Object], meta.Object]
"""Makes the object a write wants out of the one that is stored."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a delete left: the record as it is now, or as it was last."""

    record: Record
    removed: bool


class Service(Reader):
    """The API without HTTP."""

    def __init__(self, store: Store, clock: Clock, ids: Ids,
                 settings: admission_kinds.Settings | None = None) -> None:
        super().__init__(store)
        self.clock = clock
        made = definitions.Definitions()
        self.catalog = Catalog(lambda: self.lookup.derived("custom resources", (CustomResourceDefinition,), lambda: (
            made.resources(self.lookup.all(CustomResourceDefinition)))))
        self.chain = admit.Chain()
        """Set once, before the first request, by whoever knows the plugins."""
        self.ids = ids
        self._settings = settings or admission_kinds.Settings()
        self._allocating = asyncio.Lock()

    async def create(self, resource: scheme.Resource, namespace: str, obj: meta.Object,
                     write: Write = BY_SERVER) -> Record:
        """Create an object.

        Raises:
            errors.AlreadyExists, errors.Invalid, errors.NotFound (its namespace), errors.Forbidden (closed namespace,
            or refused by admission).
        """
        if isinstance(resource, custom.CustomResource) and resource.terminating:
            raise errors.MethodNotAllowed("create not allowed while custom resource definition is terminating",
                                          details={})
        obj = self._in_namespace(resource, namespace, obj)
        if obj.metadata.managed_fields and not write.applied:
            obj = tracking.forgotten(obj)
        for attempt in range(ATTEMPTS):
            suffix = self.ids.suffix()
            if resource.namespaced:
                self._check_namespace(resource, obj.metadata.name or obj.metadata.generate_name + suffix, namespace)
            complete = admission.prepare(resource, obj, admission.Creation(
                now=self.clock.now(), uid=self.ids.uid(), suffix=suffix, user=write.user, settings=self._settings))
            request = await self.chain.admit(admit.Attributes(
                operation="CREATE", resource=resource, namespace=complete.metadata.namespace,
                name=complete.metadata.name, write=write, obj=complete))
            assert request.obj is not None
            made = admission_kinds.settled(request.obj)
            admission.judge_new(resource, made, write.api_version)
            try:
                return await self._insert(replace(request, obj=made))
            except store_interface.KeyExists as error:
                if obj.metadata.name:
                    raise self._taken(resource, complete) from error
                if attempt == ATTEMPTS - 1:
                    raise admission.no_unique_name(resource, complete.metadata.name) from error
        raise AssertionError("unreachable")

    async def create_named(self, resource: scheme.Resource, namespace: str, obj: meta.Object, write: Write) -> Record:
        """Create an object that was sent to replace one which is not there.

        Raises errors.Conflict when a certain one was meant, and what `create` raises.
        """
        admission.check_uid(resource, obj.metadata.uid, meta.Object(metadata=meta.ObjectMeta(name=obj.metadata.name)))
        return await self.create(resource, namespace, admission.with_revision(obj, ""), write)

    def _taken(self, resource: scheme.Resource, obj: meta.Object) -> errors.AlreadyExists:
        """Return the 409 of a create whose name is taken, perhaps by what is on its way out."""
        found = errors.already_exists(resource.group_resource, obj.metadata.name)
        record = self.store.get(key_of(resource, obj.metadata.namespace, obj.metadata.name))
        if record is not None and self.decode(resource, record).metadata.deletion_timestamp is not None:
            found.message = f"object is being deleted: {found.message}"
        return found

    async def _insert(self, request: admit.Attributes) -> Record:
        """Store a new object. The validating plugins come last: a quota must not count what is there already."""
        resource, obj, dry_run = request.resource, request.obj, request.write.dry_run
        assert obj is not None
        key = key_of(resource, obj.metadata.namespace, obj.metadata.name)
        if self.store.get(key) is not None:
            raise store_interface.KeyExists(key)
        try:
            await self.chain.validate(request)
            if not isinstance(obj, core.Service):
                return await self._store_new(resource, key, obj, dry_run)
            async with self._allocating:
                return await self._store_new(resource, key, allocate.allocate(obj, self._used(obj)), dry_run)
        finally:
            await self.chain.done(request)

    async def _store_new(self, resource: scheme.Resource, key: str, obj: meta.Object, dry_run: bool) -> Record:
        encoded = codec.encode(obj)
        bodies.check_size(encoded)
        if dry_run:
            return Record(key, encoded, 0, 0)
        return await self._committed(self.store.create(key, _encoder(obj), volatile=resource.volatile))

    async def update(self, resource: scheme.Resource, namespace: str, name: str, change: Change,
                     write: Write = BY_SERVER) -> Record:
        """Replace an object by what `change` makes of it.

        `change` runs again when somebody else wrote meanwhile, unless its result names a resourceVersion that is
        no longer current.

        Raises:
            errors.NotFound, errors.Conflict, errors.Invalid, errors.Forbidden (refused by admission).
        """
        for _ in range(ATTEMPTS):
            record = self.get(resource, namespace, name)
            old = self.decode(resource, record)
            new = self._in_namespace(resource, namespace, change(old))
            if new.metadata.name != name:
                raise errors.BadRequest(f"the name of the object ({new.metadata.name}) does not match the name on the "
                                        f"URL ({name})")
            if new.metadata.resource_version not in ("", str(record.revision)):
                raise errors.conflict(resource.group_resource, name)
            request = await self.chain.admit(admit.Attributes(
                operation="UPDATE", resource=resource, namespace=namespace, name=name, write=write, old=old,
                obj=admission.merge(resource, new, old, write.subresource)))
            assert request.obj is not None
            merged = admission.judge_change(resource, request.obj, old, write.subresource, write.api_version)
            request = replace(request, obj=merged)
            try:
                await self.chain.validate(request)
                if not isinstance(merged, core.Service) or write.subresource:
                    return await self._track_and_replace(request, record, new)
                async with self._allocating:
                    merged = allocate.allocate(merged, self._used(merged))
                    return await self._track_and_replace(replace(request, obj=merged), record, new)
            except store_interface.RevisionMismatch:
                continue
            except store_interface.KeyNotFound as error:
                raise errors.not_found(resource.group_resource, name) from error
            finally:
                await self.chain.done(request)
        raise errors.conflict(resource.group_resource, name)

    async def _track_and_replace(self, request: admit.Attributes, record: Record, new: meta.Object) -> Record:
        """Write what admission has made of `new`, with who manages which of its fields where that is kept."""
        old, merged, write = request.old, request.obj, request.write
        assert old is not None
        assert merged is not None
        if old.metadata.managed_fields or new.metadata.managed_fields:
            merged = tracking.tracked(request.resource, old, new, merged, write, self.clock.now())
        return await self._replace(record, old, merged, write.dry_run)

    async def _replace(self, record: Record, old: meta.Object, new: meta.Object, dry_run: bool) -> Record:
        """Write one update: nothing when nothing changed, a removal when it was the last thing waited for."""
        new = admission.with_revision(new, old.metadata.resource_version)
        if new == old and not deletion.finished(new):
            return record
        encoded = codec.encode(new)
        if encoded == record.value and not deletion.finished(new):
            return record  # What reads the same may be of other types here; a write would wake every watcher.
        bodies.check_size(encoded)
        if dry_run:
            return replace(record, value=encoded)
        if deletion.finished(new):
            return await self._committed(self.store.delete(record.key, _encoder(new), expected=record.revision))
        return await self._committed(self.store.update(record.key, _encoder(new), expected=record.revision))

    async def replace_record(self, record: Record, new: meta.Object) -> Record:
        """Store `new` in place of exactly this record, without admission. Raises RevisionMismatch."""
        return await self._committed(self.store.update(record.key, _encoder(new), expected=record.revision))

    async def delete(self, resource: scheme.Resource, namespace: str, name: str,
                     options: deletion.DeleteOptions, write: Write = BY_SERVER) -> Deletion:
        """Delete an object, or start to.

        Raises:
            errors.NotFound, errors.Conflict (preconditions), errors.Forbidden (a namespace that must stay, or refused
            by admission).
        """
        if resource.type is core.Namespace and name in ("default", "kube-system", "kube-public"):
            raise errors.Forbidden(f'namespaces "{name}" is forbidden: this namespace may not be deleted',
                                   details={"name": name, "kind": "namespaces"})
        for _ in range(ATTEMPTS):
            record = self.get(resource, namespace, name)
            obj = self.decode(resource, record)
            deletion.check(resource, obj, options)
            request = admit.Attributes(operation="DELETE", resource=resource, namespace=namespace, name=name,
                                       write=write, old=obj, options=options)
            try:
                await self.chain.validate(request)
                return await self._delete(record, deletion.decide(obj, options, self.clock.now()), options.dry_run)
            except store_interface.RevisionMismatch:
                continue
            except store_interface.KeyNotFound as error:
                raise errors.not_found(resource.group_resource, name) from error
            finally:
                await self.chain.done(request)
        raise errors.conflict(resource.group_resource, name)

    async def _delete(self, record: Record, outcome: deletion.Outcome, dry_run: bool) -> Deletion:
        match outcome:
            case deletion.Keep():
                return Deletion(record, removed=False)
            case deletion.Mark(obj) | deletion.Remove(obj) if dry_run:
                return Deletion(replace(record, value=codec.encode(obj)), isinstance(outcome, deletion.Remove))
            case deletion.Mark(obj):
                return Deletion(await self.replace_record(record, obj), removed=False)
            case deletion.Remove(obj):
                return Deletion(await self._committed(self.store.delete(record.key, _encoder(obj),
                                                                        expected=record.revision)), removed=True)

    async def delete_collection(self, resource: scheme.Resource, namespace: str, options: Options,
                                how: deletion.DeleteOptions, write: Write = BY_SERVER) -> Listing:
        """Delete everything selected; what somebody else deletes meanwhile counts as done."""
        listing = self.list(resource, namespace, options)
        done = []
        for record in listing.records:
            obj = self.decode(resource, record)
            try:
                m = obj.metadata
                done.append((await self.delete(resource, m.namespace, m.name, how, write)).record)
            except errors.NotFound:
                continue
        return replace(listing, records=tuple(done))

    # --- what the verbs share

    async def _committed(self, write: Awaitable[Record]) -> Record:
        try:
            return await write
        except store_interface.StoreUnavailable as error:
            raise errors.Unavailable(f"the store cannot take writes: {error}") from error

    def _in_namespace(self, resource: scheme.Resource, namespace: str, obj: meta.Object) -> meta.Object:
        """Return the object with the namespace of the request, which it may repeat but not contradict."""
        if not resource.namespaced:
            return obj
        if obj.metadata.namespace not in ("", namespace):
            raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the "
                                    "request")
        if not namespace:
            raise errors.BadRequest("an empty namespace may not be set during creation")
        if obj.metadata.namespace == namespace:
            return obj
        return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, namespace=namespace))

    def _check_namespace(self, resource: scheme.Resource, name: str, namespace: str) -> None:
        kind = scheme.of_type(core.Namespace)
        found = self.decode(kind, self.get(kind, "", namespace))
        if found.metadata.deletion_timestamp is not None:
            raise admission.namespace_closed(resource.group_resource, name, namespace)

    def _used(self, service: core.Service) -> allocate.Used:
        """Return what every service but this one has."""
        kind = scheme.of_type(core.Service)
        key = key_of(kind, service.metadata.namespace, service.metadata.name)
        page = self.store.list(prefix_of(kind, ""))
        others = (msgspec.json.decode(record.value, type=core.Service) for record in page.records if record.key != key)
        return allocate.used(others)


def _encoder(obj: meta.Object) -> store_interface.Encode:
    def encode(revision: int) -> bytes:
        return codec.encode(admission.with_revision(obj, str(revision)))
    return encode
