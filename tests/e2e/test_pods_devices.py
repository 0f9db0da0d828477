"""Devices: a made-up one is offered by a node, given to pods, and taken away."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NAME, Rack, until
from tests.e2e.within import Within, container, pod

NODE = "node-3"
SETTINGS = Path(f"/var/lib/{NAME}-lab/machines/{NODE}/etc/agent.toml")
RESOURCE = "edge.pi/test"
GROUP = 4243
MORE = f"""
[devices."{RESOURCE}"]
paths = ["/dev/edge-{NAME}-*"]
"""


def path(number: int) -> Path:
    return Path(f"/dev/edge-{NAME}-{number}")


def plug(number: int) -> None:
    """Make a second null device, for one group only."""
    os.mknod(path(number), stat.S_IFCHR | 0o660, os.makedev(1, 3))
    path(number).chmod(0o660)
    os.chown(path(number), 0, GROUP)


def unplug() -> None:
    for each in Path("/dev").glob(f"edge-{NAME}-*"):
        each.unlink()


@pytest.fixture(scope="module")
def offered(rack: Rack) -> Iterator[None]:
    unplug()
    try:
        plug(0)
    except PermissionError as error:
        pytest.skip(f"no device can be made here: {error}")
    before = SETTINGS.read_text()
    SETTINGS.write_text(before + MORE)
    rack.kill(NODE, "edge-agent")
    yield
    unplug()
    SETTINGS.write_text(before)
    rack.kill(NODE, "edge-agent")


@pytest.fixture
def here(rack: Rack, namespace: str, offered: None) -> Within:
    unplug()
    plug(0)
    until(lambda: capacity(rack) == "1", 60, f"the node offers {capacity(rack)}")
    return Within(rack, namespace)


def capacity(rack: Rack) -> str:
    return str(rack.get("node", NODE)["status"]["allocatable"].get(RESOURCE))


def asks(script: str = "exec sleep 1000", amount: str = "1", **more: Any) -> dict[str, Any]:
    return container(script, resources={"limits": {RESOURCE: amount}}, **more)


def test_a_pod_finds_its_device_and_may_use_it(rack: Rack, here: Within) -> None:
    script = "echo $EDGE_PI_TEST; echo x > $EDGE_PI_TEST && id; exec sleep 1000"
    here.apply(pod("user", asks(script, securityContext={"runAsUser": 1000, "runAsGroup": 1000})))
    here.until_ready("user")
    found = here.get("pod", "user")
    assert found["spec"]["nodeName"] == NODE
    assert found["spec"]["containers"][0]["resources"]["requests"] == {RESOURCE: "1"}
    first, second = here.kubectl("logs", "user").splitlines()
    assert first == str(path(0))
    assert str(GROUP) in second
    described = rack.kubectl("describe", "node", NODE)
    assert RESOURCE in described


def test_a_second_pod_waits_for_a_second_device(rack: Rack, here: Within) -> None:
    here.apply(pod("first", asks()))
    here.until_ready("first")
    here.apply(pod("second", asks()))
    until(lambda: f"Insufficient {RESOURCE}" in here.kubectl("describe", "pod", "second"), 30,
          "nobody says why it waits")
    plug(1)
    here.until_ready("second", seconds=40)
    assert here.sh("second", "ls /dev/edge-*; echo $EDGE_PI_TEST").split() == [str(path(1))] * 2


def test_an_agent_that_starts_anew_knows_who_has_what(rack: Rack, here: Within) -> None:
    here.apply(pod("first", asks()))
    here.until_ready("first")
    began = here.path("pod/first", ".status.containerStatuses[0].containerID")
    rack.kill(NODE, "edge-agent")
    plug(1)
    until(lambda: capacity(rack) == "2", 60, f"the node offers {capacity(rack)}")
    here.apply(pod("second", asks()))
    here.until_ready("second", seconds=40)
    assert here.sh("second", "echo $EDGE_PI_TEST").strip() == str(path(1))
    assert here.path("pod/first", ".status.containerStatuses[0].containerID") == began


def test_a_device_that_goes_away_is_told(rack: Rack, here: Within) -> None:
    here.apply(pod("first", asks()))
    here.until_ready("first")
    unplug()
    until(lambda: "DeviceLost" in here.reasons("first"), 40, "nobody says that it is gone")
    until(lambda: capacity(rack) == "0", 40, f"the node offers {capacity(rack)}")
    assert here.shown("first") == "Running"


def test_parts_of_a_device_are_refused(here: Within) -> None:
    refused = here.fails("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", **pod("half", asks(amount="500m"))}))
    assert "must be an integer" in refused
    more = container(resources={"limits": {RESOURCE: "2"}, "requests": {RESOURCE: "1"}})
    refused = here.fails("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", **pod("less", more)}))
    assert f"must be equal to {RESOURCE} limit of 2" in refused
