"""Whether a write fits into quotas, and Kubernetes' words when it does not."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import amounts, codec, core, meta, quota_usage, quotas
from edge.apiserver.plugins import quota_check
from edge.apiserver.plugins.quota_check import Asked
from tests import builders


def quota(name: str = "q", scopes: tuple[str, ...] = (), **hard: Any) -> quotas.ResourceQuota:
    limits = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}
    return codec.decode_struct(quotas.ResourceQuota, {
        "metadata": {"name": name, "namespace": "default"}, "spec": {"hard": limits, "scopes": list(scopes)}})


def asked(obj: meta.Object, resource: str = "pods", old: meta.Object | None = None) -> Asked:
    before = None if old is None else quota_usage.of(old, resource, builders.NOW)
    return Asked(obj=obj, group_resource=resource, usage=quota_usage.of(obj, resource, builders.NOW), before=before)


def refused(by: quotas.ResourceQuota, write: Asked, **used: Any) -> str:
    taken = amounts.read({key.replace("_", "."): value for key, value in used.items()})
    return quota_check.refusal(write, quota_check.relevant(write, [by]), lambda _quota: taken)


def test_the_last_one_fits_and_the_next_does_not() -> None:
    write = asked(builders.pod("web"))
    assert refused(quota(pods="2"), write, pods=1) == ""
    assert refused(quota(pods="2"), write, pods=2) == \
        "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"


def test_only_what_is_exceeded_is_named_and_amounts_keep_their_form() -> None:
    write = asked(builders.pod("web", cpu="500m", memory="64Mi"))
    by = quota(pods="5", requests_cpu="1", requests_memory="100Mi")
    assert refused(by, write, pods=2, requests_cpu="600m", requests_memory="64Mi") == (
        "exceeded quota: q, requested: requests.cpu=500m,requests.memory=64Mi, "
        "used: requests.cpu=600m,requests.memory=64Mi, limited: requests.cpu=1,requests.memory=100Mi")


def test_containers_must_say_what_a_quota_counts() -> None:
    by = quota(limits_cpu="1", requests_memory="1Gi")
    assert refused(by, asked(builders.pod("web"))) == \
        "failed quota: q: must specify limits.cpu for: c; requests.memory for: c"
    assert refused(quota(pods="1"), asked(builders.pod("web"))) == ""


def test_what_a_quota_does_not_count_is_not_its_business() -> None:
    write = asked(core.ConfigMap(metadata=builders.object_meta("a")), "configmaps")
    assert quota_check.relevant(write, [quota(pods="0")]) == ()
    assert refused(quota(configmaps="0"), write).startswith("exceeded quota: q, requested: configmaps=1")
    assert refused(quota(count__configmaps="0"), write).startswith("exceeded quota: q, requested: count/configmaps=1")


def test_scopes_choose_the_pods() -> None:
    plain, sized = asked(builders.pod("a")), asked(builders.pod("b", cpu="1"))
    best_effort = quota(scopes=("BestEffort",), pods="0")
    assert refused(best_effort, plain) != ""
    assert refused(best_effort, sized) == ""
    assert refused(best_effort, asked(core.Secret(metadata=builders.object_meta("s")), "secrets")) == ""


def test_a_change_is_asked_only_for_what_it_takes_more() -> None:
    inside, outside = builders.service(), builders.service(type="NodePort")
    by = quota(services="1", services_nodeports="1")
    assert refused(by, asked(outside, "services", inside), services=1, services_nodeports=0) == ""
    assert refused(by, asked(outside, "services", inside), services=1, services_nodeports=1) == (
        "exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1")
    assert refused(by, asked(inside, "services", outside), services=9, services_nodeports=9) == ""


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_every_quota_must_have_room(names: tuple[str, str]) -> None:
    write = asked(builders.pod("web"))
    every = [quota(names[0], pods="1"), quota(names[1], pods="0")]
    assert quota_check.refusal(write, quota_check.relevant(write, every), lambda _quota: {}).startswith(
        f"exceeded quota: {names[1]}")
