"""Rack settings -> the files the broker reads: its configuration, its access list, the list of revoked certificates."""

from __future__ import annotations

from edge.bus import broker
from edge.pki import revocation
from edge.rack.document import Document
from edge.rack.facts import Facts
from edge.rack.settings import Rack

UNIT = "edge-broker.service"


def documents(rack: Rack, facts: Facts) -> tuple[Document, ...]:
    """Return them. Mosquitto cannot check a configuration without using it; ours has no part a person writes."""
    target = rack.config_dir
    list_path, revoked = target / revocation.FILE, _revoked(facts)
    configuration = broker.configuration(broker.Broker(
        ca=rack.pki_dir / "ca.crt", certificate=rack.pki_dir / "broker.crt", key=rack.pki_dir / "broker.key",
        access_list=target / "mosquitto.acl", port=rack.bus_port, user=rack.broker_user,
        revoked=list_path if revoked else None, revoked_content=revoked.encode()))
    # The configuration comes last: it names the list, and changes with it.
    return (Document(path=target / "mosquitto.acl", text=broker.access_list(), part="broker", unit=UNIT, reload=True,
                     owner=rack.broker_user, mode=0o600),
            *([Document(path=list_path, text=revoked, part="broker")] if revoked else []),
            Document(path=target / "mosquitto.conf", text=configuration, part="broker", unit=UNIT))


def _revoked(facts: Facts) -> str:
    wished = facts.wishes.get(revocation.FILE)
    if wished is None and not facts.revoked:
        return ""
    # It needs the cryptography package, which is large: only a rack that has revoked something waits for it.
    from edge.rack import revoked

    return revoked.choose(wished, facts.revoked, facts.authority).pem
