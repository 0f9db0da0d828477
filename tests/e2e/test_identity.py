"""Nodes as cards and boards: cards that are flashed anew, moved, copied or renamed, and certificates that expired.

What a machine is called and which board it is stands in its settings, so a test may have it be another one.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.lab import host, machines, topology
from edge.pki import authority, directory, names, subjects
from tests.e2e import objects
from tests.e2e.conftest import Rack, is_ready, until
from tests.e2e.objects import LAB, failure, here, switch

NODE, OTHER = "node-3", "node-2"
SILENT_SECONDS = 90
"""Until a node that was switched off counts as silent, and somebody has noticed; on a slow machine."""


BOOT = """import sys
from pathlib import Path
from edge.lab import host, machines, power, topology, wires
lab, node = topology.Lab(Path(sys.argv[1]), sys.argv[2]), sys.argv[3]
wires.plug_in(lab, node, topology.links(node))
power.switch_on(lab, machines.describe(lab, node, host.program_directory()),
                host.cgroups(Path("/proc/mounts").read_text()))
"""
"""Switches a machine on with the files it has; `edgectl lab power on` would write them anew."""


def card(node: str) -> Path:
    return LAB.directory(node) / "data/agent"


def identity(node: str) -> Path:
    return card(node) / "identity"


def boot(node: str, **settings: str) -> None:
    """Switch a machine on with other settings than its own."""
    path = LAB.directory(node) / "etc/agent.toml"
    text = next(file.text for file in machines.files(LAB, node, host.storage_driver(LAB.state)) if file.path == path)
    for key, value in settings.items():
        text = re.sub(rf'^{key} = ".*"$', f'{key} = "{value}"', text, flags=re.MULTILINE)
    path.write_text(text)
    here(sys.executable, "-c", BOOT, str(LAB.state), LAB.prefix, node)


def certificate(node: str) -> subjects.Subject:
    return subjects.certificate((identity(node) / "node.crt").read_text())


def key_of(node: str) -> str:
    return authority.spki_hash((identity(node) / "node.key").read_bytes())


def give_token(rack: Rack, node: str) -> str:
    token: str = json.loads(rack.edgectl("token", "create", "-o", "json").stdout)["token"]
    (LAB.directory(node) / "etc/bootstrap-token").write_text(token)
    return token


def told(rack: Rack, name: str) -> list[str]:
    """Return the reasons of the events about a node."""
    found = rack.get("events", "-A", f"--field-selector=involvedObject.name={name}")["items"]
    return [each["reason"] for each in found]


def waits(rack: Rack, words: str) -> dict[str, Any] | None:
    """Return the machine that waits for what has these words in it."""
    found: list[dict[str, Any]] = json.loads(rack.edgectl("node", "requests", "-o", "json").stdout)
    return next((each for each in found if words in each["waits_for"]), None)


def ready(rack: Rack, name: str, machine: str, since: int | None = None) -> dict[str, Any]:
    """Wait until the machine has connected since that place in its log, as a node that is Ready; return the node."""
    if since is not None:
        until(lambda: "edge.bus: connected" in rack.log(machine, "edge-agent")[since:], SILENT_SECONDS,
              f"{machine} does not come up")
    until(lambda: certificate(machine).name == name, SILENT_SECONDS, f"{machine} is not {name}")
    rack.until_back(name, SILENT_SECONDS)
    found: dict[str, Any] = rack.get("node", name)
    return found


def back(rack: Rack, node: str) -> None:
    """Have a machine be the node it always was, on its own board."""
    switch(node, on=False)
    since = len(rack.log(node, "edge-agent"))
    switch(node, on=True)
    ready(rack, node, node, since)
    assert certificate(node).serial == f"{LAB.prefix}-{node}"


@pytest.fixture
def off(rack: Rack) -> Iterator[Rack]:
    """node-3 is switched off; at the end it is a member."""
    ready(rack, NODE, NODE)
    switch(NODE, on=False)
    yield rack
    back(rack, NODE)


def test_a_card_flashed_anew_is_its_node_again_with_one_command(off: Rack) -> None:
    rack, before, old_key = off, off.get("node", NODE), key_of(NODE)
    shutil.rmtree(card(NODE))
    token, since = give_token(rack, NODE), len(rack.log(NODE, "edge-agent"))
    until(lambda: not is_ready(rack.get("node", NODE)), 60, "nobody has noticed that the node is off")
    boot(NODE)
    found = until(lambda: waits(rack, f"edgectl node adopt {NODE}"), SILENT_SECONDS, "nobody waits to be adopted")
    assert (found["name"], found["serial"]) == (NODE, f"{LAB.prefix}-{NODE}")
    assert "NodeNeedsAdoption" in told(rack, NODE)
    until(lambda: f"edgectl node adopt {NODE}" in rack.log(NODE, "edge-agent")[since:], 30, "the node does not say so")
    adopted = json.loads(rack.edgectl("node", "adopt", NODE, "--yes", "-o", "json").stdout)
    assert (adopted["old_key"], adopted["new_key"]) == (old_key, key_of(NODE))
    after = ready(rack, NODE, NODE, since)
    for path in (("metadata", "uid"), ("spec", "podCIDR")):
        assert after[path[0]][path[1]] == before[path[0]][path[1]]
    addresses = [each["address"] for each in after["status"]["addresses"]]
    assert addresses == [each["address"] for each in before["status"]["addresses"]]
    revoked = rack.get("configmap", "-n", "kube-system", "revoked-keys")["data"]
    assert old_key.replace(":", "-") in revoked
    shown = {each["name"]: each for each in json.loads(rack.edgectl("node", "certificates", "-o", "json").stdout)}
    assert (shown[NODE]["key"], shown[NODE]["state"]) == (key_of(NODE), "valid")
    assert "runs" in failure(rack.edgectl("node", "adopt", NODE, "--yes", check=False))
    nothing_secret_is_told(rack, token)
    rack.edgectl("token", "revoke", token)


def nothing_secret_is_told(rack: Rack, token: str) -> None:
    """Look through every log for the token's secret half and for keys; keys are their owner's alone."""
    keys = [path for machine in topology.RACK for path in LAB.directory(machine).glob("data/**/*.key")]
    assert len(keys) > 5
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in keys)
    lines = {line for path in keys for line in path.read_text().splitlines() if not line.startswith("-----")}
    for log in LAB.state.glob("machines/*/log/*.log"):
        text = log.read_text(errors="replace")
        assert token.split(".")[1] not in text, log
        assert "PRIVATE KEY" not in text, log
        assert not any(line in text for line in lines), log


def test_a_renamed_machine_keeps_its_key_and_its_pods_follow(off: Rack) -> None:
    rack, key, since = off, key_of(NODE), len(off.log(NODE, "edge-agent"))
    boot(NODE, node_name="kitchen")
    kitchen = ready(rack, "kitchen", NODE, since)
    assert (certificate(NODE).name, key_of(NODE)) == ("kitchen", key)
    assert kitchen["metadata"]["annotations"][names.KEY_ANNOTATION] == key
    until(lambda: NODE not in rack.kubectl("get", "nodes", "-o", "name"), SILENT_SECONDS, f"{NODE} is still there")
    assert "NodeRenamed" in told(rack, "kitchen")
    back(rack, NODE)
    until(lambda: "kitchen" not in rack.kubectl("get", "nodes", "-o", "name"), SILENT_SECONDS, "kitchen is still there")


def test_a_card_in_another_board_goes_on_as_the_node_it_was(off: Rack) -> None:
    rack, before, key, since = off, off.get("node", NODE), key_of(NODE), len(off.log(NODE, "edge-agent"))
    boot(NODE, board_serial="spare-board")
    after = ready(rack, NODE, NODE, since)
    assert certificate(NODE).serial == "spare-board"
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    until(lambda: rack.get("node", NODE)["metadata"]["annotations"][names.SERIAL_ANNOTATION] == "spare-board", 20,
          "the Node does not say which board it is")
    assert key_of(NODE) == key
    assert "NodeMoved" in told(rack, NODE)


def expired(node: str) -> bytes:
    """Return a certificate of the rack's authority that ended yesterday."""
    ca = directory.read_pair(LAB.directory("master") / "data/pki", directory.CA)
    key = (identity(node) / "node.key").read_bytes()
    days = (SystemClock().now() - authority.EARLIEST_NOW).days - 1
    profile = names.node(node, serial=f"{LAB.prefix}-{node}")
    return authority.issue(ca, profile, authority.EARLIEST_NOW, key=key, days=days).certificate


def test_a_node_whose_certificate_has_expired_gets_another_one_by_itself(off: Rack) -> None:
    """The rack was off for a year: no person, no token."""
    rack, since = off, len(off.log(NODE, "edge-agent"))
    (identity(NODE) / "node.crt").write_bytes(expired(NODE))
    kept = (LAB.directory(NODE) / "etc/bootstrap-token").read_text()
    (LAB.directory(NODE) / "etc/bootstrap-token").unlink()
    try:
        assert certificate(NODE).not_after < SystemClock().now()
        boot(NODE)
        until(lambda: certificate(NODE).not_after > SystemClock().now(), SILENT_SECONDS, "it is not renewed")
        ready(rack, NODE, NODE, since)
        until(lambda: "CertificateRenewed" in told(rack, NODE), 20, "there is no event")
    finally:
        (LAB.directory(NODE) / "etc/bootstrap-token").write_text(kept)


@pytest.fixture
def spare(rack: Rack) -> Iterator[Rack]:
    """node-2 is switched off, and another card may be put in; at the end it has its own again."""
    ready(rack, OTHER, OTHER)
    switch(OTHER, on=False)
    kept = card(OTHER).with_name("kept")
    card(OTHER).rename(kept)
    yield rack
    switch(OTHER, on=False)
    shutil.rmtree(card(OTHER))
    kept.rename(card(OTHER))
    back(rack, OTHER)
    # What the copy has asked for waits for a person, who would have to choose.
    for request in rack.get("csr")["items"]:
        if not request.get("status", {}).get("conditions"):
            rack.kubectl("delete", "csr", request["metadata"]["name"])


def test_a_copied_card_gets_a_key_of_its_own_and_disturbs_nobody(spare: Rack) -> None:
    rack, key, since = spare, key_of(NODE), len(spare.log(NODE, "edge-agent"))
    shutil.copytree(card(NODE), card(OTHER), ignore=shutil.ignore_patterns("pods"))
    token, mark = give_token(rack, OTHER), len(rack.log(OTHER, "edge-agent"))
    boot(OTHER, node_name=NODE, board_serial="copy-board")

    def said() -> str:
        return rack.log(OTHER, "edge-agent")[mark:]

    until(lambda: "is a copy" in said(), 60, "the copy does not know that it is one")
    until(lambda: "another host name" in said(), 120, "the copy does not say what to do")
    assert key_of(OTHER) != key
    assert (key_of(NODE), is_ready(rack.get("node", NODE))) == (key, True)
    assert "not connected" not in rack.log(NODE, "edge-agent")[since:]
    assert "NodeCloned" in told(rack, NODE)
    said_of_it = [each["message"] for each in rack.get("events", "-A")["items"] if each["reason"] == "NodeCloned"]
    assert any("copy-board" in each and f"{LAB.prefix}-{NODE}" in each for each in said_of_it)
    # A person gives it a name, and it is a node like any other.
    switch(OTHER, on=False)
    mark = len(rack.log(OTHER, "edge-agent"))
    boot(OTHER, node_name="copy", board_serial="copy-board")
    ready(rack, "copy", OTHER, mark)
    switch(OTHER, on=False)
    rack.kubectl("delete", "node", "copy")
    rack.edgectl("token", "revoke", token)


def test_two_machines_that_cannot_be_told_apart_do_not_throw_each_other_out_for_ever(spare: Rack) -> None:
    """The same key, name and serial number, as with virtual machines made from one image."""
    rack = spare
    shutil.copytree(card(NODE), card(OTHER), ignore=shutil.ignore_patterns("pods"))
    mark, since = len(rack.log(OTHER, "edge-agent")), len(rack.log(NODE, "edge-agent"))
    boot(OTHER, node_name=NODE, board_serial=f"{LAB.prefix}-{NODE}")

    def gave_way() -> list[str]:
        logs = {name: rack.log(name, "edge-agent")[at:] for name, at in ((OTHER, mark), (NODE, since))}
        return [name for name, text in logs.items() if "another machine is this node" in text]

    until(gave_way, 60, "none has given way")
    assert gave_way() == [OTHER]
    until(lambda: is_ready(rack.get("node", NODE)), 30, f"{NODE} is not Ready")
    until(lambda: "NodeDuplicated" in told(rack, NODE), 30, "nobody is told")
    lost = rack.log(NODE, "edge-agent")[since:].count("not connected")
    assert lost <= 4
    # From here on there is peace: the next heartbeats come, and nobody is thrown out any more.
    pods = objects.deployment("peace", 1)
    objects.apply(rack, "default", pods)
    until(lambda: rack.ready_pods("app=peace"), 60, "nothing can be run")
    rack.kubectl("delete", "deployment", "peace")
    assert rack.log(NODE, "edge-agent")[since:].count("not connected") == lost
