"""`edge-rack` on a master of its own: real ip, nft and dnsmasq, in network namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.dhcp import ground
from edge.rack import gathering
from edge.rack.commands import PATH
from tests.integration.rack.conftest import HOME, MASTER, WORKER, Site, connect

LISTEN = """
import socket, sys
with socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6) as server:
    print("listens", flush=True)
    server.accept()
"""
CONNECT = 'import socket, sys; socket.create_connection(("fd00:77::1", int(sys.argv[1])), 5).close()'
TABLE = ("nft", "list", "table", "inet", "edge-rack")


def test_the_ground_is_made_once_and_kept(site: Site) -> None:
    assert "write" in site.rack("apply", "--check")
    assert not (site.directory / "config").exists()
    first = site.rack("apply")
    assert "10.0.0.1/24 on eth0" in first
    assert "packet rules" in first
    assert site.rack("apply").startswith("nothing to change")
    assert site.rack("apply", "--check").startswith("nothing to change")
    made = ground.decode((site.directory / "state" / ground.FILE).read_bytes())
    assert (made.manager, made.interface, made.network, made.server) == ("none", "eth0", "10.0.0.0/24", "dnsmasq")
    assert (site.directory / "etc/sysctl.d/90-edge-rack.conf").exists()
    assert (site.directory / "pki/ca.key").stat().st_mode & 0o777 == 0o600


def test_workers_reach_the_home_network_and_it_does_not_reach_them(site: Site) -> None:
    site.rack("apply")
    assert site.reaches(WORKER, "192.168.77.1")
    site.ip(HOME, "route", "add", "10.0.0.0/24", "via", "192.168.77.7")
    assert not site.reaches(HOME, "10.0.0.2")
    assert not site.reaches(HOME, "10.0.0.1")
    assert site.reaches(HOME, "192.168.77.7")


@pytest.mark.parametrize("uplink", ["auto", "wlan0"])
def test_the_uplinks_address_changes_and_the_uplink_goes_and_comes(site: Site, uplink: str) -> None:
    site.configure(f'uplink = "{uplink}"')
    site.rack("apply")
    site.ip(MASTER, "address", "flush", "dev", "wlan0")
    connect(site, "192.168.77.99/24")
    assert site.reaches(WORKER, "192.168.77.1")
    # A radio on USB that is pulled out, and put in again.
    site.ip(MASTER, "link", "delete", "wlan0")
    assert site.reaches(WORKER, "10.0.0.1")
    assert ("UplinkMissing" if uplink == "wlan0" else "NoDefaultRoute") in site.problems()
    assert site.rack("apply").startswith("nothing to change")
    site.ip(MASTER, "link", "add", "wlan0", "type", "veth", "peer", "name", "lan1", "netns", HOME)
    site.ip(HOME, "address", "add", "192.168.77.1/24", "dev", "lan1")
    site.ip(HOME, "link", "set", "lan1", "up")
    connect(site)
    assert site.reaches(WORKER, "192.168.77.1")


@pytest.mark.parametrize("what", [("flush", "ruleset"), ("delete", "table", "inet", "edge-rack"),
                                  ("flush", "chain", "inet", "edge-rack", "postrouting")])
def test_rules_that_another_program_takes_away_are_put_back(site: Site, what: tuple[str, ...]) -> None:
    site.rack("apply")
    site.inside(MASTER, "nft", *what)
    assert not site.reaches(WORKER, "192.168.77.1")
    assert {"PacketRulesMissing", "PacketRulesChanged"} & set(site.problems())
    assert site.rack("apply", "--only", "packets").startswith("changed: packet rules")
    assert site.reaches(WORKER, "192.168.77.1")
    assert site.rack("apply", "--only", "packets").startswith("nothing to change")


def test_connections_that_our_sets_count_are_no_change(site: Site) -> None:
    site.rack("apply")
    site.inside(WORKER, "busybox", "nc", "-w", "1", "10.0.0.1", "6443")
    assert "elem" in site.inside(MASTER, "nft", "-j", *TABLE[1:]).stdout
    assert site.rack("apply").startswith("nothing to change")


def test_a_foreign_firewall_is_named_and_its_remedy_works(site: Site) -> None:
    site.rack("apply")
    for rule in ("add table ip other", "add chain ip other f { type filter hook forward priority 0 ; policy drop ; }"):
        assert site.inside(MASTER, "nft", rule).returncode == 0
    assert not site.reaches(WORKER, "192.168.77.1")
    assert "the table ip other drops from workers to the internet" in site.rack("check", code=1)
    for rule in ('iifname { "eth0", "edge0" } accept', 'oifname { "eth0", "edge0" } accept'):
        assert site.inside(MASTER, "nft", f"insert rule ip other f {rule}").returncode == 0
    assert site.reaches(WORKER, "192.168.77.1")
    assert "ForwardDropped" not in site.problems()


def test_the_home_network_with_the_racks_addresses_is_refused_before_anything_is_changed(site: Site) -> None:
    site.ip(MASTER, "address", "add", "10.0.0.57/24", "dev", "wlan0")
    said = site.rack("apply", code=1)
    assert "wlan0 has 10.0.0.57/24" in said
    assert not (site.directory / "config/rack.nft").exists()
    assert site.inside(MASTER, *TABLE).returncode != 0
    # Later it is found, and the rack goes on.
    site.ip(MASTER, "address", "del", "10.0.0.57/24", "dev", "wlan0")
    site.rack("apply")
    site.ip(MASTER, "address", "add", "10.0.0.57/24", "dev", "wlan0")
    assert "NetworksOverlap" in site.problems()
    assert "NetworksOverlap" in site.rack("apply")


def test_a_default_route_over_the_rack_is_named(site: Site) -> None:
    site.rack("apply")
    site.ip(MASTER, "route", "add", "default", "via", "10.0.0.2")
    assert "DefaultRouteOverRack" in site.problems()


def test_a_configuration_that_is_refused_changes_nothing(site: Site) -> None:
    site.rack("apply")
    before = {path: path.read_bytes() for path in (site.directory / "config").rglob("*") if path.is_file()}
    programs = site.directory / "programs"
    programs.mkdir()
    (programs / "nft").write_text('#!/bin/sh\n[ "$1" != --check ] || { echo "no such set" >&2; exit 1; }\n'
                                  'exec /usr/sbin/nft.real "$@"\n')
    (programs / "nft").chmod(0o755)
    site.configure("bus_port = 8884")
    for command in ("apply", "apply --check"):
        said = mounted(site, programs / "nft", "/usr/sbin/nft", command)
        assert f"{site.directory}/config/rack.nft would not work" in said
        assert "no such set" in said
    assert {path: path.read_bytes() for path in (site.directory / "config").rglob("*") if path.is_file()} == before
    assert site.rack("check", code=None)


def test_an_activation_that_fails_brings_the_last_good_files_back(site: Site) -> None:
    site.rack("apply")
    rules = (site.directory / "config/rack.nft").read_text()
    programs = site.directory / "programs"
    programs.mkdir()
    (programs / "nft").write_text('#!/bin/sh\nif [ "$1" = --file ] && grep -q 8884 "$2"; then\n'
                                  'echo "the kernel says no" >&2; exit 1; fi\nexec /usr/sbin/nft.real "$@"\n')
    (programs / "nft").chmod(0o755)
    site.configure("bus_port = 8884")
    said = mounted(site, programs / "nft", "/usr/sbin/nft", "apply")
    assert "the kernel says no" in said
    assert "What was there before is back" in said
    assert (site.directory / "config/rack.nft").read_text() == rules
    assert "8883" in (site.directory / "config/mosquitto.conf").read_text()
    assert site.reaches(WORKER, "192.168.77.1")


def mounted(site: Site, program: Path, over: str, *arguments: str) -> str:
    """Run edge-rack with a program in the place of another, which stays there under the name `.real`."""
    script = (f"mount -t tmpfs none {site.directory}/programs/sbin && cp -a {Path(over).parent}/nft "
              f"{site.directory}/programs/sbin/nft.real && cp {program} {site.directory}/programs/sbin/nft && "
              f"mount -t overlay none -o lowerdir={site.directory}/programs/sbin:/usr/sbin /usr/sbin && "
              f"exec {sys.executable} -m edge.rack.main {' '.join(arguments)} --config {site.settings}")
    (site.directory / "programs/sbin").mkdir(exist_ok=True)
    ran = site.inside(MASTER, "unshare", "--mount", "sh", "-c", script)
    if "overlay" in ran.stderr and "mount" in ran.stderr:
        pytest.skip(f"no overlay mounts here: {ran.stderr}")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_another_address_takes_the_place_of_the_first(site: Site) -> None:
    site.rack("apply")
    site.configure('address = "10.7.0.1/24"', 'first = "10.7.0.2"\nlast = "10.7.0.9"')
    site.rack("apply")
    addresses = json.loads(site.ip(MASTER, "-json", "-4", "address", "show", "dev", "eth0"))[0]["addr_info"]
    assert [entry["local"] for entry in addresses] == ["10.7.0.1"]
    assert site.rack("apply").startswith("nothing to change")


def test_reset_leaves_identities_and_nothing_else(site: Site) -> None:
    site.rack("apply")
    authority = (site.directory / "pki/ca.crt").read_bytes()
    said = site.rack("reset", "--yes")
    assert "table inet edge-rack" in said
    left = [path for name in ("config", "etc", "state", "run") for path in (site.directory / name).rglob("*")
            if path.is_file()]
    assert [path.name for path in left] == ["lock"]
    assert site.inside(MASTER, *TABLE).returncode != 0
    assert "10.0.0.1" not in site.ip(MASTER, "address", "show", "dev", "eth0")
    assert site.rack("reset", "--yes").startswith("nothing to remove")
    site.rack("apply")
    assert (site.directory / "pki/ca.crt").read_bytes() == authority


def test_a_missing_interface_or_user_is_one_sentence(site: Site) -> None:
    site.ip(MASTER, "link", "delete", "eth0")
    assert "there is no interface eth0; there are: wlan0" in site.rack("apply", code=1)
    site.settings.write_text(site.settings.read_text().replace('server_user = "root"', 'server_user = "nobody-here"'))
    assert "there is no user nobody-here" in site.rack("apply", code=1)


def test_wishes_that_are_links_or_pipes_are_not_followed(site: Site) -> None:
    secret = site.directory / "secret"
    secret.write_text("a secret of root's")
    wishes = site.directory / "wishes"
    wishes.mkdir()
    (wishes / "reservations.json").symlink_to(secret)
    os.mkfifo(wishes / "revoked.crl")
    site.rack("apply")
    assert not any("a secret of root's" in path.read_text() for path in (site.directory / "config").rglob("*")
                   if path.is_file())


def test_wishes_that_are_too_large_are_damaged_and_not_missing(site: Site) -> None:
    wishes = site.directory / "wishes"
    wishes.mkdir()
    (wishes / "reservations.json").write_bytes(b" " * (gathering.MAX_WISH_BYTES + 1))
    site.rack("apply")
    assert "cannot be read" in json.loads((site.directory / "state/reservations.json").read_text())["problem"]


def test_over_ipv6_the_bus_is_shut_and_the_api_is_not(site: Site) -> None:
    site.ip(MASTER, "address", "add", "fd00:77::1/64", "dev", "eth0", "nodad")
    site.ip(WORKER, "address", "add", "fd00:77::2/64", "dev", "eth0", "nodad")
    site.rack("apply")
    for port, is_open in ((6443, True), (8883, False)):
        listening = subprocess.Popen(["ip", "netns", "exec", MASTER, sys.executable, "-c", LISTEN, str(port)],
                                     stdout=subprocess.PIPE)
        try:
            assert listening.stdout is not None
            listening.stdout.readline()
            asked = site.inside(WORKER, sys.executable, "-c", CONNECT, str(port))
            assert (asked.returncode == 0) is is_open, asked.stderr
            assert is_open or "ConnectionRefusedError" in asked.stderr
        finally:
            listening.kill()
            listening.communicate()
    assert site.rack("apply").startswith("nothing to change")


def test_a_directory_of_wishes_that_is_a_link_is_refused(site: Site) -> None:
    target = site.directory / "roots-own"
    target.mkdir(mode=0o700)
    (site.directory / "wishes").symlink_to(target)
    assert "is no directory" in site.rack("apply", code=1)


def test_two_at_once_wait_for_each_other(site: Site) -> None:
    argv = ["ip", "netns", "exec", MASTER, sys.executable, "-m", "edge.rack.main", "apply", "--config",
            str(site.settings)]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                cwd=Path(__file__).parents[3]) for _ in range(3)]
    said = [process.communicate(timeout=90)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert sum(each.startswith("nothing to change") for each in said) == 2


@pytest.mark.skipif(not shutil.which("chronyd", path=PATH), reason="chrony is not installed")
def test_chrony_takes_what_it_is_told(site: Site) -> None:
    site.settings.write_text(site.settings.read_text().replace("serve_time = false", ""))
    site.rack("apply", "--only", "time")
    assert "local stratum 10" in (site.directory / "etc/chrony/conf.d/edge.conf").read_text()


def test_the_way_to_the_internet_is_asked_for_within_a_bound(site: Site) -> None:
    site.rack("apply")
    site.ip(MASTER, "route", "replace", "default", "via", "192.168.77.200", "metric", "600")
    assert "NoInternet" in site.problems()


@pytest.mark.parametrize("name", ["rack.nft", "mosquitto.conf"])
def test_show_prints_what_would_be_written(site: Site, name: str) -> None:
    assert f"/{name} (" in site.rack("show", name)
    assert "there is no file nonsense; there are" in site.rack("show", "nonsense", code=1)
