"""Fills Secrets of type kubernetes.io/service-account-token with a token of their account, which ends with them.

The token is worked out from Secret and account alone, so that a second look finds it as it is.
https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from edge.api import core, meta, times
from edge.controllers import interface, plan
from edge.controllers.settings import Settings, SignSecret

TYPE = "kubernetes.io/service-account-token"
SETTLED_AFTER = timedelta(seconds=10)
ACCOUNT, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


def controller(settings: Settings) -> interface.Controller:
    """Return the controller as the loop runs it."""
    def run(key: interface.Key, view: interface.View, now: datetime) -> plan.Plan:
        return reconcile(key, view, now, sign=settings.sign_secret, root_ca_pem=settings.root_ca_pem)
    return interface.Controller(
        name="service_account_tokens", reconcile=run,
        sources=(interface.Source(core.Secret, _own), interface.Source(core.ServiceAccount, _secrets,
                                                                       on_delete=_secrets)))


def _own(obj: meta.Object, _view: interface.View) -> Iterable[interface.Key]:
    return (interface.key_of(obj),) if isinstance(obj, core.Secret) and obj.type == TYPE else ()


def _secrets(account: meta.Object, view: interface.View) -> Iterable[interface.Key]:
    m = account.metadata
    return [interface.key_of(secret) for secret in view.all(core.Secret, m.namespace)
            if secret.type == TYPE and secret.metadata.annotations.get(ACCOUNT) == m.name]


def reconcile(key: interface.Key, view: interface.View, now: datetime, *, sign: SignSecret | None = None,
              root_ca_pem: str = "") -> plan.Plan:
    """Return what completes the Secret, or its deletion when its account is gone."""
    secret = view.get(core.Secret, key.name, key.namespace)
    if secret is None or secret.type != TYPE or secret.metadata.deletion_timestamp is not None or sign is None:
        return plan.Plan()
    name = secret.metadata.annotations.get(ACCOUNT, "")
    uid = secret.metadata.annotations.get(ACCOUNT_UID, "")
    account = view.get(core.ServiceAccount, name, key.namespace)
    if account is None and not uid and now - _created(secret, now) < SETTLED_AFTER:
        return plan.Plan(requeue_after_seconds=2.0)  # its account may just have been made and not be seen yet
    if account is None or (uid and uid != account.metadata.uid):
        return plan.Plan((plan.delete(secret),))
    wanted = {"namespace": key.namespace, "token": sign(secret, account)}
    if root_ca_pem:
        wanted["ca.crt"] = root_ca_pem
    data = secret.data | {field: base64.b64encode(value.encode()).decode() for field, value in wanted.items()}
    annotations = secret.metadata.annotations | {ACCOUNT_UID: account.metadata.uid}
    if (data, annotations) == (secret.data, secret.metadata.annotations):
        return plan.Plan()
    metadata = msgspec.structs.replace(secret.metadata, annotations=annotations)
    return plan.Plan((plan.Update(msgspec.structs.replace(secret, data=data, metadata=metadata)),))


def _created(secret: core.Secret, now: datetime) -> datetime:
    return times.parse(secret.metadata.creation_timestamp) if secret.metadata.creation_timestamp else now
