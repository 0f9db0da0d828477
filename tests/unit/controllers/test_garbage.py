"""What is deleted because of something else: dependents, namespaces, old events."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import apps, core, meta
from edge.controllers import (
    event_expiry,
    garbage_collector,
    interface,
    namespace,
    namespace_defaults,
    plan,
)
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World

COLLECTOR = garbage_collector.controller(Settings())


def terminating(rs: apps.ReplicaSet, finalizer: str) -> apps.ReplicaSet:
    return msgspec.structs.replace(rs, metadata=msgspec.structs.replace(
        rs.metadata, deletion_timestamp=builders.STAMP, finalizers=(finalizer,)))


def test_a_dependent_whose_owner_is_gone_is_collected_once_the_server_confirms() -> None:
    rs = builders.replica_set()
    pod = builders.pod("web-1", owner=rs)
    world = World(rs, pod)
    key = interface.key_of(pod)
    assert world.run(COLLECTOR, key) == plan.Plan()
    world.remove(rs)
    (action,) = world.run(COLLECTOR, key).actions
    assert isinstance(action, plan.Collect)
    assert [(owner.kind, owner.name, owner.uid) for owner in action.owners] == [(apps.ReplicaSet, "web", "uid-web")]


def test_a_namesake_of_the_owner_is_not_the_owner() -> None:
    rs = builders.replica_set()
    other = msgspec.structs.replace(rs, metadata=msgspec.structs.replace(rs.metadata, uid="another"))
    world = World(builders.pod("web-1", owner=rs), other)
    (action,) = world.run(COLLECTOR, interface.Key(core.Pod, "default", "web-1")).actions
    assert isinstance(action, plan.Collect)
    assert world.all(core.Pod) == ()


def test_an_owner_of_a_kind_nobody_serves_is_left_alone() -> None:
    stranger = msgspec.structs.replace(builders.replica_set(), api_version="example.com/v1", kind="Thing")
    world = World(builders.pod("web-1", owner=stranger))
    assert world.run(COLLECTOR, interface.Key(core.Pod, "default", "web-1")) == plan.Plan()


def test_foreground_deletion_waits_for_the_dependents() -> None:
    rs = terminating(builders.replica_set(), "foregroundDeletion")
    world = World(rs, builders.pod("web-1", node="n", ready=True, owner=rs))
    key = interface.key_of(rs)
    world.settle((COLLECTOR, key))
    assert world.all(core.Pod)[0].metadata.deletion_timestamp is not None
    assert world.all(apps.ReplicaSet)[0].metadata.finalizers == ("foregroundDeletion",)
    world.remove(world.all(core.Pod)[0])
    world.run(COLLECTOR, key)
    assert world.all(apps.ReplicaSet)[0].metadata.finalizers == ()


def circle(*names: str) -> tuple[apps.ReplicaSet, ...]:
    """Return objects that own each other in a circle, all of them on their way out."""
    made = []
    for name, owner in zip(names, (*names[1:], names[0]), strict=True):
        rs = terminating(builders.replica_set(), "foregroundDeletion")
        made.append(msgspec.structs.replace(rs, metadata=msgspec.structs.replace(
            rs.metadata, name=name, uid=f"uid-{name}", owner_references=(meta.OwnerReference(
                api_version="apps/v1", kind="ReplicaSet", name=owner, uid=f"uid-{owner}",
                block_owner_deletion=True),))))
    return tuple(made)


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c")])
def test_those_that_own_each_other_do_not_wait_for_ever(names: tuple[str, ...]) -> None:
    world = World(*circle(*names))
    for name in names:
        world.run(COLLECTOR, interface.Key(apps.ReplicaSet, "default", name))
    assert all(rs.metadata.finalizers == () for rs in world.all(apps.ReplicaSet))


def test_who_is_not_in_a_circle_is_still_waited_for() -> None:
    first, second = circle("a", "b")
    world = World(first, second, builders.pod("web-1", node="n", ready=True, owner=first))
    key = interface.Key(apps.ReplicaSet, "default", "a")
    world.settle((COLLECTOR, key))
    found = world.get(apps.ReplicaSet, "a", "default")
    assert found is not None
    assert found.metadata.finalizers == ("foregroundDeletion",)


def test_orphans_lose_their_owner_and_stay() -> None:
    rs = terminating(builders.replica_set(), "orphan")
    world = World(rs, builders.pod("web-1", owner=rs))
    world.run(COLLECTOR, interface.key_of(rs))
    assert world.all(core.Pod)[0].metadata.owner_references == ()
    assert world.all(apps.ReplicaSet)[0].metadata.finalizers == ()


def test_a_namespace_is_emptied_and_let_go() -> None:
    controller = namespace.controller(Settings())
    made = core.Namespace(metadata=msgspec.structs.replace(builders.object_meta("team", ""),
                                                           deletion_timestamp=builders.STAMP),
                          spec=core.NamespaceSpec(finalizers=("kubernetes", "example.com/other")))
    world = World(made, builders.pod("web", "team"), builders.pod("web", "default"))
    world.run(controller, interface.Key(core.Namespace, "", "team"))
    assert [pod.metadata.namespace for pod in world.all(core.Pod)] == ["default"]
    (left,) = world.all(core.Namespace)
    assert left.spec.finalizers == ("example.com/other",)
    assert {condition.status for condition in left.status.conditions} == {"False"}
    assert world.run(controller, interface.Key(core.Namespace, "", "team")) == plan.Plan()


def test_each_namespace_gets_an_account_and_the_authority() -> None:
    controller = namespace_defaults.controller(Settings(root_ca_pem="PEM"))
    world = World(core.Namespace(metadata=builders.object_meta("team", "")))
    key = interface.Key(core.Namespace, "", "team")
    world.settle((controller, key))
    assert [a.metadata.name for a in world.all(core.ServiceAccount)] == ["default"]
    (config,) = world.all(core.ConfigMap)
    assert (config.metadata.name, config.data) == ("kube-root-ca.crt", {"ca.crt": "PEM"})
    world.put(msgspec.structs.replace(config, data={"ca.crt": "forged"}))
    world.settle((controller, key))
    assert world.all(core.ConfigMap)[0].data == {"ca.crt": "PEM"}


def test_old_events_go_and_so_do_too_many() -> None:
    world = World(*(core.Event(metadata=builders.object_meta(f"e{n}"), last_timestamp=f"2029-12-31T23:{n:02d}:00Z")
                    for n in range(30)))
    controller = event_expiry.controller(Settings(event_limit=20))
    made = world.run(controller, controller.initial[0])
    assert made.requeue_after_seconds == 60
    assert len(world.all(core.Event)) == 20
    world.tick(3600)
    world.run(controller, controller.initial[0])
    assert world.all(core.Event) == ()


def test_a_cluster_wide_object_does_not_end_with_an_owner_inside_a_namespace() -> None:
    rs = builders.replica_set()
    node = builders.node("n")
    node = msgspec.structs.replace(node, metadata=msgspec.structs.replace(
        node.metadata, owner_references=builders.pod("p", owner=rs).metadata.owner_references))
    (told,) = World(node).run(COLLECTOR, interface.key_of(node)).actions
    assert isinstance(told, plan.Emit)
    assert (told.type, told.reason) == ("Warning", "OwnerRefInvalidNamespace")


def test_an_owner_in_another_namespace_is_none_and_that_is_told() -> None:
    rs = builders.replica_set()
    pod = builders.pod("web-1", owner=rs)
    moved = msgspec.structs.replace(rs, metadata=msgspec.structs.replace(rs.metadata, namespace="other"))
    told, gone = World(pod, moved).run(COLLECTOR, interface.key_of(pod)).actions
    assert isinstance(told, plan.Emit)
    assert told.message == ('ownerRef [apps/v1/ReplicaSet, namespace: default, name: web, uid: uid-web] does not exist '
                            'in namespace "default"')
    assert isinstance(gone, plan.Collect)


def test_what_keeps_a_namespace_is_said_in_its_conditions() -> None:
    controller = namespace.controller(Settings())
    made = core.Namespace(metadata=msgspec.structs.replace(builders.object_meta("team", ""),
                                                           deletion_timestamp=builders.STAMP),
                          spec=core.NamespaceSpec(finalizers=("kubernetes",)))
    world = World(made)
    key = interface.Key(core.Namespace, "", "team")
    purge = next(action for action in controller.reconcile(key, world, world.now).actions
                 if isinstance(action, plan.Purge))
    assert purge.left is not None
    remains = plan.Remains({"pods": 2, "deployments.apps": 1}, {"example.com/wait": 3}, ("refused by x",))
    for action in purge.left(remains):
        world.apply(action)
    (left,) = world.all(core.Namespace)
    assert [(c.type, c.status, c.reason, c.message) for c in left.status.conditions] == [
        ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", "All resources successfully discovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
         "All legacy kube types successfully parsed"),
        ("NamespaceDeletionContentFailure", "True", "ContentDeletionFailed",
         "Failed to delete all resource types, 1 remaining: refused by x"),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain",
         "Some resources are remaining: deployments.apps has 1 resource instances, pods. has 2 resource instances"),
        ("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", "Some content in the namespace has finalizers "
         "remaining: example.com/wait in 3 resource instances")]
    again = next(action for action in controller.reconcile(key, world, world.tick()).actions
                 if isinstance(action, plan.Purge))
    assert again.left is not None
    assert again.left(remains) == ()
    assert [action for action in again.left(plan.Remains({"pods": 1})) if isinstance(action, plan.Patch)]


def test_an_event_with_an_unreadable_time_does_not_keep_the_others() -> None:
    world = World()
    for name, time in (("bad", "garbage"), ("old", builders.STAMP)):
        world.put(core.Event(metadata=builders.object_meta(name), last_timestamp=time))
    world.tick(7200)
    key = interface.Key(core.Event, "", "")
    made = world.run(event_expiry.controller(Settings()), key)
    assert {action.name for action in made.actions if isinstance(action, plan.Delete)} == {"bad", "old"}
