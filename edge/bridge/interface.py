"""What the bridge needs of others: a view of the API's objects, and tokens for pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from edge.api import core, discovery, meta

O = TypeVar("O", bound=meta.Object)  # noqa: E741 - the letter edge.client.interface uses

KINDS: tuple[type[meta.Object], ...] = (core.Node, core.Pod, core.ConfigMap, core.Secret, core.ServiceAccount,
                                        core.Service, discovery.EndpointSlice, core.Endpoints)
"""What the view has to show, and whose changes `Bridge.changed` is told."""

Tokens = Callable[[core.Pod, core.ServiceAccount], str]
"""Returns the token of a pod's service account; the same one for as long as it is good."""


class View(Protocol):
    """The caches, read-only and in step with the calls of `Bridge.changed`."""

    def get(self, kind: type[O], name: str, namespace: str = "") -> O | None:
        """Return the object, or None."""
        ...

    def all(self, kind: type[O], namespace: str = "") -> Iterable[O]:
        """Return every object of the namespace, or of all namespaces when it is empty."""
        ...


def no_tokens(_pod: core.Pod, _account: core.ServiceAccount) -> str:
    """Give no pod a token."""
    return ""
