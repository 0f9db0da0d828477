"""What a broken store's messages mean."""

from __future__ import annotations

import pytest

from edge.runtime.repair import damaged_image, diagnose, image_list, is_layer_damage

ID = "00badd6c2253db1ed26c51c0bdd003ff07b1f57b58ebc997d21c2d4592fcec9f"


def test_a_damaged_image_is_named() -> None:
    text = f'retrieving label for image "{ID}": you may need to remove the image to resolve the error: layer not known'
    assert damaged_image(text) == ID
    assert damaged_image(f'image "{ID}" is in use') == ""
    assert damaged_image("") == ""


@pytest.mark.parametrize("text", [
    "Error: opening database /var/lib/containers/storage/libpod/bolt_state.db: invalid database",
    "Error: opening database /x/libpod/bolt_state.db: checksum error",
    "Error: opening database /x/db.sql: file is not a database",
    "unexpected fault address 0x7f\nfatal error: fault\ngoroutine 1 [running]:\ngo.etcd.io/bbolt.(*freelist).read(...)",
])
def test_a_database_that_cannot_be_opened_costs_the_containers_alone(text: str) -> None:
    damage = diagnose(text)
    assert damage is not None
    assert (damage.paths, damage.lost) == (("libpod/bolt_state.db", "db.sql"), "containers")


@pytest.mark.parametrize(("part", "lost"), [("containers/containers", "containers"), ("images/images", "images"),
                                            ("layers/layers", "images")])
def test_a_torn_list_is_the_only_thing_to_go(part: str, lost: str) -> None:
    path = f"/var/lib/containers/storage/overlay-{part}.json"
    damage = diagnose(f'Error: loading "{path}": unexpected end of JSON input')
    assert damage is not None
    assert (damage.paths, damage.lost) == ((path,), lost)


@pytest.mark.parametrize("text", [
    "", "Error: no space left on device", "panic: something else\ngoroutine 1 [running]:\nmain.main()",
    "Error: opening database /x/libpod/bolt_state.db: timeout", "a /x/overlay-images/images.json is fine",
    "Error: opening database /x/libpod/bolt_state.db: permission denied",
])
def test_what_may_pass_by_itself_costs_nothing(text: str) -> None:
    assert diagnose(text) is None


def test_missing_layers_are_told_from_other_refusals() -> None:
    assert is_layer_damage('creating container storage: creating read-write layer with ID "1c": Stat '
                           "/s/overlay/eb/diff: no such file or directory")
    assert not is_layer_damage('creating container storage: creating read-write layer with ID "1c": no space left')
    said = 'creating container storage: creating read-write layer with ID "1c": no such file or directory'
    assert not is_layer_damage(f'conflict in specified mounts - multiple mounts at "/{said}": duplicate mount')
    assert not is_layer_damage("no such file or directory")


def test_the_list_of_images_is_looked_for_in_each_kind_of_store() -> None:
    assert "/s/overlay-images/images.json" in image_list("/s")
