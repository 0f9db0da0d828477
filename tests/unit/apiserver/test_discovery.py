"""Discovery says what kubectl needs to find a resource, by path, by short name and by category."""

from __future__ import annotations

from typing import Any

import pytest

from edge.api import scheme
from edge.apiserver import discovery

ALL = scheme.resources()


def listed(group: str, version: str) -> dict[str, dict[str, Any]]:
    answer = discovery.resource_list(ALL, group, version)
    assert answer is not None
    return {each["name"]: each for each in answer["resources"]}


def test_the_core_group_has_its_resources_and_their_subresources() -> None:
    core = listed("", "v1")
    assert core["pods"]["shortNames"] == ["po"]
    assert core["pods"]["singularName"] == "pod"
    assert core["pods"]["categories"] == ["all"]
    assert "watch" in core["pods"]["verbs"]
    assert not core["nodes"]["namespaced"]
    assert core["pods/eviction"] == {"name": "pods/eviction", "singularName": "", "namespaced": True,
                                     "verbs": ["create"], "kind": "Eviction", "group": "policy", "version": "v1"}
    assert core["pods/log"]["verbs"] == ["get"]
    assert core["pods/exec"]["kind"] == "PodExecOptions"
    assert (core["serviceaccounts/token"]["group"], core["serviceaccounts/token"]["kind"]) == (
        "authentication.k8s.io", "TokenRequest")


def test_a_group_lists_its_kinds_and_scale() -> None:
    apps = listed("apps", "v1")
    assert apps["deployments"]["shortNames"] == ["deploy"]
    assert (apps["deployments/scale"]["group"], apps["deployments/scale"]["version"],
            apps["deployments/scale"]["kind"]) == ("autoscaling", "v1", "Scale")
    assert "group" not in apps["deployments/status"]


def test_old_versions_are_served_without_nicknames_and_come_last() -> None:
    old = listed("extensions", "v1beta1")["deployments"]
    assert "shortNames" not in old
    assert "categories" not in old
    names = [each["name"] for each in discovery.group_list(ALL)["groups"]]
    assert names.index("apps") < names.index("extensions")
    apps = discovery.group(ALL, "apps")
    assert apps is not None
    assert apps["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    assert {"groupVersion": "apps/v1beta1", "version": "v1beta1"} in apps["versions"]


def test_what_is_not_served_is_none() -> None:
    assert discovery.group(ALL, "nothing") is None
    assert discovery.group(ALL, "") is None
    assert discovery.resource_list(ALL, "apps", "v9") is None
    assert discovery.resource_list(ALL, "nothing", "v1") is None


def test_aggregated_discovery_says_the_same_in_one_piece() -> None:
    core = discovery.aggregated(ALL, core=True)
    assert [version["version"] for version in core["items"][0]["versions"]] == ["v1"]
    assert "name" not in core["items"][0]["metadata"]
    others = discovery.aggregated(ALL, core=False, version="v2beta1")
    assert others["apiVersion"] == "apidiscovery.k8s.io/v2beta1"
    apps = next(each for each in others["items"] if each["metadata"]["name"] == "apps")
    deployment = next(each for each in apps["versions"][0]["resources"] if each["resource"] == "deployments")
    assert deployment["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert deployment["scope"] == "Namespaced"
    assert deployment["singularResource"] == "deployment"
    assert [each["subresource"] for each in deployment["subresources"]] == ["scale", "status"]


@pytest.mark.parametrize(("accept", "version"), [
    ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;"
     "v=v2beta1;as=APIGroupDiscoveryList,application/json", "v2"),
    ("application/json;as=APIGroupDiscoveryList;v=v2beta1;g=apidiscovery.k8s.io", "v2beta1"),
    ("application/json, */*", ""), ("", ""),
    ("application/json;as=APIGroupDiscoveryList;v=v3;g=apidiscovery.k8s.io", ""),
    ("application/json,application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", ""),
    ("application/json;as=Table;g=meta.k8s.io;v=v1", ""), (";;;=,", ""),
])
def test_the_accept_header_chooses_the_form(accept: str, version: str) -> None:
    assert discovery.wants_aggregated(accept) == version


def test_the_version_is_a_kubernetes_release_with_ours_behind_it() -> None:
    answer = discovery.version("0.1.0")
    assert (answer["major"], answer["minor"], answer["gitVersion"]) == ("1", "32", "v1.32.0+edge.0.1.0")
    assert answer["platform"].startswith("linux/")
