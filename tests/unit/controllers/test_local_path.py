"""Volumes on the nodes' own disks: where they are made, what is refused, and how carefully they end."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, local_volumes, meta, persistent_volumes, volume_binding
from edge.controllers import interface, local_path, persistent_volume, volume_protection
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.storage_world import StorageWorld, claim, storage_class, volume

SETTINGS = Settings()
CONTROLLERS = (local_path.controller(SETTINGS), persistent_volume.controller(SETTINGS),
               volume_protection.controller(SETTINGS))
KEY = interface.Key(core.PersistentVolumeClaim, "default", "data")
NAME = "pvc-uid-data"
CLASS = storage_class("local-path")
replace = msgspec.structs.replace


def settle(world: StorageWorld) -> None:
    for _ in range(20):
        before = world._count, len(world._objects)
        for kind in (core.PersistentVolumeClaim, core.PersistentVolume):
            for obj in world.all(kind):
                for controller in CONTROLLERS:
                    world.run(controller, interface.key_of(obj))
        if (world._count, len(world._objects)) == before:
            return
    raise AssertionError("no rest")


def wanted(*modes: str, node: str = "", **more: object) -> core.PersistentVolumeClaim:
    marks = {volume_binding.SELECTED_NODE: node} if node else {}
    return claim(class_name="local-path", modes=modes or ("ReadWriteOnce",), annotations=marks, **more)  # type: ignore[arg-type]


def provisioned(policy: str = "Delete") -> StorageWorld:
    """Return a world with a claim that has its local volume on node-1."""
    world = StorageWorld(wanted(node="node-1"), storage_class("local-path", policy=policy), builders.node("node-1"))
    settle(world)
    assert the_volume(world).status.phase == "Bound"
    world.told.clear()
    return world


def the_volume(world: StorageWorld) -> core.PersistentVolume:
    return world.one(core.PersistentVolume, NAME)


def delete_claim(world: StorageWorld) -> None:
    world.delete(world.one(core.PersistentVolumeClaim, "data", "default"))
    settle(world)


def test_a_volume_is_made_on_the_node_the_scheduler_chose() -> None:
    world = StorageWorld(wanted(node="node-2", size="3Gi"), CLASS, builders.node("node-1"), builders.node("node-2"))
    settle(world)
    made = the_volume(world)
    assert made.spec.local is not None
    assert made.spec.local.path == "/var/lib/edge/volumes/pvc-uid-data"
    assert local_volumes.host_of(made) == "node-2"
    assert made.metadata.annotations == {"pv.kubernetes.io/provisioned-by": "edge.pi/local-path",
                                         "edge.pi/provisioned-by": "local-path"}
    assert (made.spec.capacity, made.spec.access_modes, made.spec.persistent_volume_reclaim_policy,
            made.spec.storage_class_name) == ({"storage": "3Gi"}, ("ReadWriteOnce",), "Delete", "local-path")
    assert local_volumes.is_local(made)
    assert local_volumes.is_name(made.metadata.name)
    assert world.one(core.PersistentVolumeClaim, "data", "default").status.phase == "Bound"
    assert [reason for _, reason, _ in world.told] == ["ExternalProvisioning", "Provisioning", "ProvisioningSucceeded"]
    assert world.told[-1][2] == "Successfully provisioned volume pvc-uid-data"


def test_without_a_node_nothing_is_made() -> None:
    world = StorageWorld(wanted(), CLASS, builders.node("node-1"))
    settle(world)
    assert not world.true(core.PersistentVolume)


def test_immediate_volumes_go_to_the_ready_node_with_the_fewest() -> None:
    taint = core.Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
    world = StorageWorld(
        wanted(), storage_class("local-path", waits=False), builders.node("a-master", taints=(taint,)),
        builders.node("b-away", ready="Unknown"), builders.node("c-cordoned", unschedulable=True),
        builders.node("d-has-one"), builders.node("e-free"), volume(host="d-has-one", kept_for=("x", "uid-x")))
    settle(world)
    assert local_volumes.host_of(the_volume(world)) == "e-free"


def test_without_a_ready_node_an_immediate_claim_waits_and_says_so() -> None:
    world = StorageWorld(wanted(), storage_class("local-path", waits=False), builders.node("n", ready="False"))
    settle(world)
    assert ("Warning", "ProvisioningFailed", 'failed to provision volume with StorageClass "local-path": no ready node '
            "takes volumes of this class") in world.told
    assert world.run(CONTROLLERS[0], KEY, cut=0).requeue_after_seconds


def test_a_class_may_name_the_nodes() -> None:
    term = persistent_volumes.TopologySelectorTerm(match_label_expressions=(
        persistent_volumes.TopologySelectorLabelRequirement(key="disk", values=("ssd",)),))
    only = replace(storage_class("local-path", waits=False), allowed_topologies=(term,))
    world = StorageWorld(wanted(), only, builders.node("a"), builders.node("b", labels={"disk": "ssd"}))
    settle(world)
    assert local_volumes.host_of(the_volume(world)) == "b"


@pytest.mark.parametrize(("asked", "problem"), [
    (wanted("ReadWriteMany", node="node-1"), "ReadWriteMany is not supported: a volume of class local-path is a "
                                             "directory of one node; only ReadWriteOnce and ReadWriteOncePod are"),
    (wanted("ReadWriteOnce", "ReadOnlyMany", node="node-1"), "ReadOnlyMany is not supported: a volume of class "
     "local-path is a directory of one node; only ReadWriteOnce and ReadWriteOncePod are"),
    (wanted(node="node-1", block=True), "volumeMode Block is not supported: a local-path volume is a directory"),
    (wanted(node="node-1", selector={"a": "b"}), "claim.Spec.Selector is not supported")])
def test_what_a_directory_cannot_be_is_refused_with_a_reason(asked: core.PersistentVolumeClaim, problem: str) -> None:
    world = StorageWorld(asked, CLASS, builders.node("node-1"))
    settle(world)
    assert not world.true(core.PersistentVolume)
    assert ("Warning", "ProvisioningFailed",
            f'failed to provision volume with StorageClass "local-path": {problem}') in world.told


def test_a_claim_that_can_never_be_served_hears_so_before_it_has_a_pod() -> None:
    world = StorageWorld(wanted("ReadWriteMany"), CLASS, builders.node("node-1"))
    made = world.run(CONTROLLERS[0], KEY)
    assert [reason for _, reason, _ in world.told] == ["ProvisioningFailed"]
    assert made.requeue_after_seconds


def test_a_claim_whose_node_is_gone_is_given_back_to_the_scheduler() -> None:
    world = StorageWorld(wanted(node="node-9"), CLASS, builders.node("node-1"))
    settle(world)
    marks = world.one(core.PersistentVolumeClaim, "data", "default").metadata.annotations
    assert volume_binding.SELECTED_NODE not in marks
    assert ("Warning", "ProvisioningFailed",
            'failed to provision volume with StorageClass "local-path": node "node-9" not found') in world.told


def test_a_volume_without_its_claim_waits_for_its_node_and_then_goes() -> None:
    world = provisioned()
    delete_claim(world)
    left = the_volume(world)
    assert left.metadata.deletion_timestamp is not None
    assert left.metadata.finalizers == (local_volumes.FINALIZER,)
    settle(world)
    assert the_volume(world) == left


def test_a_claim_that_a_lagging_view_does_not_show_loses_no_data() -> None:
    world = provisioned()
    world.lags = True
    world.catch_up()
    del world.shown[(core.PersistentVolumeClaim, "default", "data")]
    for _ in range(3):
        for controller in CONTROLLERS:
            world.run(controller, interface.Key(core.PersistentVolume, "", NAME))
            world.catch_up(core.PersistentVolume)
    assert the_volume(world).status.phase == "Released", "that is all the view can know"
    assert the_volume(world).metadata.deletion_timestamp is None
    world.catch_up()
    world.lags = False
    settle(world)
    assert the_volume(world).status.phase == "Bound"


def test_a_volume_that_is_to_be_kept_is_kept_and_goes_without_its_directory() -> None:
    world = provisioned("Retain")
    delete_claim(world)
    assert the_volume(world).status.phase == "Released"
    assert the_volume(world).metadata.deletion_timestamp is None
    world.delete(the_volume(world))
    settle(world)
    assert not world.true(core.PersistentVolume)


def test_a_bound_volume_that_a_person_deletes_stays_until_its_claim_goes() -> None:
    world = provisioned()
    world.delete(the_volume(world))
    settle(world)
    assert the_volume(world).status.phase == "Bound"
    assert volume_binding.PV_PROTECTION in the_volume(world).metadata.finalizers
    delete_claim(world)
    assert the_volume(world).metadata.finalizers == (local_volumes.FINALIZER,)


def test_a_volume_of_a_node_that_is_gone_for_good_does_not_wait_for_it() -> None:
    world = provisioned()
    delete_claim(world)
    world.remove(world.one(core.Node, "node-1"))
    settle(world)
    assert not world.true(core.PersistentVolume)
    node_gone = next(source.on_delete for source in CONTROLLERS[0].sources if source.kind is core.Node)
    assert node_gone is not None
    waiting = StorageWorld(claim(annotations={volume_binding.SELECTED_NODE: "node-1"}))
    assert [key.name for key in node_gone(builders.node("node-1"), waiting)] == ["data"]


def test_a_volume_made_for_a_claim_that_got_another_is_not_needed() -> None:
    world = StorageWorld(wanted(node="node-1"), CLASS, builders.node("node-1"))
    for controller in (CONTROLLERS[1], CONTROLLERS[0]):
        world.run(controller, KEY)
    asked = world.one(core.PersistentVolumeClaim, "data", "default")
    world.put(replace(asked, spec=replace(asked.spec, volume_name="by-hand")))
    settle(world)
    assert the_volume(world).metadata.deletion_timestamp is not None


def test_a_claim_may_grow_and_has_what_it_asks_for() -> None:
    world = provisioned()
    asked = world.one(core.PersistentVolumeClaim, "data", "default")
    world.put(replace(asked, spec=replace(asked.spec, resources=core.VolumeResourceRequirements(
        requests={"storage": "2Gi"}))))
    settle(world)
    assert the_volume(world).spec.capacity == {"storage": "2Gi"}
    assert world.one(core.PersistentVolumeClaim, "data", "default").status.capacity == {"storage": "2Gi"}
    assert world.told == [("Normal", "VolumeResizeSuccessful", "Resize volume succeeded")]


def test_volumes_of_others_are_none_of_its_business() -> None:
    other = volume(policy="Delete", phase="Released", kept_for=("gone", "uid-gone"),
                   annotations={"pv.kubernetes.io/provisioned-by": "example.com/nfs"})
    world = StorageWorld(other, claim(class_name="fast"), storage_class("fast", "example.com/nfs"))
    world.run(CONTROLLERS[0], interface.key_of(other))
    world.run(CONTROLLERS[0], KEY)
    assert world.one(core.PersistentVolume, "disk").metadata.deletion_timestamp is None
    assert len(world.true(core.PersistentVolume)) == 1


def test_changes_reach_claims_and_volumes_by_each_other() -> None:
    world = provisioned()
    found: dict[type[meta.Object], set[str]] = {}
    for source in CONTROLLERS[0].sources:
        for obj in world.all(source.kind):
            found.setdefault(source.kind, set()).update(key.name for key in source.keys(obj, world))
    assert found[core.PersistentVolume] == {NAME, "data"}
    assert found[core.PersistentVolumeClaim] == {NAME, "data"}
