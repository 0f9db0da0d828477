"""What a LimitRange gives to pods, and its words for what it refuses."""

from __future__ import annotations

from typing import Any

from edge.api import codec, core, defaults, persistent_volumes, quotas
from edge.apiserver.plugins import limit_ranges, refusals


def limit_range(*items: dict[str, Any]) -> quotas.LimitRange:
    return defaults.apply(codec.decode_struct(quotas.LimitRange, {"spec": {"limits": list(items)}}))


def pod(*containers: dict[str, Any], inits: tuple[dict[str, Any], ...] = ()) -> core.Pod:
    def made(prefix: str, resources: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
        return [{"name": f"{prefix}{index}", "image": "x", "resources": of} for index, of in enumerate(resources)]
    return codec.decode_struct(core.Pod, {"metadata": {"name": "web", "annotations": {"mine": "kept"}}, "spec": {
        "containers": made("c", containers), "initContainers": made("i", inits)}})


def test_containers_get_what_they_leave_out() -> None:
    rule = limit_range({"type": "Container", "default": {"cpu": "500m", "memory": "64Mi"},
                        "defaultRequest": {"cpu": "100m"}})
    made = limit_ranges.with_defaults(pod({}, {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}, inits=({},)), [rule])
    first, second = made.spec.containers
    assert first.resources == core.ResourceRequirements(requests={"cpu": "100m", "memory": "64Mi"},
                                                        limits={"cpu": "500m", "memory": "64Mi"})
    assert second.resources.requests == {"cpu": "1", "memory": "64Mi"}
    assert made.spec.init_containers[0].resources.requests == {"cpu": "100m", "memory": "64Mi"}
    assert made.metadata.annotations == {
        "mine": "kept", limit_ranges.ANNOTATION:
        "LimitRanger plugin set: cpu, memory request for container c0; cpu, memory limit for container c0; "
        "memory request for container c1; memory limit for container c1; cpu, memory request for init container i0; "
        "cpu, memory limit for init container i0"}
    assert limit_ranges.with_defaults(made, [rule]) == made


def test_a_pod_that_says_everything_stays_as_it_is() -> None:
    rule = limit_range({"type": "Container", "defaultRequest": {"cpu": "100m"}}, {"type": "Pod", "max": {"cpu": "1"}})
    asked = pod({"requests": {"cpu": "1"}})
    assert limit_ranges.with_defaults(asked, [rule]) is asked


def test_bounds_of_containers_in_words() -> None:
    rule = limit_range({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1", "memory": "1Gi"},
                        "maxLimitRequestRatio": {"cpu": "2"}})
    assert limit_ranges.refusals(pod({"requests": {"cpu": "50m"}, "limits": {"cpu": "2", "memory": "1Gi"}}), rule) == [
        "minimum cpu usage per Container is 100m, but request is 50m",
        "maximum cpu usage per Container is 1, but limit is 2",
        "cpu max limit to request ratio per Container is 2, but provided ratio is 40.000000"]
    assert limit_ranges.refusals(pod({}), rule) == [
        "minimum cpu usage per Container is 100m.  No request is specified",
        "maximum cpu usage per Container is 1.  No limit is specified",
        "maximum memory usage per Container is 1Gi.  No limit is specified",
        "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0"]
    fits = {"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    assert limit_ranges.refusals(pod(fits), rule) == []
    assert limit_ranges.refusals(pod(fits, inits=({},)), rule) != []


def test_bounds_of_pods_are_for_all_containers_together() -> None:
    rule = limit_range({"type": "Pod", "max": {"memory": "100Mi", "cpu": "1"}, "min": {"cpu": "300m"}})
    small = {"requests": {"cpu": "200m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    assert limit_ranges.refusals(pod(small, small), rule) == [
        "maximum memory usage per Pod is 100Mi, but limit is 128Mi"]
    assert limit_ranges.refusals(pod(small), rule) == ["minimum cpu usage per Pod is 300m, but request is 200m"]
    big = {"requests": {"cpu": "200m"}, "limits": {"cpu": "2", "memory": "64Mi"}}
    assert limit_ranges.refusals(pod(small, small, inits=(big,)), rule) == [
        "maximum cpu usage per Pod is 1, but limit is 2", "maximum memory usage per Pod is 100Mi, but limit is 128Mi"]


def test_claims_have_bounds_of_their_own() -> None:
    rule = limit_range({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "10Gi"}})

    def claim(size: str) -> persistent_volumes.PersistentVolumeClaim:
        return codec.decode_struct(persistent_volumes.PersistentVolumeClaim, {
            "spec": {"resources": {"requests": {"storage": size}}}})
    assert limit_ranges.refusals(claim("5Gi"), rule) == []
    assert limit_ranges.refusals(claim("20Gi"), rule) == [
        "maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 20Gi"]
    assert limit_ranges.refusals(claim("100Mi"), rule) == [
        "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 100Mi"]
    assert limit_ranges.refusals(pod({}), rule) == []


def test_several_reasons_are_one_list_and_none_is_there_twice() -> None:
    assert refusals.aggregated(["a"]) == "a"
    assert refusals.aggregated(["a", "b", "a"]) == "[a, b]"
