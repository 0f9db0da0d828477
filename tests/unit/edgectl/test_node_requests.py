"""What `edgectl node` makes of nodes and requests, without a rack."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from edge.edgectl import node_requests
from edge.edgectl.failures import CtlError
from edge.pki import authority, names
from tests.fakes.clock import START

KEY = authority.new_key()


def node(name: str, *, ready: str = "Unknown", serial: str = "board-1", expires: str = "") -> dict[str, Any]:
    notes = {names.KEY_ANNOTATION: "sha256:old", names.SERIAL_ANNOTATION: serial, names.EXPIRES_ANNOTATION: expires}
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": "2029-12-31T00:00:00Z"}
    return {"metadata": {"name": name, "annotations": notes}, "status": {"conditions": [condition]}}


def request(name: str, *, serial: str = "board-1", called: str = "", signer: str = names.NODE_SIGNER,
            **status: Any) -> dict[str, Any]:
    pem = authority.request(KEY, names.node(name, serial=serial))
    return {"metadata": {"name": called or f"node-{name}-1", "creationTimestamp": "2030-01-01T00:00:00Z",
                         "annotations": {names.WAITING_ANNOTATION: "a person"}},
            "spec": {"signerName": signer, "username": "system:bootstrap:abcdef",
                     "request": base64.b64encode(pem).decode()}, "status": status}


@pytest.mark.parametrize(("expires", "state"), [
    ("2031-01-01T00:00:00Z", "valid"), ("2030-04-01T00:00:00Z", "renewal due"), ("2029-12-31T00:00:00Z", "expired"),
    ("", "unknown"), ("nonsense", "unknown")])
def test_a_certificates_state_is_that_of_its_end(expires: str, state: str) -> None:
    (found,) = node_requests.certificates([node("node-1", expires=expires)], START)
    assert (found.name, found.serial, found.key, found.state) == ("node-1", "board-1", "sha256:old", state)


def test_a_node_somebody_made_by_hand_is_shown_too() -> None:
    (found,) = node_requests.certificates([{"metadata": {"name": "node-1"}}], START)
    assert (found.serial, found.key, found.state) == ("", "", "unknown")


def test_only_those_wait_about_whom_nobody_has_decided() -> None:
    decided = [request("a", conditions=[{"type": kind}]) for kind in ("Approved", "Denied", "Failed")]
    broken = request("b")
    broken["spec"]["request"] = "eA=="
    others = [request("c", signer="example.com/x"), request("d", certificate="eA=="), broken]
    (found,) = node_requests.waiting([*decided, *others, request("node-1")])
    assert (found.name, found.serial, found.waits_for) == ("node-1", "board-1", "a person")
    assert found.key == authority.spki_hash(KEY)


@pytest.mark.parametrize(("name", "serial"), [("node-1", "board-1"), ("node-1", "board-2"), ("fresh", "board-1")])
def test_the_machine_that_waits_is_found_by_its_name_or_its_board(name: str, serial: str) -> None:
    waiting = node_requests.waiting([request(name, serial=serial)])
    for wanted in ("node-1", f"node-{name}-1"):
        if wanted == "node-fresh-1" or name == "node-1" or wanted == "node-1":
            found = node_requests.adoption(wanted, [node("node-1")], waiting)
            assert (found.name, found.old_serial, found.new_serial) == ("node-1", "board-1", serial)
            assert (found.old_key, found.new_key) == ("sha256:old", authority.spki_hash(KEY))
            assert found.silent_since == "2029-12-31T00:00:00Z"


@pytest.mark.parametrize(("wanted", "nodes", "requests", "words"), [
    ("node-9", [node("node-1")], [request("node-1")], "there is no node node-9"),
    ("node-1", [node("node-1")], [], "no machine waits to be node-1"),
    ("node-1", [node("node-1")], [request("kitchen", serial="board-2")], "no machine waits to be node-1"),
    ("node-1", [node("node-1", ready="True")], [request("node-1")], "node-1 runs, on board board-1"),
    ("node-1", [node("node-1")], [request("node-1", called="r1"), request("node-1", called="r2")], "r1, r2"),
    ("node-kitchen-1", [node("node-1")], [request("kitchen", serial="")], "there is no node kitchen"),
])
def test_what_cannot_be_adopted_is_said(wanted: str, nodes: list[dict[str, Any]], requests: list[dict[str, Any]],
                                        words: str) -> None:
    with pytest.raises(CtlError, match=words):
        node_requests.adoption(wanted, nodes, node_requests.waiting(requests))


def test_one_of_several_is_adopted_by_its_request() -> None:
    waiting = node_requests.waiting([request("node-1", called="r1"), request("node-1", called="r2")])
    assert node_requests.adoption("r2", [node("node-1")], waiting).request == "r2"
