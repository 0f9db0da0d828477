"""Which pod goes first, and with which words."""

from __future__ import annotations

import pytest

from edge.agent import eviction, eviction_order
from edge.agent.eviction import IMAGE_DISK, MEMORY, NODE_DISK, NODE_INODES, PIDS, Observation, Threshold
from edge.agent.eviction_order import PodUse, Use
from edge.api import core, meta

MIB = 1024**2


def pod(name: str, *, request: dict[str, meta.Quantity] | None = None, limit: dict[str, meta.Quantity] | None = None,
        priority: int | None = None, volumes: tuple[core.Volume, ...] = (), **annotations: str) -> core.Pod:
    resources = core.ResourceRequirements(requests=request or {}, limits=limit or {})
    return core.Pod(metadata=meta.ObjectMeta(name=name, annotations={
        key.replace("__", "/").replace("_", "."): value for key, value in annotations.items()}),
        spec=core.PodSpec(containers=(core.Container(name="c", resources=resources),), priority=priority,
                          volumes=volumes))


def using(found: core.Pod, memory: int | None = None, **more: int) -> PodUse:
    volumes = {"data": more.pop("volume")} if "volume" in more else {}
    processes = more.pop("processes", 0)
    return PodUse(pod=found, containers={"c": Use(memory_bytes=memory, **more)}, volumes=volumes, processes=processes)


def names(signal: str, *uses: PodUse, own_image_disk: bool = False) -> list[str]:
    return [use.pod.metadata.name for use in eviction_order.ranked(signal, uses, own_image_disk=own_image_disk)]


def test_those_beyond_their_request_go_first_then_the_least_important_then_the_largest_excess() -> None:
    within = using(pod("within", request={"memory": "200Mi"}, priority=-5), 150 * MIB)
    important = using(pod("important", priority=10), 500 * MIB)
    small, large = using(pod("small"), 10 * MIB), using(pod("large", request={"memory": "50Mi"}), 300 * MIB)
    assert names(MEMORY, within, important, small, large) == ["large", "small", "important", "within"]


def test_what_was_not_measured_goes_first() -> None:
    assert names(MEMORY, using(pod("seen"), 500 * MIB), using(pod("unseen"))) == ["unseen", "seen"]


def test_the_whole_pods_memory_counts_with_its_volumes_in_memory() -> None:
    filled = PodUse(pod=pod("filled"), containers={"c": Use(memory_bytes=1)}, whole_memory_bytes=900 * MIB)
    assert names(MEMORY, using(pod("other"), 100 * MIB), filled) == ["filled", "other"]


def test_critical_and_static_pods_are_left_alone() -> None:
    critical = using(pod("critical", priority=2_000_000_000), 900 * MIB)
    static = using(pod("static", kubernetes_io__config_source="file"), 900 * MIB)
    assert names(MEMORY, critical, static, using(pod("plain"), MIB)) == ["plain"]


def test_disks() -> None:
    logs, layer = using(pod("logs"), log_bytes=30, layer_bytes=0), using(pod("layer"), layer_bytes=50)
    volume = using(pod("volume", request={"ephemeral-storage": "100"}), volume=90, layer_bytes=0)
    assert names(NODE_DISK, logs, layer, volume) == ["layer", "logs", "volume"]
    assert names(IMAGE_DISK, logs, layer, volume, own_image_disk=True) == ["layer", "logs", "volume"]
    assert names(NODE_DISK, logs, layer, volume, own_image_disk=True) == ["logs", "layer", "volume"]


def test_inodes_and_processes() -> None:
    many, few = using(pod("many"), log_inodes=100), using(pod("few"), log_inodes=1)
    assert names(NODE_INODES, few, many) == ["many", "few"]
    busy, calm = using(pod("busy", priority=1), processes=900), using(pod("calm"), processes=2)
    assert names(PIDS, busy, calm, using(pod("fork"), processes=50)) == ["fork", "calm", "busy"]


def test_the_message_is_the_kubelets() -> None:
    use = using(pod("web", request={"memory": "64Mi"}), 100 * MIB)
    hard = Threshold(signal=MEMORY, amount=100 * MIB)
    assert eviction_order.message(hard, {MEMORY: Observation(90 * MIB, 1024 * MIB)}, use) == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. "
        "Container c was using 100Mi, request is 64Mi, has larger consumption of memory. ")
    disk = Threshold(signal=NODE_DISK, share=0.1)
    written = using(pod("web"), layer_bytes=1024, log_bytes=1024)
    assert eviction_order.message(disk, {NODE_DISK: Observation(1000, 100_000)}, written) == (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 10000, available: 1000. "
        "Container c was using 2Ki, request is 0, has larger consumption of ephemeral-storage. ")
    inodes = Threshold(signal=NODE_INODES, share=0.05)
    assert eviction_order.message(inodes, {NODE_INODES: Observation(1000, 100_000)}, written) == (
        "The node was low on resource: inodes. Threshold quantity: 5k, available: 1k. ")


def empty(size: str, medium: str = "") -> core.Volume:
    return core.Volume(name="data", empty_dir=core.EmptyDirVolumeSource(size_limit=size, medium=medium))


@pytest.mark.parametrize(("use", "words"), [
    (using(pod("p", volumes=(empty("1Mi"),)), volume=MIB), ""),
    (using(pod("p", volumes=(empty("1Mi"),)), volume=MIB + 1),
     'Usage of EmptyDir volume "data" exceeds the limit "1Mi". '),
    (using(pod("p", volumes=(empty("0"),)), volume=MIB), ""),
    (using(pod("p", limit={"ephemeral-storage": "10Mi"}), layer_bytes=6 * MIB, log_bytes=4 * MIB), ""),
    (using(pod("p", limit={"ephemeral-storage": "10Mi"}), layer_bytes=6 * MIB, log_bytes=4 * MIB + 1),
     "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "),
    (using(pod("p", limit={"ephemeral-storage": "10Mi"}), layer_bytes=0, volume=11 * MIB),
     "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "),
    (using(pod("p"), layer_bytes=900 * MIB), "")])
def test_local_storage_beyond_its_limit(use: PodUse, words: str) -> None:
    assert eviction_order.over_limit(use) == words


def test_one_container_beyond_its_own_limit() -> None:
    limited = [core.Container(name=name, resources=core.ResourceRequirements(limits={"ephemeral-storage": "10Mi"}))
               for name in ("a", "b")]
    both = core.Pod(spec=core.PodSpec(containers=tuple(limited)))
    use = PodUse(pod=both, containers={"a": Use(layer_bytes=1), "b": Use(layer_bytes=11 * MIB)})
    assert eviction_order.over_limit(use) == 'Container b exceeded its local ephemeral storage limit "10Mi". '
    assert eviction_order.over_limit(use, own_image_disk=True) == ""


@pytest.mark.parametrize(("found", "watched"), [
    (pod("p"), False), (pod("p", limit={"memory": "1Gi"}), False), (pod("p", limit={"ephemeral-storage": "1"}), True),
    (pod("p", volumes=(empty("1Mi"),)), True), (pod("p", volumes=(empty("1Mi", "Memory"),)), False),
    (pod("p", volumes=(empty(""),)), False)])
def test_only_pods_with_a_limit_are_measured(found: core.Pod, watched: bool) -> None:
    assert eviction_order.watched(found) is watched


BURSTABLE = pod("p", request={"memory": "1Mi"})
TOLERANT = core.Pod(spec=core.PodSpec(tolerations=(core.Toleration(
    key="node.kubernetes.io/memory-pressure", operator="Exists", effect="NoSchedule"),)))


@pytest.mark.parametrize(("found", "holding", "words"), [
    (pod("p"), (), ""), (pod("p"), ("MemoryPressure",), "The node had condition: [MemoryPressure]. "),
    (BURSTABLE, ("MemoryPressure",), ""), (TOLERANT, ("MemoryPressure",), ""),
    (BURSTABLE, ("DiskPressure",), "The node had condition: [DiskPressure]. "),
    (TOLERANT, ("MemoryPressure", "DiskPressure"), "The node had condition: [MemoryPressure DiskPressure]. "),
    (pod("p", priority=2_000_000_000), ("DiskPressure",), "")])
def test_a_node_under_pressure_refuses_new_pods(found: core.Pod, holding: tuple[str, ...], words: str) -> None:
    assert eviction_order.refusal(found, holding) == words


def test_every_signal_has_a_condition_and_a_resource() -> None:
    assert set(eviction.CONDITIONS) == set(eviction.RESOURCES) == {*eviction.SIGNALS, eviction.POD_MEMORY}
