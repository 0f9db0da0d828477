"""The verbs over the store. Decisions are in `admission`, `deletion`, `allocate` and `selection`; this acts on them.

Everything here speaks the stored version and hands out records, whose bytes go to the wire as they are.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

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
    list_options,
    selection,
    tracking,
)
from edge.apiserver.catalog import Catalog
from edge.apiserver.listing import Listing
from edge.apiserver.lookup import Lookup, key_of, prefix_of
from edge.apiserver.paths import Options
from edge.apiserver.write import BY_SERVER, Write
from edge.clock import Clock
from edge.ids import Ids
from edge.store import interface as store_interface
from edge.store.interface import Record, Store

ATTEMPTS = 8
"""How often a write without a resourceVersion is tried again when somebody else was faster."""
_INCONSISTENT = "The provided continue parameter is too old to display a consistent list result. You can start a new " \
                "list without the continue parameter, or use the continue token in this response to retrieve the " \
                "remainder of the results. Continuing with the provided token results in an inconsistent list - " \
                "objects that were created, modified, or deleted between the time the first chunk was returned and " \
                "now may show up in the list."

Change = Callable[[meta.Object], meta.Object]
"""Makes the object a write wants out of the one that is stored."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a delete left: the record as it is now, or as it was last."""

    record: Record
    removed: bool


class Service:
    """The API without HTTP."""

    def __init__(self, store: Store, clock: Clock, ids: Ids,
                 settings: admission_kinds.Settings | None = None) -> None:
        self.store = store
        self.clock = clock
        self.lookup = Lookup(store)
        made = definitions.Definitions()
        self.catalog = Catalog(lambda: self.lookup.derived("custom resources", (CustomResourceDefinition,), lambda: (
            made.resources(self.lookup.all(CustomResourceDefinition)))))
        self.chain = admit.Chain()
        """Set once, before the first request, by whoever knows the plugins."""
        self.ids = ids
        self._settings = settings or admission_kinds.Settings()
        self._allocating = asyncio.Lock()

    # --- reading

    def get(self, resource: scheme.Resource, namespace: str, name: str) -> Record:
        """Return the record. Raises errors.NotFound."""
        record = self.store.get(key_of(resource, namespace, name))
        if record is None:
            raise errors.not_found(resource.group_resource, name)
        return record

    def decode(self, resource: scheme.Resource, record: Record) -> meta.Object:
        """Return the record as a typed object; objects cannot change, so all readers share one."""
        return self.lookup.decode(resource, record)

    def list(self, resource: scheme.Resource, namespace: str, options: Options) -> Listing:
        """Return a listing, or one page of it.

        Raises:
            errors.BadRequest: for a selector, revision or token that does not parse.
            errors.Expired: when the snapshot asked for is gone.
        """
        selected = selection.parse(resource, options.label_selector, options.field_selector)
        prefix = prefix_of(resource, namespace)
        after, revision = self._place(options, prefix)
        limit = max(options.limit, 0)
        try:
            # Who selects gets a page of what is selected, so that everything may have to be looked at for one page.
            page = self.store.list(prefix, limit=limit if selected.everything else 0, after_key=after,
                                   revision=revision)
        except store_interface.Compacted as error:
            raise _too_old(after) from error
        except store_interface.FutureRevision as error:
            raise too_new(str(revision), self.store.revision) from error
        records, after = page.records, page.next_key
        if not selected.everything:
            found = (record for record in page.records if selected.matches(record.value))
            records = tuple(itertools.islice(found, limit + 1)) if limit else tuple(found)
            after = records[limit - 1].key if 0 < limit < len(records) else ""
            records = records[:limit] if limit else records
        token = selection.write_continue(selection.Continue(page.revision, after)) if after else ""
        remaining = page.remaining if token and selected.everything else None
        return Listing(records, page.revision, token, remaining)

    def _place(self, options: Options, prefix: str) -> tuple[str, int]:
        """Return the key to start after and the snapshot to list (0: the newest)."""
        if options.continue_token:
            place = selection.read_continue(options.continue_token, prefix)
            if options.resource_version not in ("", "0"):
                raise errors.BadRequest("specifying resource version is not allowed when using continue")
            return place.after_key, 0 if place.revision == selection.LATEST else place.revision
        asked = self.check_fresh(options)
        match = options.resource_version_match
        # A page of a listing at some revision has always been a page of exactly that snapshot.
        exact = match == list_options.EXACT or (not match and options.limit > 0)
        return "", asked if exact else 0

    def check_fresh(self, options: Options) -> int:
        """Return the revision a read names, 0 for none. Raises errors.ApiError (504) when it has not happened yet."""
        asked = selection.revision_number(options.resource_version)
        if asked > self.store.revision:
            raise too_new(options.resource_version, self.store.revision)
        return asked

    # --- writing

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


def _too_old(after_key: str) -> errors.Expired:
    """Return the 410 of a snapshot that is gone; with what a page can go on with from there."""
    if not after_key:
        return errors.Expired("The resourceVersion for the provided list is too old.")
    expired = errors.Expired(_INCONSISTENT)
    expired.continue_token = selection.write_continue(selection.Continue(selection.LATEST, after_key))
    return expired


def too_new(asked: str, current: int) -> errors.ApiError:
    """Return the 504 of a resourceVersion that has not happened yet."""
    details: Mapping[str, Any] = {"causes": [{"reason": "ResourceVersionTooLarge",
                                              "message": "Too large resource version"}], "retryAfterSeconds": 1}
    return errors.ApiError(f"Timeout: Too large resource version: {asked}, current: {current}", code=504,
                           reason="Timeout", details=dict(details))
