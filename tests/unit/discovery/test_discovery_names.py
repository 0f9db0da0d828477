from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from edge.discovery import names, records

RACK = IPv4Network("10.0.0.0/24")
MASTER = names.Master(name="rack", addresses=("10.0.0.1",), bus_port=8883, cluster_id="0123456789abcdef",
                      ca_hash_prefix="ab" * 8)


def answer(master: names.Master, **changes: str) -> records.Answer:
    return records.Answer(instance=names.instance(master), addresses=master.addresses,
                          text=names.properties(master) | changes)


def test_what_is_announced_reads_back_the_same() -> None:
    assert names.read(answer(MASTER), RACK) == MASTER


def test_without_a_bus_it_is_a_master_for_laptops() -> None:
    home = names.Master(name="rack", addresses=("10.0.0.1",), cluster_id="0123456789abcdef")
    assert "bus" not in names.properties(home)
    assert names.read(answer(home), RACK) == home


def test_two_racks_have_different_instance_and_host_names() -> None:
    other = names.Master(name="rack", addresses=("10.0.0.1",), cluster_id="fedcba98")
    assert names.instance(MASTER) != names.instance(other)
    assert names.host(MASTER) == "rack-01234567.local."
    assert names.host(other) == "rack-fedcba98.local."


@pytest.mark.parametrize("change", [
    {"txtvers": "2"}, {"api": "0"}, {"api": "65536"}, {"bus": "x"}, {"api": ""}, {"api": "٣"}, {"ca": "x" * 16},
    {"cluster": "a" * 65}, {"ca": "ab\n"}])
def test_an_answer_that_is_not_ours_is_ignored(change: dict[str, str]) -> None:
    assert names.read(answer(MASTER, **change), RACK) is None


@pytest.mark.parametrize("instance", ["", names.SERVICE_TYPE, f"x.y.{names.SERVICE_TYPE}", f"a b.{names.SERVICE_TYPE}",
                                      f"{'x' * 64}.{names.SERVICE_TYPE}", f"-x.{names.SERVICE_TYPE}",
                                      "rack._http._tcp.local.", f"\x1b[31m.{names.SERVICE_TYPE}"])
def test_an_instance_that_is_no_name_of_a_master_is_ignored(instance: str) -> None:
    assert names.read(records.Answer(instance=instance, addresses=("10.0.0.1",), text=names.properties(MASTER)),
                      RACK) is None


@pytest.mark.parametrize("addresses", [(), ("8.8.8.8",), ("fe80::1",), ("10.0.1.1",), ("no address",)])
def test_nobody_is_sent_to_an_address_of_another_network(addresses: tuple[str, ...]) -> None:
    assert names.read(records.Answer(instance=names.instance(MASTER), addresses=addresses,
                                     text=names.properties(MASTER)), RACK) is None


def test_of_many_addresses_a_few_are_kept() -> None:
    many = tuple(f"10.0.0.{number}" for number in range(200))
    found = names.read(records.Answer(instance=names.instance(MASTER), addresses=many, text=names.properties(MASTER)),
                       RACK)
    assert found is not None
    assert len(found.addresses) == names.MOST_ADDRESSES


def test_the_hash_tells_racks_apart() -> None:
    assert names.matches(MASTER, "sha256:" + "AB" * 32)
    assert not names.matches(MASTER, "sha256:" + "cd" * 32)
    assert names.matches(MASTER, "")


def test_a_text_record_is_read_within_bounds() -> None:
    raw = b"".join(bytes([len(pair)]) + pair for pair in (
        b"a=1", b"a=2", b"B=x\x1b[2J", b"noequals", b"=novalue", b"empty=", "u=\N{SNOWMAN}".encode(), b"c=\xff"))
    assert records.parse_text(raw) == {"a": "1", "b": "x?[2J", "empty": "", "u": "\N{SNOWMAN}", "c": "�"}
    assert records.parse_text(b"\xffshort=1") == {"short": "1"}
    assert records.parse_text(b"") == {}
    many = b"".join(bytes([len(pair)]) + pair for pair in (b"k%d=1" % number for number in range(1000)))
    assert len(records.parse_text(many)) == records.MOST_KEYS


def test_what_is_too_long_for_a_text_record_is_cut_between_letters() -> None:
    packed = records.packed_text({"reason": "\N{SNOWMAN}" * 300})
    assert len(("reason=" + packed["reason"]).encode()) <= 255
    assert set(packed["reason"]) == {"\N{SNOWMAN}"}
