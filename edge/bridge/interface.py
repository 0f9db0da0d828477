"""What the bridge needs of others: a view of the API's objects, and tokens for pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from edge.api import core, discovery, meta, runtime_classes

O = TypeVar("O", bound=meta.Object)  # noqa: E741 - the letter edge.client.interface uses

KINDS: tuple[type[meta.Object], ...] = (core.Node, core.Pod, core.ConfigMap, core.Secret, core.ServiceAccount,
                                        core.Service, discovery.EndpointSlice, core.Endpoints,
                                        core.PersistentVolumeClaim, core.PersistentVolume,
                                        runtime_classes.RuntimeClass)
"""What the view has to show, and whose changes `Bridge.changed` is told."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token of a service account that a pod needs on its node. An empty audience is the API server."""

    audience: str
    seconds: int
    issued: datetime
    node: core.Node | None = None


Tokens = Callable[[core.Pod, core.ServiceAccount, TokenRequest], str]
"""Returns a token that ends with the pod; the same one for the same request."""


class View(Protocol):
    """The caches, read-only and in step with the calls of `Bridge.changed`."""

    def get(self, kind: type[O], name: str, namespace: str = "") -> O | None:
        """Return the object, or None."""
        ...

    def all(self, kind: type[O], namespace: str = "") -> Iterable[O]:
        """Return every object of the namespace, or of all namespaces when it is empty."""
        ...


def no_tokens(_pod: core.Pod, _account: core.ServiceAccount, _request: TokenRequest) -> str:
    """Give no pod a token."""
    return ""
