"""Whom the broker lets in: certificates of the rack's own authority, that are good today and not revoked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from edge.bus import interface, mqtt, topics
from edge.clock import SystemClock
from edge.ids import SystemIds
from edge.pki import authority, directory, names, revocation, revocation_list
from edge.rack import revoked
from tests.fakes.broker import PROGRAM, Mosquitto
from tests.fakes.mqtt_client import Client
from tests.integration.bus.conftest import Connect

NOW = SystemClock().now()
Make = Callable[[Mosquitto], authority.Pair]


def dated(broker: Mosquitto, first: datetime, last: datetime) -> authority.Pair:
    """Return a node's certificate of the broker's authority with these dates."""
    key = authority.new_key()
    issuer = x509.load_pem_x509_certificate(broker.ca.certificate)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node-1")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(issuer.subject).public_key(
        authority.load_key(key).public_key()).serial_number(7).not_valid_before(first).not_valid_after(last).sign(
        authority.load_key(broker.ca.key), hashes.SHA256())
    return authority.Pair(key, made.public_bytes(serialization.Encoding.PEM))


def of_another_authority(broker: Mosquitto) -> authority.Pair:
    return authority.issue(authority.create_ca(NOW), names.node("node-1"), NOW)


def of_the_users_authority(broker: Mosquitto) -> authority.Pair:
    users = directory.read_pair(broker.folder, directory.USERS)
    return authority.issue(users, names.node("node-1"), NOW)


def of_a_server_alone(broker: Mosquitto) -> authority.Pair:
    return authority.issue(broker.ca, names.api_server(("node-1",), ()), NOW)


def expired(broker: Mosquitto) -> authority.Pair:
    return dated(broker, datetime(2020, 1, 1, tzinfo=UTC), NOW - timedelta(days=1))


def not_valid_yet(broker: Mosquitto) -> authority.Pair:
    return dated(broker, NOW + timedelta(days=1), NOW + timedelta(days=2))


@pytest.mark.parametrize("make", [of_another_authority, of_the_users_authority, of_a_server_alone, expired,
                                  not_valid_yet])
def test_a_certificate_that_is_not_good_is_refused(broker: Mosquitto, client: Connect, make: Make) -> None:
    assert client(broker.context("bad", make(broker)), "node-1").connect() == "refused"


def test_who_shows_no_certificate_is_refused(broker: Mosquitto, client: Connect) -> None:
    assert client(broker.nobody_context(), "node-1").connect() == "refused"


class TestRevocation:
    def list_of(self, broker: Mosquitto, *who: str) -> bytes:
        keys = [authority.spki_hash((broker.folder / f"{name}.crt").read_bytes()) for name in who]
        return revocation_list.make(broker.ca, map(revocation.serial, keys))

    def restart(self, broker: Mosquitto, pem: bytes) -> None:
        broker.kill()
        broker.configure(pem)
        broker.start()

    def test_a_revoked_certificate_is_refused_and_others_are_not(self, broker: Mosquitto, client: Connect) -> None:
        first, second = broker.node_context("node-1"), broker.node_context("node-2")
        running = client(first, "node-1")
        assert running.connect() == "Success"
        self.restart(broker, self.list_of(broker, "node-1"))
        assert running.ended.wait(20)
        assert client(first, "node-1").connect() == "refused"
        assert client(second, "node-2").connect() == "Success"
        assert client(broker.server_context(), "edge-server").connect() == "Success"

    def test_a_renewed_certificate_for_a_revoked_key_is_refused(self, broker: Mosquitto, client: Connect) -> None:
        broker.node_context("node-1")
        key = (broker.folder / "node-1.key").read_bytes()
        self.restart(broker, self.list_of(broker, "node-1"))
        renewed = authority.issue(broker.ca, names.node("node-1"), NOW, key=key)
        assert client(broker.context("renewed", renewed), "node-1").connect() == "refused"
        replaced = authority.issue(broker.ca, names.node("node-1"), NOW)
        assert client(broker.context("replaced", replaced), "node-1").connect() == "Success"

    def test_a_list_without_entries_locks_nobody_out(self, broker: Mosquitto, client: Connect) -> None:
        self.restart(broker, self.list_of(broker))
        assert client("node-1").connect() == "Success"

    def test_a_list_that_ends_is_not_given_to_the_broker(self, broker: Mosquitto) -> None:
        issuer = x509.load_pem_x509_certificate(broker.ca.certificate)
        ending = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject).last_update(
            authority.NOT_BEFORE).next_update(datetime(2021, 1, 1, tzinfo=UTC)).sign(
            authority.load_key(broker.ca.key), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        assert revoked.choose(ending, b"", broker.ca.certificate).pem == ""

    async def test_a_revoked_node_reads_in_its_log_why(self, tmp_path: Path) -> None:
        if not PROGRAM:
            pytest.skip("mosquitto is not installed")
        broker = Mosquitto(tmp_path)
        context = broker.node_context("node-1")
        broker.configure(self.list_of(broker, "node-1"))
        broker.start()
        bus = mqtt.MqttBus(mqtt.Settings(
            host="localhost", port=broker.port, client_id="node-1", ssl_context=context,
            subscriptions=topics.agent_subscriptions("node-1")), SystemClock(), SystemIds())
        await bus.start()
        try:
            event = await anext(bus.events())
            assert isinstance(event, interface.Disconnected)
            assert "key was revoked" in event.reason
        finally:
            await bus.stop()
            broker.kill()


def test_a_session_is_not_kept_for_a_key_that_was_replaced(broker: Mosquitto, client: Connect) -> None:
    old: Client = client("node-1")
    assert old.connect() == "Success"
    new = client(broker.node_context("node-1"), "node-1")
    assert new.connect() == "Success"
    assert old.ended.wait(20)
