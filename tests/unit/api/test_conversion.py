"""Objects of older versions get the values those versions stood for, and come back as they were sent."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from edge.api import apps, codec, defaults, scheme, validation

OLD_DEPLOYMENT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "cases" / "manifests" / "deployment-2017.json").read_text())


def deployment(raw: dict[str, Any]) -> apps.Deployment:
    decoded = codec.decode(scheme.of_type(apps.Deployment), raw)
    assert isinstance(decoded, apps.Deployment)
    return defaults.apply(decoded)


def test_a_deployment_of_2017_is_valid_and_keeps_the_defaults_of_its_time() -> None:
    sent = copy.deepcopy(OLD_DEPLOYMENT)
    stored = scheme.convert_in("extensions/v1beta1", sent)
    obj = deployment(stored)

    assert sent == OLD_DEPLOYMENT
    assert stored["apiVersion"] == "apps/v1"
    assert obj.spec.selector is not None
    assert obj.spec.selector.match_labels == {"run": "web"}
    assert obj.spec.strategy.rolling_update == apps.RollingUpdateDeployment(max_unavailable=1, max_surge=1)
    assert obj.spec.revision_history_limit == 2**31 - 1
    assert obj.spec.template.spec.containers[0].resources.requests == {"cpu": "500m", "memory": "128Mi"}
    assert validation.create(obj) == ()
    assert codec.unknown_fields(apps.Deployment, stored) == ()


def test_the_old_version_is_shown_to_those_who_ask_for_it() -> None:
    stored = scheme.convert_in("extensions/v1beta1", OLD_DEPLOYMENT)
    shown = scheme.convert_out("extensions/v1beta1", stored)

    assert shown["apiVersion"] == "extensions/v1beta1"
    assert shown["spec"]["replicas"] == 2
    assert stored["apiVersion"] == "apps/v1"


@pytest.mark.parametrize(("version", "history", "surge"), [
    ("extensions/v1beta1", 2**31 - 1, 1), ("apps/v1beta1", 2, "25%"), ("apps/v1beta2", 10, "25%"),
    ("apps/v1", 10, "25%"),
])
def test_each_version_of_a_deployment_has_its_own_defaults(version: str, history: int, surge: int | str) -> None:
    raw = {"apiVersion": version, "kind": "Deployment", "metadata": {"name": "web"},
           "spec": {"rollbackTo": {"revision": 0}, "selector": {"matchLabels": {"a": "b"}}}}
    stored = scheme.convert_in(version, raw)
    obj = deployment(stored)

    assert obj.spec.revision_history_limit == history
    assert obj.spec.strategy.rolling_update is not None
    assert obj.spec.strategy.rolling_update.max_surge == surge
    assert ("rollbackTo" in stored["spec"]) == (version == "apps/v1")


def test_today_a_selector_must_be_given() -> None:
    raw = OLD_DEPLOYMENT | {"apiVersion": "apps/v1"}
    causes = validation.create(deployment(scheme.convert_in("apps/v1", raw)))

    assert [(cause.field, cause.message) for cause in causes] == [("spec.selector", "Required value")]


def test_an_old_daemon_set_is_updated_only_on_deletion() -> None:
    raw = {"apiVersion": "extensions/v1beta1", "kind": "DaemonSet", "metadata": {"name": "log"},
           "spec": {"templateGeneration": 3, "template": {"metadata": {"labels": {"app": "log"}}}}}
    stored = scheme.convert_in("extensions/v1beta1", raw)

    assert stored["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert stored["spec"]["selector"] == {"matchLabels": {"app": "log"}}
    assert "templateGeneration" not in stored["spec"]


@pytest.mark.parametrize("spec", [None, [], "text", {"template": 3}, {"template": {"metadata": []}}, {"strategy": 5}])
def test_nonsense_passes_on_to_the_decoder(spec: Any) -> None:
    raw = {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "spec": spec}

    assert scheme.convert_in("extensions/v1beta1", raw)["apiVersion"] == "apps/v1"


def test_events_change_names_between_their_two_groups() -> None:
    sent = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "regarding": {"kind": "Pod", "name": "web"},
            "note": "hi", "reportingController": "edge.io/agent"}
    stored = scheme.convert_in("events.k8s.io/v1", sent)

    assert stored["involvedObject"] == {"kind": "Pod", "name": "web"}
    assert stored["message"] == "hi"
    assert codec.unknown_fields(scheme.find("", "v1", "events").type, stored) == ()  # type: ignore[union-attr]
    assert scheme.convert_out("events.k8s.io/v1", stored) == {**sent, "eventTime": None}


def test_endpoint_slices_keep_the_place_of_an_endpoint() -> None:
    sent = {"apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice",
            "endpoints": [{"addresses": ["10.244.1.2"], "nodeName": "node-1", "topology": {
                "kubernetes.io/hostname": host, "x": "y"}} for host in ("node-1", "other")]}
    stored = scheme.convert_in("discovery.k8s.io/v1beta1", sent)

    assert stored["endpoints"] == [
        {"addresses": ["10.244.1.2"], "nodeName": "node-1", "deprecatedTopology": {"x": "y"}},
        {"addresses": ["10.244.1.2"], "nodeName": "node-1",
         "deprecatedTopology": {"kubernetes.io/hostname": "other", "x": "y"}}]
    assert scheme.convert_out("discovery.k8s.io/v1beta1", stored) == sent
