from edge.rack import nat
from edge.rack.facts import Facts
from edge.rack.settings import Rack


def test_the_home_network_opens_nothing_but_what_is_offered() -> None:
    script = nat.render(Rack(uplink="wlan0"))
    assert 'iifname "wlan0" oifname { "eth0", "edge0" } drop' in script
    assert 'iifname "wlan0" ip daddr { 10.0.0.0/24, 10.244.0.0/16, 10.96.0.0/12 } fib daddr . iif type != local drop' \
        in script
    assert 'iifname "wlan0" ct status dnat accept' in script
    assert 'oifname "wlan0" ip saddr { 10.0.0.0/24, 10.244.0.0/16 } masquerade' in script
    assert "tcp dport { 53, 10250, 8883 } drop" in script


def test_without_a_name_for_the_uplink_outside_is_whatever_is_not_the_racks() -> None:
    script = nat.render(Rack(interface="enp1s0"))
    assert 'oifname != { "lo", "enp1s0", "edge0" } ip saddr' in script
    assert "wlan0" not in script


def test_over_ipv6_the_bus_is_shut_and_the_api_is_shared_by_networks() -> None:
    script = nat.render(Rack())
    assert 'meta nfproto ipv6 iifname != "lo" tcp dport 8883 reject with tcp reset' in script
    assert ('iifname != "lo" tcp dport 6443 ct state new add @api_clients6 '
            "{ ip6 saddr & ffff:ffff:ffff:ffff:: ct count over 256 } reject with tcp reset") in script


def test_no_rule_depends_on_the_address_of_the_uplink() -> None:
    script = nat.render(Rack(names=("192.168.1.7",)))
    assert "192.168" not in script
    assert "snat" not in script
    assert "masquerade" in script


def test_what_is_too_large_for_the_uplink_is_made_smaller_at_the_start_of_a_connection() -> None:
    assert nat.render(Rack()).count("maxseg size set rt mtu") == 2


def test_the_script_replaces_the_table_in_one_transaction_and_is_checked_by_nft() -> None:
    (document,) = nat.documents(Rack(), Facts())
    assert document.text.startswith("table inet edge-rack {}\ndelete table inet edge-rack\ntable inet edge-rack {\n")
    assert document.check == ("nft", "--check", "--file", "{}")
