"""Renders Mosquitto's configuration and access list for the control bus.

Nothing is kept by the broker (`persistence false`): the server publishes everything retained again whenever it
connects, so the broker writes nothing to the card and holds no truth. The user name is the common name of the client's
certificate, which lets the access list speak of `%u`; it is the client id as well, whatever a client says, since who
connects with another's id ends the other's session. See mosquitto.conf(5).

Mosquitto reads its list of revoked certificates at its start only, and a session that runs is not looked at again. So a
new list changes the configuration itself (by a remark), and whoever starts the broker for a new configuration starts
it for a new list: it comes back within a second, and so do all nodes (docs/adr/revocation.md).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePath

from edge.bus import messages, topics

# The topic, the properties and the fixed header travel beside the payload.
OVERHEAD_BYTES = 64 * 1024
MAX_PACKET_BYTES = messages.MAX_BYTES + OVERHEAD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """What the broker needs to know. Paths are those the broker sees."""

    ca: PurePath
    certificate: PurePath
    key: PurePath
    access_list: PurePath
    port: int = 8883
    addresses: tuple[str, ...] = ("",)
    """Addresses to listen on; an empty one means all."""
    user: str = ""
    """Unix user to run as when started as root; empty for Mosquitto's default."""
    queued_messages: int = 100_000
    """Messages waiting for one slow client before further ones are dropped; a large rack's retained state must fit."""
    queued_bytes: int = 64 * 1024 * 1024
    memory_bytes: int = 160 * 1024 * 1024
    """What the broker may take of the memory in all. Whose message or subscription would be beyond it is disconnected:
    topics and retained messages, of which Mosquitto takes any number, could otherwise take the whole machine."""
    revoked: PurePath | None = None
    """The list of revoked certificates; None where nothing was ever revoked. Mosquitto does not start without it."""
    revoked_content: bytes = b""
    """What is in that file, so that a new one makes a new configuration."""


def configuration(broker: Broker) -> str:
    """Return mosquitto.conf.

    Raises:
        ValueError: a path or address holds a line break, which would smuggle a setting in.
    """
    shut = [f"crlfile {broker.revoked}"] if broker.revoked is not None else []
    lines = [
        *([f"# revoked certificates: {hashlib.sha256(broker.revoked_content).hexdigest()}"] if shut else []),
        "per_listener_settings false",
        "allow_anonymous false",
        f"acl_file {broker.access_list}",
        "persistence false",
        "autosave_interval 0",
        "log_dest stderr",
        "log_type error", "log_type warning", "log_type notice",
        "connection_messages true",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "max_inflight_messages 100",
        f"max_queued_messages {broker.queued_messages}",
        f"max_queued_bytes {broker.queued_bytes}",
        f"memory_limit {broker.memory_bytes}",
        "max_keepalive 60",
        "set_tcp_nodelay true",
        *([f"user {broker.user}"] if broker.user else []),
    ]
    for address in broker.addresses:
        lines += [
            f"listener {broker.port} {address}".rstrip(),
            f"cafile {broker.ca}",
            f"certfile {broker.certificate}",
            f"keyfile {broker.key}",
            "tls_version tlsv1.2",
            "require_certificate true",
            "use_identity_as_username true",
            "use_username_as_clientid true",
            *shut,
        ]
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a broker setting holds a line break")
    return "\n".join(lines) + "\n"


def access_list() -> str:
    """Return the access list: the server may do everything on the bus, a node reads and writes its own branch."""
    node = f"{topics.ROOT}/nodes/%u"
    return "\n".join((
        f"user {topics.SERVER_USER}",
        f"topic readwrite {topics.ROOT}/#",
        "",
        f"pattern read {node}/desired/#",
        f"pattern read {topics.ROOT}/cluster/#",
        *(f"pattern write {node}/reported/{what}" for what in ("node", "pods/+", "static", "volumes")),
        f"pattern write {node}/heartbeat",
        f"pattern write {node}/state",
        f"pattern write {node}/events",
    )) + "\n"
