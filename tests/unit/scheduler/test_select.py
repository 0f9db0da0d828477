"""Where pods go, and the words for why they go nowhere."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import core, meta
from edge.scheduler import needs, select, snapshot
from tests import builders

MASTER = core.Taint(key="node-role.kubernetes.io/master", effect="NoSchedule")


def cluster(*nodes: core.Node, pods: tuple[core.Pod, ...] = ()) -> snapshot.Snapshot:
    made = snapshot.Snapshot()
    for node in nodes:
        made.put_node(node)
    for pod in pods:
        made.put_pod(f"default/{pod.metadata.name}", pod)
    return made


def choose(pod: core.Pod, *nodes: core.Node, pods: tuple[core.Pod, ...] = ()) -> tuple[str, str]:
    choice = select.Selector(cluster(*nodes, pods=pods)).select(pod)
    return choice.node, choice.reason


def with_spec(pod: core.Pod, **fields: object) -> core.Pod:
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, **fields))


def affine(*rules: core.NodeSelectorRequirement) -> core.Affinity:
    terms = tuple(core.NodeSelectorTerm(match_expressions=(rule,)) for rule in rules)
    return core.Affinity(node_affinity=core.NodeAffinity(
        required_during_scheduling_ignored_during_execution=core.NodeSelector(node_selector_terms=terms)))


def test_the_reasons_are_those_of_kubernetes() -> None:
    nodes = (builders.node("node-0", taints=(MASTER,)), *(builders.node(f"node-{n}", cpu="1") for n in (1, 2, 3)))
    assert choose(builders.pod("web", cpu="2"), *nodes) == (
        "", "0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }, "
            "3 Insufficient cpu.")
    assert choose(builders.pod("web")) == ("", "no nodes available to schedule pods")


def test_every_filter_has_its_reason() -> None:
    pod = builders.pod("web", memory="1Gi", host_port=80)
    taken = builders.pod("other", node="ports", host_port=80)
    nodes = (builders.node("cordoned", unschedulable=True), builders.node("ports"),
             builders.node("full", pods=0, memory="1Mi"))
    assert choose(pod, *nodes, pods=(taken,)) == (
        "", "0/3 nodes are available: 1 Insufficient memory, 1 Too many pods, 1 node(s) didn't have free ports for the "
            "requested pod ports, 1 node(s) were unschedulable.")
    picky = with_spec(builders.pod("web"), node_selector={"disk": "ssd"})
    assert choose(picky, builders.node("n"))[1].endswith("1 node(s) didn't match Pod's node affinity/selector.")


@pytest.mark.parametrize(("operator", "values", "fits"), [
    ("In", ("arm64",), True), ("NotIn", ("arm64",), False), ("Exists", (), True), ("DoesNotExist", (), False),
    ("Gt", ("1",), False), ("Nonsense", (), False)])
def test_required_affinity(operator: str, values: tuple[str, ...], fits: bool) -> None:
    rule = core.NodeSelectorRequirement(key="kubernetes.io/arch", operator=operator, values=values)
    pod = with_spec(builders.pod("web"), affinity=affine(rule))
    node = builders.node("node-1", labels={"kubernetes.io/arch": "arm64"})
    assert choose(pod, node)[0] == ("node-1" if fits else "")


def test_a_toleration_lets_a_pod_onto_the_master() -> None:
    pod = with_spec(builders.pod("web"), tolerations=(core.Toleration(key=MASTER.key, operator="Exists"),))
    assert choose(pod, builders.node("node-0", taints=(MASTER,)))[0] == "node-0"


def test_replicas_spread_and_equal_nodes_are_taken_by_name() -> None:
    rs = builders.replica_set()
    seen = cluster(*(builders.node(f"node-{n}") for n in (1, 2, 3)))
    selector = select.Selector(seen)
    chosen = []
    for number in range(6):
        pod = builders.pod(f"web-{number}", owner=rs)
        choice = selector.select(pod)
        seen.assume(f"default/web-{number}", pod, choice.node, choice.needs)
        chosen.append(choice.node)
    assert chosen == ["node-1", "node-2", "node-3"] * 2


def test_a_successor_does_not_keep_away_from_pods_that_are_about_to_go() -> None:
    rs = builders.replica_set()
    old = builders.pod("old", node="node-1", owner=rs)
    seen = cluster(*(builders.node(f"node-{n}") for n in (1, 2)), pods=(old, builders.pod("x", node="node-2")))
    seen.put_pod("default/old", old)
    assert select.Selector(seen).select(builders.pod("new", owner=rs)).node == "node-2"
    seen.put_pod("default/old", builders.pod("old", node="node-1", owner=rs, deleted=True))
    assert seen.nodes["node-1"].groups == {}
    assert seen.nodes["node-1"].pods == 1
    assert select.Selector(seen).select(builders.pod("new", owner=rs)).node == "node-1"
    seen.remove_pod("default/old")
    assert (seen.nodes["node-1"].pods, seen.nodes["node-1"].groups) == (0, {})


def test_an_image_that_is_there_and_a_preferred_node_attract() -> None:
    image = core.ContainerImage(names=("web:1",), size_bytes=500 << 20)
    assert choose(builders.pod("web"), builders.node("a"), builders.node("b", images=(image,)))[0] == "b"
    wish = core.PreferredSchedulingTerm(weight=10, preference=core.NodeSelectorTerm(match_expressions=(
        core.NodeSelectorRequirement(key="disk", operator="In", values=("ssd",)),)))
    pod = with_spec(builders.pod("web"), affinity=core.Affinity(node_affinity=core.NodeAffinity(
        preferred_during_scheduling_ignored_during_execution=(wish,))))
    assert choose(pod, builders.node("a"), builders.node("b", labels={"disk": "ssd"}))[0] == "b"
    shunned = builders.node("a", taints=(core.Taint(key="slow", effect="PreferNoSchedule"),))
    assert choose(builders.pod("web"), shunned, builders.node("b"))[0] == "b"


def test_a_pod_made_for_one_node_goes_there_or_nowhere() -> None:
    rule = core.NodeSelectorRequirement(key="metadata.name", operator="In", values=("b",))
    required = core.NodeSelector(node_selector_terms=(core.NodeSelectorTerm(match_fields=(rule,)),))
    pod = with_spec(builders.pod("agent"), affinity=core.Affinity(node_affinity=core.NodeAffinity(
        required_during_scheduling_ignored_during_execution=required)))
    assert choose(pod, builders.node("a"), builders.node("b"))[0] == "b"
    assert choose(pod, builders.node("a"))[1] == (
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")


def test_room_that_comes_back_is_seen() -> None:
    seen = cluster(builders.node("a", cpu="1"), pods=(builders.pod("big", node="a", cpu="1"),))
    selector = select.Selector(seen)
    pod = builders.pod("web", cpu="500m")
    assert selector.select(pod).node == ""
    seen.remove_pod("default/big")
    assert selector.select(pod).node == "a"
    seen.remove_node("a")
    assert selector.select(pod).node == ""
    seen.put_node(builders.node("a", cpu="1"))
    assert selector.select(pod).node == "a"


def test_an_assumed_pod_counts_until_the_cache_knows_better() -> None:
    seen = cluster(builders.node("a", pods=1))
    selector = select.Selector(seen)
    pod = builders.pod("web")
    seen.assume("default/web", pod, "a", needs.of(pod))
    seen.put_pod("default/web", pod)  # The cache still shows it without a node.
    assert selector.select(builders.pod("other")).node == ""
    seen.forget("default/web", "another uid")
    assert seen.nodes["a"].pods == 1
    seen.put_pod("default/web", with_spec(pod, node_name="a"))
    seen.forget("default/web", pod.metadata.uid)
    assert seen.nodes["a"].pods == 1
    seen.put_pod("default/web", builders.pod("web", node="a", phase="Succeeded"))
    assert seen.nodes["a"].pods == 0


def test_init_containers_count_by_the_largest_and_sidecars_with_the_rest() -> None:
    heavy = builders.container(cpu="1")
    sidecar = msgspec.structs.replace(builders.container(cpu="100m"), restart_policy="Always")
    spec = core.PodSpec(containers=(builders.container(cpu="300m"), builders.container(cpu="300m")))
    assert needs.requests_of(spec).cpu_milli == 600
    assert needs.requests_of(msgspec.structs.replace(spec, init_containers=(heavy,))).cpu_milli == 1000
    assert needs.requests_of(msgspec.structs.replace(spec, init_containers=(sidecar, heavy))).cpu_milli == 1100
    assert needs.requests_of(msgspec.structs.replace(spec, init_containers=(sidecar,))).cpu_milli == 700
    assert needs.measure("cpu", "nonsense") == 0


def near(app: str, key: str, *, away: bool) -> core.Affinity:
    term = core.PodAffinityTerm(label_selector=meta.LabelSelector(match_labels={"app": app}), topology_key=key)
    if away:
        return core.Affinity(pod_anti_affinity=core.PodAntiAffinity(
            required_during_scheduling_ignored_during_execution=(term,)))
    return core.Affinity(pod_affinity=core.PodAffinity(required_during_scheduling_ignored_during_execution=(term,)))


def test_pods_that_want_to_be_near_or_away() -> None:
    nodes = (builders.node("a", labels={"zone": "1"}), builders.node("b", labels={"zone": "2"}))
    cache = builders.pod("cache", node="b", labels={"app": "cache"})
    beside = with_spec(builders.pod("web"), affinity=near("cache", "zone", away=False))
    assert choose(beside, *nodes, pods=(cache,))[0] == "b"
    assert choose(beside, *nodes)[1] == "0/2 nodes are available: 2 node(s) didn't match pod affinity rules."
    apart = with_spec(builders.pod("web"), affinity=near("cache", "zone", away=True))
    assert choose(apart, *nodes, pods=(cache,))[0] == "a"
    loner = with_spec(cache, affinity=near("web", "zone", away=True))
    assert choose(builders.pod("web", labels={"app": "web"}), *nodes, pods=(loner,))[0] == "a"


def test_the_first_of_a_group_that_wants_to_be_together_goes_anywhere() -> None:
    pod = with_spec(builders.pod("web", labels={"app": "web"}), affinity=near("web", "zone", away=False))
    assert choose(pod, builders.node("a", labels={"zone": "1"}))[0] == "a"


def test_even_spreading() -> None:
    rule = core.TopologySpreadConstraint(max_skew=1, topology_key="zone", when_unsatisfiable="DoNotSchedule",
                                         label_selector=meta.LabelSelector(match_labels={"app": "web"}))
    labels = {"app": "web"}
    nodes = (builders.node("a", labels={"zone": "1"}), builders.node("b", labels={"zone": "2"}, pods=0))
    pod = with_spec(builders.pod("web", labels=labels), topology_spread_constraints=(rule,))
    assert choose(pod, *nodes)[0] == "a"
    assert choose(pod, *nodes, pods=(builders.pod("x", node="a", labels=labels),))[1] == (
        "0/2 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints.")
