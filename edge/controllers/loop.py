"""Runs controllers: caches fill a queue with keys, a key becomes a plan, the plan's actions become API calls.

One loop serves all controllers. A failed action ends the round; the key comes again after a delay and is planned anew
from what is then true.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Literal, TypeVar, assert_never

from edge import logs
from edge.api import apiextensions, custom, errors, meta
from edge.client import cache, recorder
from edge.client.interface import Client
from edge.clock import Clock, wait
from edge.controllers import expectations, interface, plan, registry, workqueue
from edge.controllers.cache_view import CacheView
from edge.controllers.settings import Settings
from edge.ids import Ids

LARGEST_BATCH = 32
"""Creations or deletions sent at the same time; the store commits them together."""
UNSEEN_SECONDS = 0.1
"""How soon to look again whether the caches contain our own writes; their arrival usually comes first."""
PURGE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 0.25
"""After a round a key rests as long as the round took, but no longer than this, so that changes are gathered."""

Run = Callable[[], Awaitable[None]]
Outcome = Literal["done", "failed", "again"]
O = TypeVar("O", bound=meta.Object)  # noqa: E741 - the letter edge.client.interface uses

log = logs.get("controllers")


def build(client: Client, caches: cache.SharedCaches, clock: Clock, ids: Ids,
          settings: Settings) -> list[tuple[str, Run]]:
    """Return every controller as a name and what to run under it. Needs a running event loop."""
    seen = CacheView(client, caches)
    return [(f"controller {made.name}", Loop(made, client, caches, seen, clock, recorder.Recorder(
        client, clock, ids, component=f"{made.name.replace('_', '-')}-controller")).run)
        for made in registry.controllers(settings)]


class Loop:
    """One controller at work."""

    def __init__(self, controller: interface.Controller, client: Client, caches: cache.SharedCaches, seen: CacheView,
                 clock: Clock, events: recorder.Recorder) -> None:
        self._controller, self._client, self._caches, self._seen = controller, client, caches, seen
        self._clock, self._events = clock, events
        self._queue: workqueue.WorkQueue[interface.Key] = workqueue.WorkQueue()
        self._expected: expectations.Expectations[interface.Key] = expectations.Expectations()
        self._wake = asyncio.Event()
        self._rounds: set[asyncio.Task[None]] = set()
        self._subscribed = False
        self._customs: set[type[meta.Object]] = set()
        self._fault: BaseException | None = None
        """What a round raised unexpectedly; raised by `run`, so that it is logged and the loop begins anew."""

    async def run(self) -> None:
        """Reconcile until canceled."""
        self._subscribe()
        await self._caches.synced()
        now = self._clock.monotonic()
        for key in self._controller.initial:
            self._queue.add(key, now)
        try:
            while self._fault is None:
                await self._hand_out()
            fault, self._fault = self._fault, None
            raise fault
        finally:
            for task in self._rounds:
                task.cancel()
            await asyncio.gather(*self._rounds, return_exceptions=True)

    def _subscribe(self) -> None:
        if self._subscribed:
            return
        self._subscribed = True
        for source in self._controller.sources:
            self._seen.prepare(source.kind)
        for source in self._controller.sources:
            self._seen.prepare(source.kind).listen(self._listener(source))
        if self._controller.custom_source is not None:
            self._seen.prepare(apiextensions.CustomResourceDefinition).listen(lambda old, new: self._follow_kinds())

    def _follow_kinds(self) -> None:
        """Listen to the custom kinds there are now, and no longer to those that have gone."""
        assert self._controller.custom_source is not None
        sources = {source.kind: source for source in map(
            self._controller.custom_source, custom.among(self._client.resources()))}
        for kind in [kind for kind in self._customs if kind not in sources]:
            self._customs.discard(kind)
            self._seen.drop(kind)
        for kind, source in sources.items():
            if kind not in self._customs:
                self._customs.add(kind)
                self._seen.prepare(kind).listen(self._listener(source))

    def _listener(self, source: interface.Source) -> Callable[[meta.Object | None, meta.Object | None], None]:
        def changed(old: meta.Object | None, new: meta.Object | None) -> None:
            keys: set[interface.Key] = set()
            if old is not None and (new is not None or source.on_delete is None):
                keys.update(source.keys(old, self._seen))
            if new is not None:
                keys.update(source.keys(new, self._seen))
            elif old is not None and source.on_delete is not None:
                keys.update(source.on_delete(old, self._seen))
            now = self._clock.monotonic()
            for key in keys:
                self._queue.add(key, now)
            if keys:
                self._wake.set()
        return changed

    async def _hand_out(self) -> None:
        """Start a round for each key that is due, then wait for the next one."""
        now = self._clock.monotonic()
        while len(self._rounds) < self._controller.workers and (key := self._queue.get(now)) is not None:
            task = asyncio.create_task(self._round(key))
            self._rounds.add(task)
            task.add_done_callback(self._ended)
        due = self._queue.next_due() if len(self._rounds) < self._controller.workers else None
        if due is None:
            self._queue.forget_pauses(now)
        await wait(self._wake, self._clock, None if due is None else max(0.0, due - now))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._rounds.discard(task)
        self._fault = self._fault or (None if task.cancelled() else task.exception())
        self._wake.set()

    async def _round(self, key: interface.Key) -> None:
        began = self._clock.monotonic()
        outcome: Outcome = "failed"
        after: float | None = None
        try:
            if not self._expected.fulfilled(key, self._seen, began):
                outcome, after = "done", UNSEEN_SECONDS
                return
            made = self._controller.reconcile(key, self._seen, self._clock.now())
            outcome, after = await self._act(key, made.actions), made.requeue_after_seconds
            if outcome == "again":
                after = PURGE_SECONDS
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
            # An object that validation should not have let in. The others must not suffer for it.
            log.error("cannot reconcile", cause=error, controller=self._controller.name, namespace=key.namespace,
                      name=key.name)
        finally:
            now = self._clock.monotonic()
            self._queue.done(key, now, failed=outcome == "failed",
                             pause_seconds=min(now - began, LONGEST_PAUSE_SECONDS))
            if outcome != "failed" and after is not None:
                self._queue.add(key, now, after)

    async def _act(self, key: interface.Key, actions: tuple[plan.Action, ...]) -> Outcome:
        for batch in batches(actions):
            outcomes = await asyncio.gather(*(self._try(key, action) for action in batch))
            for outcome in outcomes:
                if outcome != "done":
                    return outcome
        return "done"

    async def _try(self, key: interface.Key, action: plan.Action) -> Outcome:
        try:
            return await self._do(key, action)
        except errors.AlreadyExists as error:
            return "done" if isinstance(action, plan.Create) and action.may_exist else self._failed(key, action, error)
        except (errors.NotFound, errors.Conflict) as error:
            return "done" if isinstance(action, plan.Delete) else self._failed(key, action, error)
        except errors.ApiError as error:
            if isinstance(action, plan.Create) and action.failed:
                await self._act(key, action.failed(error))
            return self._failed(key, action, error)

    def _failed(self, key: interface.Key, action: plan.Action, error: errors.ApiError) -> Outcome:
        log.debug("action failed, planning again", controller=self._controller.name, namespace=key.namespace,
                  name=key.name, action=type(action).__name__, error=error.message)
        return "failed"

    async def _do(self, key: interface.Key, action: plan.Action) -> Outcome:
        match action:
            case plan.Create():
                made = await self._client.create(action.obj)
                self._written(key, made)
                await self._emit(action.done, made.metadata.name)
            case plan.Update():
                self._written(key, await self._client.update(action.obj))
            case plan.UpdateStatus():
                self._written(key, await self._client.update_status(action.obj))
            case plan.Patch():
                self._written(key, await self._client.patch(action.kind, action.name, action.namespace, action.patch,
                                                            subresource=action.subresource))
                await self._emit(action.done, action.name)
            case plan.Delete():
                await self._delete(key, action)
                await self._emit(action.done, action.name)
            case plan.Collect():
                await self._collect(key, action)
            case plan.Purge():
                return await self._purge(key, action)
            case plan.Emit():
                await self._emit(action, "")
            case _:
                assert_never(action)
        return "done"

    def _written(self, key: interface.Key, obj: meta.Object) -> None:
        revision = obj.metadata.resource_version
        if revision.isdigit():
            self._expected.expect(key, expectations.Written(type(obj), int(revision)), self._clock.monotonic())

    async def _delete(self, key: interface.Key, action: plan.Delete) -> None:
        await self._client.delete(action.kind, action.name, action.namespace, uid=action.uid,
                                  grace_period_seconds=action.grace_period_seconds,
                                  propagation_policy=action.propagation_policy)
        self._expected.expect(key, expectations.Deleted(action.kind, action.name, action.namespace, action.uid),
                              self._clock.monotonic())

    async def _collect(self, key: interface.Key, action: plan.Collect) -> None:
        for owner in action.owners:
            if owner.kind is None or await self._is_there(owner, owner.kind):
                return
        try:
            found = await self._client.get(action.kind, action.name, action.namespace)
        except errors.NotFound:
            return
        known = {owner.uid for owner in action.owners}
        if "" not in known and {ref.uid for ref in found.metadata.owner_references} - known:
            return  # Somebody has adopted it since it was looked at.
        log.debug("collecting an object without owners", kind=action.kind.__name__, namespace=action.namespace,
                 name=action.name)
        await self._try(key, plan.Delete(action.kind, action.name, action.namespace, action.uid,
                                         action.grace_period_seconds, "" if action.grace_period_seconds == 0
                                         else "Background"))

    async def _is_there(self, owner: plan.Owner, kind: type[meta.Object]) -> bool:
        try:
            found = await self._client.get(kind, owner.name, owner.namespace)
        except errors.NotFound:
            return False
        return owner.uid in ("", found.metadata.uid)

    async def _purge(self, key: interface.Key, wanted: plan.Purge) -> Outcome:
        """Delete all that is meant. What ends at once is gone in the second look; else: again, later."""
        kinds = {wanted.kind: wanted.kind.__name__} if wanted.kind else {
            custom.named_by(resource): resource.group_resource for resource in self._client.resources()
            if resource.namespaced and {"list", "delete"} <= set(resource.verbs)}
        for _ in range(2):
            remains = await self._purge_once(kinds, wanted.namespace)
            if not remains.objects:
                return "done"
        if wanted.left is not None:
            await self._act(key, wanted.left(remains))
        return "failed" if remains.refusals else "again"

    async def _purge_once(self, kinds: Mapping[type[meta.Object], str], namespace: str) -> plan.Remains:
        objects: Counter[str] = Counter()
        finalizers: Counter[str] = Counter()
        refusals: list[str] = []
        for kind, resource in kinds.items():
            for obj in (await self._client.list(kind, namespace)).items:
                m = obj.metadata
                objects[resource] += 1
                finalizers.update(m.finalizers)
                if m.deletion_timestamp is None:
                    try:
                        await self._client.delete(kind, m.name, m.namespace, uid=m.uid,
                                                  propagation_policy="Background")
                    except (errors.NotFound, errors.Conflict):
                        continue  # Gone, or made anew: the next look tells.
                    except errors.ApiError as error:
                        refusals.append(error.message)  # It must not keep the rest.
        return plan.Remains(objects, finalizers, tuple(refusals))

    async def _emit(self, event: plan.Emit | None, name: str) -> None:
        if event is not None:
            await self._events.record(event.about, event.type, event.reason, event.message.replace("{name}", name))


def batches(actions: tuple[plan.Action, ...]) -> Iterator[tuple[plan.Action, ...]]:
    """Yield the actions in groups to be done at the same time.

    Creations go together, and so do deletions, one at first and then twice as many each time, so that what the server
    refuses is refused once and not a hundred times. Everything else goes alone.
    """
    start, size = 0, 1
    while start < len(actions):
        kind = type(actions[start])
        end = start + 1
        if kind in (plan.Create, plan.Delete):
            while end < len(actions) and end - start < size and type(actions[end]) is kind:
                end += 1
        yield actions[start:end]
        size = min(size * 2, LARGEST_BATCH) if end < len(actions) and type(actions[end]) is kind else 1
        start = end
