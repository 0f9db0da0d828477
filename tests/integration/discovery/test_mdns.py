"""The master is announced and found by real multicast DNS on loopback."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys

import pytest

from edge.discovery import mdns, names

HASH = "sha256:" + "ab" * 32
LOOPBACK = ("127.0.0.1",)


def multicast_problem() -> str:
    """Return why multicast does not work on loopback here, or ""."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            member = struct.pack("4s4s", socket.inet_aton("224.0.0.251"), socket.inet_aton("127.0.0.1"))
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            probe.sendto(b"", ("224.0.0.251", 9))
        except OSError as error:
            return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(multicast_problem()), reason=f"no multicast: {multicast_problem()}")


def master(name: str = "rack", ca_hash: str = HASH, cluster: str = "0123456789") -> names.Master:
    return names.Master(name=name, addresses=("127.0.0.1",), api_port=16443, bus_port=18883, cluster_id=cluster,
                        ca_hash_prefix=names.hash_prefix(ca_hash))


async def test_an_announced_master_is_found_by_its_authority() -> None:
    async with mdns.announce(master(), LOOPBACK):
        assert await mdns.find_masters(HASH, timeout=15, addresses=LOOPBACK) == (master(),)


async def test_the_master_of_another_rack_is_not_taken() -> None:
    other = master("other", "sha256:" + "cd" * 32, "9876543210")
    async with mdns.announce(other, LOOPBACK), mdns.announce(master(), LOOPBACK):
        assert await mdns.find_masters(HASH, timeout=15, addresses=LOOPBACK) == (master(),)


async def test_nobody_there_ends_with_the_timeout() -> None:
    assert await mdns.find_masters(HASH, timeout=0.3, addresses=LOOPBACK) == ()


async def test_an_address_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(mdns.DiscoveryError, match=r"203\.0\.113\.9"):
        await mdns.find_masters("", timeout=1, addresses=("203.0.113.9",))


async def test_the_child_process_prints_json() -> None:
    async with mdns.announce(master(), LOOPBACK):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edge.discovery.find", "--ca-cert-hash", HASH, "--interface", "127.0.0.1",
            "--timeout", "15", stdout=asyncio.subprocess.PIPE)
        output, _ = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 0
    assert json.loads(output)["api_port"] == 16443
