"""StatefulSets: the defaults of each version, what is refused, and what may change."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edge.api import codec, defaults, scheme, statefulsets, validation
from edge.api.statefulsets import StatefulSet

MONGO: dict[str, Any] = {
    "kind": "StatefulSet", "metadata": {"name": "mongo", "namespace": "default"},
    "spec": {"serviceName": "mongo", "replicas": 3, "template": {
        "metadata": {"labels": {"app": "mongo"}},
        "spec": {"containers": [{"name": "mongodb", "image": "mongo:3.4.1", "volumeMounts": [
            {"name": "database", "mountPath": "/data/db"}]}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "database"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Gi"}}}}]}}


def made(api_version: str = "apps/v1", **spec: Any) -> StatefulSet:
    raw = {**MONGO, "spec": {**MONGO["spec"], **spec}}
    if api_version == "apps/v1":
        raw["spec"].setdefault("selector", {"matchLabels": {"app": "mongo"}})
    stored = scheme.convert_in(api_version, {**raw, "apiVersion": api_version})
    obj = codec.decode(scheme.of_type(StatefulSet), stored)
    assert isinstance(obj, StatefulSet)
    assert codec.unknown_fields(StatefulSet, stored) == ()
    return defaults.apply(obj)


def wrong(obj: StatefulSet) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validation.create(obj)]


def test_defaults_of_today() -> None:
    spec = made(replicas=None).spec

    assert (spec.replicas, spec.pod_management_policy, spec.revision_history_limit) == (1, "OrderedReady", 10)
    assert spec.update_strategy == statefulsets.StatefulSetUpdateStrategy(
        type="RollingUpdate", rolling_update=statefulsets.RollingUpdateStatefulSetStrategy(partition=0))
    assert spec.persistent_volume_claim_retention_policy == \
        statefulsets.StatefulSetPersistentVolumeClaimRetentionPolicy(when_deleted="Retain", when_scaled="Retain")
    (claim,) = spec.volume_claim_templates
    assert (claim.api_version, claim.kind, claim.spec.volume_mode) == ("v1", "PersistentVolumeClaim", "Filesystem")
    assert claim.status.phase == "Pending"


def test_defaults_are_the_same_the_second_time() -> None:
    assert defaults.apply(made()) == made()


def test_the_first_beta_waits_for_deletions_and_selects_by_its_template() -> None:
    obj = made("apps/v1beta1")

    assert obj.api_version == "apps/v1"
    assert obj.spec.update_strategy.type == "OnDelete"
    assert obj.spec.update_strategy.rolling_update is None
    assert obj.spec.selector is not None
    assert obj.spec.selector.match_labels == {"app": "mongo"}
    assert obj.metadata.labels == {"app": "mongo"}
    assert wrong(obj) == []


def test_the_first_beta_keeps_what_it_says_itself() -> None:
    obj = made("apps/v1beta1", updateStrategy={"type": "RollingUpdate"},
               selector={"matchLabels": {"app": "mongo", "tier": "db"}})

    assert obj.spec.update_strategy.type == "RollingUpdate"
    assert obj.spec.selector is not None
    assert obj.spec.selector.match_labels == {"app": "mongo", "tier": "db"}


def test_the_second_beta_has_todays_defaults_and_wants_a_selector() -> None:
    obj = made("apps/v1beta2")

    assert obj.spec.update_strategy.type == "RollingUpdate"
    assert wrong(obj) == ["spec.selector: Required value"]


def test_it_is_shown_in_the_version_asked_for() -> None:
    stored = codec.to_dict(replace(made(), api_version="apps/v1", kind="StatefulSet"))

    assert scheme.convert_out("apps/v1beta1", stored) == {**stored, "apiVersion": "apps/v1beta1"}


@pytest.mark.parametrize("raw", [None, [], "x", {"template": 7}, {"template": {"metadata": "x"}}])
def test_a_broken_old_manifest_is_left_to_the_decoder(raw: Any) -> None:
    converted = scheme.convert_in("apps/v1beta1", {"kind": "StatefulSet", "spec": raw, "metadata": None})

    assert converted["apiVersion"] == "apps/v1"


def test_mounts_find_the_claims() -> None:
    assert wrong(made()) == []
    assert wrong(made(volumeClaimTemplates=[])) == [
        'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "database"']


@pytest.mark.parametrize(("spec", "expected"), [
    ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    ({"podManagementPolicy": "Some"},
     "spec.podManagementPolicy: Invalid value: \"Some\": must be 'OrderedReady' or 'Parallel'"),
    ({"updateStrategy": {"type": "Recreate"}},
     "spec.updateStrategy: Invalid value: {\"type\":\"Recreate\"}: must be 'RollingUpdate' or 'OnDelete'"),
    ({"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
     "spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for updateStrategy "
     "'RollingUpdate'"),
    ({"updateStrategy": {"rollingUpdate": {"partition": -2}}},
     "spec.updateStrategy.rollingUpdate.partition: Invalid value: -2: must be greater than or equal to 0"),
    ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}},
     "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"),
    ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": "120%"}}},
     'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "120%": must not be greater than 100%'),
    ({"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Keep"}},
     'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": supported values: "Retain", '
     '"Delete"'),
    ({"ordinals": {"start": -1}}, "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"),
    ({"selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for statefulset"),
    ({"selector": {"matchLabels": {"app": "redis"}}},
     'spec.template.metadata.labels: Invalid value: {"app":"mongo"}: `selector` does not match template `labels`'),
])
def test_what_is_wrong_is_named(spec: dict[str, Any], expected: str) -> None:
    assert wrong(made(**spec)) == [expected]


def test_pods_of_a_statefulset_are_always_restarted() -> None:
    template = {**MONGO["spec"]["template"], "spec": {**MONGO["spec"]["template"]["spec"], "restartPolicy": "Never",
                                                      "activeDeadlineSeconds": 5}}
    assert wrong(made(template=template)) == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported"]


def test_its_name_becomes_a_host_name() -> None:
    obj = made()
    dotted = replace(obj, metadata=replace(obj.metadata, name="my.db"))
    assert [cause.field for cause in validation.create(dotted)] == ["metadata.name"]


def test_what_may_change_and_what_may_not() -> None:
    old = made()
    fine = made(replicas=5, minReadySeconds=3, ordinals={"start": 2}, updateStrategy={"type": "OnDelete"},
                persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"})
    assert validation.update(fine, old) == ()

    (cause,) = validation.update(made(serviceName="other"), old)
    assert (cause.field, cause.message) == (
        "spec", "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
                "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden")


def test_a_status_that_contradicts_itself_is_refused() -> None:
    old = made()
    new = replace(old, status=statefulsets.StatefulSetStatus(replicas=1, ready_replicas=2, available_replicas=-1))

    assert [f"{c.field}: {c.message}" for c in validation.update(new, old, "status")] == [
        "status.availableReplicas: Invalid value: -1: must be greater than or equal to 0",
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"]
