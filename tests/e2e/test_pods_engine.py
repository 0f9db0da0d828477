"""What breaks below the pods: an engine that hangs, a container store that a power cut has torn."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import objects
from tests.e2e.conftest import Rack, is_ready, until
from tests.e2e.objects import LAB, switch

SPACE = "engine"
NODE = "node-3"


@pytest.fixture(scope="module")
def worker(rack: Rack) -> Iterator[Rack]:
    """Two pods that belong to one worker."""
    rack.kubectl("create", "namespace", SPACE)
    try:
        for name in ("one", "two"):
            objects.apply(rack, SPACE, objects.pod(name, objects.container("sleep 100000"), nodeName=NODE,
                                                   terminationGracePeriodSeconds=1, tolerations=[{
                                                       "operator": "Exists"}]))
        until(lambda: len(running(rack)) == 2, 60, "the pods do not run")
        yield rack
    finally:
        switch(NODE, on=True)
        rack.kubectl("delete", "namespace", SPACE, "--wait=false")


def running(rack: Rack) -> dict[str, str]:
    """Return the container id of each pod that is ready, by the pod's name."""
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["containerID"]
            for pod in rack.get("pods", "-n", SPACE)["items"] if is_ready(pod)}


def events(rack: Rack, reason: str) -> list[str]:
    return [each["message"] for each in rack.get("events", "-A")["items"]
            if each["reason"] == reason and each["involvedObject"]["name"] == NODE]


def ready(rack: Rack) -> bool:
    return is_ready(rack.get("node", NODE))


def store() -> Path:
    return LAB.directory(NODE) / "data/containers"


def test_an_engine_that_hangs_is_started_anew_and_its_containers_run_on(worker: Rack) -> None:
    before = running(worker)
    pid = json.loads((LAB.directory(NODE) / "services.json").read_text())["podman"]["pid"]
    worker.shell(NODE, "kill", "-STOP", str(pid))
    until(lambda: not ready(worker), 60, "nobody notices that the engine hangs")
    until(lambda: ready(worker), 90, "the engine does not come back")
    until(lambda: events(worker, "ContainerRuntimeRestarted"), 20, "the node does not say what it did")
    assert running(worker) == before
    worker.kubectl("exec", "-n", SPACE, "one", "--", "true")


def test_a_torn_database_costs_the_containers_and_not_the_images(worker: Rack) -> None:
    before = running(worker)
    switch(NODE, on=False)
    database = store() / "libpod/bolt_state.db"
    if not database.exists():
        pytest.skip("this Podman keeps its containers in another kind of database")
    database.write_bytes(bytes(database.stat().st_size))
    switch(NODE, on=True)
    until(lambda: running(worker).keys() == before.keys() and not set(running(worker).values()) & set(before.values()),
          150, "the pods do not run again")
    until(lambda: any("containers in it are lost" in text for text in events(worker, "ContainerStoreReset")), 30,
          "the node does not say what it did")
    until(lambda: ready(worker), 30, "the node does not get ready")


def test_a_torn_list_of_images_is_set_aside_and_an_image_can_be_loaded_again(worker: Rack) -> None:
    switch(NODE, on=False)
    images = next(store().glob("*-images/images.json"))
    os.truncate(images, images.stat().st_size // 2)
    switch(NODE, on=True)
    until(lambda: any("images in it are lost" in text for text in events(worker, "ContainerStoreReset"))
          and ready(worker), 150, "the broken list is not set aside")
    worker.edgectl("image", "load", "--node", NODE, str(objects.LAB.state / "hello.tar"))
    until(lambda: len(running(worker)) == 2, 90, "the pods do not run again")
