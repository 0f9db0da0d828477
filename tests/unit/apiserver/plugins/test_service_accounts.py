"""What a pod gets of its account, and which secrets it may use as that account."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import codec, core
from edge.apiserver.plugins import service_accounts


def account(*, enforce: str = "true") -> core.ServiceAccount:
    return codec.decode_struct(core.ServiceAccount, {
        "metadata": {"name": "bot", "annotations": {service_accounts.ENFORCE: enforce}},
        "secrets": [{"name": "mine"}], "imagePullSecrets": [{"name": "registry"}]})


def pod(spec: dict[str, Any] | None = None, **container: Any) -> core.Pod:
    return codec.decode_struct(core.Pod, {"metadata": {"name": "web"}, "spec": {
        "containers": [{"name": "a", "image": "x", **container}], **(spec or {})}})


def test_a_pod_gets_its_accounts_registry_credentials_unless_it_brings_its_own() -> None:
    assert service_accounts.with_account(pod(), account()).spec.image_pull_secrets[0].name == "registry"
    own = pod({"imagePullSecrets": [{"name": "own"}]})
    assert service_accounts.with_account(own, account()) is own


@pytest.mark.parametrize(("asked", "words"), [
    (pod({"volumes": [{"name": "v", "secret": {"secretName": "other"}}]}),
     'volume with secret.secretName="other" is not allowed because service account bot does not reference that secret'),
    (pod(env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}]),
     'container a with envVar KEY referencing secret.secretName="other" is not allowed because service account bot '
     "does not reference that secret"),
    (pod({"imagePullSecrets": [{"name": "other"}]}),
     'imagePullSecrets[0].name="other" is not allowed because service account bot does not reference that '
     "imagePullSecret"),
    (pod({"volumes": [{"name": "v", "secret": {"secretName": "mine"}}], "imagePullSecrets": [{"name": "registry"}]}),
     ""),
])
def test_an_account_that_insists_allows_only_its_own_secrets(asked: core.Pod, words: str) -> None:
    assert service_accounts.refusal(asked, account()) == words
    assert service_accounts.refusal(asked, account(enforce="false")) == ""
