"""The broker's files: with a list of revoked certificates where there is a good one, else without."""

from __future__ import annotations

from edge.pki import authority, revocation, revocation_list
from edge.rack import bus, check
from edge.rack.facts import Facts
from edge.rack.settings import Rack

RACK = Rack()
CA = authority.create_ca(authority.EARLIEST_NOW)
FIRST, SECOND = revocation_list.make(CA, [7]), revocation_list.make(CA, [7, 8])


def names(facts: Facts) -> list[str]:
    return [document.path.name for document in bus.documents(RACK, facts)]


def configuration(facts: Facts) -> str:
    return bus.documents(RACK, facts)[-1].text


def facts(wished: bytes | None = None, own: bytes = b"") -> Facts:
    return Facts(wishes={} if wished is None else {revocation.FILE: wished}, revoked=own, authority=CA.certificate)


def test_where_nothing_was_ever_revoked_there_is_no_list() -> None:
    assert names(facts()) == ["mosquitto.acl", "mosquitto.conf"]
    assert "crlfile" not in configuration(facts())


def test_the_list_is_there_before_the_configuration_that_names_it() -> None:
    assert names(facts(FIRST)) == ["mosquitto.acl", "revoked.crl", "mosquitto.conf"]
    assert f"crlfile {RACK.config_dir}/revoked.crl" in configuration(facts(FIRST)).splitlines()


def test_another_list_makes_another_configuration_and_the_same_one_does_not() -> None:
    assert configuration(facts(FIRST)) != configuration(facts(SECOND, own=FIRST))
    assert configuration(facts(FIRST)) == configuration(facts(revocation_list.make(CA, [7]), own=FIRST))


def test_damage_changes_nothing() -> None:
    for damaged in (b"", b"half", FIRST[:-30], revocation_list.make(authority.create_ca(authority.EARLIEST_NOW), [9])):
        assert bus.documents(RACK, facts(damaged)) == bus.documents(RACK, facts())
        assert bus.documents(RACK, facts(damaged, own=FIRST)) == bus.documents(RACK, facts(FIRST))


def test_a_list_that_was_emptied_goes() -> None:
    assert bus.documents(RACK, facts(revocation_list.make(CA, []), own=FIRST)) == bus.documents(RACK, facts())


def test_a_list_that_is_refused_is_told() -> None:
    """Whoever revoked a key believes that the bus refuses it."""
    assert [problem.reason for problem in check.check(RACK, facts(b"", own=FIRST))].count("RevocationsRefused") == 1
    for good in (facts(), facts(FIRST), facts(SECOND, own=FIRST)):
        assert "RevocationsRefused" not in [problem.reason for problem in check.check(RACK, good)]
