"""Pulls for many pods on a fake engine: a few at once, each image once, given up when nobody waits."""

from __future__ import annotations

import asyncio

import pytest

from edge.agent.actions import PullImage
from edge.agent.image_pulls import Outcome, Pulls
from edge.runtime.containers import (
    Credentials,
    DiskFull,
    EngineAway,
    Image,
    ImageNotFound,
    RuntimeFailure,
    WrongArchitecture,
)
from tests.fakes.clock import FakeClock, settle
from tests.fakes.runtime import FakeRuntime

GOOD, BAD = Credentials("good", "g"), Credentials("bad", "b")


class Node:
    """An engine whose registry has the images a to d."""

    def __init__(self, most: int = 2) -> None:
        self.clock = FakeClock()
        self.runtime = FakeRuntime(self.clock)
        self.full = 0
        for name in "abcd":
            self.runtime.registry[name] = Image(id=name * 64, names=(name,), size_bytes=7)
        self.pulls = Pulls(self.runtime, self.clock, most, architecture=lambda: "arm64", full=self._is_full)

    def _is_full(self) -> None:
        self.full += 1

    def begin(self, name: str, *credentials: Credentials, look_first: bool = False) -> asyncio.Task[Outcome]:
        return asyncio.create_task(self.pulls.run(PullImage("web", 0, name, credentials, look_first=look_first)))

    def asked(self) -> list[str]:
        return [call.split()[1] for call in self.runtime.calls if call.startswith("pull ")]


async def test_an_image_that_many_want_is_fetched_once_and_each_hears_of_it() -> None:
    node = Node()
    node.runtime.pulling.clear()
    waiting = [node.begin("a") for _ in range(5)]
    await settle()
    node.clock.advance(2.5)
    late = node.begin("a")
    await settle()
    node.clock.advance(1)
    node.runtime.pulling.set()
    outcomes = await asyncio.gather(*waiting, late)
    assert node.asked() == ["a"]
    assert {outcome.said for outcome in outcomes[:5]} == {
        'Successfully pulled image "a" in 3.5s (3.5s including waiting). Image size: 7 bytes.'}
    assert outcomes[5].said == 'Successfully pulled image "a" in 3.5s (1s including waiting). Image size: 7 bytes.'
    assert all(outcome.fetched for outcome in outcomes)
    await node.begin("a")
    assert node.asked() == ["a", "a"]


@pytest.mark.parametrize(("most", "first"), [(1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"])])
async def test_only_a_few_are_fetched_at_once_and_in_order(most: int, first: list[str]) -> None:
    node = Node(most)
    node.runtime.pulling.clear()
    waiting = [node.begin(name) for name in "abcd"]
    await settle()
    assert node.asked() == first
    node.clock.advance(1)
    node.runtime.pulling.set()
    outcomes = await asyncio.gather(*waiting)
    assert node.asked() == list("abcd")
    assert "in 0s (1s including waiting)" in outcomes[3].said


async def test_a_pull_that_nobody_waits_for_is_given_up_and_makes_room() -> None:
    node = Node(1)
    node.runtime.pulling.clear()
    two, other = [node.begin("a"), node.begin("a")], node.begin("b")
    await settle()
    two[0].cancel()
    await settle()
    assert node.asked() == ["a"]
    two[1].cancel()
    await settle()
    assert node.asked() == ["a", "b"]
    again = node.begin("a")
    await settle()
    node.runtime.pulling.set()
    assert (await other).image is not None
    assert (await again).image is not None
    assert node.asked() == ["a", "b", "a"]


async def test_one_that_waits_for_its_turn_can_be_given_up() -> None:
    node = Node(1)
    node.runtime.pulling.clear()
    first, second = node.begin("a"), node.begin("b")
    await settle()
    second.cancel()
    await settle()
    node.runtime.pulling.set()
    assert (await first).image is not None
    assert node.asked() == ["a"]
    assert (await node.begin("c")).image is not None


async def test_a_failure_is_told_to_all_who_wait_and_the_next_one_asks_anew() -> None:
    node = Node()
    node.runtime.pulling.clear()
    waiting = [node.begin("none") for _ in range(3)]
    await settle()
    node.runtime.pulling.set()
    assert {(await each).reason for each in waiting} == {"ErrImagePull"}
    node.runtime.registry["none"] = node.runtime.registry["a"]
    assert (await node.begin("none")).image is not None


async def test_credentials_are_tried_one_after_the_other() -> None:
    node = Node()
    node.runtime.passwords["a"] = GOOD
    assert (await node.begin("a", BAD, GOOD)).image is not None
    assert node.asked() == ["a", "a"]
    denied = await node.begin("a", BAD)
    assert (denied.reason, denied.message.count("unauthorized")) == ("ErrImagePull", 1)
    assert "b" not in denied.message.split()
    assert (await node.begin("a")).reason == "ErrImagePull"


async def test_other_credentials_wait_for_a_pull_of_their_own() -> None:
    """What one may see another must prove to be allowed."""
    node = Node()
    node.runtime.passwords["a"] = GOOD
    node.runtime.pulling.clear()
    good, without = node.begin("a", GOOD), node.begin("a")
    await settle()
    node.runtime.pulling.set()
    assert (await good).image is not None
    assert (await without).image is None


async def test_credentials_do_not_help_a_registry_that_is_away() -> None:
    node = Node()
    node.runtime.registry_away = True
    outcome = await node.begin("a", BAD, GOOD)
    assert outcome.reason == "RegistryUnavailable"
    assert node.asked() == ["a"]


async def test_an_image_that_came_meanwhile_is_good_enough_unless_always() -> None:
    node = Node()
    node.runtime.local["a"] = node.runtime.registry["a"]
    here = await node.begin("a", look_first=True)
    assert (here.said, here.fetched) == ('Container image "a" already present on machine', False)
    assert node.asked() == []
    node.runtime.registry_away = True
    always = await node.begin("a")
    assert always.reason == "RegistryUnavailable"
    assert always.message.endswith("; the image is on this node, and imagePullPolicy IfNotPresent would use it")


@pytest.mark.parametrize(("error", "reason", "words"), [
    (ImageNotFound("manifest unknown"), "ErrImagePull", "manifest unknown"),
    (EngineAway("podman does not answer"), "ErrImagePull", "podman does not answer"),
    (WrongArchitecture("no image found in image index for architecture arm64"), "ErrImagePull",
     "no image found in image index for architecture arm64. The image has no variant for this node (arm64): use "
     "another tag or image, or build it with `--platform linux/arm64`"),
    (DiskFull("write: no space left on device"), "ErrImagePull",
     "write: no space left on device. The disk of this node is full")])
async def test_what_went_wrong_is_said(error: RuntimeFailure, reason: str, words: str) -> None:
    node = Node()
    node.runtime.fail = lambda call: error if call == "pull a" else None
    outcome = await node.begin("a", look_first=True)
    assert (outcome.reason, outcome.message) == (reason, words)
    assert node.full == isinstance(error, DiskFull)
