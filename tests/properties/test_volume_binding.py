"""Whatever the caches show and wherever a plan is cut off, no volume is ever given to two claims."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge.api import core, meta, volume_binding
from edge.controllers import interface, persistent_volume
from edge.controllers.settings import Settings
from tests.fakes.storage_world import StorageWorld, claim, volume

CONTROLLER = persistent_volume.controller(Settings())
SIZES = ("1Gi", "2Gi", "3Gi")
KINDS: tuple[type[meta.Object], ...] = (core.PersistentVolumeClaim, core.PersistentVolume)
STEPS = st.lists(st.tuples(
    st.sampled_from(["claim", "claim", "volume", "see claims", "see volumes", "see", "delete claim", "make claim",
                     "make volume", "free volume"]),
    st.integers(0, 5), st.integers(0, 3)), max_size=80)


def happen(world: StorageWorld, what: str, which: int, cut: int) -> None:
    """Let one thing happen; plans are cut off after `cut` actions (3: not at all)."""
    if what in ("claim", "volume"):
        found = world.all(KINDS[what == "volume"])
        if found:
            world.run(CONTROLLER, interface.key_of(found[which % len(found)]), cut=None if cut == 3 else cut)
    elif what.startswith("see"):
        world.catch_up(*{"see claims": KINDS[:1], "see volumes": KINDS[1:], "see": ()}[what])
    elif what == "make claim" and (core.PersistentVolumeClaim, "default", f"c{which}") not in world._objects:
        world.put(claim(f"c{which}", SIZES[cut % 3], uid=f"uid-{what}-{which}-{world._count}"))
    elif what == "make volume" and (core.PersistentVolume, "", f"v{which}") not in world._objects:
        world.put(volume(f"v{which}", SIZES[cut % 3], kept_for=(f"c{which}", "") if cut == 0 else None))
    elif what == "delete claim" and world.true(core.PersistentVolumeClaim):
        claims = world.true(core.PersistentVolumeClaim)
        world.remove(claims[which % len(claims)])
    elif what == "free volume":
        for disk in world.true(core.PersistentVolume):
            if disk.status.phase == "Released" and not owner(world, disk):
                world.put(msgspec.structs.replace(disk, spec=msgspec.structs.replace(disk.spec, claim_ref=None)))


def owner(world: StorageWorld, disk: core.PersistentVolume) -> str:
    ref = disk.spec.claim_ref
    return next((each.metadata.name for each in world.true(core.PersistentVolumeClaim)
                 if ref is not None and ref.uid == each.metadata.uid), "")


def check(world: StorageWorld) -> None:
    """Fail when two claims have one volume, or one claim has two."""
    claims = world.true(core.PersistentVolumeClaim)
    disks = {disk.metadata.name: disk for disk in world.true(core.PersistentVolume)}
    holders = [each.spec.volume_name for each in claims if volume_binding.BIND_COMPLETED in each.metadata.annotations]
    assert len(holders) == len(set(holders)), "one volume, two claims"
    for each in claims:
        if volume_binding.BIND_COMPLETED in each.metadata.annotations:
            ref = disks[each.spec.volume_name].spec.claim_ref
            assert ref is not None
            assert ref.uid == each.metadata.uid, "the volume says who has it"


@given(steps=STEPS, asked=st.lists(st.sampled_from(SIZES), min_size=2, max_size=4),
       there=st.lists(st.sampled_from(SIZES), min_size=1, max_size=3))
def test_no_volume_is_ever_given_to_two_claims(steps: list[tuple[str, int, int]], asked: list[str],
                                               there: list[str]) -> None:
    world = StorageWorld(*(claim(f"c{number}", size) for number, size in enumerate(asked)),
                         *(volume(f"v{number}", size) for number, size in enumerate(there)), lags=True)
    for what, which, cut in steps:
        happen(world, what, which, cut)
        check(world)
    world.lags = False
    for _ in range(30):
        before = world._count
        for kind in KINDS:
            for obj in world.all(kind):
                world.run(CONTROLLER, interface.key_of(obj))
                check(world)
        if world._count == before:
            break
    else:
        raise AssertionError("no rest")
    free = [disk for disk in world.true(core.PersistentVolume) if disk.status.phase == "Available"
            and disk.spec.claim_ref is None]
    for each in world.true(core.PersistentVolumeClaim):
        if each.status.phase != "Bound":
            assert volume_binding.best(each, free) is None, "a volume that fits is free"
