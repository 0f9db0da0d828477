from __future__ import annotations

import pytest

from edge.pki import serials


@pytest.mark.parametrize(("text", "want"), [
    ("10000000abcdef01\0", "10000000abcdef01"), ("4C4C4544-0031-3010-8057-B7C04F4A4C32\n",
                                                 "4c4c4544-0031-3010-8057-b7c04f4a4c32"),
    (" AB 12 ", "ab-12"), ("", ""), ("\0", ""), ("0" * 16, ""), ("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", ""),
    ("To be filled by O.E.M.", ""), ("Not Specified", ""), ("Default string", ""),
    ("03000200-0400-0500-0006-000700080009", ""), ("a" * 30 + "b" * 35, ""), ("nümber", ""), ("under_score1", ""),
])
def test_only_a_real_number_counts(text: str, want: str) -> None:
    assert serials.clean(text) == want
    assert serials.problem(want) == ""


def test_the_first_real_number_is_the_boards() -> None:
    assert serials.choose(("", "None", "abc1", "def2")) == "abc1"
    assert serials.choose(("", "0000")) == ""


@pytest.mark.parametrize(("address", "want"), [
    ("B8:27:EB:01:02:03\n", "mac-b827eb010203"), ("00:00:00:00:00:00", ""), ("ff:ff:ff:ff:ff:ff", ""), ("", ""),
    ("b8:27", ""), ("not an address", ""),
])
def test_a_board_without_a_number_is_known_by_its_network_port(address: str, want: str) -> None:
    assert serials.of_address(address) == want


@pytest.mark.parametrize(("host", "serial", "want"), [
    ("node-1", "10000000abcdef01", "node-1"), ("Kitchen.home", "10000000abcdef01", "kitchen"),
    ("raspberrypi", "10000000abcdef01", "raspberrypi-cdef01"), ("localhost.localdomain", "mac-b827eb010203",
                                                                "localhost-010203"),
    ("debian", "4c4c4544-0031-3010-8057-b7c04f4a4c32", "debian-4a4c32"), ("raspberrypi", "", "raspberrypi"),
])
def test_an_images_host_name_gets_the_end_of_the_number(host: str, serial: str, want: str) -> None:
    assert serials.own_name(host, serial) == want


@pytest.mark.parametrize("serial", ["A", "a b", "-a", "a" * 65, "a\n", "a_b", "ä"])
def test_what_is_no_serial_number_is_said(serial: str) -> None:
    assert serials.problem(serial)
