"""Images on a rack: from a registry at home, loaded by hand, missing, for another machine, and removed again."""

from __future__ import annotations

import functools
import io
import json
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import podman_service
from tests.contracts.podman_service import ARCHITECTURE, image_archive, layer
from tests.e2e.conftest import WORKERS, Rack, until
from tests.e2e.objects import LAB, switch
from tests.e2e.within import Within, container, pod
from tests.fakes import registry as registries
from tests.fakes.registry import Registry

HOST = "registry.home:5000"
OTHER = {"amd64": "arm64"}.get(ARCHITECTURE, "amd64")
PROGRAMS = ("sh", "sleep", "cat")


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


@pytest.fixture
def registry(rack: Rack) -> Iterator[Registry]:
    with registries.serving(5000, "0.0.0.0", LAB.namespace("home")) as made:
        yield made


@pytest.fixture
def serial() -> str:
    """What makes an image of this test another one than those of earlier runs."""
    return f"s{time.monotonic_ns()}"


def content(serial: str) -> bytes:
    return layer((*PROGRAMS, serial))


def running(name: str, image: str, **more: Any) -> dict[str, Any]:
    """Return a pod of an image in the registry, on one of the workers."""
    made = container(image=image, imagePullPolicy=more.pop("policy", "IfNotPresent"))
    return pod(name, made, nodeName=more.pop("node", "node-1"), **more)


def messages(here: Within, name: str) -> list[tuple[str, str]]:
    """Return (reason, message) of a pod's events."""
    items = here.get("events", "--field-selector", f"involvedObject.name={name}")["items"]
    return [(item["reason"], item["message"]) for item in items]


def waiting(here: Within, name: str) -> dict[str, str]:
    statuses = here.get("pod", name)["status"].get("containerStatuses", [])
    found: dict[str, str] = statuses[0]["state"].get("waiting", {}) if statuses else {}
    return found


def test_an_image_is_pulled_with_the_pods_secret(here: Within, registry: Registry, serial: str) -> None:
    registry.users["keeper"] = "right"
    registry.add("team/app", serial, content(serial), ARCHITECTURE)
    image = f"{HOST}/team/app:{serial}"
    for name, password in (("wrong", "no"), ("login", "right")):
        here.kubectl("create", "secret", "docker-registry", name, f"--docker-server={HOST}",
                     "--docker-username=keeper", f"--docker-password={password}")
    here.apply(running("denied", image), running("mistaken", image, imagePullSecrets=[{"name": "wrong"}]),
               running("lost", image, imagePullSecrets=[{"name": "gone"}]))
    for name in ("denied", "mistaken", "lost"):
        here.until_shown(name, "ImagePullBackOff")
        assert "ErrImagePull: " in waiting(here, name)["message"]
        assert "unauthorized" in waiting(here, name)["message"]
    assert any(reason == "FailedToRetrieveImagePullSecret" for reason, _ in messages(here, "lost"))
    here.apply(running("good", image, imagePullSecrets=[{"name": "wrong"}, {"name": "login"}]))
    here.until_ready("good")
    said = dict(messages(here, "good"))
    assert said["Pulling"] == f'Pulling image "{image}"'
    assert said["Pulled"].startswith(f'Successfully pulled image "{image}" in ')
    # The image is there now, and those who need no registry use it.
    here.until_ready("denied", "mistaken", "lost")


def test_a_service_account_brings_its_secrets(here: Within, registry: Registry, serial: str) -> None:
    registry.users["keeper"] = "right"
    registry.add("team/app", serial, content(serial), ARCHITECTURE)
    here.kubectl("create", "secret", "docker-registry", "login", "--docker-server=*.home:5000",
                 "--docker-username=keeper", "--docker-password=right")
    here.kubectl("create", "serviceaccount", "puller")
    here.kubectl("patch", "serviceaccount", "puller", "-p", '{"imagePullSecrets": [{"name": "login"}]}')
    here.apply(running("web", f"{HOST}/team/app:{serial}", serviceAccountName="puller"))
    here.until_ready("web")


def test_a_digest_pins_an_image_and_always_follows_its_tag(here: Within, registry: Registry, serial: str) -> None:
    first = registry.add("team/app", serial, content(serial), ARCHITECTURE)
    tag = f"{HOST}/team/app:{serial}"
    here.apply(running("first", tag, policy="Always"))
    here.until_ready("first")
    registry.add("team/app", serial, content("newer"), ARCHITECTURE)
    here.apply(running("follows", tag, policy="Always"), running("stays", tag),
               running("pinned", f"{tag}@{first}", policy="Always"))
    here.until_ready("follows", "stays", "pinned")
    assert "newer" in here.kubectl("exec", "follows", "--", "sh", "-c", "echo /bin/*")
    for name in ("stays", "pinned"):
        assert serial in here.kubectl("exec", name, "--", "sh", "-c", "echo /bin/*") or name == "stays"


def test_pods_that_need_an_image_at_once_fetch_it_once(here: Within, registry: Registry, serial: str) -> None:
    registry.add(f"team/{serial}", "1", content(serial), ARCHITECTURE)
    registry.go_on.clear()
    here.apply(*(running(f"web-{number}", f"{HOST}/team/{serial}:1") for number in range(4)))
    registry.stalled.wait(20)
    until(lambda: all("Pulling" in here.reasons(f"web-{number}") for number in range(4)), 10, "not all pull")
    registry.go_on.set()
    here.until_ready(*(f"web-{number}" for number in range(4)))
    assert registry.pulls(f"team/{serial}") == 2  # its layer and its configuration


def test_a_pull_of_a_deleted_pod_is_given_up(here: Within, registry: Registry, serial: str) -> None:
    registry.add(f"team/{serial}", "1", content(serial), ARCHITECTURE)
    registry.go_on.clear()
    here.apply(running("web", f"{HOST}/team/{serial}:1"))
    assert registry.stalled.wait(20)
    here.kubectl("delete", "pod", "web", "--timeout=20s")
    assert registry.given_up.wait(20)
    registry.go_on.set()
    assert serial not in here.rack.edgectl("image", "ls", "--node", "node-1").stdout


def test_a_registry_that_is_away_and_one_that_comes_back(here: Within, registry: Registry, serial: str) -> None:
    registry.add("team/app", serial, content(serial), ARCHITECTURE)
    image = f"{HOST}/team/app:{serial}"
    here.apply(running("first", image))
    here.until_ready("first")
    registry.refuse = 503
    here.apply(running("always", image, policy="Always"), running("present", image))
    here.until_ready("present")
    here.until_shown("always", "ImagePullBackOff")
    text = waiting(here, "always")["message"]
    assert text.startswith(f'Back-off pulling image "{image}": RegistryUnavailable: image pull failed for {image} '
                           "because the registry is unavailable: ")
    assert "imagePullPolicy IfNotPresent would use it" in text
    registry.refuse = 0
    here.until_ready("always", seconds=60)


def test_a_typo_is_corrected_without_waiting(here: Within, registry: Registry, serial: str) -> None:
    registry.add("team/app", serial, content(serial), ARCHITECTURE)
    here.apply(running("web", f"{HOST}/team/typo:{serial}"))
    here.until_shown("web", "ImagePullBackOff")
    assert "manifest unknown" in waiting(here, "web")["message"]
    here.kubectl("set", "image", "pod/web", f"main={HOST}/team/app:{serial}")
    here.until_ready("web", seconds=8)


def test_images_for_other_machines_are_named(here: Within, registry: Registry, serial: str) -> None:
    other = registry.add("team/many", "other", content(serial), OTHER)
    registry.add_list("team/many", serial, {OTHER: other})
    foreign = bytearray(podman_service.BUSYBOX.read_bytes())
    registry.add("team/foreign", serial, _foreign_layer(foreign), OTHER)
    here.apply(running("many", f"{HOST}/team/many:{serial}"), running("one", f"{HOST}/team/foreign:{serial}"))
    here.until_shown("many", "ImagePullBackOff")
    text = waiting(here, "many")["message"]
    assert f"(it is for {OTHER}). The image has no variant for this node ({ARCHITECTURE}): use another tag" in text
    here.until_shown("one", "CrashLoopBackOff", 30)
    said = dict(messages(here, "one"))["ImageArchitectureMismatch"]
    assert f"is for {OTHER} and this node is {ARCHITECTURE}" in said
    last = here.get("pod", "one")["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert last["message"].startswith("exec format error: a program of image ")


def _foreign_layer(program: bytearray) -> bytes:
    """Return a layer whose shell is a program for a machine nobody has."""
    program[18:20] = b"\xff\x7f"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("bin", "proc", "sys", "dev", "etc", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        entry = tarfile.TarInfo("bin/sh")
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(bytes(program)))
    return out.getvalue()


class TestByHand:
    """`edgectl image` on a rack without a registry."""

    @pytest.fixture
    def name(self, serial: str) -> str:
        return f"localhost/byhand:{serial}"

    @pytest.fixture
    def archive(self, tmp_path: Path, name: str, serial: str) -> Path:
        path = tmp_path / "image.tar"
        path.write_bytes(image_archive(name, programs=(*PROGRAMS, serial)))
        return path

    def images(self, rack: Rack, name: str) -> dict[str, Any]:
        """Return the image of that name by node."""
        found = json.loads(rack.edgectl("image", "ls", "-o", "json").stdout)
        return {node["name"]: image for node in found["nodes"] for image in node["images"] if name in image["names"]}

    def test_an_image_is_loaded_used_kept_while_it_is_and_removed(
        self, here: Within, archive: Path, name: str
    ) -> None:
        rack = here.rack
        here.apply(running("web", name, node="node-2", policy="Never"))
        here.until_shown("web", "ErrImageNeverPull")
        loaded = rack.edgectl("image", "load", str(archive)).stdout
        assert sorted(loaded.splitlines()) == sorted(f"{node}: loaded {name}" for node in ("master", *WORKERS))
        here.until_ready("web", seconds=10)
        again = rack.edgectl("image", "load", str(archive)).stdout
        assert sorted(again.splitlines()) == sorted(f"{node}: has {name}" for node in ("master", *WORKERS))
        there = self.images(rack, name)
        assert set(there) == {"master", *WORKERS}
        assert [node for node, image in there.items() if image["inUse"]] == ["node-2"]
        assert there["node-2"]["pods"] == [f"{here.namespace}/web"]
        until(lambda: any(name in image["names"] for image in rack.get("node", "node-3")["status"]["images"]), 10,
              "the node does not tell of the image")
        refused = rack.edgectl("image", "rm", name, check=False)
        assert refused.returncode == 1
        assert f'node-2: image "{name}" is in use by {here.namespace}/web' in refused.stderr
        assert set(self.images(rack, name)) == {"node-2"}
        here.kubectl("delete", "pod", "web", "--timeout=10s")
        until(lambda: rack.edgectl("image", "rm", name, check=False).returncode == 0, 10, "it is still in use")
        assert self.images(rack, name) == {}
        assert "no node has" in rack.edgectl("image", "rm", name, check=False).stderr

    def test_from_standard_input_on_one_node_and_pruned(self, rack: Rack, archive: Path, name: str) -> None:
        text = 'cat "$1" | "$2" -m edge.edgectl.main image load --node node-3 -'
        rack.run("sh", "-c", text, "sh", str(archive), sys.executable)
        assert set(self.images(rack, name)) == {"node-3"}
        shown = rack.edgectl("image", "prune", "--node", "node-3", "--dry-run").stdout
        assert name in shown
        assert set(self.images(rack, name)) == {"node-3"}
        rack.edgectl("image", "prune", "--node", "node-3", "--yes")
        assert self.images(rack, name) == {}
        rack.edgectl("image", "load", str(LAB.state / "hello.tar"), "--node", "node-3")

    def test_a_node_that_is_away_is_named_and_the_others_are_served(
        self, rack: Rack, archive: Path, name: str
    ) -> None:
        switch("node-3", on=False)
        try:
            result = rack.edgectl("image", "load", str(archive), check=False)
            assert "node-3" in result.stderr
            for node in ("master", "node-1", "node-2"):
                assert f"{node}: loaded {name}" in result.stdout
        finally:
            switch("node-3", on=True)
            rack.until_back("node-3")
        rack.edgectl("image", "rm", name)

    def test_what_is_no_archive_is_said_in_one_sentence(self, rack: Rack, tmp_path: Path) -> None:
        (tmp_path / "odd.tar").write_bytes(b"no archive")
        result = rack.edgectl("image", "load", str(tmp_path / "odd.tar"), check=False)
        assert result.returncode == 1
        assert result.stderr.startswith(f"error: {tmp_path}/odd.tar: is no image archive")


def test_a_disk_that_is_too_full_loses_the_images_that_nobody_uses(
    rack: Rack, here: Within, tmp_path: Path, serial: str
) -> None:
    names = [f"localhost/{kind}:{serial}" for kind in ("unused", "used", "pinned")]
    for name in names:
        path = tmp_path / "image.tar"
        path.write_bytes(image_archive(name, programs=(*PROGRAMS, name.split("/")[1].replace(":", "-"))))
        rack.edgectl("image", "load", str(path), "--node", "node-1")
    here.apply(running("web", names[1]))
    here.until_ready("web")
    settings = LAB.directory("node-1") / "etc/agent.toml"
    before = settings.read_text()
    pinned = f'pinned_images = ["{names[2]}", "localhost/hello:*"]\n'
    settings.write_text(f"image_gc_high_percent = 1\nimage_gc_low_percent = 0\n{pinned}{before}")
    try:
        rack.kill("node-1", "edge-agent")

        def there() -> str:
            return rack.edgectl("image", "ls", "--node", "node-1").stdout

        until(lambda: names[0] not in there() and names[1] in there(), 30, "the unused image is still there")
        assert names[2] in there()
        until(lambda: "FreeDiskSpaceFailed" in rack.kubectl("get", "events", "-A"), 10, "no event")
    finally:
        settings.write_text(before)
        rack.kill("node-1", "edge-agent")
    here.kubectl("delete", "pod", "web", "--timeout=20s")
    for name in names[1:]:  # the agent is just starting, and the container just ending
        removal = ("image", "rm", name, "--node", "node-1")
        until(functools.partial(_works, rack, removal), 20, f"{name} is still there")


def _works(rack: Rack, command: tuple[str, ...]) -> bool:
    return rack.edgectl(*command, check=False).returncode == 0
