"""What claims mean for the place of their pod, in Kubernetes' words, and the wait until they are bound."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from edge import component
from edge.api import core, errors, meta, persistent_volumes, storage, volume_binding
from edge.client import cache
from edge.controllers import interface, local_path, persistent_volume
from edge.controllers.settings import Settings
from edge.scheduler import loop, needs, reservations, select, snapshot, volumes
from tests import builders
from tests.fakes.client import FakeClient
from tests.fakes.clock import FakeClock, settle
from tests.fakes.ids import CountingIds
from tests.fakes.storage_world import StorageWorld, claim, pod_with, storage_class, volume

replace = msgspec.structs.replace
LOCAL = storage_class("local", "kubernetes.io/no-provisioner")
DYNAMIC = storage_class("local-path")


def bound(name: str, disk: str, **more: object) -> core.PersistentVolumeClaim:
    made = claim(name, volume=disk, annotations={volume_binding.BIND_COMPLETED: "yes"}, **more)  # type: ignore[arg-type]
    return replace(made, status=replace(made.status, phase="Bound"))


def choose(pod: core.Pod, *objects: meta.Object, nodes: tuple[str, ...] = ("node-1", "node-2"),
           chosen: dict[str, volumes.Chosen] | None = None, others: tuple[core.Pod, ...] = ()) -> select.Choice:
    world, cluster = StorageWorld(*objects), snapshot.Snapshot()
    for name in nodes:
        cluster.put_node(builders.node(name))
    for other in others:
        cluster.put_pod(f"default/{other.metadata.name}", other)
    return select.Selector(cluster, lambda each: volumes.rules(each, world, cluster.pods, chosen or {})).select(pod)


@pytest.mark.parametrize(("objects", "reason"), [
    ((), 'persistentvolumeclaim "data" not found'),
    ((claim(),), "pod has unbound immediate PersistentVolumeClaims"),
    ((claim(class_name="gone"),), "pod has unbound immediate PersistentVolumeClaims"),
    ((claim(class_name="local", volume="named"), LOCAL), "pod has unbound immediate PersistentVolumeClaims"),
    ((replace(claim(), metadata=replace(claim().metadata, deletion_timestamp=builders.STAMP)),),
     'persistentvolumeclaim "data" is being deleted'),
    ((replace(claim(volume="disk"), status=core.PersistentVolumeClaimStatus(phase="Lost")),),
     'persistentvolumeclaim "data" bound to non-existent persistentvolume "disk"')])
def test_a_pod_whose_claims_are_not_in_order_goes_nowhere(objects: tuple[meta.Object, ...], reason: str) -> None:
    assert choose(pod_with("data"), *objects).reason == f"0/2 nodes are available: {reason}."


def test_ephemeral_claims_are_awaited_and_must_be_the_pods_own() -> None:
    pod = pod_with("scratch", template=True)
    assert choose(pod).reason == ("0/2 nodes are available: waiting for ephemeral volume controller to create the "
                                  'persistentvolumeclaim "web-scratch".')
    assert "was not created for pod" in choose(pod, bound("web-scratch", "disk"), volume()).reason
    mine = bound("web-scratch", "disk")
    mine = replace(mine, metadata=replace(mine.metadata, owner_references=(meta.OwnerReference(
        kind="Pod", name="web", uid=pod.metadata.uid, controller=True),)))
    assert choose(pod, mine, volume()).node


def test_a_bound_volume_ties_its_pod_to_the_nodes_that_reach_it() -> None:
    assert choose(pod_with("data"), bound("data", "disk"), volume(host="node-2")).node == "node-2"
    assert choose(pod_with("data"), bound("data", "disk"), volume()).node == "node-1"
    assert choose(pod_with("data"), bound("data", "disk"), volume(host="node-9")).reason == \
        "0/2 nodes are available: 2 node(s) had volume node affinity conflict."
    assert choose(pod_with("data"), bound("data", "disk")).reason == \
        "0/2 nodes are available: 2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)."


def test_without_nodes_the_sentence_is_kubernetes() -> None:
    assert choose(pod_with("data"), nodes=()).reason == "no nodes available to schedule pods"


def test_a_waiting_claim_takes_a_volume_of_a_node_and_decides_about_the_node() -> None:
    choice = choose(pod_with("data"), claim(class_name="local"), LOCAL,
                    volume("far", class_name="local", host="node-9"), volume("near", class_name="local", host="node-2"))
    assert (choice.node, choice.claims) == ("node-2", True)
    assert [(step.claim.metadata.name, step.volume and step.volume.metadata.name) for step in choice.steps] == [
        ("data", "near")]
    assert choose(pod_with("data"), claim(class_name="local"), LOCAL).reason == \
        "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."


def test_two_claims_of_one_pod_get_two_volumes_of_one_node_the_large_claim_first() -> None:
    choice = choose(
        pod_with("a", "b"), claim("a", "1Gi", class_name="local"), claim("b", "2Gi", class_name="local"), LOCAL,
        volume("one", "9Gi", class_name="local", host="node-1"),
        volume("two", "1Gi", class_name="local", host="node-2"),
        volume("more", "2Gi", class_name="local", host="node-2"))
    assert choice.node == "node-2"
    assert {step.claim.metadata.name: step.volume and step.volume.metadata.name for step in choice.steps} == \
        {"a": "two", "b": "more"}


def test_a_volume_that_another_pod_is_about_to_get_is_not_taken() -> None:
    choice = choose(pod_with("data"), claim(class_name="local"), LOCAL,
                    volume("one", class_name="local", host="node-1"), volume("two", "5Gi", class_name="local",
                                                                             host="node-2"),
                    chosen={"uid-else": volumes.Chosen("node-1", "one")})
    assert choice.node == "node-2"


def test_a_claim_a_volume_is_made_for_goes_where_the_rest_of_the_pod_wants() -> None:
    choice = choose(pod_with("data"), claim(class_name="local-path"), DYNAMIC)
    assert (choice.node, [step.volume for step in choice.steps]) == ("node-1", [None])
    term = persistent_volumes.TopologySelectorTerm(match_label_expressions=(
        persistent_volumes.TopologySelectorLabelRequirement(key="kubernetes.io/hostname", values=("node-2",)),))
    choice = choose(pod_with("data"), claim(class_name="local-path"), replace(DYNAMIC, allowed_topologies=(term,)))
    assert choice.node == "node-2"


def test_what_was_chosen_before_holds() -> None:
    marked = claim(class_name="local-path", annotations={volume_binding.SELECTED_NODE: "node-2"})
    choice = choose(pod_with("data"), marked, DYNAMIC)
    assert (choice.node, choice.steps) == ("node-2", ())
    choice = choose(pod_with("data"), claim(class_name="local-path"), DYNAMIC,
                    chosen={"uid-data": volumes.Chosen("node-2")})
    assert (choice.node, choice.steps) == ("node-2", ())
    kept = volume("kept", class_name="local", host="node-2", kept_for=("data", "uid-data"))
    choice = choose(pod_with("data"), claim(class_name="local"), LOCAL, kept)
    assert (choice.node, choice.steps) == ("node-2", ())


def test_a_claim_for_one_pod_is_for_one_pod() -> None:
    asked = bound("data", "disk", modes=("ReadWriteOncePod",))
    other = pod_with("data", name="other", node="node-1")
    assert choose(pod_with("data"), asked, volume(modes=("ReadWriteOncePod",)), others=(other,)).reason == (
        "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod "
        "access mode.")
    assert choose(pod_with("data"), asked, volume(modes=("ReadWriteOncePod",))).node


def test_a_pod_without_claims_has_no_rules() -> None:
    assert volumes.rules(builders.pod("web"), StorageWorld(), {}, {}) is None


def test_reservations_are_kept_by_pod_and_end() -> None:
    held = reservations.Reservations()
    held.put("default/web", "u1", "node-1", (volumes.Step(claim()), volumes.Step(claim("b"), volume())), 10.0)
    assert held.chosen == {"uid-data": volumes.Chosen("node-1"), "uid-b": volumes.Chosen("node-1", "disk")}
    assert held.has("default/web", "u1")
    assert not held.has("default/web", "u2")
    assert held.next_due() == 10.0 + reservations.LONGEST_SECONDS
    assert not held.is_over("default/web", 609.0)
    assert held.is_over("default/web", 610.0)
    held.drop("default/web")
    held.drop("default/web")
    assert (held.chosen, held.keys(), held.next_due()) == ({}, (), None)
    assert needs.of(pod_with("data")).group


# The loop.


class Rack:
    """A scheduler on an API in memory, with the controllers of storage carried out by hand."""

    def __init__(self) -> None:
        self.api, self.clock = FakeClient(), FakeClock()

    async def until(self, holds: Callable[[core.Pod], bool], name: str = "web", seconds: float = 20) -> core.Pod:
        for _ in range(int(seconds * 5)):
            pod = await self.api.get(core.Pod, name, "default")
            if holds(pod):
                return pod
            self.clock.advance(0.2)
            await settle()
        raise AssertionError(f"still {pod}")

    async def claim_is(self, holds: Callable[[core.PersistentVolumeClaim], bool]) -> core.PersistentVolumeClaim:
        for _ in range(100):
            found = await self.api.get(core.PersistentVolumeClaim, "data", "default")
            if holds(found):
                return found
            self.clock.advance(0.2)
            await settle()
        raise AssertionError(f"still {found}")

    async def bind_volumes(self) -> None:
        """Let the controllers of storage do their part."""
        made = (persistent_volume.controller(Settings()), local_path.controller(Settings()))
        kinds: tuple[type[meta.Object], ...] = (core.PersistentVolumeClaim, core.PersistentVolume)
        for _ in range(4):
            world = StorageWorld()
            known: tuple[type[meta.Object], ...] = (*kinds, core.Node, storage.StorageClass)
            for kind in known:
                for obj in (await self.api.list(kind)).items:
                    world._objects[(kind, obj.metadata.namespace, obj.metadata.name)] = obj
            for kind in kinds:
                for obj in world.all(kind):
                    for controller in made:
                        world.run(controller, interface.key_of(obj))
            for kind in kinds:
                for obj in world.true(kind):
                    await self._store(obj)
            await settle()

    async def _store(self, obj: meta.Object) -> None:
        try:
            await self.api.patch(type(obj), obj.metadata.name, obj.metadata.namespace, {
                key: value for key, value in msgspec.to_builtins(obj).items() if key in ("metadata", "spec", "status")})
        except errors.NotFound:
            await self.api.create(obj)


@pytest.fixture
async def rack() -> AsyncIterator[Rack]:
    made = Rack()
    supervisor = component.Supervisor(made.clock)
    caches = cache.SharedCaches(made.api, clock=made.clock, ids=CountingIds(), start=supervisor.start)
    for name, run in loop.build(made.api, caches, made.clock, CountingIds()):
        supervisor.start(name, run)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(supervisor.stop)
        yield made


async def test_a_pod_with_a_waiting_claim_is_bound_once_its_volume_is_made_on_its_node(rack: Rack) -> None:
    for obj in (builders.node("node-1", cpu="1"), builders.node("node-2", cpu="4"), DYNAMIC,
                claim(class_name="local-path")):
        await rack.api.create(obj)
    await rack.api.create(pod_with("data"))
    asked = await rack.claim_is(lambda found: volume_binding.SELECTED_NODE in found.metadata.annotations)
    node = asked.metadata.annotations[volume_binding.SELECTED_NODE]
    assert not (await rack.api.get(core.Pod, "web", "default")).spec.node_name
    await rack.bind_volumes()
    assert (await rack.until(lambda pod: bool(pod.spec.node_name))).spec.node_name == node


async def test_the_place_of_a_pod_that_waits_for_its_volume_is_not_given_away(rack: Rack) -> None:
    for obj in (builders.node("node-1", cpu="1"), DYNAMIC, claim(class_name="local-path")):
        await rack.api.create(obj)
    waiting = pod_with("data")
    container = builders.container(cpu="800m")
    await rack.api.create(replace(waiting, spec=replace(waiting.spec, containers=(container,))))
    await rack.claim_is(lambda found: volume_binding.SELECTED_NODE in found.metadata.annotations)
    await rack.api.create(builders.pod("late", cpu="500m"))
    late = await rack.until(lambda pod: bool(pod.status.conditions), "late")
    assert late.status.conditions[0].message == "0/1 nodes are available: 1 Insufficient cpu."
    await rack.bind_volumes()
    await rack.until(lambda pod: bool(pod.spec.node_name))


async def test_a_pod_that_is_deleted_while_it_waits_gives_its_place_back(rack: Rack) -> None:
    for obj in (builders.node("node-1", pods=1), DYNAMIC, claim(class_name="local-path"), pod_with("data")):
        await rack.api.create(obj)
    await rack.claim_is(lambda found: volume_binding.SELECTED_NODE in found.metadata.annotations)
    await rack.api.delete(core.Pod, "web", "default")
    await rack.api.create(builders.pod("next"))
    await rack.until(lambda pod: bool(pod.spec.node_name), "next")


async def test_a_volume_that_does_not_come_costs_the_place_only_for_a_while(rack: Rack) -> None:
    for obj in (builders.node("node-1", pods=1), DYNAMIC, claim(class_name="local-path"), pod_with("data")):
        await rack.api.create(obj)
    await rack.claim_is(lambda found: volume_binding.SELECTED_NODE in found.metadata.annotations)
    await rack.api.create(builders.pod("next"))
    await settle()
    rack.clock.advance(reservations.LONGEST_SECONDS)
    await rack.until(lambda pod: bool(pod.spec.node_name), "next", seconds=60)
    told = [event.message for event in (await rack.api.list(core.Event)).items]
    assert 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded' in told


async def test_two_pods_at_once_never_choose_one_volume(rack: Rack) -> None:
    for obj in (builders.node("node-1"), LOCAL, claim("a", class_name="local"), claim("b", class_name="local"),
                volume("one", class_name="local", host="node-1"), volume("two", class_name="local", host="node-1")):
        await rack.api.create(obj)
    for name in ("a", "b"):
        await rack.api.create(pod_with(name, name=name))
    for _ in range(10):
        rack.clock.advance(0.2)
        await settle()
    refs = [disk.spec.claim_ref for disk in (await rack.api.list(core.PersistentVolume)).items]
    assert sorted(ref.name for ref in refs if ref is not None) == ["a", "b"]
    await rack.bind_volumes()
    for name in ("a", "b"):
        await rack.until(lambda pod: bool(pod.spec.node_name), name)


async def test_a_pod_goes_on_when_its_claim_is_there_at_last(rack: Rack) -> None:
    for obj in (builders.node("node-1"), builders.node("node-2"), pod_with("data")):
        await rack.api.create(obj)
    pod = await rack.until(lambda pod: bool(pod.status.conditions))
    assert pod.status.conditions[0].message == '0/2 nodes are available: persistentvolumeclaim "data" not found.'
    await rack.api.create(volume(host="node-2"))
    await rack.api.create(claim())
    await rack.bind_volumes()
    assert (await rack.until(lambda pod: bool(pod.spec.node_name))).spec.node_name == "node-2"


async def test_what_cannot_be_written_is_tried_again(rack: Rack) -> None:
    refusing = True
    patch = rack.api.patch

    async def refuse(kind: type[meta.Object], *rest: object, **more: object) -> meta.Object:
        if refusing and kind is core.PersistentVolumeClaim:
            raise errors.Conflict("it has changed")
        return await patch(kind, *rest, **more)  # type: ignore[arg-type]
    rack.api.patch = refuse  # type: ignore[method-assign, assignment]
    for obj in (builders.node("node-1"), DYNAMIC, claim(class_name="local-path"), pod_with("data")):
        await rack.api.create(obj)
    for _ in range(10):
        rack.clock.advance(0.2)
        await settle()
    refusing = False
    await rack.claim_is(lambda found: volume_binding.SELECTED_NODE in found.metadata.annotations)
