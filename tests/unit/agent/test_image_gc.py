"""Which images go when the disk fills up."""

from __future__ import annotations

from edge.agent import image_gc
from edge.agent.image_gc import Disk, Policy, Seen
from edge.runtime.containers import Image

POLICY = Policy()
A, B, C = (Image(id=letter, names=(f"localhost/{letter}:1",), size_bytes=100) for letter in "abc")
OLD = {image.id: Seen(float("-inf")) for image in (A, B, C)}


def ids(images: tuple[Image, ...]) -> str:
    return "".join(image.id for image in images)


def test_nothing_is_freed_below_the_high_threshold_and_then_down_to_the_low_one() -> None:
    assert image_gc.to_free(Disk(1000, 160), POLICY) == 0
    assert image_gc.to_free(Disk(1000, 150), POLICY) == 50
    assert image_gc.to_free(Disk(1000, 0), POLICY) == 200
    assert Disk(1000, 151).used_percent == 85
    assert image_gc.to_free(Disk(1000, 0), Policy(high_percent=100, low_percent=80)) == 0
    assert image_gc.to_free(Disk(0, 0), POLICY) == 0


def test_images_found_at_the_start_are_old_and_later_ones_new() -> None:
    first = image_gc.observe({}, (A,), (), 10.0, first=True)
    assert ids(image_gc.removable((A,), first, (), POLICY, 10.0)) == "a"
    later = image_gc.observe(first, (A, B), (), 100.0)
    assert ids(image_gc.removable((A, B), later, (), POLICY, 219.0)) == "a"
    assert ids(image_gc.removable((A, B), later, (), POLICY, 220.0)) == "ab"


def test_what_was_used_longest_ago_goes_first() -> None:
    seen = image_gc.observe(OLD, (A, B, C), {"a", "c"}, 10.0)
    seen = image_gc.observe(seen, (A, B, C), {"a"}, 20.0)
    assert ids(image_gc.removable((A, B, C), seen, (), POLICY, 1000.0)) == "bca"


def test_what_is_in_use_or_was_a_moment_ago_stays() -> None:
    seen = image_gc.observe(OLD, (A, B, C), {"a", "b"}, 1000.0)
    assert ids(image_gc.removable((A, B, C), seen, {"a"}, POLICY, 1000.0)) == "c"
    assert ids(image_gc.removable((A, B, C), seen, {"a"}, POLICY, 1120.0)) == "cb"


def test_pinned_images_never_go() -> None:
    pinned = Policy(pinned=("localhost/a:*", "docker.io/*@sha256:ff"))
    by_digest = Image(id="d", names=("docker.io/library/d:1",), digests=("docker.io/library/d@sha256:ff",))
    seen = image_gc.observe({}, (A, B, by_digest), (), 0.0, first=True)
    assert ids(image_gc.removable((A, B, by_digest), seen, (), pinned, 1000.0)) == "b"
    assert image_gc.is_pinned(A, pinned)
    assert not image_gc.is_pinned(B, pinned)


def test_an_image_that_nobody_has_looked_at_stays_and_one_that_is_gone_is_forgotten() -> None:
    assert image_gc.removable((A,), {}, (), POLICY, 1000.0) == ()
    assert set(image_gc.observe(OLD, (A,), (), 1.0)) == {"a"}
    back = image_gc.observe(image_gc.observe(OLD, (A,), (), 1.0), (A, B), (), 2.0)
    assert back["b"] == Seen(2.0)


def test_too_little_in_the_kubelets_words() -> None:
    assert image_gc.too_little(50, 7) == (
        "Failed to garbage collect required amount of images. Attempted to free 50 bytes, but only found 7 bytes "
        "eligible to free.")
