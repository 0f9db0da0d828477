"""Which directories of local volumes are put away, and when they are removed for good."""

from __future__ import annotations

from edge.agent import local_volumes
from edge.api import core, meta
from edge.api import persistent_volume_sources as sources
from edge.bus import messages


def test_only_what_is_ordered_and_unused_is_put_away() -> None:
    found = local_volumes.plan(("pvc-a", "pvc-b", "pvc-c"), {"pvc-a", "pvc-b", "pvc-kept", ".removed"}, {"pvc-b"})
    assert found == local_volumes.Round(away=("pvc-a",), waiting=("pvc-b",), gone=("pvc-c",))


def test_names_that_are_none_of_ours_are_ignored() -> None:
    bad = ("..", ".removed", "pvc-../x", "pvc-a/b", "", "data", "pvc-", "pvc-a\n", "pvc-.", "/etc")
    assert local_volumes.plan(bad, set(bad), set()) == local_volumes.Round((), (), ())


def test_nothing_ordered_is_nothing_done() -> None:
    assert local_volumes.plan((), {"pvc-a"}, set()) == local_volumes.Round((), (), ())


def desired(*paths: str, host: bool = False) -> messages.DesiredPod:
    specs = (core.PersistentVolumeSpec(host_path=core.HostPathVolumeSource(path=path)) if host
             else core.PersistentVolumeSpec(local=sources.LocalVolumeSource(path=path)) for path in paths)
    claims = {f"c{number}": core.PersistentVolume(metadata=meta.ObjectMeta(name=f"v{number}"), spec=spec)
              for number, spec in enumerate(specs)}
    return messages.DesiredPod(revision="1", pod=core.Pod(), claims=claims)


def test_what_pods_have_is_known_by_the_paths_of_their_volumes() -> None:
    pods = [desired("/var/lib/edge/volumes/pvc-a", "/mnt/disk"), None, desired("/var/lib/edge/volumes/pvc-b/sub"),
            desired("/var/lib/edge/volumes/pvc-c", host=True), desired("/x/var/lib/edge/volumes/pvc-d"),
            messages.DesiredPod(revision="1", pod=core.Pod())]
    assert local_volumes.used_by(pods, "/var/lib/edge/volumes/") == {"pvc-a", "pvc-b", "pvc-c"}


def test_what_was_put_away_is_kept_its_time_and_goes_oldest_first_when_the_disk_is_full() -> None:
    seen = {"new": 500.0, "old": 100.0}
    assert local_volumes.overdue(seen, 1000.0, 950.0, 50.0) == ()
    assert local_volumes.overdue(seen, 1060.0, 950.0, 50.0) == ("old",)
    assert local_volumes.overdue(seen, 1000.0, 950.0, 85.0) == ("old",)
    assert local_volumes.overdue({}, 1000.0, 0.0, 100.0) == ()
    assert local_volumes.overdue(seen, 500.0, 0.0, 0.0) == ("old", "new")
