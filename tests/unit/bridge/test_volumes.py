"""What nodes hear of volumes: those of their pods, and, very carefully, which directories shall go."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, local_volumes, meta, volume_binding
from edge.api import persistent_volume_sources as sources
from edge.bridge import publications, volumes
from edge.bus import messages, topics
from tests import builders
from tests.fakes.storage_world import StorageWorld, claim, pod_with, volume

replace = msgspec.structs.replace
NAME = "pvc-uid-data"


def bound(name: str = "data", disk: str = "disk") -> core.PersistentVolumeClaim:
    return claim(name, volume=disk, annotations={volume_binding.BIND_COMPLETED: "yes"})


def local(phase: str = "Released", *, deleted: bool = True, policy: str = "Delete", host: str = "node-1",
          name: str = NAME, uid: str = "uid-data", finalizers: tuple[str, ...] = (local_volumes.FINALIZER,),
          ) -> core.PersistentVolume:
    """Return a local volume whose claim is gone."""
    made = volume(name, phase=phase, policy=policy, kept_for=("data", uid),
                  annotations={local_volumes.PROVISIONED_BY: local_volumes.CLASS})
    return replace(
        made, metadata=replace(made.metadata, finalizers=finalizers,
                               deletion_timestamp=builders.STAMP if deleted else None),
        spec=replace(made.spec, host_path=None, node_affinity=local_volumes.affinity(host),
                     local=sources.LocalVolumeSource(path=f"/var/lib/edge/volumes/{name}")))


def test_a_pod_hears_of_the_volumes_its_claims_are_bound_to() -> None:
    pod = pod_with("data", "waits", "gone", node="node-1")
    world = StorageWorld(bound(), claim("waits"), volume(kept_for=("data", "uid-data"), phase="Bound"))
    found = volumes.of_claims(pod, world)
    assert list(found) == ["data"]
    assert found["data"].spec.host_path == core.HostPathVolumeSource(path="/data/disk")
    touched = replace(world.one(core.PersistentVolume, "disk"), status=core.PersistentVolumeStatus(phase="Released"))
    world.put(touched)
    assert volumes.of_claims(pod, world) == found, "what changes by itself is not sent again"


def test_a_volume_that_is_another_claims_is_not_for_the_pod() -> None:
    pod = pod_with("data", node="node-1")
    assert volumes.of_claims(pod, StorageWorld(bound(), volume(kept_for=("data", "uid-other")))) == {}
    assert volumes.of_claims(pod, StorageWorld(bound())) == {}
    half = StorageWorld(claim(volume="disk"), volume(kept_for=("data", "uid-data")))
    assert volumes.of_claims(pod, half) == {}


def test_an_ephemeral_volume_is_the_pods_own_claim() -> None:
    pod = pod_with("scratch", template=True, node="node-1")
    disk = volume(kept_for=("web-scratch", "uid-web-scratch"))
    assert volumes.of_claims(pod, StorageWorld(bound("web-scratch"), disk)) == {}
    mine = replace(bound("web-scratch"), metadata=replace(
        bound("web-scratch").metadata, owner_references=(meta.OwnerReference(
            kind="Pod", name="web", uid=pod.metadata.uid, controller=True),)))
    assert list(volumes.of_claims(pod, StorageWorld(mine, disk))) == ["web-scratch"]


def test_changes_concern_the_pods_that_use_them() -> None:
    world = StorageWorld(pod_with("data", node="node-1"), pod_with("data", name="unplaced"),
                         builders.pod("other", node="n"))
    assert [pod.metadata.name for pod in volumes.pods_of(claim(), world)] == ["web"]
    assert [pod.metadata.name for pod in volumes.pods_of(volume(kept_for=("data", "u")), world)] == ["web"]
    assert list(volumes.pods_of(volume(), world)) == []


def test_a_volume_whose_claim_is_gone_is_removed_from_its_node_only() -> None:
    world = StorageWorld(local(), builders.node("node-1"), builders.node("node-2"))
    message = volumes.message("node-1", "e1", world)
    assert message == messages.DesiredVolumes(epoch="e1", removed=(NAME,))
    assert volumes.message("node-2", "e1", world) is None


@pytest.mark.parametrize("kept", [
    local(deleted=False), local(policy="Retain"), local(finalizers=("example.com/other",)),
    local("Bound"), local("Pending"), local(""), local(name="data"), local(name="pvc-../../etc"),
    volume(NAME, phase="Released", policy="Delete")])
def test_whatever_is_not_certain_removes_nothing(kept: core.PersistentVolume) -> None:
    assert volumes.message("node-1", "e1", StorageWorld(kept, builders.node("node-1"))) is None


def test_a_claim_that_is_there_keeps_its_volume_whatever_the_phase_says() -> None:
    assert not volumes.may_go(local("Released"), StorageWorld(bound(disk=NAME)))
    assert volumes.may_go(local("Pending"), StorageWorld(claim())), "a claim that has no volume will not get this one"
    assert volumes.may_go(local("Released"), StorageWorld(claim(uid="uid-namesake", volume=NAME)))


def test_a_node_is_found_by_its_host_name() -> None:
    node = builders.node("node-1", labels={"kubernetes.io/hostname": "pi-7"})
    world = StorageWorld(node, builders.node("node-2"))
    assert volumes.node_of(local(host="pi-7"), world) == "node-1"
    assert volumes.node_of(local(host="node-2"), world) == "node-2"
    assert volumes.node_of(local(host="away"), world) == "away"
    assert volumes.node_of(volume(), world) == ""


def test_a_node_lets_go_only_what_it_was_told_to_remove() -> None:
    world = StorageWorld(local(), local(name="pvc-other", host="node-2"), local("Bound", name="pvc-used"),
                         builders.node("node-1"), builders.node("node-2"))
    report = messages.ReportedVolumes(boot_id="b", sequence=1, removed=(NAME, "pvc-other", "pvc-used", "none", NAME))
    assert [each.metadata.name for each in volumes.let_go("node-1", report, world)] == [NAME]
    patch = volumes.without_finalizer(world.one(core.PersistentVolume, NAME))
    assert patch["metadata"] == {"resourceVersion": world.one(core.PersistentVolume, NAME).metadata.resource_version,
                                 "uid": f"uid-{NAME}", "finalizers": None}


def test_the_topics_of_volumes() -> None:
    assert publications.key_of(topics.desired_volumes("node-1")) == publications.VolumesKey("node-1")
    assert publications.topic_of(publications.VolumesKey("node-1")) == "edge/v1/nodes/node-1/desired/volumes"
    parsed = topics.parse(topics.reported_volumes("node-1"))
    assert parsed == topics.Topic("reported/volumes", "node-1")
