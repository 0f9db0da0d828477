"""The list of revoked keys as people see it, and the list of certificates made of it."""

from __future__ import annotations

import ssl

import pytest
from cryptography import x509

from edge.pki import authority, der, names, revocation, revocation_list
from edge.rack import revoked

NOW = authority.EARLIEST_NOW
CA = authority.create_ca(NOW)
OTHER = authority.create_ca(NOW)
KEY = "sha256:" + "ab" * 32


def listed(*keys: str) -> bytes:
    return revocation_list.make(CA, map(revocation.serial, keys))


def test_a_key_is_known_without_the_cryptography_library() -> None:
    pair = authority.issue(CA, names.node("node-1"), NOW)
    assert der.key_hash(ssl.PEM_cert_to_DER_cert(pair.certificate.decode())) == authority.spki_hash(pair.key)


@pytest.mark.parametrize("content", [b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"no certificate", b"\x30\x03\x02\x01"])
def test_what_is_no_certificate_has_no_key(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a certificate"):
        der.key_hash(content)


def test_every_certificate_of_a_client_for_one_key_has_one_serial_number() -> None:
    first = authority.issue(CA, names.node("node-1"), NOW)
    again = authority.issue(CA, names.node("other"), NOW, key=first.key, days=7)
    wanted = revocation.serial(authority.spki_hash(first.key))
    numbers = {x509.load_pem_x509_certificate(each.certificate).serial_number for each in (first, again)}
    assert numbers == {wanted}
    assert wanted.bit_length() < 160


def test_certificates_of_servers_have_numbers_of_their_own() -> None:
    profile = names.api_server(("master",), ())
    first = authority.issue(CA, profile, NOW)
    again = authority.issue(CA, profile, NOW, key=first.key)
    one, two = (x509.load_pem_x509_certificate(each.certificate).serial_number for each in (first, again))
    assert one != two


def test_an_entry_is_read_as_it_was_written() -> None:
    written = revocation.Revocation(name="node-2", by="jane", at="2026-11-21T10:00:00Z", reason="stolen",
                                    serials=("1f",))
    assert revocation.read({revocation.entry(KEY): revocation.written(written)}) == {KEY: written}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 3}', "null", "\udcff"])
def test_a_damaged_entry_revokes_its_key_all_the_same(text: str) -> None:
    assert set(revocation.read({revocation.entry(KEY): text})) == {KEY}


@pytest.mark.parametrize("name", ["", "sha256", "sha256-ab", "sha256-" + "AB" * 32, "sha1-" + "ab" * 32, "x" * 71])
def test_an_entry_whose_name_is_no_hash_says_nothing(name: str) -> None:
    assert revocation.read({name: "{}"}) == {}


def test_serials_are_those_of_the_keys_and_those_that_were_named() -> None:
    entries = {KEY: revocation.Revocation(serials=("1f", "no number", "0", "f" * 41)),
               "sha256:" + "cd" * 32: revocation.Revocation()}
    assert revocation.serials(entries) == {0x1f, revocation.serial(KEY), revocation.serial("sha256:" + "cd" * 32)}
    assert revocation.serials(entries, keep=[KEY]) == {revocation.serial("sha256:" + "cd" * 32)}


def test_no_entry_names_the_serial_number_of_a_key_that_is_kept() -> None:
    own, other = KEY, "sha256:" + "cd" * 32
    entries = {other: revocation.Revocation(serials=(f"{revocation.serial(own):x}",))}
    assert revocation.serials(entries, keep=[own]) == {revocation.serial(other)}


def test_an_entry_names_a_few_serial_numbers_and_no_more() -> None:
    entries = {KEY: revocation.Revocation(serials=tuple(f"{number:x}" for number in range(1, 1000)))}
    assert revocation.serials(entries) == {*range(1, 9), revocation.serial(KEY)}


@pytest.mark.parametrize("key", ["", "node-2", "sha256:ab", "sha256:" + "AB" * 32, "ab" * 32])
def test_a_hash_that_is_none_is_told(key: str) -> None:
    assert "64 hexadecimal digits" in revocation.problem(key)


def test_a_good_hash_has_no_problem() -> None:
    assert revocation.problem(KEY) == ""


def test_who_and_when_and_why_are_one_sentence() -> None:
    entry = revocation.Revocation(name="node-2", by="jane", at="2026-11-21T10:00:00Z", reason="stolen")
    assert revocation.told(KEY, entry) == (
        f"the key {KEY} of node-2 was revoked by jane at 2026-11-21T10:00:00Z: stolen")


class TestTheListOfTheBroker:
    def test_it_says_what_was_put_in_and_has_no_end(self) -> None:
        pem = revocation_list.make(CA, [7, 8])
        assert revocation_list.read(pem, CA.certificate) == {7, 8}
        made = x509.load_pem_x509_crl(pem)
        assert made.next_update_utc == revocation_list.NEVER
        assert made.last_update_utc == authority.NOT_BEFORE

    @pytest.mark.parametrize("content", [b"", b"x", CA.certificate, listed(KEY)[:-40], listed(KEY) + listed(KEY),
                                         revocation_list.make(OTHER, [7])])
    def test_one_that_would_lock_everybody_out_is_refused(self, content: bytes) -> None:
        with pytest.raises(authority.PkiError):
            revocation_list.read(content, CA.certificate)

    def test_nothing_revoked_is_no_list(self) -> None:
        assert revoked.choose(None, b"", CA.certificate) == revoked.Chosen()
        assert revoked.choose(revocation_list.make(CA, []), b"", CA.certificate) == revoked.Chosen()
        assert revoked.choose(revocation_list.make(CA, []), listed(KEY), CA.certificate) == revoked.Chosen()

    def test_a_good_list_is_taken_over(self) -> None:
        assert revoked.choose(listed(KEY), b"", CA.certificate).pem.startswith("-----BEGIN X509 CRL-----")

    def test_the_same_list_signed_again_changes_nothing(self) -> None:
        own = listed(KEY)
        assert revoked.choose(listed(KEY), own, CA.certificate).pem.encode() == own

    @pytest.mark.parametrize("wished", [b"", b"half", revocation_list.make(OTHER, [7])])
    def test_a_damaged_one_leaves_the_last_good_one(self, wished: bytes) -> None:
        own = listed(KEY)
        found = revoked.choose(wished, own, CA.certificate)
        assert found.pem.encode() == own
        assert "restart edge-server" in found.problem

    def test_without_a_wish_the_last_good_one_stays(self) -> None:
        assert revoked.choose(None, listed(KEY), CA.certificate).pem

    def test_one_of_an_authority_that_was_replaced_goes(self) -> None:
        assert revoked.choose(None, listed(KEY), OTHER.certificate) == revoked.Chosen()
