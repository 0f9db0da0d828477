"""Resources with a domain, such as devices: whole ones only, and no more promised than there are."""

from __future__ import annotations

import msgspec
import pytest

from edge.api import containers, validation_containers

EQUAL = 'must be equal to edge.pi/serial limit of 2'


@pytest.mark.parametrize(("limits", "requests", "problem"), [
    ({"edge.pi/serial": "1"}, {"edge.pi/serial": "1"}, ""),
    ({"edge.pi/serial": "1"}, {"edge.pi/serial": 1}, ""),
    ({"edge.pi/serial": "1"}, {}, ""),
    ({"edge.pi/serial": "500m"}, {"edge.pi/serial": "500m"}, "must be an integer"),
    ({"edge.pi/serial": "2"}, {"edge.pi/serial": "1"}, EQUAL),
    ({"edge.pi/serial": "2"}, {"edge.pi/serial": "3"}, EQUAL),
    ({}, {"edge.pi/serial": "1"}, "Limit must be set for non overcommitable resources"),
    ({"edge.pi/serial": "-1"}, {"edge.pi/serial": "-1"}, "must be greater than or equal to 0"),
    ({"cpu": "2"}, {"cpu": "1"}, ""),
    ({}, {"cpu": "500m"}, ""),
])
def test_requests_and_limits(limits: dict[str, object], requests: dict[str, object], problem: str) -> None:
    needs = msgspec.convert({"limits": limits, "requests": requests}, containers.ResourceRequirements)
    messages = [cause.message for cause in validation_containers.resources("r", needs)]
    assert any(problem in message for message in messages) if problem else messages == []
