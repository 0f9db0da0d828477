"""The status of quotas follows what is in their namespace."""

from __future__ import annotations

from edge.api import codec, core, quotas
from edge.controllers import interface, plan, resource_quota
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World

CONTROLLER = resource_quota.controller(Settings())
KEY = interface.Key(quotas.ResourceQuota, "default", "q")


def quota(name: str = "q", **hard: str) -> quotas.ResourceQuota:
    limits = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}
    return codec.decode_struct(quotas.ResourceQuota, {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name, "namespace": "default"},
        "spec": {"hard": limits}})


def used(world: World) -> dict[str, object]:
    found = world.get(quotas.ResourceQuota, "q", "default")
    assert found is not None
    assert found.status.hard == found.spec.hard
    return dict(found.status.used)


def test_it_counts_what_is_there_and_then_has_nothing_to_do() -> None:
    world = World(quota(pods="5", requests_cpu="2", configmaps="9", count__deployments_apps="4"),
                  builders.pod("a", cpu="500m"), builders.pod("b", cpu="500m"), builders.pod("c", "other", cpu="1"),
                  builders.pod("d", phase="Failed", cpu="1"), builders.deployment(),
                  core.ConfigMap(metadata=builders.object_meta("m")))
    world.run(CONTROLLER, KEY)
    assert used(world) == {"pods": "2", "requests.cpu": "1", "configmaps": "1", "count/deployments.apps": "1"}
    assert world.run(CONTROLLER, KEY) == plan.Plan()


def test_what_goes_is_given_back() -> None:
    pod = builders.pod("a")
    world = World(quota(pods="5"), pod)
    world.run(CONTROLLER, KEY)
    world.remove(pod)
    world.run(CONTROLLER, KEY)
    assert used(world) == {"pods": "0"}


def test_a_changed_limit_is_in_force_at_once() -> None:
    world = World(quota(pods="5"))
    world.run(CONTROLLER, KEY)
    world.put(quota(pods="1", services="1"))
    world.run(CONTROLLER, KEY)
    assert used(world) == {"pods": "0", "services": "0"}


def test_quotas_count_quotas() -> None:
    world = World(quota(resourcequotas="2"), quota("other"))
    world.run(CONTROLLER, KEY)
    assert used(world) == {"resourcequotas": "2"}


def test_a_quota_that_is_gone_or_going_is_left_alone() -> None:
    assert World().run(CONTROLLER, KEY) == plan.Plan()


def test_only_quotas_that_count_a_kind_are_looked_at_when_one_changes() -> None:
    world = World(quota(pods="5"), quota("maps", configmaps="1"), quota("quotas", resourcequotas="1"))

    def keys(obj: core.Pod | core.ConfigMap | quotas.ResourceQuota) -> set[str]:
        return {key.name for source in CONTROLLER.sources if source.kind is type(obj)
                for key in source.keys(obj, world)}
    assert keys(builders.pod("a")) == {"q"}
    assert keys(core.ConfigMap(metadata=builders.object_meta("m"))) == {"maps"}
    assert keys(builders.pod("a", "other")) == set()
    assert keys(quota("q")) == {"q", "quotas"}
    assert core.Event not in {source.kind for source in CONTROLLER.sources}
