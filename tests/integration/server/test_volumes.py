"""Claims from their creation to the end of their data: real API, store, controllers, scheduler and bridge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import msgspec
import pytest

from edge.api import core, errors, local_volumes, meta, storage, volume_binding
from edge.apiserver.bootstrap import make_namespaces
from edge.apiserver.local import LocalClient
from edge.apiserver.service import Service
from edge.bridge import loop as bridge_loop
from edge.bridge import surroundings
from edge.bus import messages, topics
from edge.client import cache
from edge.clock import SystemClock
from edge.component import Supervisor
from edge.controllers import loop as controllers_loop
from edge.controllers.settings import Settings
from edge.ids import SystemIds
from edge.scheduler import loop as scheduler_loop
from edge.server import essentials
from edge.server import loop as server_loop
from edge.store.sqlite import open_store
from tests import builders
from tests.fakes import storage_world
from tests.fakes.bus import FakeBroker

T = TypeVar("T", bound=meta.Object)
WAIT_SECONDS = 20.0
NO_HEARTBEATS = Settings(node_monitor_grace_seconds=3600, node_startup_grace_seconds=3600)
replace = msgspec.structs.replace


class Cluster:
    """A control plane without its HTTPS, and a node's end of the bus."""

    def __init__(self, client: LocalClient, broker: FakeBroker) -> None:
        self.client, self.broker = client, broker
        self.node = broker.bus()
        self._said = 0

    async def until(self, kind: type[T], name: str, holds: Callable[[T], bool], namespace: str = "default") -> T:
        """Return the object once it is as wanted."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                try:
                    found = await self.client.get(kind, name, namespace)
                except errors.NotFound:
                    found = None
                if found is not None and holds(found):
                    return found
                await asyncio.sleep(0.01)

    async def until_gone(self, kind: type[meta.Object], name: str, namespace: str = "default") -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                try:
                    await self.client.get(kind, name, namespace)
                except errors.NotFound:
                    return
                await asyncio.sleep(0.01)

    async def until_sent(self, topic: str, *, cleared: bool = False) -> bytes:
        """Return what is retained under a topic once there is something, or once there is nothing any more."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                found = self.broker.retained.get(topic, b"")
                if bool(found) != cleared:
                    return found
                await asyncio.sleep(0.01)

    async def report(self, node: str, *removed: str) -> None:
        self._said += 1
        await self.node.publish(topics.reported_volumes(node), messages.encode(messages.ReportedVolumes(
            boot_id="b", sequence=self._said, removed=removed)))

    async def add(self, *objects: meta.Object) -> None:
        for obj in objects:
            metadata = replace(obj.metadata, uid="", resource_version="", creation_timestamp=None, finalizers=())
            await self.client.create(replace(obj, metadata=metadata))

    async def until_told(self, about: str, *reasons: str) -> None:
        """Wait until there are events about an object with all of these reasons."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                told = {event.reason for event in (await self.client.list(core.Event)).items
                        if event.involved_object.name == about}
                if set(reasons) <= told:
                    return
                await asyncio.sleep(0.01)


def is_bound(claim: core.PersistentVolumeClaim) -> bool:
    return claim.status.phase == "Bound"


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    clock, ids, broker = SystemClock(), SystemIds(), FakeBroker()
    store = await open_store(None)
    service = Service(store, clock, ids)
    await make_namespaces(service)
    client = LocalClient(service)
    supervisor = Supervisor(clock)
    caches = cache.SharedCaches(client, clock=clock, ids=ids, start=supervisor.start)
    bus = broker.bus(*bridge_loop.SUBSCRIPTIONS)
    bridge = bridge_loop.Bridge(client, caches, bus, clock, ids, network=surroundings.Network())
    supervisor.start("bridge", bridge.run)
    for name, run in (*controllers_loop.build(client, caches, clock, ids, NO_HEARTBEATS),
                      *scheduler_loop.build(client, caches, clock, ids)):
        supervisor.start(name, run)
    await bus.start()
    made = Cluster(client, broker)
    await made.node.start()
    await server_loop.offer_storage(client, clock)
    for name in ("node-1", "node-2"):
        node = builders.node(name)
        made_node = await client.create(replace(node, metadata=replace(node.metadata, uid="", resource_version="")))
        await client.update_status(replace(made_node, status=node.status))
    yield made
    await supervisor.stop()
    await bus.stop()
    await store.close()


def pod_with(*claims: str, **more: object) -> core.Pod:
    pod = storage_world.pod_with(*claims, **more)  # type: ignore[arg-type]
    return replace(pod, status=core.PodStatus())


def wants(name: str = "data", *modes: str, class_name: str | None = None) -> core.PersistentVolumeClaim:
    return storage_world.claim(name, modes=modes or ("ReadWriteOnce",), class_name=class_name)


async def test_the_class_is_offered_once_and_only_where_there_is_none(cluster: Cluster) -> None:
    made = await cluster.client.get(storage.StorageClass, "local-path")
    assert (made.provisioner, made.volume_binding_mode, made.reclaim_policy, made.allow_volume_expansion) == \
        ("edge.pi/local-path", "WaitForFirstConsumer", "Delete", True)
    assert made.metadata.annotations == {"storageclass.kubernetes.io/is-default-class": "true"}
    await cluster.client.delete(storage.StorageClass, "local-path")
    await server_loop.offer_storage(cluster.client, SystemClock())
    assert not (await cluster.client.list(storage.StorageClass)).items, "who deleted it does not want it"
    await cluster.client.patch(core.Namespace, "kube-system", "", {"metadata": {"annotations": {
        essentials.CLASS_OFFERED: None}}})
    await cluster.add(storage_world.storage_class("own", "example.com/nfs"))
    await server_loop.offer_storage(cluster.client, SystemClock())
    assert [each.metadata.name for each in (await cluster.client.list(storage.StorageClass)).items] == ["own"]


async def test_a_pod_its_claim_and_its_data_from_the_beginning_to_the_end(cluster: Cluster) -> None:
    await cluster.add(wants())
    waiting = await cluster.until(core.PersistentVolumeClaim, "data",
                                  lambda found: found.spec.storage_class_name == "local-path")
    assert waiting.status.phase == "Pending"
    await cluster.until_told("data", "WaitForFirstConsumer")
    await cluster.add(pod_with("data"))
    claim = await cluster.until(core.PersistentVolumeClaim, "data", is_bound)
    pod = await cluster.until(core.Pod, "web", lambda found: bool(found.spec.node_name))
    volume = await cluster.until(core.PersistentVolume, f"pvc-{claim.metadata.uid}",
                                 lambda found: found.status.phase == "Bound", "")
    node = pod.spec.node_name
    assert local_volumes.host_of(volume) == node == claim.metadata.annotations[volume_binding.SELECTED_NODE]
    assert claim.spec.volume_name == volume.metadata.name
    sent = messages.decode(messages.DesiredPod, await cluster.until_sent(
        topics.desired_pod(node, pod.metadata.uid)))
    assert sent.claims["data"].spec.local == volume.spec.local
    await cluster.until_told("data", "ExternalProvisioning", "Provisioning", "ProvisioningSucceeded")

    await cluster.client.delete(core.PersistentVolumeClaim, "data", "default")
    held = await cluster.client.get(core.PersistentVolumeClaim, "data", "default")
    assert held.metadata.deletion_timestamp is not None, "its pod is there"
    await cluster.client.delete(core.Pod, "web", "default", grace_period_seconds=0)
    await cluster.until_gone(core.PersistentVolumeClaim, "data")
    ordered = messages.decode(messages.DesiredVolumes, await cluster.until_sent(topics.desired_volumes(node)))
    assert ordered.removed == (volume.metadata.name,)
    other = "node-2" if node == "node-1" else "node-1"
    await cluster.report(other, volume.metadata.name)
    left = await cluster.client.get(core.PersistentVolume, volume.metadata.name)
    assert left.metadata.finalizers, "another node has no say in it"
    await cluster.report(node, volume.metadata.name)
    await cluster.until_gone(core.PersistentVolume, volume.metadata.name, "")
    await cluster.until_sent(topics.desired_volumes(node), cleared=True)


async def test_a_pod_that_comes_back_goes_where_its_data_is(cluster: Cluster) -> None:
    await cluster.add(wants(), pod_with("data"))
    first = await cluster.until(core.Pod, "web", lambda found: bool(found.spec.node_name))
    for number in range(4):
        await cluster.client.delete(core.Pod, first.metadata.name, "default", grace_period_seconds=0)
        await cluster.until_gone(core.Pod, first.metadata.name)
        await cluster.add(pod_with("data", name=f"again-{number}"), builders.pod(f"ballast-{number}"))
        back = await cluster.until(core.Pod, f"again-{number}", lambda found: bool(found.spec.node_name))
        assert back.spec.node_name == first.spec.node_name
        first = back


async def test_volumes_of_the_node_itself_are_matched_when_the_pod_has_its_place(cluster: Cluster) -> None:
    await cluster.add(storage_world.storage_class("by-hand", "kubernetes.io/no-provisioner"),
                      storage_world.volume("far", class_name="by-hand", host="node-9", phase=""),
                      storage_world.volume("near", class_name="by-hand", host="node-2", phase=""),
                      wants(class_name="by-hand"), pod_with("data"))
    pod = await cluster.until(core.Pod, "web", lambda found: bool(found.spec.node_name))
    claim = await cluster.until(core.PersistentVolumeClaim, "data", is_bound)
    assert (pod.spec.node_name, claim.spec.volume_name) == ("node-2", "near")


async def test_many_claims_get_many_volumes_and_none_is_given_twice(cluster: Cluster) -> None:
    names = [f"c{number}" for number in range(12)]
    await cluster.add(*(wants(name, class_name="") for name in names))
    await cluster.add(*(storage_world.volume(f"v{number}", phase="") for number in range(12)))
    bound = [await cluster.until(core.PersistentVolumeClaim, name, is_bound) for name in names]
    assert len({claim.spec.volume_name for claim in bound}) == 12


async def test_a_claim_for_many_nodes_is_refused_by_the_local_class_with_a_reason(cluster: Cluster) -> None:
    await cluster.add(wants("shared", "ReadWriteMany"))
    await cluster.until_told("shared", "ProvisioningFailed")


async def test_an_ephemeral_volume_comes_and_goes_with_its_pod(cluster: Cluster) -> None:
    pod = pod_with("scratch", template=True)
    volumes = tuple(replace(each, ephemeral=core.EphemeralVolumeSource(
        volume_claim_template=core.PersistentVolumeClaimTemplate(spec=core.PersistentVolumeClaimSpec(
            access_modes=("ReadWriteOnce",), resources=core.VolumeResourceRequirements(
                requests={"storage": "1Gi"}))))) for each in pod.spec.volumes)
    await cluster.add(replace(pod, spec=replace(pod.spec, volumes=volumes)))
    bound = await cluster.until(core.Pod, "web", lambda found: bool(found.spec.node_name))
    await cluster.until(core.PersistentVolumeClaim, "web-scratch", is_bound)
    sent = messages.decode(messages.DesiredPod, await cluster.until_sent(
        topics.desired_pod(bound.spec.node_name, bound.metadata.uid)))
    assert list(sent.claims) == ["web-scratch"]
    await cluster.client.delete(core.Pod, "web", "default", grace_period_seconds=0)
    await cluster.until_gone(core.PersistentVolumeClaim, "web-scratch")


async def test_a_namespace_with_claims_in_use_goes_all_the_same(cluster: Cluster) -> None:
    await cluster.add(core.Namespace(metadata=meta.ObjectMeta(name="shop")))
    claim, pod = wants(), pod_with("data")
    await cluster.add(replace(claim, metadata=replace(claim.metadata, namespace="shop")))
    pod = replace(pod, metadata=replace(pod.metadata, namespace="shop"),
                  spec=replace(pod.spec, termination_grace_period_seconds=0))
    await cluster.until(core.ServiceAccount, "default", lambda _found: True, "shop")
    await cluster.add(pod)
    await cluster.until(core.PersistentVolumeClaim, "data", is_bound, "shop")
    await cluster.client.delete(core.Namespace, "shop")
    await cluster.until_gone(core.Namespace, "shop", "")


async def test_a_claim_may_grow(cluster: Cluster) -> None:
    await cluster.add(wants(), pod_with("data"))
    await cluster.until(core.PersistentVolumeClaim, "data", is_bound)
    await cluster.client.patch(core.PersistentVolumeClaim, "data", "default", {
        "spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    grown = await cluster.until(core.PersistentVolumeClaim, "data",
                                lambda found: found.status.capacity.get("storage") == "2Gi")
    assert (await cluster.client.get(core.PersistentVolume, grown.spec.volume_name)).spec.capacity == {"storage": "2Gi"}


async def test_a_claim_from_before_there_was_a_class_gets_the_default_one(cluster: Cluster) -> None:
    await cluster.client.delete(storage.StorageClass, "local-path")
    await cluster.add(wants())
    pending = await cluster.client.get(core.PersistentVolumeClaim, "data", "default")
    assert pending.spec.storage_class_name is None
    await cluster.add(storage_world.storage_class("later", default=True))
    await cluster.until(core.PersistentVolumeClaim, "data", lambda found: found.spec.storage_class_name == "later")
