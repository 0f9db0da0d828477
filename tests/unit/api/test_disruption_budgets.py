"""PodDisruptionBudgets: what is refused, and what an empty selector means in which version."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from edge.api import codec, labels, patch, scheme, validation
from edge.api.disruption_budgets import PodDisruptionBudget, PodDisruptionBudgetStatus

OLD = "policy/v1beta1"


def stored(spec: dict[str, Any], api_version: str = OLD) -> dict[str, Any]:
    return scheme.convert_in(api_version, {"apiVersion": api_version, "kind": "PodDisruptionBudget",
                                           "metadata": {"name": "web"}, "spec": spec})


def made(spec: dict[str, Any], api_version: str = "policy/v1") -> PodDisruptionBudget:
    obj = codec.decode(scheme.of_type(PodDisruptionBudget), stored(spec, api_version))
    assert isinstance(obj, PodDisruptionBudget)
    return obj


def matches(spec: dict[str, Any], api_version: str) -> bool:
    return labels.from_label_selector(made(spec, api_version).spec.selector).matches({"app": "web"})


def test_an_empty_selector_matched_nothing_and_matches_everything() -> None:
    assert not matches({"selector": {}}, OLD)
    assert matches({"selector": {}}, "policy/v1")
    assert not matches({}, OLD)
    assert not matches({}, "policy/v1")
    assert matches({"selector": {"matchLabels": {"app": "web"}}}, OLD)


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {"app": "web"}}, {"matchExpressions": [
    {"key": "app", "operator": "Exists"}]}])
def test_each_version_sees_what_it_meant(selector: dict[str, Any]) -> None:
    assert scheme.convert_out(OLD, stored({"selector": selector}))["spec"]["selector"] == selector
    shown = scheme.convert_out(OLD, stored({"selector": selector}, "policy/v1"))
    assert scheme.convert_in(OLD, shown)["spec"]["selector"] == selector


@pytest.mark.parametrize("spec", [None, "x", {"selector": 3}, {"selector": {"matchLabels": []}}])
def test_a_broken_one_is_left_to_the_decoder(spec: Any) -> None:
    converted = scheme.convert_in(OLD, {"kind": "PodDisruptionBudget", "spec": spec})
    assert converted["apiVersion"] == "policy/v1"


@pytest.mark.parametrize(("spec", "expected"), [
    ({"minAvailable": 1, "maxUnavailable": 1},
     'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set'),
    ({"minAvailable": -1}, "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"),
    ({"maxUnavailable": "101%"}, 'spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
    ({"maxUnavailable": "9" * 30 + "%"},
     f'spec.maxUnavailable: Invalid value: "{"9" * 30}%": must not be greater than 100%'),
    ({"minAvailable": "half"},
     "spec.minAvailable: Invalid value: \"half\": a valid percent string must be a numeric string followed by an "
     "ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"),
    ({"minAvailable": 1, "unhealthyPodEvictionPolicy": "Never"},
     'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", '
     '"IfHealthyBudget"'),
    ({"minAvailable": 1, "selector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}},
     'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator'),
])
def test_what_is_wrong_is_named(spec: dict[str, Any], expected: str) -> None:
    assert [f"{cause.field}: {cause.message}" for cause in validation.create(made(spec))] == [expected]


def test_everything_may_change() -> None:
    old = made({"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}})
    assert validation.create(old) == ()
    assert validation.update(made({"maxUnavailable": "50%", "selector": {}}), old) == ()


def test_counts_of_a_status_are_not_negative() -> None:
    old = made({"minAvailable": 1})
    new = replace(old, status=PodDisruptionBudgetStatus(disruptions_allowed=-1))
    assert [cause.field for cause in validation.update(new, old, "status")] == ["status.disruptionsAllowed"]


def test_a_patch_replaces_the_selector_as_a_whole() -> None:
    current = codec.to_dict(made({"selector": {"matchLabels": {"app": "web", "tier": "front"}}}))
    changed = patch.strategic_merge_patch(PodDisruptionBudget, current, {"spec": {"selector": {
        "matchLabels": {"app": "db"}}}})

    assert changed["spec"]["selector"] == {"matchLabels": {"app": "db"}}
