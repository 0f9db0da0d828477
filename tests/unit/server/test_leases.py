"""What the server shows of leases, from files that change under it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from edge.dhcp import ground
from edge.server.leases import Leases
from tests.fakes.clock import FakeClock

END = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "names").mkdir()
    (tmp_path / "names/10.0.0.2").write_text("10.0.0.2 node-1 # 02:ed:9e:00:00:01\n")
    (tmp_path / "dnsmasq.leases").write_text(f"{END} 02:ed:9e:00:00:01 10.0.0.2 * *\n")
    (tmp_path / ground.FILE).write_bytes(ground.encode(ground.Ground(
        server="dnsmasq", leases=str(tmp_path / "dnsmasq.leases"), first="10.0.0.2", last="10.0.0.11")))
    (tmp_path / "reservations.json").write_text(
        '{"outcomes": [{"address": "10.0.0.9", "mac": "02:ed:9e:00:00:09", "name": "camera"}]}')
    return tmp_path


def test_leases_names_and_pool_come_together(state: Path) -> None:
    shown = msgspec.to_builtins(Leases(state, FakeClock()).document())
    lease, = shown["leases"]
    assert (lease["address"], lease["name"], lease["expires"]) == ("10.0.0.2", "node-1", "2100-01-01T00:00:00Z")
    assert shown["pool"] == {"first": "10.0.0.2", "last": "10.0.0.11", "size": 10, "used": 2, "free": 8}
    assert shown["reservations"][0]["name"] == "camera"
    assert shown["problem"] == ""


def test_every_file_that_changes_is_seen(state: Path) -> None:
    leases = Leases(state, FakeClock())
    assert len(leases.document().leases) == 1
    with (state / "dnsmasq.leases").open("a") as file:
        file.write(f"{END} 02:ed:9e:00:00:03 10.0.0.3 * *\n")
    (state / "names/.new").write_text("10.0.0.3 node-2 # 02:ed:9e:00:00:03\n")
    (state / "names/.new").rename(state / "names/10.0.0.3")
    assert [lease.name for lease in leases.document().leases] == ["node-1", "node-2"]
    (state / "dnsmasq.leases").unlink()
    assert leases.document().leases == ()


def test_a_lease_file_that_cannot_be_read_is_told(state: Path) -> None:
    (state / "dnsmasq.leases").unlink()
    (state / "dnsmasq.leases").mkdir()
    assert "dnsmasq.leases" in Leases(state, FakeClock()).document().problem


def test_a_huge_lease_file_is_not_read(state: Path) -> None:
    os.truncate(state / "dnsmasq.leases", 65 << 20)
    assert "larger than 64 MiB" in Leases(state, FakeClock()).document().problem


@pytest.mark.parametrize(("content", "words"), [
    (b"{", "run edge-rack apply"), (b'{"server": "other"}', "no DHCP server"), (b'{"version": 99}', "version 99")])
def test_a_ground_that_says_nothing_useful_is_told(state: Path, content: bytes, words: str) -> None:
    (state / ground.FILE).write_bytes(content)
    assert words in Leases(state, FakeClock()).document().problem


def test_before_there_is_a_ground_the_answer_says_so(tmp_path: Path) -> None:
    shown = Leases(tmp_path, FakeClock()).document()
    assert "edge-rack apply has not run yet" in shown.problem
    assert shown.leases == ()
