"""Mirror pods: what nodes run by themselves, shown through the real API (in this process)."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from edge.api import core, errors, meta, mirror_pods
from edge.bus import messages, topics
from tests.integration.bridge import test_bridge
from tests.integration.bridge.test_bridge import NODE, World, registered, until, wait_for

SECOND = "node-2"


world = test_bridge.world


def static(name: str = f"web-{NODE}", uid: str = "s1", namespace: str = "default") -> core.Pod:
    return core.Pod(spec=core.PodSpec(containers=(core.Container(name="c", image="i"),), node_name=NODE,
                                      restart_policy="Always", tolerations=(
                                          core.Toleration(operator="Exists", effect="NoExecute"),)),
                    metadata=meta.ObjectMeta(name=name, namespace=namespace, uid=uid, annotations={
                        mirror_pods.HASH: uid, mirror_pods.SOURCE: "file", mirror_pods.SEEN: "2026-01-01T00:00:00Z"}))


async def tell(world: World, *pods: core.Pod, node: str = NODE) -> None:
    await world.say(topics.reported_static(node), lambda n: messages.ReportedStatic(
        boot_id="boot-1", sequence=n, pods=pods))


async def shown(world: World, uid: str = "s1", phase: str = "", other_than: str = "") -> core.Pod:
    return await wait_for(world, core.Pod, f"web-{NODE}", "default", lambda pod: (
        pod.metadata.annotations.get(mirror_pods.MIRROR) == uid and pod.metadata.uid != other_than
        and not pod.metadata.deletion_timestamp and phase in ("", pod.status.phase)))


async def gone(world: World, name: str = f"web-{NODE}") -> None:
    for _ in range(test_bridge.ROUNDS):
        try:
            await world.client.get(core.Pod, name, "default")
        except errors.NotFound:
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it is still there")


async def events(world: World, reason: str) -> list[core.Event]:
    return [event for event in (await world.client.list(core.Event)).items if event.reason == reason]


async def test_a_static_pod_is_shown_and_not_sent_back(world: World) -> None:
    await registered(world)
    await tell(world, static())
    pod = await shown(world)
    assert pod.metadata.owner_references[0].kind == "Node"
    assert pod.spec.service_account_name == ""
    assert pod.spec.volumes == ()
    other = await world.make_pod()
    await until(lambda: world.listed() == {other.metadata.uid})
    assert not [topic for topic in world.broker.retained if topic.endswith((pod.metadata.uid, "/s1"))]


async def test_status_follows_even_if_it_came_first(world: World) -> None:
    await registered(world)
    await tell(world, static())
    await world.report_pod(static(), "Running")
    pod = await shown(world, phase="Running")
    await world.report_pod(static(), "Failed")
    assert (await shown(world, phase="Failed")).metadata.uid == pod.metadata.uid


async def test_one_that_is_deleted_is_made_again_with_its_status(world: World) -> None:
    await registered(world)
    await tell(world, static())
    await world.report_pod(static(), "Running")
    before = await shown(world, phase="Running")
    await world.client.delete(core.Pod, before.metadata.name, "default")
    after = await shown(world, phase="Running", other_than=before.metadata.uid)
    await world.client.delete(core.Pod, after.metadata.name, "default", grace_period_seconds=0)
    await shown(world, phase="Running", other_than=after.metadata.uid)


async def test_one_whose_file_is_gone_goes(world: World) -> None:
    await registered(world)
    await tell(world, static())
    await shown(world)
    await tell(world)
    await gone(world)


async def test_a_changed_one_is_another_pod(world: World) -> None:
    await registered(world)
    await tell(world, static())
    first = await shown(world)
    await tell(world, static(uid="s2"))
    assert (await shown(world, "s2")).metadata.uid != first.metadata.uid


async def test_a_new_server_learns_of_them_again_and_ends_those_that_are_gone(world: World) -> None:
    await registered(world)
    await tell(world, static(), static(f"b-{NODE}", "s2"))
    kept = await shown(world)
    await wait_for(world, core.Pod, f"b-{NODE}", "default", lambda pod: True)
    await world.stop_server()
    await world.start_server()
    await until(lambda: (index := world.index()) and index.epoch == world.bridge.epoch)
    assert world.listed() == set()
    await tell(world, static())
    await gone(world, f"b-{NODE}")
    assert (await shown(world)).metadata.uid == kept.metadata.uid


async def test_a_node_shows_pods_on_itself_only(world: World) -> None:
    await registered(world, NODE, SECOND)
    await tell(world, static(), node=SECOND)
    await tell(world, replace(static(), spec=replace(static().spec, node_name=SECOND)))
    assert (await shown(world)).spec.node_name == NODE
    await world.report_pod(static(), "Failed", node=SECOND)
    await world.report_pod(static(), "Running")
    await shown(world, phase="Running")
    (event,) = await events(world, "FailedMirrorPod")
    assert event.involved_object.name == SECOND
    assert "does not end with that of its node" in event.message


async def test_a_node_cannot_take_a_pod_of_the_api_over(world: World) -> None:
    await registered(world)
    real = await world.make_pod(f"web-{NODE}")
    await tell(world, static())
    await world.report_pod(static(), "Failed")
    await world.report_pod(real, "Running")
    found = await wait_for(world, core.Pod, f"web-{NODE}", "default", lambda pod: pod.status.phase == "Running")
    assert found.metadata.uid == real.metadata.uid
    await world.client.delete(core.Pod, f"web-{NODE}", "default", grace_period_seconds=0)
    await shown(world, phase="Failed")


async def test_what_the_api_refuses_is_said_once_and_tried_again(world: World) -> None:
    await registered(world)
    await tell(world, static(namespace="later"))
    await until(lambda: world.bridge.recipient.mirrors._said.get(NODE) or None)
    await world.client.create(core.Namespace(metadata=meta.ObjectMeta(name="later")))
    for _ in range(40):
        world.clock.advance(1)
        await asyncio.sleep(0.002)
    await wait_for(world, core.Pod, f"web-{NODE}", "later", lambda pod: True)
    (event,) = await events(world, "FailedMirrorPod")
    assert event.message.startswith(f"static pod later/web-{NODE} is not shown: ")


async def test_events_reach_the_mirror_pod(world: World) -> None:
    await registered(world)
    await tell(world, static())
    await world.say(topics.events(NODE), lambda n: messages.ReportedEvent(
        boot_id="boot-1", sequence=n, uid="s1", namespace="default", name=f"web-{NODE}", reason="Started", message="m"))
    await shown(world)
    for _ in range(test_bridge.ROUNDS):
        if found := await events(world, "Started"):
            break
        await asyncio.sleep(0.002)
    assert [(each.involved_object.kind, each.involved_object.uid) for each in found] == [("Pod", "s1")]


async def test_the_annotation_of_a_pod_cannot_be_changed(world: World) -> None:
    """Otherwise a pod could be hidden from its node, or a node made to run what it shows."""
    await registered(world)
    pod = await world.make_pod()
    with pytest.raises(errors.Invalid, match="may not add mirror pod annotation"):
        await world.client.patch(core.Pod, pod.metadata.name, "default", {
            "metadata": {"annotations": {mirror_pods.MIRROR: "x"}}})
    await tell(world, static())
    await shown(world)
    for value in (None, "other"):
        with pytest.raises(errors.Invalid, match="may not remove or modify mirror pod annotation"):
            await world.client.patch(core.Pod, f"web-{NODE}", "default", {
                "metadata": {"annotations": {mirror_pods.MIRROR: value}}})
    with pytest.raises(errors.Invalid, match=r"must set spec\.nodeName if mirror pod annotation is set"):
        await world.client.create(core.Pod(
            metadata=meta.ObjectMeta(name="x", namespace="default", annotations={mirror_pods.MIRROR: "x"}),
            spec=core.PodSpec(containers=(core.Container(name="c", image="i"),))))


async def test_a_mirror_pod_that_somebody_made_up_goes(world: World) -> None:
    await registered(world)
    await world.client.create(core.Pod(
        metadata=meta.ObjectMeta(name="x", namespace="default", annotations={mirror_pods.MIRROR: "x"}),
        spec=core.PodSpec(containers=(core.Container(name="c", image="i"),), node_name=NODE)))
    await tell(world)
    await gone(world, "x")


async def test_a_deleted_node_comes_back_with_its_static_pods(world: World) -> None:
    await registered(world)
    await world.say_state("online")
    await tell(world, static())
    before = await shown(world)
    await world.client.delete(core.Node, NODE)
    await world.beat()
    node = await wait_for(world, core.Node, NODE, "", lambda found: True)
    after = await shown(world, other_than=before.metadata.uid)
    assert after.metadata.owner_references[0].uid == node.metadata.uid


async def test_a_node_speaks_of_a_static_pod_under_its_own_topic_only(world: World) -> None:
    await registered(world)
    await tell(world, static())
    await shown(world)
    for number in range(3):
        await world.say(topics.reported_pod(NODE, f"made-up-{number}"), lambda n: messages.ReportedPod(
            boot_id="boot-1", sequence=n, uid="s1", namespace="default", name=f"web-{NODE}",
            status=core.PodStatus(phase="Running")))
    refused = world.bridge.recipient.refused
    await until(lambda: refused["reported/pods: topic and message name different pods"] == 3)
