"""Which claim gets which volume, in two steps, and what becomes of volumes and claims that lose each other."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, meta
from edge.controllers import interface, persistent_volume, plan
from edge.controllers.settings import Settings
from tests.fakes.storage_world import StorageWorld, claim, pod_with, storage_class, volume

CONTROLLER = persistent_volume.controller(Settings())
KEY = interface.Key(core.PersistentVolumeClaim, "default", "data")
replace = msgspec.structs.replace


def settle(world: StorageWorld) -> None:
    """Reconcile everything until nothing is written any more."""
    for _ in range(20):
        before = world._count
        for kind in (core.PersistentVolumeClaim, core.PersistentVolume):
            for obj in world.all(kind):
                world.run(CONTROLLER, interface.key_of(obj))
        if world._count == before:
            return
    raise AssertionError("no rest")


def writes(world: StorageWorld, key: interface.Key) -> list[plan.Action]:
    return [action for action in world.run(CONTROLLER, key, cut=0).actions if not isinstance(action, plan.Emit)]


def bound(world: StorageWorld, name: str = "data") -> str:
    found = world.one(core.PersistentVolumeClaim, name, "default")
    if found.status.phase != "Bound":
        return ""
    assert world.one(core.PersistentVolume, found.spec.volume_name).status.phase == "Bound"
    return found.spec.volume_name


def phase(world: StorageWorld, name: str = "disk") -> str:
    return world.one(core.PersistentVolume, name).status.phase


def test_a_claim_and_a_volume_are_bound_in_two_steps_and_say_so() -> None:
    world = StorageWorld(claim(), volume(phase="", modes=("ReadWriteOnce", "ReadOnlyMany"), size="5Gi"))
    settle(world)
    made, disk = world.one(core.PersistentVolumeClaim, "data", "default"), world.one(core.PersistentVolume, "disk")
    assert (made.spec.volume_name, made.status.phase) == ("disk", "Bound")
    assert made.metadata.annotations == {"pv.kubernetes.io/bind-completed": "yes",
                                         "pv.kubernetes.io/bound-by-controller": "yes"}
    assert (made.status.capacity, made.status.access_modes) == ({"storage": "5Gi"}, ("ReadWriteOnce", "ReadOnlyMany"))
    assert disk.spec.claim_ref is not None
    assert (disk.spec.claim_ref.uid, disk.spec.claim_ref.kind, disk.status.phase) == \
        (made.metadata.uid, "PersistentVolumeClaim", "Bound")
    assert disk.metadata.annotations == {"pv.kubernetes.io/bound-by-controller": "yes"}
    assert not writes(world, KEY)
    assert not writes(world, interface.key_of(disk))


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_a_binding_that_was_cut_off_goes_on_where_it_stopped(cut: int) -> None:
    world = StorageWorld(claim(), claim("other"), volume())
    world.run(CONTROLLER, KEY, cut=cut)
    settle(world)
    assert bound(world) == "disk"
    assert not bound(world, "other")


def test_the_smallest_volume_that_fits_is_taken() -> None:
    world = StorageWorld(claim(size="2Gi"), volume("big", "10Gi"), volume("fits", "3Gi"), volume("small", "1Gi"))
    settle(world)
    assert bound(world) == "fits"


def test_a_volume_that_can_do_no_more_than_is_asked_goes_before_a_smaller_one_that_can() -> None:
    every = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany")
    world = StorageWorld(claim(), volume("shared", "1Gi", modes=every), volume("own", "5Gi"))
    settle(world)
    assert bound(world) == "own"


@pytest.mark.parametrize("unfit", [
    volume(size="1023Mi"), volume(modes=("ReadOnlyMany",)), volume(class_name="fast"), volume(block=True),
    volume(phase="Pending", kept_for=("else", "")), volume(phase="Bound", kept_for=("else", "uid-else")),
    volume(phase="Failed"), volume(kept_for=("data", "uid-of-an-earlier-claim"))])
def test_a_volume_that_does_not_fit_is_not_taken(unfit: core.PersistentVolume) -> None:
    world = StorageWorld(claim(), unfit)
    world.run(CONTROLLER, KEY)
    assert not bound(world)
    assert world.told == [("Normal", "FailedBinding",
                           "no persistent volumes available for this claim and no storage class is set")]


def test_a_selector_chooses_among_volumes() -> None:
    world = StorageWorld(claim(class_name=None, selector={"volume": "mine"}), volume("a", labels={"volume": "its"}),
                         volume("b", labels={"volume": "mine"}), storage_class("local-path", default=True))
    settle(world)
    assert bound(world) == "b"


def test_a_volume_kept_for_a_claim_by_name_is_bound_to_it_and_to_nobody_else() -> None:
    world = StorageWorld(claim("other"), claim(), volume("kept", "9Gi", kept_for=("data", "")), volume("disk"))
    settle(world)
    assert bound(world) == "kept"
    assert bound(world, "other") == "disk"
    assert "pv.kubernetes.io/bound-by-controller" not in world.one(core.PersistentVolume, "kept").metadata.annotations


def test_a_claim_for_one_volume_by_name_gets_it_or_says_why_not() -> None:
    world = StorageWorld(claim(volume="disk"), volume("a"), volume("disk"))
    settle(world)
    assert bound(world) == "disk"
    marks = world.one(core.PersistentVolumeClaim, "data", "default").metadata.annotations
    assert marks == {"pv.kubernetes.io/bind-completed": "yes"}
    world = StorageWorld(claim(volume="disk", size="2Gi"), volume("disk"))
    world.run(CONTROLLER, KEY)
    assert world.told == [("Warning", "VolumeMismatch",
                           'Cannot bind to requested volume "disk": requested PV is too small')]
    world = StorageWorld(claim(volume="disk"), volume("disk", kept_for=("other", "uid-other"), phase="Bound"))
    world.run(CONTROLLER, KEY)
    assert world.told == [("Warning", "FailedBinding", 'volume "disk" already bound to a different claim.')]
    world = StorageWorld(claim(volume="disk"))
    assert world.run(CONTROLLER, KEY) == plan.Plan()


@pytest.mark.parametrize(("asked", "reason"), [
    (claim(volume="disk", class_name="fast"), "storageClassName does not match"),
    (claim(volume="disk", block=True), "incompatible volumeMode"),
    (claim(volume="disk", modes=("ReadWriteMany",)), "incompatible accessMode")])
def test_what_is_wrong_with_a_volume_asked_for_by_name(asked: core.PersistentVolumeClaim, reason: str) -> None:
    world = StorageWorld(asked, volume())
    world.run(CONTROLLER, KEY)
    assert world.told[0][1:] == ("VolumeMismatch", f'Cannot bind to requested volume "disk": {reason}')


def test_a_claim_without_a_class_gets_the_default_one_when_no_volume_fits() -> None:
    world = StorageWorld(claim(class_name=None), volume(size="1Mi"), storage_class("standard", default=True))
    settle(world)
    assert world.one(core.PersistentVolumeClaim, "data", "default").spec.storage_class_name == "standard"
    world = StorageWorld(claim(class_name=None), volume(), storage_class("standard", default=True))
    settle(world)
    assert bound(world) == "disk"
    world = StorageWorld(claim(class_name=""), storage_class("standard", default=True))
    settle(world)
    assert world.one(core.PersistentVolumeClaim, "data", "default").spec.storage_class_name == ""


def test_a_claim_that_waits_for_its_pod_is_left_alone_and_says_so() -> None:
    world = StorageWorld(claim(class_name="local"), volume(class_name="local"), storage_class("local"))
    made = world.run(CONTROLLER, KEY)
    assert world.told == [("Normal", "WaitForFirstConsumer",
                           "waiting for first consumer to be created before binding")]
    assert made.requeue_after_seconds
    world.put(pod_with("data"))
    world.put(pod_with("data", name="too"))
    world.run(CONTROLLER, KEY)
    assert world.told[-1] == ("Normal", "WaitForPodScheduled", "waiting for pods too,web to be scheduled")
    world.put(volume("chosen", class_name="local", kept_for=("data", "uid-data")))
    settle(world)
    assert bound(world) == "chosen"


@pytest.mark.parametrize(("provisioner", "told"), [
    ("edge.pi/local-path", "edge.pi/local-path"), ("example.com/nfs", "example.com/nfs"),
    ("kubernetes.io/azure-disk", "disk.csi.azure.com")])
def test_whoever_makes_volumes_of_the_class_is_told_of_the_claim(provisioner: str, told: str) -> None:
    world = StorageWorld(claim(class_name="fast"), storage_class("fast", provisioner, waits=False))
    world.run(CONTROLLER, KEY)
    marks = world.one(core.PersistentVolumeClaim, "data", "default").metadata.annotations
    assert marks == dict.fromkeys(("volume.kubernetes.io/storage-provisioner",
                                   "volume.beta.kubernetes.io/storage-provisioner"), told)
    assert world.told == [(
        "Normal", "ExternalProvisioning",
        f"Waiting for a volume to be created either by the external provisioner '{told}' or manually by the system "
        "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
        "registered.")]
    assert not writes(world, KEY)


@pytest.mark.parametrize(("classes", "message"), [
    ((), 'storageclass.storage.k8s.io "fast" not found'),
    ((storage_class("fast", "kubernetes.io/no-provisioner", waits=False),),
     "no volume plugin matched name: kubernetes.io/no-provisioner")])
def test_a_class_that_makes_no_volumes_is_told(classes: tuple[meta.Object, ...], message: str) -> None:
    world = StorageWorld(claim(class_name="fast"), *classes)
    world.run(CONTROLLER, KEY)
    assert world.told == [("Warning", "ProvisioningFailed", message)]


@pytest.mark.parametrize(("policy", "after", "events"), [
    ("Retain", "Released", []),
    ("Recycle", "Failed", [("Warning", "VolumeFailedRecycle", "No recycler plugin found for the volume!")]),
    ("Delete", "Failed", [("Warning", "VolumeFailedDelete", 'error getting deleter volume plugin for volume "disk": no '
                                                            "deletable volume plugin matched")])])
def test_what_becomes_of_a_volume_without_its_claim(policy: str, after: str,
                                                    events: list[tuple[str, str, str]]) -> None:
    world = StorageWorld(claim(), volume(policy=policy))
    settle(world)
    world.remove(world.one(core.PersistentVolumeClaim, "data", "default"))
    settle(world)
    assert phase(world) == after
    assert world.told == events
    world.put(claim(uid="uid-later"))
    settle(world)
    assert not bound(world), "the data of another claim is not for a namesake"


def test_a_volume_that_others_make_is_left_to_them() -> None:
    world = StorageWorld(volume(policy="Delete", kept_for=("data", "uid-data"), phase="Bound",
                                annotations={"pv.kubernetes.io/provisioned-by": "example.com/nfs"}))
    settle(world)
    assert phase(world) == "Released"
    assert not world.told


def test_a_released_volume_is_free_again_when_somebody_takes_the_claim_out_of_it() -> None:
    world = StorageWorld(volume(phase="Released", kept_for=("data", "uid-gone")), claim("next"))
    settle(world)
    assert not bound(world, "next")
    disk = world.one(core.PersistentVolume, "disk")
    world.put(replace(disk, spec=replace(disk.spec, claim_ref=None)))
    settle(world)
    assert bound(world, "next") == "disk"


def test_a_claim_whose_volume_is_gone_is_lost_until_it_is_back() -> None:
    world = StorageWorld(claim(), volume())
    settle(world)
    disk = world.one(core.PersistentVolume, "disk")
    world.remove(disk)
    settle(world)
    lost = world.one(core.PersistentVolumeClaim, "data", "default")
    assert (lost.status.phase, lost.status.capacity) == ("Lost", {})
    assert world.told == [("Warning", "ClaimLost",
                           "Bound claim has lost its PersistentVolume. Data on the volume is lost!")]
    world.put(disk)
    settle(world)
    assert bound(world) == "disk"


def test_two_claims_that_say_they_have_one_volume() -> None:
    world = StorageWorld(claim(), volume())
    settle(world)
    mine = world.one(core.PersistentVolumeClaim, "data", "default")
    world.put(replace(claim("thief", volume="disk"), metadata=replace(
        claim("thief").metadata, annotations=mine.metadata.annotations)))
    settle(world)
    assert bound(world) == "disk"
    assert world.one(core.PersistentVolumeClaim, "thief", "default").status.phase == "Lost"
    assert world.told[-1][1] == "ClaimMisbound"


def test_a_volume_that_was_kept_for_a_claim_that_got_another_is_free_again() -> None:
    marks = {"pv.kubernetes.io/bound-by-controller": "yes"}
    world = StorageWorld(claim(), volume("first"))
    settle(world)
    world.put(volume("second", kept_for=("data", "uid-data"), annotations=marks))
    world.put(volume("by-hand", kept_for=("data", "uid-data")))
    settle(world)
    second, by_hand = world.one(core.PersistentVolume, "second"), world.one(core.PersistentVolume, "by-hand")
    assert second.spec.claim_ref is None
    assert (second.status.phase, second.metadata.annotations) == ("Available", {})
    assert by_hand.spec.claim_ref is not None
    assert (by_hand.spec.claim_ref.name, by_hand.spec.claim_ref.uid) == ("data", "")


def test_a_block_volume_kept_for_a_claim_of_files_is_told_on_both() -> None:
    world = StorageWorld(claim(), volume(block=True, kept_for=("data", "uid-data")))
    world.run(CONTROLLER, interface.Key(core.PersistentVolume, "", "disk"))
    assert [(kind, reason) for kind, reason, _ in world.told] == [("Warning", "VolumeMismatch")] * 2


def test_a_claim_that_is_being_deleted_gets_no_volume() -> None:
    world = StorageWorld(claim(), volume())
    world.delete(world.one(core.PersistentVolumeClaim, "data", "default"))
    assert world.run(CONTROLLER, KEY) == plan.Plan()


def test_changes_reach_those_they_concern() -> None:
    world = StorageWorld(claim(class_name="a"), claim("b", class_name="b"), volume(class_name="a"),
                         storage_class("a"), claim("bound", volume="disk"), pod_with("data"))
    by_kind: dict[type[meta.Object], set[str]] = {}
    for source in CONTROLLER.sources:
        for obj in world.all(source.kind):
            by_kind.setdefault(source.kind, set()).update(key.name for key in source.keys(obj, world))
    assert by_kind[core.PersistentVolume] == {"disk", "data", "bound"}
    assert by_kind[core.PersistentVolumeClaim] == {"data", "b", "bound", "disk"}
    assert by_kind[core.Pod] == {"data"}
