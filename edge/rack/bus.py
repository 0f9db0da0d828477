"""Rack settings -> the files the broker reads: its configuration, its access list, the list of revoked certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.bus import broker
from edge.pki import revocation
from edge.rack.document import Document
from edge.rack.facts import Facts
from edge.rack.settings import Rack

if TYPE_CHECKING:
    from edge.rack import revoked

UNIT = "edge-broker.service"


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return them. Mosquitto cannot check a configuration without using it; ours has no part a person writes."""
    target = rack.config_dir
    chosen = _chosen(facts)
    list_path, listed = target / revocation.FILE, chosen.pem if chosen else ""
    configuration = broker.configuration(broker.Broker(
        ca=rack.pki_dir / "ca.crt", certificate=rack.pki_dir / "broker.crt", key=rack.pki_dir / "broker.key",
        access_list=target / "mosquitto.acl", port=rack.bus_port, user=rack.broker_user,
        revoked=list_path if listed else None, revoked_content=listed.encode()))
    # The configuration comes last: it names the list, and changes with it.
    return (Document(path=target / "mosquitto.acl", text=broker.access_list(), part="broker", unit=UNIT, reload=True,
                     owner=rack.broker_user, mode=0o600),
            *([Document(path=list_path, text=listed, part="broker")] if listed else []),
            Document(path=target / "mosquitto.conf", text=configuration, part="broker", unit=UNIT))


def refused_list(facts: Facts) -> str:
    """Return why the list of revoked certificates that the server has left is not the broker's, or ""."""
    chosen = _chosen(facts)
    return chosen.problem if chosen else ""


def _chosen(facts: Facts) -> revoked.Chosen | None:
    wished = facts.wishes.get(revocation.FILE)
    if wished is None and not facts.revoked:
        return None
    # It needs the cryptography package, which is large: only a rack that has revoked something waits for it.
    from edge.rack import revoked

    return revoked.choose(wished, facts.revoked, facts.authority)
