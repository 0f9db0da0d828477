"""What has changed decides what is done, and nothing is done twice."""

from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

import msgspec
import pytest

from edge.dhcp.ground import Ground
from edge.rack import forwarding, ntp, plan, renderers
from edge.rack.document import PARTS, Document, Part
from edge.rack.facts import Facts, Link
from edge.rack.settings import Rack

RACK = Rack()
ETH0 = Link(name="eth0", addresses=(IPv4Interface("10.0.0.1/24"),))
MADE = Facts(systemd=True, active=frozenset({"NetworkManager.service", "edge-dhcp.service", "edge-broker.service"}),
             links={"eth0": ETH0}, table="rules", loaded="rules", forwards=True,
             previous=Ground(interface="eth0", network="10.0.0.0/24", address="10.0.0.1", manager="NetworkManager"))


def document(part: Part, unit: str = "", *, reload: bool = False) -> Document:
    return Document(path=Path("/etc/edge/rack") / f"{part}{unit}", text="", part=part, unit=unit, reload=reload)


def words(commands: tuple[object, ...]) -> list[str]:
    return [" ".join(command.argv) for command in commands]  # type: ignore[attr-defined]


def test_nothing_is_done_on_a_ground_that_is_so() -> None:
    assert plan.network(RACK, MADE, ()) == ()
    assert plan.packets(RACK, MADE, ()) == ()
    assert plan.radio(RACK, MADE) == ()
    assert plan.units(MADE, (), (), wait=True) == ()
    assert plan.leavings(RACK, MADE) == ()
    assert not plan.has_moved(RACK, MADE)


def test_an_address_that_is_gone_is_given_again_though_no_file_has_changed() -> None:
    gone = replace(MADE, links={"eth0": replace(ETH0, addresses=())})
    assert words(plan.network(RACK, gone, ()))[-1].endswith("connection up id edge-rack")
    assert plan.network(RACK, MADE, (document("dhcp"),)) == ()
    assert plan.network(RACK, MADE, (document("network"),)) != ()


def test_without_a_cable_a_network_manager_may_do_it_later() -> None:
    unplugged = replace(MADE, links={"eth0": replace(ETH0, addresses=(), carrier=False)})
    assert all(command.optional for command in plan.network(RACK, unplugged, ()))
    plugged = replace(MADE, links={"eth0": replace(ETH0, addresses=())})
    assert not any(command.optional for command in plan.network(RACK, plugged, ()))
    nobody = Facts(links={"eth0": replace(ETH0, addresses=(), carrier=False)})
    assert not any(command.optional for command in plan.network(RACK, nobody, ()))


@pytest.mark.parametrize("facts", [replace(MADE, table=None), replace(MADE, table="rules of others"),
                                   replace(MADE, loaded="")])
def test_rules_that_were_flushed_or_changed_are_loaded_again(facts: Facts) -> None:
    assert words(plan.packets(RACK, facts, ())) == ["nft --file /etc/edge/rack/rack.nft"]


def test_new_rules_are_loaded() -> None:
    assert plan.packets(RACK, MADE, (document("packets"),)) != ()


def test_programs_read_again_what_is_theirs_and_what_does_not_run_is_left_alone() -> None:
    changed = (document("dhcp", "edge-dhcp.service"), document("broker", "edge-broker.service", reload=True),
               document("time", "chrony.service"), document("forwarding"))
    assert words(plan.units(MADE, changed, (), wait=True)) == [
        "systemctl try-restart edge-dhcp.service", "systemctl try-reload-or-restart edge-broker.service"]
    assert words(plan.units(MADE, changed, (), wait=False))[0] == "systemctl --no-block try-restart edge-dhcp.service"
    assert plan.units(replace(MADE, systemd=False), changed, (), wait=True) == ()


def test_a_restart_does_for_a_reload_and_a_new_certificate_wants_one() -> None:
    acl = document("broker", "edge-broker.service", reload=True)
    assert words(plan.units(MADE, (acl,), ("broker.crt",), wait=True)) == ["systemctl try-restart edge-broker.service"]
    assert plan.units(MADE, (), ("server.crt",), wait=True) == ()


def test_the_address_of_another_ground_is_taken_away() -> None:
    before = Ground(interface="eth0", network="10.7.0.0/16", address="10.7.0.1", manager="none")
    facts = Facts(links={"eth0": replace(ETH0, addresses=(IPv4Interface("10.7.0.1/16"),))}, previous=before)
    assert words(plan.network(RACK, facts, ())) == [
        "ip address del 10.7.0.1/16 dev eth0", "ip link set dev eth0 up", "ip address replace 10.0.0.1/24 dev eth0"]
    elsewhere = replace(facts, previous=replace_ground(before, interface="eth5"))
    assert words(plan.network(RACK, elsewhere, ()))[0] == "ip link set dev eth0 up"


def replace_ground(value: Ground, **fields: str) -> Ground:
    return msgspec.structs.replace(value, **fields)


def test_another_network_manager_makes_the_last_one_forget() -> None:
    moved = replace(MADE, active=frozenset({"systemd-networkd.service"}))
    assert plan.has_moved(RACK, moved)
    assert words(plan.given_back(RACK, moved))[0] == "nmcli connection reload"
    assert plan.given_back(RACK, Facts()) == ()
    assert plan.given_back(RACK, Facts(previous=Ground(manager="of a later version"))) == ()


def test_files_of_the_last_ground_that_nobody_wants_are_known() -> None:
    facts = replace(MADE, written=("/etc/edge/rack/dhcp", "/etc/edge/rack/kea.conf"))
    assert plan.obsolete((document("dhcp"),), facts) == (Path("/etc/edge/rack/kea.conf"),)


def test_every_file_has_a_part_and_one_place() -> None:
    documents = renderers.documents(RACK, replace(MADE, programs=frozenset({"chronyd"})))
    assert {each.part for each in documents} >= {"network", "forwarding", "packets", "dhcp", "broker", "time"}
    assert {each.part for each in documents} <= set(PARTS)
    assert len({each.path for each in documents}) == len(documents)
    assert plan.of_parts(documents, {"forwarding"}) == forwarding.documents(RACK, MADE)


def test_rendering_twice_gives_the_same() -> None:
    assert renderers.documents(RACK, MADE) == renderers.documents(RACK, MADE)


def test_the_master_tells_the_time_also_when_nobody_tells_it() -> None:
    (drop_in,) = ntp.documents(RACK, Facts(programs=frozenset({"chronyd"})))
    assert drop_in.text.splitlines()[1:] == ["allow 10.0.0.0/24", "local stratum 10", "makestep 1 -1"]
    assert drop_in.check == ("chronyd", "-p", "-f", "{}")
    assert ntp.documents(RACK, Facts()) == ()
    assert ntp.documents(Rack(serve_time=False), Facts(programs=frozenset({"chronyd"}))) == ()
