"""The engine's JSON as values."""

from __future__ import annotations

import pytest

from edge.runtime import states
from edge.runtime.containers import State

LABELS = {"edge.pod.uid": "u", "edge.container.name": "main", "edge.container.attempt": "2", "edge.spec.hash": "h"}
ROW = {
    "Id": "abc", "Labels": LABELS, "State": "running", "Image": "docker.io/library/hello:latest", "ImageID": "def",
    "Created": "2024-05-01T10:00:00.123456789Z", "StartedAt": 1714557601, "ExitedAt": -62135596800, "ExitCode": 0,
    "Pid": 42,
}  # fmt: skip


def test_a_running_container() -> None:
    container = states.container(ROW)
    assert container is not None
    assert (container.pod_uid, container.name, container.attempt, container.state) == ("u", "main", 2, State.RUNNING)
    assert (container.created_at, container.started_at) == ("2024-05-01T10:00:00Z", "2024-05-01T10:00:01Z")
    assert (container.finished_at, container.pid) == ("", 42)


def test_an_ended_container_has_the_details_of_its_inspection() -> None:
    details = {"State": {"OOMKilled": True, "StartedAt": "2024-05-01T12:00:01.5+02:00",
                         "FinishedAt": "2024-05-01T10:00:09Z"}}  # fmt: skip
    container = states.container(ROW | {"State": "exited", "ExitCode": 137}, states.ending(details))
    assert container is not None
    assert (container.state, container.exit_code, container.oom_killed) == (State.EXITED, 137, True)
    assert (container.started_at, container.finished_at) == ("2024-05-01T10:00:01Z", "2024-05-01T10:00:09Z")


@pytest.mark.parametrize(
    ("word", "state"),
    [("configured", State.CREATED), ("created", State.CREATED), ("initialized", State.CREATED),
     ("paused", State.RUNNING), ("stopping", State.RUNNING), ("Exited", State.EXITED), ("stopped", State.EXITED),
     ("removing", State.UNKNOWN), ("new word", State.UNKNOWN), ("", State.UNKNOWN)],
)  # fmt: skip
def test_states(word: str, state: State) -> None:
    assert states.state_of({"State": word}) is state


def test_containers_of_others_are_not_ours() -> None:
    assert states.container(ROW | {"Labels": None}) is None
    assert states.container(ROW | {"Labels": {"edge.pod.uid": "u"}}) is None


@pytest.mark.parametrize("text", ["", "0001-01-01T00:00:00Z", "soon"])
def test_times_that_have_not_happened(text: str) -> None:
    assert states.when(text) == ""


def test_images() -> None:
    image = states.image({"Id": "sha256:abc", "Names": None, "RepoTags": ["a:1"], "RepoDigests": None, "Size": 7})
    assert (image.id, image.names, image.size_bytes, image.digests) == ("abc", ("a:1",), 7, ())


@pytest.mark.parametrize("uid", ["", ".", "..", "../../etc", "a/b", "a\nb", "x" * 300])
def test_a_pod_whose_uid_would_lead_out_of_its_directory_is_none_of_ours(uid: str) -> None:
    assert states.container({**ROW, "Labels": {**LABELS, "edge.pod.uid": uid}}) is None
    assert states.container({**ROW, "Labels": {**LABELS, "edge.container.name": uid}}) is None
