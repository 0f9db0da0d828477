"""What every Runtime promises of devices: a container finds them where it was told, may use them, and lists them."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.runtime.containers import ContainerSpec, Device, Image, RuntimeFailure
from edge.runtime.interface import Runtime
from edge.runtime.podman import Podman
from tests.contracts import podman_service
from tests.fakes.runtime import FakeRuntime

IMAGE = "localhost/hello:latest"
NULL = os.makedev(1, 3)
GROUP = 4242


@dataclass
class Case:
    """A runtime, a spec of a container that sleeps, and whether commands run for real."""

    runtime: Runtime
    spec: ContainerSpec
    real: bool


@pytest.fixture(params=["fake", "podman"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    spec = ContainerSpec(pod_uid="uid-1", pod_name="web", namespace="default", name="main", attempt=0, spec_hash="h",
                         image="hello", image_id="", command=("sleep", "1000"), log_path=str(tmp_path / "main/0.log"))
    if request.param == "fake":
        fake = FakeRuntime(SystemClock())
        fake.registry["hello"] = Image(id="1" * 64, names=(IMAGE,))
        runtime: Runtime = fake
        await runtime.pull("hello")
    else:
        service: podman_service.PodmanService = request.getfixturevalue("podman")
        runtime = Podman(str(service.socket), SystemClock())

        async def archive() -> AsyncIterator[bytes]:
            yield podman_service.image_archive(IMAGE)

        await runtime.load(archive())
    image = await runtime.find_image("hello")
    assert image is not None
    async with podman_service.cleared(runtime):
        yield Case(runtime, replace(spec, image_id=image.id), request.param == "podman")


@pytest.fixture
def device() -> Iterator[Path]:
    """A second null device, for one group only."""
    path = Path("/dev/edge-test-contract")
    path.unlink(missing_ok=True)
    try:
        os.mknod(path, stat.S_IFCHR | 0o660, NULL)
    except PermissionError as error:
        pytest.skip(f"no device can be made here: {error}")
    path.chmod(0o660)
    os.chown(path, 0, GROUP)
    yield path
    path.unlink(missing_ok=True)


async def output(case: Case, script: str, spec: ContainerSpec) -> str:
    if not case.real:
        pytest.skip("the fake runs no commands")
    container_id = await case.runtime.create(spec)
    await case.runtime.start(container_id)
    result = await case.runtime.exec(container_id, ("sh", "-c", script), 20)
    return result.output.decode()


async def test_labels_are_listed(case: Case) -> None:
    await case.runtime.create(replace(case.spec, labels={"edge.devices": "edge.pi/serial=ttyUSB0"}))
    (container,) = await case.runtime.list()
    assert container.labels["edge.devices"] == "edge.pi/serial=ttyUSB0"


async def test_a_label_does_not_change_whose_container_it_is(case: Case) -> None:
    await case.runtime.create(replace(case.spec, labels={"edge.pod.uid": "uid-2"}))
    (container,) = await case.runtime.list()
    assert container.pod_uid == "uid-1"


async def test_root_uses_a_device_under_several_paths(case: Case, device: Path) -> None:
    spec = replace(case.spec, devices=(Device(str(device), "/dev/one"), Device(str(device), "/dev/deep/two")))
    seen = await output(case, "echo x > /dev/one && echo x > /dev/deep/two && ls -l /dev/one /dev/deep/two", spec)
    assert seen.count("1,   3") == 2, seen


async def test_a_group_lets_another_user_in(case: Case, device: Path) -> None:
    spec = replace(case.spec, devices=(Device(str(device), str(device)),), user="1000:1000",
                   supplemental_groups=(GROUP,))
    assert await output(case, f"echo x > {device} && id -G", spec) == f"1000 {GROUP}\n"


async def test_without_the_group_another_user_stays_out(case: Case, device: Path) -> None:
    spec = replace(case.spec, devices=(Device(str(device), str(device)),), user="1000:1000")
    assert "denied" in await output(case, f"echo x > {device}; true", spec)


async def test_what_was_not_given_cannot_be_made(case: Case, device: Path) -> None:
    """The right to make nodes is no right to use them."""
    if not Path("/dev/loop-control").exists():
        pytest.skip("no /dev/loop-control here")
    spec = replace(case.spec, devices=(Device(str(device), str(device)),), capabilities_add=("MKNOD",))
    seen = await output(case, "busybox mknod /dev/mine c 10 237; cat /dev/mine; true", spec)
    assert "not permitted" in seen, seen


async def test_a_device_that_is_gone_is_named(case: Case) -> None:
    if not case.real:
        pytest.skip("the fake looks at no devices")
    with pytest.raises(RuntimeFailure, match="/dev/edge-test-gone"):
        await case.runtime.create(replace(case.spec, devices=(Device("/dev/edge-test-gone", "/dev/x"),)))
