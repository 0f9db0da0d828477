"""A real Podman whose store a power cut has torn: what it says, and how it runs containers again."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.runtime.containers import ContainerSpec, Image, ImagesUnreadable, RuntimeFailure
from edge.runtime.podman import Podman
from edge.runtime.podman_care import PodmanCare
from tests.contracts import podman_service
from tests.contracts.podman_service import PodmanService

IMAGE = "localhost/hello:latest"


@dataclass
class Machine:
    """A machine with Podman that can lose its power."""

    service: PodmanService

    @property
    def store(self) -> Path:
        return self.service.directory / "root"

    def runtime(self) -> Podman:
        return Podman(str(self.service.socket), SystemClock())

    def care(self) -> PodmanCare:
        return PodmanCare(str(self.service.socket), str(self.store), podman=podman_service.command(self.service))

    def cut(self, tear: Callable[[Path], None]) -> None:
        """Cut the power and tear something of the store."""
        podman_service.power_cut(self.service)
        tear(self.store)

    def start(self) -> None:
        self.service = podman_service.power_on(self.service)


@pytest.fixture
def machine() -> Iterator[Machine]:
    if reason := podman_service.missing():
        pytest.skip(f"no Podman: {reason}")
    with podman_service.running() as service:
        made = Machine(service)
        yield made
        # The block ends the service that it began with.
        if made.service is not service:
            with contextlib.suppress(ProcessLookupError):
                podman_service.power_cut(made.service)


def spec(machine: Machine, image: Image) -> ContainerSpec:
    return ContainerSpec(pod_uid="uid-1", pod_name="web", namespace="default", name="main", attempt=0, spec_hash="h",
                         image="hello", image_id=image.id, command=("sleep", "1000"),
                         cgroup_parent=podman_service.cgroup_parent(machine.service))


async def load(runtime: Podman) -> Image:
    async def chunks() -> AsyncIterator[bytes]:
        yield podman_service.image_archive(IMAGE)

    await runtime.load(chunks())
    found = await runtime.find_image("hello")
    assert found is not None
    return found


async def fill(machine: Machine) -> Image:
    """Have one image and one running container."""
    runtime = machine.runtime()
    image = await load(runtime)
    await runtime.start(await runtime.create(spec(machine, image)))
    await runtime.close()
    return image


async def run_again(machine: Machine) -> None:
    """Run a container of the same name, loading the image first if it is gone."""
    runtime = machine.runtime()
    try:
        image = await runtime.find_image("hello") or await load(runtime)
        for container in await runtime.list():
            await runtime.remove(container.id)
        await runtime.start(await runtime.create(spec(machine, image)))
        (container,) = await runtime.list()
        assert container.state.value == "running"
    finally:
        await runtime.close()


def zero_database(store: Path) -> None:
    path = store / "libpod/bolt_state.db"
    path.write_bytes(bytes(path.stat().st_size))


def cut_database(store: Path) -> None:
    path = store / "libpod/bolt_state.db"
    os.truncate(path, 8300)  # little more than its two first pages


@pytest.mark.parametrize("tear", [zero_database, cut_database])
async def test_a_torn_database_is_set_aside_and_the_images_stay(machine: Machine,
                                                                tear: Callable[[Path], None]) -> None:
    await fill(machine)
    machine.cut(tear)
    with pytest.raises(RuntimeError):
        machine.start()
    care = machine.care()
    assert not await care.listens()
    damage = await care.examine()
    assert damage is not None
    assert damage.lost == "containers"
    assert await care.set_aside(damage) == (str(machine.store / "libpod/bolt_state.db"),)
    machine.start()
    runtime = machine.runtime()
    assert await runtime.list() == ()
    assert await runtime.find_image("hello") is not None, "the image was lost with the containers"
    await runtime.close()
    await run_again(machine)


async def test_a_whole_store_is_left_alone(machine: Machine) -> None:
    await fill(machine)
    machine.cut(lambda store: None)
    assert await machine.care().examine() is None
    machine.start()
    await run_again(machine)


def cut_layers(store: Path) -> None:
    path = next(store.glob("*-layers/layers.json"))
    os.truncate(path, path.stat().st_size // 2)


def remove_image_data(store: Path) -> None:
    for path in next(store.glob("*-images")).iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def cut_containers(store: Path) -> None:
    path = next(store.glob("*-containers/containers.json"))
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("tear", [cut_layers, remove_image_data, cut_containers])
async def test_lists_that_are_torn_are_mended_by_use(machine: Machine, tear: Callable[[Path], None]) -> None:
    await fill(machine)
    machine.cut(tear)
    machine.start()
    await run_again(machine)


def cut_images(store: Path) -> None:
    path = next(store.glob("*-images/images.json"))
    os.truncate(path, path.stat().st_size // 2)


async def test_a_torn_list_of_images_is_forgotten(machine: Machine) -> None:
    await fill(machine)
    machine.cut(cut_images)
    machine.start()
    runtime = machine.runtime()
    with pytest.raises(ImagesUnreadable):
        await runtime.images()
    await runtime.close()
    care = machine.care()
    (moved,) = await care.forget_images()
    assert moved.endswith("images.json")
    assert await care.end()
    machine.service.process.wait(10)
    machine.service.socket.unlink()
    machine.start()
    await run_again(machine)


async def test_an_image_whose_layers_are_gone_is_removed_and_can_be_loaded_again(machine: Machine) -> None:
    def remove_layers(store: Path) -> None:
        for path in (store / "overlay").iterdir():
            shutil.rmtree(path / "diff", ignore_errors=True)

    image = await fill(machine)
    if not (machine.store / "overlay").is_dir():
        pytest.skip("the store does not use overlay here")
    machine.cut(remove_layers)
    machine.start()
    runtime = machine.runtime()
    with pytest.raises(RuntimeFailure):
        await runtime.create(spec(machine, image))
    assert await runtime.find_image("hello") is None
    await runtime.close()
    await run_again(machine)


async def test_a_service_that_hangs_is_found_and_ended(machine: Machine) -> None:
    machine.service.process.send_signal(19)
    care = machine.care()
    assert await care.listens()
    assert "ended process" in await care.end()
    assert machine.service.process.wait(10) == -9
    assert not await care.listens()
    assert await care.end() == ""
    machine.service.socket.unlink()
    machine.start()
