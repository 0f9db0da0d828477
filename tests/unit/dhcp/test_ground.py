import pytest

from edge.dhcp import ground
from edge.dhcp.ground import Ground, GroundError


def test_what_is_written_is_read_again() -> None:
    made = Ground(server="dnsmasq", leases="/var/lib/edge/rack/dnsmasq.leases", interface="eth0",
                  network="10.0.0.0/24", address="10.0.0.1", first="10.0.0.2", last="10.0.0.254")
    assert ground.decode(ground.encode(made)) == made


def test_fields_of_a_later_program_are_no_matter() -> None:
    assert ground.decode(b'{"version": 1, "server": "kea", "weather": "fine"}').server == "kea"


@pytest.mark.parametrize("content", [b"", b'{"version": 1, "ser', b"[]", b"\xff\xfe", b'{"server": 7}', b"null"])
def test_a_torn_file_is_named_with_what_to_do(content: bytes) -> None:
    with pytest.raises(GroundError, match=r"damaged.*edge-rack apply"):
        ground.decode(content)


def test_another_version_is_not_guessed_at() -> None:
    with pytest.raises(GroundError, match="version 2, and this program reads version 1"):
        ground.decode(b'{"version": 2}')
