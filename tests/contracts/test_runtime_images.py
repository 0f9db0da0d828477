"""What every Runtime promises of images, on a private Podman service with a registry and on the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.runtime.containers import (
    ContainerSpec,
    Credentials,
    Image,
    ImageInUse,
    ImageNotFound,
    InvalidImageName,
    RegistryDenied,
    RegistryUnavailable,
    RuntimeFailure,
    WrongArchitecture,
)
from edge.runtime.interface import Runtime
from edge.runtime.podman import Podman
from tests.contracts import podman_service
from tests.fakes import registry as registries
from tests.fakes.registry import Registry
from tests.fakes.runtime import FakeRuntime

KEEPER = Credentials("keeper", "secret")
OTHER = {"amd64": "arm64", "arm64": "amd64"}.get(podman_service.ARCHITECTURE, "amd64")


@dataclass
class Case:
    """A runtime beside a registry that has `name`."""

    runtime: Runtime
    host: str
    fake: FakeRuntime | None = None

    @property
    def name(self) -> str:
        return f"{self.host}/team/app:1"

    def ask_for_password(self, registry: Registry | None) -> None:
        if self.fake is not None:
            self.fake.passwords[self.name] = KEEPER
        if registry is not None:
            registry.users[KEEPER.username] = KEEPER.password


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[podman_service.PodmanService, Registry]]:
    if reason := podman_service.missing():
        pytest.skip(f"no Podman: {reason}")
    with registries.serving() as registry:
        configuration = f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n'
        with podman_service.running(configuration) as service:
            yield service, registry


@pytest.fixture
def registry(shared: tuple[podman_service.PodmanService, Registry]) -> Iterator[Registry]:
    """The registry as new, with the repository team/app."""
    found = shared[1]
    found.manifests.clear()
    found.blobs.clear()
    found.requests.clear()
    found.users.clear()
    found.stalled.clear()
    found.given_up.clear()
    found.add("team/app", "1", layer(), podman_service.ARCHITECTURE)
    yield found
    found.refuse = 0
    found.go_on.set()


@pytest.fixture
async def podman(shared: tuple[podman_service.PodmanService, Registry], registry: Registry) -> AsyncIterator[Podman]:
    runtime = Podman(str(shared[0].socket), SystemClock())
    async with podman_service.cleared(runtime):
        yield runtime
        for image in await runtime.images():
            await runtime.remove_image(image.id, force=True)
        assert await runtime.images() == ()


@pytest.fixture(params=["fake", "podman"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "fake":
        fake = FakeRuntime(SystemClock())
        made = Case(fake, "registry:5000", fake)
        fake.registry[made.name] = Image(id="1" * 64, names=(made.name,), architecture=podman_service.ARCHITECTURE)
        fake.directory = "/var/lib/images"
        return made
    return Case(request.getfixturevalue("podman"), request.getfixturevalue("registry").host)


def layer(*programs: str) -> bytes:
    return podman_service.layer(programs or ("sh", "sleep"))


def spec(image: Image, tmp_path: Path, name: str = "main") -> ContainerSpec:
    return ContainerSpec(
        pod_uid="uid-1", pod_name="web", namespace="default", name=name, attempt=0, spec_hash="h", image=image.names[0],
        image_id=image.id, command=("sleep", "1000"), log_path=str(tmp_path / f"{name}/0.log"),
    )  # fmt: skip


class TestPull:
    async def test_a_pulled_image_is_found_and_listed(self, case: Case) -> None:
        assert await case.runtime.find_image(case.name) is None
        image = await case.runtime.pull(case.name)
        assert (image.names, image.architecture, image.containers) == ((case.name,), podman_service.ARCHITECTURE, 0)
        assert await case.runtime.find_image(case.name) == image
        assert await case.runtime.images() == (image,)
        assert (await case.runtime.pull(case.name)).id == image.id

    async def test_credentials_that_are_wrong_missing_and_right(
        self, case: Case, request: pytest.FixtureRequest
    ) -> None:
        case.ask_for_password(None if case.fake else request.getfixturevalue("registry"))
        for credentials in (None, Credentials("keeper", "wrong")):
            with pytest.raises(RegistryDenied) as caught:
                await case.runtime.pull(case.name, credentials)
            assert "secret" not in str(caught.value)
            assert "wrong" not in str(caught.value)
        assert (await case.runtime.pull(case.name, KEEPER)).names == (case.name,)

    async def test_what_the_registry_does_not_have(self, case: Case) -> None:
        with pytest.raises(ImageNotFound) as caught:
            await case.runtime.pull(f"{case.host}/team/app:2")
        assert f"{case.host}/team/app:2" in str(caught.value)
        assert not isinstance(caught.value, RegistryDenied)

    @pytest.mark.parametrize("name", ["localhost/WRONG:1", "a b", "x:y:z"])
    async def test_a_name_that_is_none(self, case: Case, name: str) -> None:
        with pytest.raises(InvalidImageName):
            await case.runtime.pull(name)

    async def test_a_registry_that_is_away(self, case: Case, request: pytest.FixtureRequest) -> None:
        if case.fake is not None:
            case.fake.registry_away = True
        else:
            request.getfixturevalue("registry").refuse = 503
        with pytest.raises(RegistryUnavailable):
            await case.runtime.pull(case.name)

    async def test_a_digest_pins_and_the_tag_beside_it_is_ignored(self, podman: Podman, registry: Registry) -> None:
        first = registry.manifests["team/app", "1"]
        pin = f"{registry.host}/team/app@{registries.digest(first[1])}"
        registry.add("team/app", "1", layer("cat"), podman_service.ARCHITECTURE)
        pinned = await podman.pull(pin)
        newest = await podman.pull(f"{registry.host}/team/app:1")
        assert pinned.id != newest.id
        assert pin in pinned.digests
        assert pinned.names == ()
        both = pin.replace("@", ":1@")
        assert (await podman.pull(both)).id == pinned.id
        found = await podman.find_image(both)
        assert found is not None
        assert found.id == pinned.id

    async def test_a_list_gives_the_image_for_this_machine(self, podman: Podman, registry: Registry) -> None:
        own = registry.add("team/multi", "own", layer(), podman_service.ARCHITECTURE)
        other = registry.add("team/multi", "other", layer(), OTHER)
        registry.add_list("team/multi", "all", {OTHER: other, podman_service.ARCHITECTURE: own})
        image = await podman.pull(f"{registry.host}/team/multi:all")
        assert image.architecture == podman_service.ARCHITECTURE

    async def test_a_list_without_this_machine(self, podman: Podman, registry: Registry) -> None:
        other = registry.add("team/multi", "other", layer(), OTHER)
        registry.add_list("team/multi", "one", {OTHER: other})
        with pytest.raises(WrongArchitecture) as caught:
            await podman.pull(f"{registry.host}/team/multi:one")
        assert f"architecture {podman_service.ARCHITECTURE}" in str(caught.value)
        assert str(caught.value).endswith(f" (it is for {OTHER})")

    async def test_an_image_for_another_machine_says_so(self, podman: Podman, registry: Registry) -> None:
        registry.add("team/foreign", "1", layer(), OTHER)
        assert (await podman.pull(f"{registry.host}/team/foreign:1")).architecture == OTHER

    async def test_a_pull_that_is_cancelled_is_given_up(self, podman: Podman, registry: Registry) -> None:
        registry.go_on.clear()
        pull = asyncio.create_task(podman.pull(f"{registry.host}/team/app:1"))
        await asyncio.to_thread(registry.stalled.wait, 20)
        pull.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pull
        assert await asyncio.to_thread(registry.given_up.wait, 20)
        registry.go_on.set()
        assert await podman.find_image(f"{registry.host}/team/app:1") is None
        assert (await podman.pull(f"{registry.host}/team/app:1")).names

    async def test_a_registry_that_stalls_holds_nobody_for_ever(
        self, shared: tuple[podman_service.PodmanService, Registry], registry: Registry
    ) -> None:
        registry.go_on.clear()
        hasty = Podman(str(shared[0].socket), SystemClock())
        hasty.stalled_seconds = 1.0
        async with asyncio.timeout(20):
            with pytest.raises(RuntimeFailure, match="no progress for 1 second"):
                await hasty.pull(f"{registry.host}/team/app:1")
        assert registry.stalled.is_set()
        await hasty.close()

    async def test_two_pulls_at_once(self, podman: Podman, registry: Registry) -> None:
        registry.add("team/other", "1", layer("cat"), podman_service.ARCHITECTURE)
        names = [f"{registry.host}/team/app:1", f"{registry.host}/team/other:1"]
        pulled = await asyncio.gather(*(podman.pull(name) for name in names))
        assert [image.names for image in pulled] == [(name,) for name in names]


class TestRemove:
    async def test_an_image_is_gone_and_then_nobody_minds(self, case: Case) -> None:
        image = await case.runtime.pull(case.name)
        await case.runtime.remove_image(case.name)
        assert await case.runtime.images() == ()
        await case.runtime.remove_image(case.name)
        await case.runtime.remove_image(image.id)

    async def test_an_image_in_use_stays_whole_unless_forced(self, case: Case, tmp_path: Path) -> None:
        image = await case.runtime.pull(case.name)
        await case.runtime.create(spec(image, tmp_path))
        assert [each.containers for each in await case.runtime.images()] == [1]
        for reference in (case.name, image.id):
            with pytest.raises(ImageInUse):
                await case.runtime.remove_image(reference)
        assert await case.runtime.find_image(case.name) == replace(image, containers=1)
        await case.runtime.remove_image(case.name, force=True)
        assert await case.runtime.images() == ()
        assert await case.runtime.list() == ()

    async def test_of_several_names_one_goes_and_by_the_id_all(self, podman: Podman, registry: Registry) -> None:
        registry.manifests["team/app", "2"] = registry.manifests["team/app", "1"]
        one, two = (f"{registry.host}/team/app:{tag}" for tag in "12")
        await podman.pull(one)
        image = await podman.pull(two)
        await podman.pull(image.digests[0])
        assert set(image.names) == {one, two}
        await podman.remove_image(one)
        assert await podman.find_image(one) is None
        assert await podman.find_image(two) is not None
        await podman.pull(one)
        await podman.remove_image(image.id)
        assert await podman.images() == ()


async def test_images_have_a_directory(case: Case) -> None:
    assert (await case.runtime.image_dir()).startswith("/")
