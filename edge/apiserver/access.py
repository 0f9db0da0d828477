"""What tokens, nodes and roles are checked against, read from the store for each request.

https://kubernetes.io/docs/concepts/security/controlling-access/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import cast

from edge.api import codec, core, meta, rbac, scheme, times
from edge.apiserver import authenticate
from edge.apiserver.authenticate import User
from edge.apiserver.authorize import Authorizer
from edge.apiserver.lookup import Lookup, prefix_of
from edge.apiserver.node_authorizer import NodeAuthorizer
from edge.apiserver.rbac import Index
from edge.store.interface import Store

_KINDS: tuple[type[meta.Object], ...] = (rbac.Role, rbac.ClusterRole, rbac.RoleBinding, rbac.ClusterRoleBinding)
_BOUND: Mapping[str, type[meta.Object]] = {"pod": core.Pod, "secret": core.Secret, "node": core.Node}
DELETED_SECONDS = 60.0
"""How long tokens outlive the end of what they are bound to."""
_BOOTSTRAP_TYPE = "bootstrap.kubernetes.io/token"


class Access:
    """Looks things up for authentication and authorization."""

    def __init__(self, lookup: Lookup, store: Store, now: Callable[[], datetime]) -> None:
        self._lookup = lookup
        self._store = store
        self._now = now

    def lookups(self, verify: authenticate.VerifyToken | None,
                static_tokens: Mapping[str, User]) -> authenticate.Lookups:
        """Return what tokens are checked against."""
        found = authenticate.Lookups(bootstrap_secret=self._bootstrap_secret, account_uid=self._account_uid,
                                     bound_uid=self._bound_uid, static_tokens=static_tokens)
        return found if verify is None else authenticate.with_verify(found, verify)

    def authorizer(self) -> Authorizer:
        """Return the authorizer of the server."""
        return Authorizer(self.rules, NodeAuthorizer(self._pod, self._pods_in))

    def rules(self) -> Index:
        """Return the index of all roles and bindings as they are now."""
        return self._lookup.derived("rbac", _KINDS, self._build)

    def _build(self) -> Index:
        look = self._lookup
        return Index(look.all(rbac.Role), look.all(rbac.ClusterRole), look.all(rbac.RoleBinding),
                     look.all(rbac.ClusterRoleBinding))

    def _bootstrap_secret(self, token_id: str) -> Mapping[str, str] | None:
        secret = self._lookup.one(core.Secret, "kube-system", f"bootstrap-token-{token_id}")
        usable = secret is not None and secret.type == _BOOTSTRAP_TYPE and secret.metadata.deletion_timestamp is None
        return secret.data if usable and secret is not None else None

    def _account_uid(self, namespace: str, name: str) -> str:
        account = self._lookup.one(core.ServiceAccount, namespace, name)
        return self._uid(account)

    def _bound_uid(self, kind: str, namespace: str, name: str) -> str:
        found = self._lookup.one(_BOUND[kind], "" if kind == "node" else namespace, name)
        return self._uid(found)

    def _uid(self, found: meta.Object | None) -> str:
        """Return the uid of what a token stands on; "" when that should have been gone for a while.

        A pod of a lost node stays until the node is back, and what was deleted there must not go on acting.
        """
        if found is None:
            return ""
        ends = found.metadata.deletion_timestamp
        late = ends is not None and times.parse(ends) < self._now() - timedelta(seconds=DELETED_SECONDS)
        return "" if late else found.metadata.uid

    def _pod(self, namespace: str, name: str) -> core.Pod | None:
        return self._lookup.one(core.Pod, namespace, name)

    def _pods_in(self, namespace: str) -> Iterable[core.Pod]:
        """Yield the pods of a namespace; they are not kept, because nodes hardly ever ask."""
        resource = scheme.of_type(core.Pod)
        for record in self._store.list(prefix_of(resource, namespace)).records:
            yield cast(core.Pod, codec.decode_bytes(resource, record.value))
