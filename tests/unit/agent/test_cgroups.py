"""Where the control groups of pods are and what they hold."""

from __future__ import annotations

import pytest

from edge.agent import cgroups
from edge.agent.cgroups import Amounts, Tree
from edge.api import core, meta

UID = "0d3ab9a1-9c2e-4b7c-8a55-3f1f0c2f6d01"
FLAT = UID.replace("-", "_")


def container(requests: dict[str, meta.Quantity] | None = None, limits: dict[str, meta.Quantity] | None = None,
              **more: object) -> core.Container:
    resources = core.ResourceRequirements(requests=requests or {}, limits=limits or {})
    return core.Container(name="web", resources=resources, **more)  # type: ignore[arg-type]


def pod(*containers: core.Container, **spec: object) -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(uid=UID), spec=core.PodSpec(containers=containers, **spec))  # type: ignore[arg-type]


@pytest.mark.parametrize(("quality", "name"), [
    ("Guaranteed", f"/rack/node-1/kubepods/pod{UID}"), ("Burstable", f"/rack/node-1/kubepods/burstable/pod{UID}"),
    ("BestEffort", f"/rack/node-1/kubepods/besteffort/pod{UID}")])
def test_groups_the_engine_makes_by_itself(quality: str, name: str) -> None:
    where = cgroups.tree("/rack/node-1", "cgroupfs", 2)
    assert cgroups.branch(where, quality, UID) == name
    assert cgroups.path(where, quality, UID) == name.lstrip("/")
    assert cgroups.uid_of(name.rpartition("/")[2]) == UID


@pytest.mark.parametrize(("quality", "name", "path"), [
    ("Guaranteed", f"kubepods-pod{FLAT}.slice", "kubepods.slice/"),
    ("Burstable", f"kubepods-burstable-pod{FLAT}.slice", "kubepods.slice/kubepods-burstable.slice/"),
    ("BestEffort", f"kubepods-besteffort-pod{FLAT}.slice", "kubepods.slice/kubepods-besteffort.slice/")])
def test_groups_that_systemd_keeps(quality: str, name: str, path: str) -> None:
    where = cgroups.tree("", "systemd", 2)
    assert cgroups.branch(where, quality, UID) == name
    assert cgroups.path(where, quality, UID) == path + name
    assert cgroups.uid_of(name) == UID


def test_a_parent_of_ones_own() -> None:
    assert cgroups.branch(cgroups.tree("edge.slice", "systemd", 2)) == "edge-kubepods.slice"
    assert cgroups.path(cgroups.tree("/edge.slice", "systemd", 2)) == "edge.slice/edge-kubepods.slice"
    assert cgroups.branch(cgroups.tree("", "cgroupfs", 1)) == "/kubepods"
    assert cgroups.uid_of(f"edge-kubepods-burstable-pod{FLAT}.slice") == UID


@pytest.mark.parametrize("name", ["burstable", "pod", "pod..", "podx/y", "libpod-1", "kubepods.slice",
                                  "kubepods-burstable.slice", "pod-.slice", ""])
def test_other_groups_are_no_pods(name: str) -> None:
    assert cgroups.uid_of(name) == ""


def test_a_pod_gets_the_sums_of_its_containers() -> None:
    one = container({"cpu": "250m", "memory": "64Mi"}, {"cpu": "500m", "memory": "128Mi"})
    group = cgroups.pod_group(pod(one, one), pids=100)
    assert (group.uid, group.quality) == (UID, "Burstable")
    assert group.amounts == Amounts(cpu_shares=512, cpu_quota_microseconds=100_000, memory_bytes=256 * 1024**2,
                                    pids=100)


def test_without_a_limit_of_each_container_the_pod_has_none() -> None:
    limited, free = container({}, {"cpu": "1", "memory": "64Mi"}), container({"cpu": "1"})
    amounts = cgroups.pod_group(pod(limited, free)).amounts
    assert (amounts.cpu_quota_microseconds, amounts.memory_bytes) == (0, 0)
    # Requests that are not written are those of the limits; the API has filled them in before.
    assert amounts.cpu_shares == 1024


def test_an_init_container_may_need_the_most() -> None:
    app = container({"cpu": "100m"}, {"cpu": "100m", "memory": "32Mi"})
    init = container({"cpu": "1"}, {"cpu": "1", "memory": "512Mi"})
    amounts = cgroups.pod_group(pod(app, init_containers=(init,))).amounts
    assert (amounts.cpu_shares, amounts.memory_bytes) == (1024, 512 * 1024**2)


def test_overhead_is_the_pods_too() -> None:
    one = container({"cpu": "1", "memory": "64Mi"}, {"cpu": "1", "memory": "64Mi"})
    amounts = cgroups.pod_group(pod(one, overhead={"memory": "16Mi", "cpu": "250m"})).amounts
    assert (amounts.memory_bytes, amounts.cpu_shares) == (80 * 1024**2, 1280)


def test_best_effort_gets_the_least_and_no_limit() -> None:
    group = cgroups.pod_group(pod(container()))
    assert (group.quality, group.amounts) == ("BestEffort", Amounts(cpu_shares=2))


def test_burstable_pods_share_by_what_they_ask_for() -> None:
    groups = [cgroups.pod_group(pod(container({"cpu": "500m"}))), cgroups.pod_group(pod(container({"cpu": "1"}))),
              cgroups.pod_group(pod(container()))]
    assert cgroups.burstable(groups) == Amounts(cpu_shares=512 + 1024)
    assert cgroups.burstable([]) == Amounts(cpu_shares=2)


@pytest.mark.parametrize(("milli", "shares"), [(0, 2), (1, 2), (100, 102), (1000, 1024), (10**9, 262_144)])
def test_shares(milli: int, shares: int) -> None:
    assert cgroups.shares(milli) == shares


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (102, 4), (262_144, 10_000)])
def test_weights(shares: int, weight: int) -> None:
    assert cgroups.weight(shares) == weight


@pytest.mark.parametrize(("milli", "quota"), [(0, 0), (1, 1000), (500, 50_000), (2500, 250_000)])
def test_quotas(milli: int, quota: int) -> None:
    assert cgroups.quota(milli) == quota


def test_the_files_of_both_versions() -> None:
    amounts = Amounts(cpu_shares=1024, cpu_quota_microseconds=50_000, memory_bytes=4096, pids=7)
    assert {name: text for _, name, text in cgroups.files_v1(amounts)} == {
        "cpu.shares": "1024", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000",
        "memory.limit_in_bytes": "4096", "pids.max": "7"}
    assert dict(cgroups.files_v2(amounts)) == {
        "cpu.weight": "39", "cpu.max": "50000 100000", "memory.max": "4096", "pids.max": "7"}
    assert dict(cgroups.files_v2(Amounts())) == {
        "cpu.weight": "1", "cpu.max": "max 100000", "memory.max": "max", "pids.max": "max"}
    assert ("cpu", "cpu.cfs_quota_us", "-1") in cgroups.files_v1(Amounts())


def test_systemd_is_asked_in_its_own_words() -> None:
    amounts = Amounts(cpu_shares=1024, cpu_quota_microseconds=50_000, memory_bytes=4096)
    made = cgroups.unit(Tree("", True, 2), "kubepods-pod1.slice", amounts)
    assert made[:4] == ("StartTransientUnit", "ssa(sv)a(sa(sv))", "kubepods-pod1.slice", "replace")
    assert made[-1] == "0"
    properties = {made[at]: made[at + 2] for at in range(5, len(made) - 1, 3)}
    assert int(made[4]) == len(properties)
    assert properties["CPUQuotaPerSecUSec"] == "500000"
    assert (properties["CPUWeight"], properties["MemoryMax"]) == ("39", "4096")
    assert properties["TasksMax"] == str(2**64 - 1)
    changed = cgroups.unit_change("kubepods-pod1.slice", amounts, Tree("", True, 2))
    assert changed[:4] == ("SetUnitProperties", "sba(sv)", "kubepods-pod1.slice", "true")
    assert int(changed[4]) * 3 == len(changed) - 5
    assert "Description" not in changed
    assert "CPUShares" in cgroups.unit(Tree("", True, 1), "kubepods-pod1.slice", amounts)
