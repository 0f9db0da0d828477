"""The PKI directory on a real file system, and its certificates in real TLS connections."""

from __future__ import annotations

import asyncio
import ssl
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from edge.pki import authority, directory, names
from tests.fakes.clock import START

NOW = START


def ensure(folder: Path, *addresses: str, now: object = None) -> tuple[str, ...]:
    return directory.ensure(folder, dns=("master",), addresses=("10.0.0.1", *addresses), now=now or NOW)  # type: ignore[arg-type]


def test_everything_is_made_once_and_then_kept(tmp_path: Path) -> None:
    written = ensure(tmp_path)
    assert set(written) == {"ca.key", "ca.crt", "server.key", "server.crt", "broker.key", "broker.crt",
                            "edge-server.key", "edge-server.crt", "admin.key", "admin.crt", "sa.key",
                            "users.key", "users.crt"}
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert ensure(tmp_path) == ()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    ensure(tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert all(mode == (0o600 if name.endswith(".key") else 0o644) for name, mode in modes.items())


def test_a_further_address_reissues_certificates_and_keeps_keys(tmp_path: Path) -> None:
    ensure(tmp_path)
    key = (tmp_path / "server.key").read_bytes()
    assert set(ensure(tmp_path, "192.168.1.7")) == {"server.crt", "broker.crt"}
    facts = authority.read_certificate((tmp_path / "server.crt").read_bytes())
    assert facts.profile.addresses == ("10.0.0.1", "192.168.1.7", "127.0.0.1")
    assert (tmp_path / "server.key").read_bytes() == key


def test_certificates_are_renewed_before_they_end_and_the_authority_stays(tmp_path: Path) -> None:
    ensure(tmp_path)
    ca = (tmp_path / "ca.crt").read_bytes()
    assert "server.crt" in ensure(tmp_path, now=NOW + timedelta(days=600))
    assert (tmp_path / "ca.crt").read_bytes() == ca


def test_a_rack_that_was_off_for_three_years_comes_back_with_the_authority_and_the_keys_it_had(tmp_path: Path) -> None:
    """Its nodes trust it as before, and it recognizes them by their keys."""
    ensure(tmp_path)
    keys = {path.name: path.read_bytes() for path in tmp_path.glob("*.key")}
    kept = {name: (tmp_path / name).read_bytes() for name in ("ca.crt", "users.crt")}
    later = NOW + timedelta(days=3 * 365)
    assert authority.read_certificate((tmp_path / "server.crt").read_bytes()).not_after < later
    assert set(ensure(tmp_path, now=later)) == {"server.crt", "broker.crt", "edge-server.crt", "admin.crt"}
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.key")} == keys
    assert all((tmp_path / name).read_bytes() == content for name, content in kept.items())
    for stem in ("server", "broker", "edge-server", "admin"):
        certificate = (tmp_path / f"{stem}.crt").read_bytes()
        assert authority.issued_by(certificate, kept["ca.crt"])
        assert authority.read_certificate(certificate).not_after > later + timedelta(days=800)
    assert ensure(tmp_path, now=later) == ()


def test_an_authority_that_ends_is_made_anew_for_the_key_that_is_pinned(tmp_path: Path) -> None:
    ensure(tmp_path)
    before = (tmp_path / "ca.crt").read_bytes()
    written = ensure(tmp_path, now=NOW + timedelta(days=11 * 365))
    after = (tmp_path / "ca.crt").read_bytes()
    assert "ca.crt" in written
    assert after != before
    assert authority.spki_hash(after) == authority.spki_hash(before)
    # What the one has signed the other vouches for.
    assert authority.issued_by((tmp_path / "server.crt").read_bytes(), before)


@pytest.mark.parametrize("content", [b"", b"garbage",
                                     b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_damaged_certificate_is_made_anew(tmp_path: Path, content: bytes) -> None:
    ensure(tmp_path)
    (tmp_path / "broker.crt").write_bytes(content)
    assert ensure(tmp_path) == ("broker.crt",)


def test_a_lost_authority_key_is_an_error_and_never_replaced(tmp_path: Path) -> None:
    ensure(tmp_path)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(authority.PkiError, match=r"ca\.key is missing"):
        ensure(tmp_path)
    (tmp_path / "ca.key").write_bytes(authority.new_key())
    with pytest.raises(authority.PkiError, match="does not belong"):
        ensure(tmp_path)


def test_a_first_run_that_was_cut_off_is_completed_with_its_key(tmp_path: Path) -> None:
    key = authority.new_key()
    directory.write(tmp_path / "ca.key", key)
    (tmp_path / ".ca.crt.new").write_text("half")
    ensure(tmp_path)
    assert authority.spki_hash((tmp_path / "ca.crt").read_bytes()) == authority.spki_hash(key)


def test_a_machine_without_a_clock_gets_a_certificate_that_lasts() -> None:
    ca = authority.create_ca(NOW.replace(year=1970))
    assert authority.read_certificate(ca.certificate).not_after.year >= 2036


def test_a_signed_request_says_only_what_the_signer_wants() -> None:
    ca, key = authority.create_ca(NOW), authority.new_key()
    wish = names.Profile(common_name="node-1", organizations=("system:masters",), dns=("kubernetes",))
    asked = authority.read_request(authority.request(key, wish))
    assert (asked.organizations, asked.dns) == (("system:masters",), ("kubernetes",))
    facts = authority.read_certificate(authority.sign(ca, authority.request(key, wish), names.node("node-1"), NOW))
    assert facts.profile == names.node("node-1")
    assert facts.key_hash == asked.key_hash == authority.spki_hash(key)


@pytest.mark.parametrize("pem", [b"", b"x" * 100, b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"
                                 b"-----END CERTIFICATE REQUEST-----\n"])
def test_what_is_no_request_is_refused(pem: bytes) -> None:
    with pytest.raises(authority.PkiError):
        authority.read_request(pem)


async def test_the_certificates_work_in_tls_both_ways(tmp_path: Path) -> None:
    ensure(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    seen: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peercert")["subject"])
        writer.write(await reader.readexactly(1))
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    async with listener:
        client = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        client.load_cert_chain(tmp_path / "admin.crt", tmp_path / "admin.key")
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="kubernetes")
        writer.write(b"x")
        assert await reader.read() == b"x"
        writer.close()
        await writer.wait_closed()
    assert seen == [((("organizationName", "system:masters"),), (("commonName", "kubernetes-admin"),))]


def test_a_node_makes_its_request_in_a_child_process_and_keeps_its_key(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge.pki.request", "--name", "node-1", "--directory", str(tmp_path / "identity")]
    first = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    again = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert first == again
    assert authority.read_request((tmp_path / "identity/node.csr").read_bytes()).key_hash == first.strip()
    assert stat.S_IMODE((tmp_path / "identity/node.key").stat().st_mode) == 0o600


def test_a_wrong_node_name_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "edge.pki.request", "--name", "Node_1", "--directory", str(tmp_path)],
                          check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Node_1" in done.stderr
