"""How a machine becomes a node: tokens, the pinned authority, and what the agent says while it is kept out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from edge.api import times
from edge.clock import SystemClock
from tests.e2e import objects
from tests.e2e.conftest import Rack, is_ready, until
from tests.e2e.objects import LAB, failure, switch

NODE = "node-3"
ETC = LAB.directory(NODE) / "etc"
IDENTITY = LAB.directory(NODE) / "data/agent/identity"


@pytest.fixture
def outsider(rack: Rack) -> Iterator[Rack]:
    """node-3 is switched off; at the end it is a member as before."""
    kept = {name: (ETC / name).read_text() for name in ("bootstrap-token", "ca-cert-hash")}
    switch(NODE, on=False)
    try:
        yield rack
    finally:
        created = create(rack)
        (ETC / "bootstrap-token").write_text(created["token"])
        (ETC / "ca-cert-hash").write_text(kept["ca-cert-hash"])
        switch(NODE, on=True)
        rack.until_back(NODE)
        delete(rack, created["token"])


def create(rack: Rack, *argv: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(rack.edgectl("token", "create", "-o", "json", *argv).stdout)
    return found


def delete(rack: Rack, token: str) -> None:
    rack.edgectl("token", "delete", token.split(".")[0])


def said(rack: Rack, since: int) -> list[str]:
    """Return why the agent of node-3 could not join, from each line it has logged about that."""
    log = rack.log(NODE, "edge-agent")[since:]
    return re.findall(r'cannot join yet .*?reason="?(.*?)"? node=', log)


def wipe() -> None:
    """Take the identity from the card: a machine with a key that is known would need no token."""
    for path in IDENTITY.iterdir():
        path.unlink()


def test_tokens_are_made_listed_and_deleted(rack: Rack) -> None:
    created = create(rack, "--ttl", "30m")
    token_id, secret = created["token"].split(".")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", created["caCertHash"])
    listed = rack.edgectl("token", "list").stdout
    assert token_id in listed
    assert secret not in listed
    assert "data" in rack.get("secret", "-n", "kube-system", f"bootstrap-token-{token_id}")
    shown = {each["id"]: each for each in json.loads(rack.edgectl("token", "list", "-o", "json").stdout)}
    assert shown[token_id]["state"] == "valid"
    assert shown[token_id]["expires"] == created["expires"]
    text = rack.edgectl("token", "create", "--ttl", "0", "--description", "for ever").stdout
    forever = text.split()[1]
    assert "for ever" in rack.edgectl("token", "list").stdout
    assert "never" in next(line for line in rack.edgectl("token", "list").stdout.splitlines()
                           if line.startswith(forever.split(".")[0]))
    for token in (created["token"], forever):
        delete(rack, token)
    assert token_id not in rack.edgectl("token", "list").stdout
    assert "not found" in failure(rack.edgectl("token", "revoke", token_id, check=False))
    assert "no id of a token" in failure(rack.edgectl("token", "revoke", "../x", check=False))
    assert "write a number and a unit" in failure(rack.edgectl("token", "create", "--ttl", "soon", check=False))


def test_a_machine_is_kept_out_until_its_token_and_its_authority_are_right(outsider: Rack) -> None:
    """The same card all along: only what is written on it changes, and nobody restarts the agent."""
    rack, cidr = outsider, outsider.get("node", NODE)["spec"]["podCIDR"]
    right = create(rack)
    revoked = create(rack)
    delete(rack, revoked["token"])
    expired_id, secret = "exp1re", "0123456789abcdef"
    expired = {"token-id": expired_id, "token-secret": secret, "usage-bootstrap-authentication": "true",
               "expiration": times.render(SystemClock().now() - timedelta(seconds=1))}
    objects.apply(rack, "kube-system", {
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": f"bootstrap-token-{expired_id}"},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in expired.items()}})
    wipe()
    since, hash_file, token_file = len(rack.log(NODE, "edge-agent")), ETC / "ca-cert-hash", ETC / "bootstrap-token"
    hash_file.write_text(right["caCertHash"])
    token_file.write_text(revoked["token"])
    switch(NODE, on=True)
    until(lambda: said(rack, since) == ["the master does not know the bootstrap token: it is wrong or has expired"],
          30, "nothing is said of the token")
    hash_file.write_text("sha256:" + "0" * 64)
    until(lambda: len(said(rack, since)) > 1, 45, "nothing is said of the authority")
    assert said(rack, since)[1].startswith("no master with the CA hash sha256:0000")
    token_file.write_text(f"{expired_id}.{secret}")
    hash_file.write_text(right["caCertHash"])
    until(lambda: len(said(rack, since)) > 2, 45, "nothing is said of the expired token")
    assert said(rack, since)[2] == said(rack, since)[0]
    assert not is_ready(rack.get("node", NODE))
    token_file.write_text(right["token"])
    # It may ask now, and its name is another key's.
    until(lambda: f"edgectl node adopt {NODE}" in said(rack, since)[-1], 60, "nothing is said of the name")
    rack.edgectl("node", "adopt", NODE, "--yes")
    until(lambda: "joined node=node-3" in rack.log(NODE, "edge-agent")[since:], 45, "the node has not joined")
    until(lambda: is_ready(rack.get("node", NODE)), 45, "the node is not Ready")
    # One line for each new reason, however often it was tried.
    reasons = [re.sub(r"board \S+", "board", each) for each in said(rack, since)]
    assert len(reasons) == len(set(reasons)) + 1  # that of the token came twice
    assert right["token"] not in rack.log(NODE, "edge-agent")
    assert (IDENTITY / "node.key").stat().st_mode & 0o077 == 0
    assert rack.get("node", NODE)["spec"]["podCIDR"] == cidr
    delete(rack, right["token"])
    until(lambda: expired_id not in rack.edgectl("token", "list").stdout, 90, "the expired token is still there")


def test_a_strange_key_under_a_known_name_waits_for_a_person(outsider: Rack) -> None:
    """A card that was flashed anew, or somebody who says so."""
    rack, created = outsider, create(outsider)
    wipe()
    (ETC / "bootstrap-token").write_text(created["token"])
    switch(NODE, on=True)

    def pending() -> str:
        rows = [line.split() for line in rack.kubectl("get", "csr", "--no-headers").splitlines()]
        return next((row[0] for row in rows if row[0].startswith(f"node-{NODE}-") and row[-1] == "Pending"), "")

    name = until(pending, 30, "there is no pending request")
    assert not (IDENTITY / "node.crt").exists()
    rack.kubectl("certificate", "approve", name)
    until(lambda: (IDENTITY / "node.crt").exists(), 30, "the node has not joined")
    until(lambda: is_ready(rack.get("node", NODE)), 30, "the node is not Ready")
    delete(rack, created["token"])
