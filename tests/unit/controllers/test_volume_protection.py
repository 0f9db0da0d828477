"""Finalizers of claims and volumes, and the claims of generic ephemeral volumes."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, volume_binding
from edge.controllers import ephemeral_volume, interface, plan, volume_protection
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.storage_world import StorageWorld, claim, pod_with, volume

PROTECTION = volume_protection.controller(Settings())
EPHEMERAL = ephemeral_volume.controller(Settings())
CLAIM = interface.Key(core.PersistentVolumeClaim, "default", "data")
VOLUME = interface.Key(core.PersistentVolume, "", "disk")
POD = interface.Key(core.Pod, "default", "web")
replace = msgspec.structs.replace


def bare(obj: core.PersistentVolumeClaim | core.PersistentVolume) -> core.PersistentVolumeClaim | core.PersistentVolume:
    return replace(obj, metadata=replace(obj.metadata, finalizers=("example.com/own",)))


def test_what_has_no_finalizer_gets_it_and_keeps_others() -> None:
    world = StorageWorld(bare(claim()), bare(volume()))
    world.settle((PROTECTION, CLAIM), (PROTECTION, VOLUME))
    assert world.one(core.PersistentVolumeClaim, "data", "default").metadata.finalizers == \
        ("example.com/own", volume_binding.PVC_PROTECTION)
    assert world.one(core.PersistentVolume, "disk").metadata.finalizers == \
        ("example.com/own", volume_binding.PV_PROTECTION)


@pytest.mark.parametrize("pod", [pod_with("data", node="n"), replace(pod_with("data", node="n"), status=core.PodStatus(
    phase="Succeeded"))])
def test_a_claim_in_use_stays_until_its_pods_are_gone(pod: core.Pod) -> None:
    world = StorageWorld(claim(), pod)
    world.delete(world.one(core.PersistentVolumeClaim, "data", "default"))
    assert world.run(PROTECTION, CLAIM) == plan.Plan()
    world.remove(pod)
    world.run(PROTECTION, CLAIM)
    assert not world.true(core.PersistentVolumeClaim)
    gone = next(source.on_delete for source in PROTECTION.sources if source.kind is core.Pod)
    assert gone is not None
    assert list(gone(pod, world)) == [CLAIM]


def test_a_pod_without_a_node_or_with_another_claim_keeps_no_claim() -> None:
    world = StorageWorld(claim(), pod_with("data"), pod_with("other", name="b", node="n"))
    world.delete(world.one(core.PersistentVolumeClaim, "data", "default"))
    world.run(PROTECTION, CLAIM)
    assert not world.true(core.PersistentVolumeClaim)


def test_a_volume_stays_while_it_is_bound() -> None:
    world = StorageWorld(volume(phase="Bound", kept_for=("data", "uid-data")))
    world.delete(world.one(core.PersistentVolume, "disk"))
    assert world.run(PROTECTION, VOLUME) == plan.Plan()
    disk = world.one(core.PersistentVolume, "disk")
    world.put(replace(disk, status=core.PersistentVolumeStatus(phase="Released")))
    world.run(PROTECTION, VOLUME)
    assert not world.true(core.PersistentVolume)
    assert world.run(PROTECTION, VOLUME) == plan.Plan()


def test_an_ephemeral_volume_gets_a_claim_that_belongs_to_its_pod() -> None:
    pod = pod_with("scratch", template=True)
    world = StorageWorld(pod)
    world.run(EPHEMERAL, POD)
    made = world.one(core.PersistentVolumeClaim, "web-scratch", "default")
    assert made.metadata.labels == {"made": "for-pod"}
    assert [(ref.kind, ref.uid, ref.controller) for ref in made.metadata.owner_references] == [
        ("Pod", pod.metadata.uid, True)]
    assert made.spec.resources.requests == {"storage": "1Gi"}
    assert world.run(EPHEMERAL, POD) == plan.Plan()
    gone = next(source.on_delete for source in EPHEMERAL.sources if source.kind is core.PersistentVolumeClaim)
    assert gone is not None
    assert list(gone(made, world)) == [POD]


def test_a_namesake_of_somebody_else_is_no_claim_for_the_pod() -> None:
    world = StorageWorld(pod_with("scratch", template=True), claim("web-scratch"))
    world.run(EPHEMERAL, POD)
    assert world.told == [("Warning", "FailedBinding", 'ephemeral volume scratch: PVC "default/web-scratch" was not '
                           'created for pod "default/web" (pod is not owner)')]
    assert len(world.true(core.PersistentVolumeClaim)) == 1


def test_pods_that_are_gone_or_ended_get_no_claims() -> None:
    ended = replace(pod_with("scratch", template=True), status=core.PodStatus(phase="Failed"))
    for world in (StorageWorld(), StorageWorld(ended), StorageWorld(builders.pod("web"))):
        assert world.run(EPHEMERAL, POD) == plan.Plan()
    keys = EPHEMERAL.sources[0].keys
    assert list(keys(builders.pod("web"), StorageWorld())) == []
    assert list(keys(ended, StorageWorld())) == [POD]
