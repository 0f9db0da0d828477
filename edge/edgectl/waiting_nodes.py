"""Waits until a machine that joins is a Ready node, and says meanwhile what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from edge.api import errors, times
from edge.clock import Clock
from edge.edgectl import node_requests, rack_view
from edge.edgectl.failures import CtlError
from edge.edgectl.session import Session
from edge.pki import approval

LOOK_SECONDS = 1.0
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
BOOTSTRAP = "system:bootstrap:"

Obj = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """The machine that joins."""

    node: str
    token_id: str = ""
    """Of the token that was brought to it, and to nobody else: a request made with it is this machine's."""
    adopt: bool = False
    """Whether it may take the place of the machine that was this node before."""


def get(access: Session, name: str) -> dict[str, Any] | None:
    """Return a Node, or None."""
    try:
        return access.request("GET", f"/api/v1/nodes/{quote(name)}")
    except errors.NotFound:
        return None


def is_ready(node: Obj) -> bool:
    """Return whether a Node is Ready."""
    return any(each["type"] == "Ready" and each["status"] == "True"
               for each in node.get("status", {}).get("conditions") or ())


def until_ready(access: Session, awaited: Awaited, clock: Clock, seconds: float, say: Callable[[str], None]) -> None:
    """Wait until the node is Ready; `say` hears of each new thing that is waited for.

    Raises:
        CtlError: it is not Ready in time; the text says what was waited for.
    """
    asyncio.run(_until_ready(access, awaited, clock, seconds, say))


async def _until_ready(access: Session, awaited: Awaited, clock: Clock, seconds: float,
                       say: Callable[[str], None]) -> None:
    deadline, told = clock.monotonic() + seconds, ""
    while True:
        try:
            requests = of_machine(awaited, access.request("GET", REQUESTS)["items"])
            node = get(access, awaited.node)
            if node is not None and is_ready(node) and not _undecided(requests):
                return
            _adopt(access, awaited, requests, clock)
            state = waits_for(awaited, node, requests, rack_view.discovered(access).get("machines", []))
        except CtlError as error:  # A Wi-Fi that drops for a moment.
            state = str(error)
        if state != told:
            told = state
            say(state)
        if clock.monotonic() >= deadline:
            raise CtlError(f"{awaited.node} is not Ready after {seconds:.0f} s: {told}. `journalctl -u edge-agent` on "
                           "it says more; it is safe to run this again")
        await clock.sleep(LOOK_SECONDS)


def of_machine(awaited: Awaited, requests: Sequence[Obj]) -> list[Obj]:
    """Return the certificate requests of this machine, where it is known which they are."""
    return [each for each in requests if awaited.token_id
            and each.get("spec", {}).get("username") == BOOTSTRAP + awaited.token_id]


def forget_request(access: Session, name: str) -> None:
    """Delete a request that was made with a token that is gone; the machine makes it again with the next one."""
    try:
        found = access.request("GET", f"{REQUESTS}/{quote(name)}")
        if _undecided([found]):
            access.request("DELETE", f"{REQUESTS}/{quote(name)}")
    except errors.NotFound:
        return


def waits_for(awaited: Awaited, node: Obj | None, requests: Sequence[Obj], machines: Sequence[Obj]) -> str:
    """Return in words what the machine waits for."""
    if undecided := _undecided(requests):
        why = undecided[0].waits_for or "somebody has to let it in"
        return f"{why} (`edgectl join --adopt` does that too, or `edgectl certificate approve {undecided[0].request}`)"
    if node is not None:
        condition: Obj = next((each for each in node.get("status", {}).get("conditions") or ()
                               if each["type"] == "Ready"), {})
        why = condition.get("message") or condition.get("reason") or "it has not reported yet"
        return f"the node is registered and not Ready: {why}"
    states = {condition["type"] for each in requests for condition in each.get("status", {}).get("conditions") or ()}
    if states & {"Denied", "Failed"}:
        return "its certificate was refused: `edgectl describe csr` says why"
    if requests:
        return "its certificate is signed; the node registers"
    reason = next((str(each.get("reason", "")) for each in machines if each.get("name") == awaited.node), "")
    return f"it says: {reason}" if reason else "it looks for the master"


def _undecided(requests: Sequence[Obj]) -> list[node_requests.Waiting]:
    return node_requests.waiting(requests)


def _adopt(access: Session, awaited: Awaited, requests: Sequence[Obj], clock: Clock) -> None:
    """Approve what this machine asks for, where the person has said so."""
    names = {each.request for each in _undecided(requests)} if awaited.adopt else set()
    for request in requests:
        name = request["metadata"]["name"]
        if name not in names:
            continue
        condition = {"type": "Approved", "status": "True", "reason": approval.ADOPTED,
                     "lastUpdateTime": times.render(clock.now()),
                     "message": approval.adopted_message(awaited.node,
                                                         "`edgectl join --adopt` gave the name to this key")}
        status = request.get("status") or {}
        access.request("PUT", f"{REQUESTS}/{name}/approval", {
            **request, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}})
