"""The two plugins that show writes to admission webhooks: one for those that change, one for those that judge.

A rack without webhooks pays one look at a remembered empty list for each write.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge import logs
from edge.api import admissionregistration as types
from edge.api import core, errors, meta, scheme
from edge.apiserver import audit, webhook_reviews, webhooks
from edge.apiserver.admit import Attributes, Chain, Operation, Plugin
from edge.apiserver.lookup import Lookup
from edge.apiserver.webhook_calls import Ask
from edge.ids import Ids

log = logs.get("webhooks")


class Caller:
    """Asks one webhook about one write, and lets its failure policy decide when it cannot be asked."""

    def __init__(self, lookup: Lookup, ask: Ask, ids: Ids) -> None:
        self.lookup = lookup
        self.asleep = True
        """No webhook is asked until the server has made what it is never without: it could not start otherwise."""
        self._ask = ask
        self._ids = ids

    def mutating(self) -> tuple[webhooks.Hook, ...]:
        """Return the webhooks that may change what is written, in order."""
        return () if self.asleep else self.lookup.derived(
            "mutating webhooks", (types.MutatingWebhookConfiguration,),
            lambda: webhooks.hooks(self.lookup.all(types.MutatingWebhookConfiguration)))

    def validating(self) -> tuple[webhooks.Hook, ...]:
        """Return the webhooks that judge what is written, in order."""
        return () if self.asleep else self.lookup.derived(
            "validating webhooks", (types.ValidatingWebhookConfiguration,),
            lambda: webhooks.hooks(self.lookup.all(types.ValidatingWebhookConfiguration)))

    def concerned(self, found: Sequence[webhooks.Hook], request: Attributes) -> list[tuple[webhooks.Hook, str]]:
        """Return the webhooks to show a write to, each with the version it wants. Raises errors.BadRequest."""
        asked = [(hook, version) for hook in found
                 if (version := webhooks.version_for(hook, request, self._namespace_labels)) is not None]
        if webhook_reviews.dry_run(request):
            for hook, _ in asked:
                if not hook.dry_runs:
                    raise webhook_reviews.no_dry_run(hook)
        return asked

    async def call(self, hook: webhooks.Hook, version: str, request: Attributes, *,
                   mutating: bool) -> webhook_reviews.Answer | None:
        """Return what it answered; None when it could not be asked and that is to be ignored.

        Raises errors.ApiError when it denies the write, or could not be asked and that is not to be ignored.
        """
        uid = self._ids.uid()
        try:
            data = await self._ask(hook, webhook_reviews.review(request, hook, version, uid))
            answer = webhook_reviews.read(data, hook, uid, mutating=mutating)
        except webhook_reviews.Unusable as error:
            if not hook.ignores_failures:
                raise webhook_reviews.failed(hook, error) from error
            log.warning("failed calling webhook, failing open", webhook=hook.name, reason=str(error))
            verb = "mutating" if mutating else "validating"
            audit.annotate(f"failed-open.{verb}.webhook.admission.k8s.io/{hook.name}", hook.name)
            return None
        for text in answer.warnings:
            request.write.warn(text)
        for key, value in answer.annotations.items():
            audit.annotate(key, value)
        if not answer.allowed:
            raise webhook_reviews.denied(hook, answer)
        return answer

    def _namespace_labels(self, name: str) -> Mapping[str, str]:
        namespace = self.lookup.one(core.Namespace, "", name)
        if namespace is None:
            raise errors.not_found("namespaces", name)
        return namespace.metadata.labels


class MutatingWebhooks(Plugin):
    """Asks the webhooks that may change what is written, one after the other.

    When one has changed something, the built-in plugins look at the object again, and then, once, the webhooks that
    asked for it and were there before the change.
    """

    name = "MutatingAdmissionWebhook"

    def __init__(self, caller: Caller, built_in: Chain) -> None:
        self._caller = caller
        self._built_in = built_in

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        """Everything but webhook configurations concerns it."""
        return not webhooks.exempt(resource)

    async def admit(self, request: Attributes) -> meta.Object | None:
        """Return the object as the webhooks want it."""
        found = self._caller.mutating()
        return (await self._changed(found, request)).obj if found else request.obj

    async def validate(self, request: Attributes) -> None:
        """Ask about what has no object of its own: a deletion, a connection."""
        if request.operation in ("DELETE", "CONNECT") and (found := self._caller.mutating()):
            await self._changed(found, request)

    async def _changed(self, found: tuple[webhooks.Hook, ...], request: Attributes) -> Attributes:
        before = request.obj
        earlier: list[str] = []
        due: set[str] = set()
        request = await self._round(found, request, earlier, due)
        if request.obj == before:
            return request
        last = request.obj
        request = await self._built_in.admit(request)
        if request.obj != last:
            due.update(hook.key for hook in found if hook.again)
        if due:
            request = await self._round(found, request, [], due, again=True)
        return request

    async def _round(self, found: tuple[webhooks.Hook, ...], request: Attributes, earlier: list[str],
                     due: set[str], *, again: bool = False) -> Attributes:
        """Ask the webhooks in order; `due` collects those of them that a later change concerns."""
        for hook in found:
            if again and hook.key not in due:
                continue
            for _, version in self._caller.concerned((hook,), request):
                answer = await self._caller.call(hook, version, request, mutating=True)
                if answer is not None:
                    obj = webhook_reviews.patched(request, hook, version, answer.operations)
                    if obj != request.obj:
                        request = replace(request, obj=obj)
                        due.update(earlier)
                if hook.again:
                    earlier.append(hook.key)
        return request


class ValidatingWebhooks(Plugin):
    """Asks the webhooks that judge what is to be stored, all at once."""

    name = "ValidatingAdmissionWebhook"

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        """Everything but webhook configurations concerns it."""
        return not webhooks.exempt(resource)

    async def validate(self, request: Attributes) -> None:
        """Raise the refusal of the first webhook, in their order, that does not allow the write."""
        found = self._caller.validating()
        if not found:
            return
        asked = self._caller.concerned(found, request)
        answers = await asyncio.gather(*(self._caller.call(hook, version, request, mutating=False)
                                         for hook, version in asked), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
