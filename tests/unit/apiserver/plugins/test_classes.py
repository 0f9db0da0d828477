"""Default classes of claims and Ingresses, claims that grow, and what a runtime class adds to a pod."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, meta, persistent_volumes, runtime_classes, storage, volume_binding
from edge.apiserver.plugins import claim_resize, runtime_class, storage_protection
from tests import builders

MARK = ("storageclass.kubernetes.io/is-default-class",)
TAINT = core.Toleration(key="sandbox", operator="Exists")
SANDBOX = runtime_classes.RuntimeClass(
    overhead=runtime_classes.Overhead(pod_fixed={"memory": "120Mi"}),
    scheduling=runtime_classes.Scheduling(node_selector={"runtime": "sandbox"}, tolerations=(TAINT,)))


def storage_class(name: str, created: str, *, default: str = "true") -> storage.StorageClass:
    metadata = builders.object_meta(name, "", created=created)
    return storage.StorageClass(metadata=msgspec.structs.replace(metadata, annotations={MARK[0]: default}))


def claim(size: str = "1Gi", name: str | None = None, annotation: str | None = None,
          ) -> persistent_volumes.PersistentVolumeClaim:
    annotations = {} if annotation is None else {persistent_volumes.CLASS_ANNOTATION: annotation}
    return persistent_volumes.PersistentVolumeClaim(
        metadata=meta.ObjectMeta(annotations=annotations), spec=core.PersistentVolumeClaimSpec(
            storage_class_name=name, resources=core.VolumeResourceRequirements(requests={"storage": size})))


def test_the_newest_default_class_wins_and_then_the_first_by_name() -> None:
    old, new = storage_class("old", "2030-01-01T00:00:00Z"), storage_class("new", "2031-01-01T00:00:00Z")
    same, no = storage_class("a-new", "2031-01-01T00:00:00Z"), storage_class("z", "2032-01-01T00:00:00Z",
                                                                             default="false")
    assert volume_binding.newest_default([old, new, no], MARK) == "new"
    assert volume_binding.newest_default([old, new, same, no], MARK) == "a-new"
    assert volume_binding.newest_default([no], MARK) == ""


@pytest.mark.parametrize(("asked", "chosen"), [(claim(), False), (claim(name=""), True), (claim(name="fast"), True),
                                               (claim(annotation=""), True)])
def test_no_class_is_a_choice_too(asked: persistent_volumes.PersistentVolumeClaim, chosen: bool) -> None:
    assert volume_binding.names_class(asked) is chosen


def test_a_claim_grows_when_it_asks_for_more() -> None:
    assert claim_resize.grows(claim("1025Mi"), claim("1Gi"))
    assert not claim_resize.grows(claim("1024Mi"), claim("1Gi"))
    assert claim_resize.class_of(claim(name="a", annotation="b")) == "b"
    assert claim_resize.class_of(claim()) == ""


def test_a_runtime_class_adds_its_overhead_and_its_nodes_once() -> None:
    spec = core.PodSpec(runtime_class_name="sandbox", node_selector={"disk": "ssd"}, tolerations=(TAINT,))
    made = runtime_class.applied(spec, SANDBOX)
    assert made.overhead == {"memory": "120Mi"}
    assert made.node_selector == {"disk": "ssd", "runtime": "sandbox"}
    assert made.tolerations == (TAINT,)
    assert runtime_class.refusal(made, SANDBOX) == ""


def test_an_overhead_is_the_classs_business() -> None:
    by_hand = core.PodSpec(overhead={"memory": "1Mi"})
    assert runtime_class.refusal(by_hand, None) == \
        "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    assert runtime_class.conflict(by_hand, SANDBOX) == \
        "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
    assert runtime_class.conflict(core.PodSpec(overhead={"memory": "0.1171875Gi"}), SANDBOX) == ""


def test_a_pod_on_other_nodes_cannot_be_of_the_class() -> None:
    assert runtime_class.conflict(core.PodSpec(node_selector={"runtime": "plain"}), SANDBOX) == (
        "conflict: runtimeClass.scheduling.nodeSelector[runtime] = sandbox; "
        "pod.spec.nodeSelector[runtime] = plain")


def test_a_claim_that_selects_its_volume_is_given_no_class() -> None:
    selecting = msgspec.structs.replace(claim(), spec=msgspec.structs.replace(
        claim().spec, selector=meta.LabelSelector(match_labels={"volume": "mine"})))
    assert not volume_binding.takes_default_class(selecting)
    assert volume_binding.takes_default_class(claim())
    assert not volume_binding.takes_default_class(claim(name=""))


def test_new_claims_and_volumes_get_their_finalizer_once() -> None:
    for obj, finalizer in ((claim(), "kubernetes.io/pvc-protection"),
                           (persistent_volumes.PersistentVolume(), "kubernetes.io/pv-protection")):
        made = storage_protection.protected(obj)
        assert made.metadata.finalizers == (finalizer,)
        assert storage_protection.protected(made) is made
