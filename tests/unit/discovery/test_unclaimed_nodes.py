from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import msgspec
import pytest

from edge.discovery import nodes, records

RACK = IPv4Network("10.0.0.0/24")
MACHINE = nodes.Unclaimed(name="raspberrypi", serial="10000000abcdef12", model="Raspberry Pi 5 Model B Rev 1.0",
                          version="0.1.0", reason="no token")
NOW = "2026-11-21T12:00:00Z"


def answer(machine: nodes.Unclaimed, *addresses: str) -> records.Answer:
    service = nodes.service(machine, addresses)
    return records.Answer(instance=service.instance, port=service.port, addresses=addresses, text=service.text)


def test_what_is_announced_reads_back_the_same() -> None:
    found = nodes.read(answer(MACHINE, "10.0.0.7"), RACK)
    assert found == msgspec.structs.replace(MACHINE, addresses=("10.0.0.7",))


def test_fresh_cards_of_one_name_do_not_collide() -> None:
    other = msgspec.structs.replace(MACHINE, serial="10000000abcdef13")
    one, two = (nodes.service(each, ("10.0.0.7",)) for each in (MACHINE, other))
    assert one.instance == "raspberrypi-abcdef12._edge-node._tcp.local."
    assert {one.instance, one.host}.isdisjoint({two.instance, two.host})


@pytest.mark.parametrize("name", ["", "-", "Ünï.local", "a" * 300, "x y", "..."])
def test_any_host_name_becomes_one_label(name: str) -> None:
    service = nodes.service(msgspec.structs.replace(MACHINE, name=name), ("10.0.0.7",))
    assert len(service.host.removesuffix(".local.")) <= 63
    assert nodes.read(answer(msgspec.structs.replace(MACHINE, name=name), "10.0.0.7"), RACK) is not None


def test_nothing_harmful_gets_through() -> None:
    hostile = replace(answer(MACHINE, "10.0.0.7"), text={
        "txtvers": "1", "name": "x", "serial": "s" * 5000, "model": "\x1b]0;title\x07", "reason": "\n" * 500})
    found = nodes.read(hostile, RACK)
    assert found is not None
    assert len(found.serial) == 64
    assert len(found.reason) <= 240
    assert (found.model + found.reason).isprintable()


@pytest.mark.parametrize("change", [{"name": "a b"}, {"name": ""}, {"txtvers": "7"}, {"name": "$(reboot)"}])
def test_what_is_no_machine_is_ignored(change: dict[str, str]) -> None:
    heard = answer(MACHINE, "10.0.0.7")
    assert nodes.read(replace(heard, text=dict(heard.text) | change), RACK) is None


def test_a_machine_has_to_have_an_address_on_the_rack() -> None:
    assert nodes.read(answer(MACHINE, "192.168.1.7"), RACK) is None
    assert nodes.read(answer(MACHINE), RACK) is None


def seen(table: nodes.Table, number: int, monotonic: float) -> bool:
    machine = nodes.Unclaimed(name=f"m{number}", addresses=("10.0.0.7",))
    return table.put(f"m{number}.{nodes.SERVICE_TYPE}", machine, NOW, monotonic)


def test_the_table_tells_news_once_and_keeps_when_it_began() -> None:
    table = nodes.Table()
    instance = f"a.{nodes.SERVICE_TYPE}"
    assert table.put(instance, MACHINE, "first", 0.0)
    assert not table.put(instance.upper(), MACHINE, "second", 5.0)
    assert table.put(instance, msgspec.structs.replace(MACHINE, reason="other"), "third", 6.0)
    (only,) = table.items(7.0)
    assert (only.first_seen, only.last_seen) == ("first", "third")


def test_who_is_silent_is_forgotten_and_a_goodbye_is_heard() -> None:
    table = nodes.Table()
    seen(table, 1, 0.0)
    seen(table, 2, 50.0)
    assert [each.machine.name for each in table.items(nodes.SILENT_SECONDS + 1)] == ["m2"]
    table.remove(f"M2.{nodes.SERVICE_TYPE}")
    table.remove("never heard of")
    assert table.items(60.0) == ()


def test_a_flood_neither_grows_the_table_nor_drives_out_who_was_there() -> None:
    table = nodes.Table()
    seen(table, 0, 0.0)
    for number in range(10_000):
        seen(table, number, 1.0)
    found = table.items(2.0)
    assert len(found) == nodes.MOST
    assert "m0" in {each.machine.name for each in found}
    assert table.refused == 10_000 - nodes.MOST
    assert seen(table, 99_999, nodes.SILENT_SECONDS * 2)


def test_machines_that_are_nodes_by_now_are_left_out() -> None:
    machines = [nodes.Seen(machine=nodes.Unclaimed(name=name, serial=serial, addresses=(address,)), first_seen=NOW,
                           last_seen=NOW)
                for name, serial, address in (("a", "s1", "10.0.0.2"), ("b", "s2", "10.0.0.3"), ("c", "", "10.0.0.4"))]
    assert [each.machine.name for each in nodes.without(machines, ["s1", ""], ["10.0.0.3"])] == ["c"]
