"""What holds for controllers whatever happens: rest after work, convergence after a cut, bounds of a rolling update."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge.api import apps, core, meta
from edge.controllers import deployment, interface, plan, pods, replicaset, rollout
from edge.controllers.settings import Settings
from tests import builders
from tests.fakes.world import World, start

DEPLOYMENT = deployment.controller(Settings())
REPLICA_SET = replicaset.controller(Settings())
KEY = interface.Key(apps.Deployment, "default", "web")

AMOUNTS: st.SearchStrategy[meta.IntOrString] = st.one_of(
    st.integers(0, 4), st.sampled_from(["0%", "25%", "50%", "100%"]))
STEPS = st.lists(st.tuples(st.sampled_from(["deployment", "sets", "start", "sick", "finish", "image", "scale", "lose"]),
                           st.integers(0, 7), st.integers(0, 3)), max_size=60)


def keys(world: World) -> list[tuple[interface.Controller, interface.Key]]:
    return [(DEPLOYMENT, KEY), *((REPLICA_SET, interface.key_of(rs)) for rs in world.all(apps.ReplicaSet))]


def happen(world: World, what: str, which: int, cut: int) -> None:
    """Let one thing happen; plans are cut off after `cut` actions (3: not at all)."""
    length = None if cut == 3 else cut
    found = world.all(core.Pod)
    pod = found[which % len(found)] if found else None
    if what == "deployment":
        world.run(DEPLOYMENT, KEY, cut=length)
    elif what == "sets":
        for controller, key in keys(world)[1:]:
            world.run(controller, key, cut=length)
    elif what in ("image", "scale"):
        now = world.all(apps.Deployment)[0]
        change: dict[str, object] = {"template": builders.template(f"web:{cut}")} if what == "image" \
            else {"replicas": which}
        world.put(msgspec.structs.replace(now, spec=msgspec.structs.replace(now.spec, **change)))
    elif pod is None:
        return
    elif what in ("start", "sick") and pod.metadata.deletion_timestamp is None:
        start(world, pod, ready=what == "start")
    elif what == "lose" or (what == "finish" and pod.metadata.deletion_timestamp is not None):
        world.remove(pod)


def converge(world: World) -> None:
    for _ in range(80):
        acted = [world.run(controller, key).actions for controller, key in keys(world)]
        waiting = False
        for pod in world.all(core.Pod):
            if pod.metadata.deletion_timestamp is not None:
                world.remove(pod)
                waiting = True
            elif not pods.is_ready(pod):
                start(world, pod)
                waiting = True
        if not any(acted) and not waiting:
            return
    raise AssertionError("no rest")


@given(replicas=st.integers(0, 6), surge=AMOUNTS, unavailable=AMOUNTS, steps=STEPS)
def test_whatever_happened_and_wherever_plans_were_cut_it_ends_as_wanted(
        replicas: int, surge: meta.IntOrString, unavailable: meta.IntOrString,
        steps: list[tuple[str, int, int]]) -> None:
    world = World(builders.deployment(replicas=replicas, surge=surge, unavailable=unavailable))
    for what, which, cut in steps:
        happen(world, what, which, cut)
    converge(world)
    wanted = world.all(apps.Deployment)[0]
    running = [pod for pod in world.all(core.Pod) if pods.is_active(pod)]
    assert len(running) == wanted.spec.replicas
    assert all(pod.spec.containers == wanted.spec.template.spec.containers for pod in running)
    assert wanted.status.available_replicas == wanted.spec.replicas
    for controller, key in keys(world):
        assert world.run(controller, key, cut=0).actions == (), "a second plan has nothing to do"


@given(replicas=st.integers(1, 6), surge=AMOUNTS, unavailable=AMOUNTS,
       order=st.lists(st.tuples(st.sampled_from(["deployment", "sets", "start", "finish"]), st.integers(0, 20),
                                st.just(3)), max_size=80))
def test_a_rolling_update_keeps_its_promises_at_every_moment(
        replicas: int, surge: meta.IntOrString, unavailable: meta.IntOrString,
        order: list[tuple[str, int, int]]) -> None:
    world = World(builders.deployment(replicas=replicas, surge=surge, unavailable=unavailable))
    converge(world)
    most, fewer = rollout.limits(replicas, surge, unavailable)
    happen(world, "image", 0, 2)
    for what, which, cut in order:
        happen(world, what, which, cut)
        active = [pod for pod in world.all(core.Pod) if pods.is_active(pod)]
        assert len(active) <= replicas + most
        assert sum(pods.is_ready(pod) for pod in active) >= replicas - fewer


@given(replicas=st.integers(0, 50), surge=st.integers(0, 10),
       sizes=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 60)), min_size=1, max_size=5))
def test_proportional_scaling_gives_out_exactly_what_is_allowed(replicas: int, surge: int,
                                                                sizes: list[tuple[int, int]]) -> None:
    sets = [rollout.Replicas(f"rs-{n}", wanted, wanted, wanted, str(n), most)
            for n, (wanted, most) in enumerate(sizes)]
    made = rollout.proportional(replicas, surge, sets)
    assert all(number >= 0 for number in made.values())
    assert sum(made.values()) == (replicas + surge if replicas else 0)


@given(count=st.integers(0, 8), wanted=st.integers(0, 8))
def test_a_replica_set_never_creates_and_deletes_at_once(count: int, wanted: int) -> None:
    rs = builders.replica_set(replicas=wanted)
    world = World(rs, *(builders.pod(f"p{n}", labels={"app": "web"}, owner=rs) for n in range(count)))
    actions = world.run(REPLICA_SET, interface.key_of(rs)).actions
    created = sum(isinstance(action, plan.Create) for action in actions)
    deleted = sum(isinstance(action, plan.Delete) for action in actions)
    assert count + created - deleted == wanted
    assert not (created and deleted)
