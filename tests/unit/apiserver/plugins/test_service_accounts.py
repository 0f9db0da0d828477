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


def mounted(made: core.Pod) -> core.Pod:
    return service_accounts.with_token(made, lambda: "abcde")


def test_every_container_that_mounts_nothing_there_gets_the_token() -> None:
    own = {"name": "mine", "mountPath": service_accounts.MOUNT_PATH}
    made = mounted(pod({"volumes": [{"name": "mine", "emptyDir": {}}],
                        "initContainers": [{"name": "i", "image": "x", "volumeMounts": [own]}]}))
    wanted = core.VolumeMount(name="kube-api-access-abcde", read_only=True, mount_path=service_accounts.MOUNT_PATH)
    assert made.spec.containers[0].volume_mounts == (wanted,)
    assert [mount.name for mount in made.spec.init_containers[0].volume_mounts] == ["mine"]
    assert codec.encode(made.spec.volumes[1]) == codec.encode(codec.decode_struct(core.Volume, {
        "name": "kube-api-access-abcde", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {
                "apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}}))


def test_a_pod_that_has_the_volume_keeps_it() -> None:
    once = mounted(pod())
    assert mounted(once) is once
    given = mounted(pod({"volumes": [{"name": "kube-api-access-mine", "emptyDir": {}}]}))
    assert [volume.name for volume in given.spec.volumes] == ["kube-api-access-mine"]
    assert given.spec.containers[0].volume_mounts[0].name == "kube-api-access-mine"


def test_a_pod_whose_containers_all_mount_something_there_gets_no_volume() -> None:
    made = pod({"volumes": [{"name": "mine", "emptyDir": {}}]},
               volumeMounts=[{"name": "mine", "mountPath": service_accounts.MOUNT_PATH}])
    assert mounted(made) is made


@pytest.mark.parametrize(("of_pod", "of_account", "wanted"), [
    (None, None, True), (None, False, False), (True, False, True), (False, True, False), (False, None, False)])
def test_the_pods_word_goes_before_the_accounts(of_pod: bool | None, of_account: bool | None, wanted: bool) -> None:
    made = pod({} if of_pod is None else {"automountServiceAccountToken": of_pod})
    assert service_accounts.wants_token(made, core.ServiceAccount(automount_service_account_token=of_account)) is wanted
