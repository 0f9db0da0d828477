from __future__ import annotations

import pytest

from edge.discovery import names

MASTER = names.Master(name="rack", addresses=("10.0.0.1",), cluster_id="0123456789abcdef", ca_hash_prefix="ab" * 8)


def as_bytes(values: dict[str, str]) -> dict[bytes, bytes | None]:
    return {key.encode(): value.encode() for key, value in values.items()}


def test_what_is_announced_reads_back_the_same() -> None:
    assert names.read(names.instance(MASTER), MASTER.addresses, as_bytes(names.properties(MASTER))) == MASTER


def test_two_racks_have_different_instance_and_host_names() -> None:
    other = names.Master(name="rack", addresses=("10.0.0.1",), cluster_id="fedcba98")
    assert names.instance(MASTER) != names.instance(other)
    assert names.host(MASTER) == "rack-01234567.local."
    assert names.host(other) == "rack-fedcba98.local."


@pytest.mark.parametrize("change", [{"txtvers": "2"}, {"api": "0"}, {"api": "65536"}, {"bus": "x"}, {"bus": ""},
                                    {"api": "٣"}])
def test_an_answer_that_is_not_ours_is_ignored(change: dict[str, str]) -> None:
    assert names.read("x", ("10.0.0.1",), as_bytes(names.properties(MASTER) | change)) is None


def test_an_answer_without_address_or_with_raw_bytes_is_ignored() -> None:
    assert names.read("x", (), as_bytes(names.properties(MASTER))) is None
    assert names.read("x", ("10.0.0.1",), {b"\xff": b"\xff", b"api": None}) is None


def test_the_hash_tells_racks_apart() -> None:
    assert names.matches(MASTER, "sha256:" + "AB" * 32)
    assert not names.matches(MASTER, "sha256:" + "cd" * 32)
    assert names.matches(MASTER, "")
