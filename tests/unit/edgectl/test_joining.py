from __future__ import annotations

import shlex
from ipaddress import IPv4Network
from typing import Any

import pytest

from edge.edgectl import joining, waiting_nodes
from edge.edgectl.commands import discover
from edge.edgectl.failures import CtlError
from edge.edgectl.joining import Route, Surroundings

MACHINE = {"name": "node-4", "serial": "10000000abcdef12", "addresses": ["10.0.0.5"], "model": "Raspberry Pi 5",
           "reason": "no token"}
NODE = {"metadata": {"name": "node-1"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.2"}]}}
AROUND = Surroundings(machines=[MACHINE], nodes=[NODE], networks=[IPv4Network("10.0.0.0/24")],
                      own_addresses=frozenset({"192.168.1.20", "127.0.0.1"}), master="192.168.1.10")


@pytest.mark.parametrize("text", ["", "-oProxyCommand=x", "a b", "pi@", "@host", "pi@-x", "a;reboot", "$(x)", "a/b",
                                  "-pi@host", "host\n", "a@b@c;d"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(CtlError, match="is no"):
        joining.route(text, AROUND)


@pytest.mark.parametrize("text", ["pi@node-4", "pi@NODE-4", "pi@10000000abcdef12", "pi@10.0.0.5"])
def test_a_machine_that_waits_is_reached_by_name_serial_or_address_through_the_master(text: str) -> None:
    assert joining.route(text, AROUND) == Route(host="10.0.0.5", user="pi", via="pi@192.168.1.10",
                                                alias="edge-10000000abcdef12")


def test_a_node_is_reached_by_its_name() -> None:
    assert joining.route("node-1", AROUND) == Route(host="10.0.0.2", via="192.168.1.10")


def test_on_the_rack_or_on_the_master_nobody_is_in_between() -> None:
    for own in ("10.0.0.1", "192.168.1.10"):
        around = Surroundings(machines=AROUND.machines, networks=AROUND.networks, own_addresses=frozenset({own}),
                              master="192.168.1.10")
        assert joining.route("pi@node-4", around).via == ""


def test_a_machine_in_the_home_network_is_reached_straight() -> None:
    assert joining.route("pi@192.168.1.77", AROUND).via == ""
    assert joining.route("pi@other.local", AROUND).via == ""


def test_a_name_nobody_here_knows_is_looked_up_by_the_master() -> None:
    around = Surroundings(networks=AROUND.networks, own_addresses=AROUND.own_addresses, master="192.168.1.10",
                          resolves=False)
    assert joining.route("pi@node-7", around) == Route(host="node-7", user="pi", via="pi@192.168.1.10")


def test_a_person_chooses_the_way() -> None:
    assert joining.route("pi@node-4", AROUND, "none").via == ""
    assert joining.route("pi@node-4", AROUND, "me@jump").via == "me@jump"
    with pytest.raises(CtlError):
        joining.route("pi@node-4", AROUND, "-oProxyCommand=x")


def test_two_machines_of_one_name_are_told_apart_by_address() -> None:
    twin = MACHINE | {"serial": "x", "addresses": ["10.0.0.6"]}
    around = Surroundings(machines=[MACHINE, twin])
    with pytest.raises(CtlError, match=r"2 machines are called node-4.*10\.0\.0\.5 or 10\.0\.0\.6"):
        joining.route("node-4", around)
    assert joining.route("10.0.0.6", around).host == "10.0.0.6"


def test_nothing_secret_is_in_the_command_line_and_every_hop_has_the_options() -> None:
    argv = joining.ssh_command(joining.route("pi@node-4", AROUND), joining.give_script(), identity_file="/k e y",
                               port=2222)
    assert argv[0] == "ssh"
    assert argv[-2] == "pi@10.0.0.5"
    assert argv[argv.index("--") + 1] == "pi@10.0.0.5"
    proxy = shlex.split(next(part for part in argv if part.startswith("ProxyCommand=")).removeprefix("ProxyCommand="))
    assert proxy[-3:] == ["-W", "[%h]:%p", "pi@192.168.1.10"]
    assert "BatchMode=yes" in proxy
    assert "/k e y" in proxy
    assert "HostKeyAlias=edge-10000000abcdef12" in argv


@pytest.mark.parametrize("output", ["", "Welcome!\n", "node=\n", "node=x\njoined=yes\n",
                                    "node=x\n-----BEGIN CERTIFICATE-----\n"])
def test_an_answer_that_is_none_is_refused(output: str) -> None:
    with pytest.raises(CtlError, match="unexpected"):
        joining.read_look(output)


@pytest.mark.parametrize(("code", "error", "words"), [
    (77, "", "may not become root"), (78, "", "ansible-playbook join.yml"),
    (255, "pi@x: Permission denied (publickey).", "ssh-copy-id pi@10.0.0.5"),
    (255, "ssh: Could not resolve hostname x: Name or service not known", "edgectl discover"),
    (255, "@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@\nHost key verification failed.",
     "ssh-keygen -R edge-"),
    (255, "ssh: connect to host x port 22: Connection refused", "raspi-config"),
    (255, "ssh: connect to host x port 22: Connection timed out", "--via"),
    (255, "ssh: connect to host x port 22: No route to host", "--via"), (1, "first\nlast words", "last words"),
    (255, "", "255")])
def test_a_failure_says_what_to_do(code: int, error: str, words: str) -> None:
    assert words in joining.failure(code, error, joining.route("pi@node-4", AROUND))


def request(token_id: str, *conditions: str) -> dict[str, Any]:
    return {"metadata": {"name": "node-node-4-x"}, "spec": {"username": f"system:bootstrap:{token_id}"},
            "status": {"conditions": [{"type": each} for each in conditions]}}


def test_what_is_waited_for_is_said() -> None:
    awaited = waiting_nodes.Awaited(node="node-4", token_id="abcdef")

    def words(node: Any = None, requests: Any = (), machines: Any = ()) -> str:
        return waiting_nodes.waits_for(awaited, node, waiting_nodes.of_machine(awaited, requests), machines)

    assert "looks for the master" in words()
    assert "no token" in words(machines=[MACHINE])
    assert "looks for the master" in words(requests=[request("fedcba", "Approved")])
    assert "refused" in words(requests=[request("abcdef", "Denied")])
    assert "signed" in words(requests=[request("abcdef", "Approved")])
    node = {"status": {"conditions": [{"type": "Ready", "status": "False", "message": "no podman"}]}}
    assert "no podman" in words(node=node)
    assert "not reported" in words(node={})


def test_discover_shows_the_next_step_of_each() -> None:
    lines = "\n".join(discover.machine_lines({"machines": [MACHINE, MACHINE | {
        "reason": "the request node-x-1 is not approved yet; `kubectl certificate approve node-x-1` does that"}],
        "machinesLeftOut": 3}, ""))
    assert "edgectl join USER@10.0.0.5" in lines
    assert "edgectl node adopt node-x-1" in lines
    assert "3 announcements" in lines
    assert discover.machine_lines({}, "") == ["MACHINES: none waits for this rack"]
    assert "not asked for: gone" in discover.machine_lines({}, "gone")[0]
    assert "Wi-Fi" in discover.master_lines([], "")[0]
    assert "no multicast" in discover.master_lines([], "", "no multicast")[0]
