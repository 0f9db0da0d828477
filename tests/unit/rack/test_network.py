"""Who keeps the address of the rack's interface, and in what words."""

from ipaddress import IPv4Interface

import pytest

from edge.rack.facts import Facts, Link
from edge.rack.network import choice, ifupdown, network_manager, networkd, plain
from edge.rack.network.interface import Keeper, reverse_zone
from edge.rack.settings import Rack

MAIN = "auto lo\niface lo inet loopback\nsource /etc/network/interfaces.d/*\n"
NM, ND, IF = network_manager.UNIT, networkd.UNIT, ifupdown.UNIT
LINKS = {"eth0": Link(name="eth0"), "wlan0": Link(name="wlan0", wireless=True)}


def facts(*active: str, **more: object) -> Facts:
    return Facts(systemd=True, active=frozenset(active), links=LINKS, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("found", "keeper"), [
    (Facts(links=LINKS), plain),
    (facts(), plain),
    (facts(NM), network_manager),
    (facts(ND), networkd),
    (facts(IF, texts={"network/interfaces": MAIN}), ifupdown),
    (facts(IF), plain),
    # Debian's desktop: both run, and NetworkManager has what no stanza names.
    (facts(NM, IF, texts={"network/interfaces": MAIN}), network_manager),
    (facts(NM, IF, texts={"network/interfaces": MAIN + "iface eth0 inet dhcp\n"}), ifupdown),
    (facts(NM, network_manager={"eth0": "unmanaged"}), plain),
    (facts(NM, ND), network_manager),
    (facts(NM, ND, networkd={"eth0": "/etc/systemd/network/10-wired.network"}), networkd),
    # At boot we may be earlier than who is enabled; and what has failed is in charge all the same.
    (facts(enabled=frozenset({NM})), network_manager),
    (facts(enabled=frozenset({IF}), texts={"network/interfaces": MAIN}), ifupdown),
])
def test_whoever_manages_the_interface_keeps_it(found: Facts, keeper: Keeper) -> None:
    assert choice.choose(Rack(), found) is keeper


@pytest.mark.parametrize("name", sorted(choice.KEEPERS))
def test_the_settings_decide_when_they_name_one(name: str) -> None:
    rack = Rack.model_validate({"manager": name})
    found = choice.choose(rack, facts(NM, ND, IF))
    assert found is choice.KEEPERS[name]


@pytest.mark.parametrize("keeper", [network_manager, networkd, ifupdown])
def test_no_profile_has_a_gateway(keeper: Keeper) -> None:
    """The book's master is its own gateway, and looks for the internet among its workers."""
    for document in keeper.documents(Rack(), facts(NM)):
        assert not any(line.strip().lower().startswith("gateway") for line in document.text.splitlines())


def test_network_managers_profile_is_never_the_way_to_the_internet_and_nobody_else_reads_it() -> None:
    profile, devices = network_manager.documents(Rack(), facts(NM))
    assert profile.path.name == "edge-rack.nmconnection"
    assert profile.mode == 0o600
    assert "address1=10.0.0.1/24\nnever-default=true\n" in profile.text
    assert "dns=10.0.0.1;\ndns-search=cluster.home;\n" in profile.text
    assert "match-device=interface-name:eth0\nignore-carrier=true" in devices.text
    assert "match-device=type:wifi\nwifi.powersave=2" in devices.text
    assert "dns" not in network_manager.documents(Rack(resolve_names=False), facts(NM))[0].text


def test_power_save_stays_on_where_a_person_wants_it() -> None:
    assert "powersave" not in network_manager.documents(Rack(wifi_power_save=True), facts(NM))[1].text
    assert "match-device=interface-name:wlan1\nwifi.powersave=2" in network_manager.documents(
        Rack(uplink="wlan1"), facts(NM))[1].text


def test_networkd_keeps_the_address_without_a_cable_and_asks_us_for_the_racks_names_alone() -> None:
    network, daemon = networkd.documents(Rack(), facts(ND))
    assert network.path.name.startswith("00-")
    assert "Address=10.0.0.1/24\nConfigureWithoutCarrier=yes\n" in network.text
    assert "DNSDefaultRoute=no\nDomains=cluster.home ~0.0.10.in-addr.arpa\n" in network.text
    assert "ManageForeignRoutes=no" in daemon.text


@pytest.mark.parametrize(("network", "zone"), [
    ("10.0.0.1/24", "0.0.10.in-addr.arpa"), ("172.30.5.1/16", "30.172.in-addr.arpa"),
    ("10.1.2.3/20", "1.10.in-addr.arpa")])
def test_the_reverse_zone_is_cut_at_an_octet(network: str, zone: str) -> None:
    rack = Rack.model_construct(address=IPv4Interface(network))
    assert reverse_zone(rack) == zone


def test_ifupdown_names_file_and_line_of_another_stanza() -> None:
    texts = {"network/interfaces": MAIN, "network/interfaces.d/wired": "# mine\nauto eth0\niface eth0 inet dhcp\n"}
    (objection,) = choice.objections(Rack(), facts(IF, texts=texts))
    assert objection.message == "/etc/network/interfaces.d/wired:3 configures eth0 too"


@pytest.mark.parametrize("line", ["iface eth0 inet6 auto", "iface eth0 inet manual", "iface eth01 inet dhcp",
                                  "# iface eth0 inet dhcp", "iface eth0"])
def test_ifupdown_lets_stand_what_gives_no_other_ipv4_address(line: str) -> None:
    assert choice.objections(Rack(), facts(IF, texts={"network/interfaces": MAIN + line + "\n"})) == ()


def test_ifupdown_that_would_not_read_our_file_is_an_objection() -> None:
    (objection,) = choice.objections(Rack(), facts(IF, texts={"network/interfaces": "auto lo\n"}))
    assert "source /etc/network/interfaces.d/*" in objection.remedy


def test_our_own_stanza_is_no_objection() -> None:
    (stanza,) = ifupdown.documents(Rack(), facts(IF))
    texts = {"network/interfaces": MAIN, "network/interfaces.d/edge-rack": stanza.text}
    assert choice.objections(Rack(), facts(IF, texts=texts)) == ()


def test_the_dhcp_clients_hook_is_there_only_where_it_writes_the_name_servers_itself() -> None:
    def names(*programs: str) -> list[str]:
        return [document.path.name for document in ifupdown.documents(
            Rack(), facts(IF, programs=frozenset(programs)))]

    assert len(names("dhclient")) == 2
    assert len(names("dhclient", "resolvconf")) == 1
    assert len(names()) == 1
    assert ifupdown.asks_names(Rack(), facts(IF)) is False


@pytest.mark.parametrize(("settings", "count"), [
    ("", 1), ("denyinterfaces eth0\n", 0), ("denyinterfaces wlan0\n", 1), ("allowinterfaces wlan0\n", 0),
    ("allowinterfaces eth0 wlan0\n", 1), ("denyinterfaces wlan0 eth0\n", 0)])
def test_dhcpcd_has_to_leave_the_interface_alone(settings: str, count: int) -> None:
    found = facts("dhcpcd.service", texts={"dhcpcd.conf": settings})
    assert len(choice.objections(Rack(), found)) == count


def test_a_profile_is_loaded_for_an_interface_that_comes_later_and_brought_up_for_one_that_is_there() -> None:
    away = Facts(systemd=True, active=frozenset({NM}))
    assert [command.argv[:3] for command in network_manager.up(Rack(), away)] == [
        ("nmcli", "general", "reload"), ("nmcli", "connection", "load")]
    assert network_manager.up(Rack(), facts(NM))[-1].argv[-4:] == ("connection", "up", "id", "edge-rack")
    assert networkd.up(Rack(), away)[-1].argv == ("networkctl", "reload")
    assert ifupdown.up(Rack(), away) == ()
    assert plain.objections(Rack(), away)[0].reason == "InterfaceMissing"
