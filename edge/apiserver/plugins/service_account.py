"""ServiceAccount: a pod acts as an account that exists, and gets what the account has for its pods.

Each namespace has an account `default`, but makes it only after it is there itself. A pod that comes first does not
wait for that: the account is made for it.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#serviceaccount
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

from edge.api import core, errors, meta, mirror_pods, scheme
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import Lookup
from edge.apiserver.plugins import refusals, service_accounts

Create = Callable[[core.ServiceAccount], Awaitable[object]]
"""Stores a new account. Raises errors.AlreadyExists."""


class ServiceAccount(Plugin):
    """New pods."""

    name = "ServiceAccount"

    def __init__(self, lookup: Lookup, create: Create, suffix: Callable[[], str]) -> None:
        self._lookup, self._create, self._suffix = lookup, create, suffix

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        return resource.type is core.Pod and (operation, subresource) in (
            ("CREATE", ""), ("UPDATE", "ephemeralcontainers"))

    async def admit(self, request: Attributes) -> meta.Object | None:
        pod = request.obj
        if not isinstance(pod, core.Pod):
            return pod
        if mirror_pods.is_mirror(pod):
            if kind := mirror_pods.reference(pod.spec):
                raise refusals.early(request, f"a mirror pod may not reference {kind}")
            return pod
        name = pod.spec.service_account_name
        if request.operation == "UPDATE":
            return self._with_more_containers(request, pod)
        account = self._of(request.namespace, name)
        if account is None and name == service_accounts.DEFAULT:
            account = await self._made(request)
        if account is None:
            raise refusals.early(request, f"error looking up service account {request.namespace}/{name}: "
                                          f'serviceaccount "{name}" not found')
        if refused := service_accounts.refusal(pod, account):
            raise refusals.early(request, refused)
        pod = service_accounts.with_account(pod, account)
        return service_accounts.with_token(pod, self._suffix) if service_accounts.wants_token(pod, account) else pod

    def _with_more_containers(self, request: Attributes, pod: core.Pod) -> core.Pod:
        """Return a pod that is there and gets containers. Its account may be gone; nothing of it is asked then."""
        account = self._of(request.namespace, pod.spec.service_account_name)
        if account is not None and (refused := service_accounts.refusal(pod, account)):
            raise refusals.early(request, refused)
        return pod

    def _of(self, namespace: str, name: str) -> core.ServiceAccount | None:
        return self._lookup.one(core.ServiceAccount, namespace, name)

    async def _made(self, request: Attributes) -> core.ServiceAccount | None:
        wanted = core.ServiceAccount(metadata=meta.ObjectMeta(name=service_accounts.DEFAULT,
                                                              namespace=request.namespace))
        if request.write.dry_run:
            return wanted
        with contextlib.suppress(errors.AlreadyExists):  # By another pod, or by the controller whose work this is.
            await self._create(wanted)
        return self._of(request.namespace, service_accounts.DEFAULT)
