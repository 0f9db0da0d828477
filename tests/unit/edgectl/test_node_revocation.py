"""Which key `edgectl node revoke` means, what it refuses, and what it writes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from edge.edgectl import node_revocation
from edge.edgectl.failures import CtlError
from edge.edgectl.node_revocation import Meant
from edge.pki import authority, names, revocation, users

NOW = authority.EARLIEST_NOW
CA = authority.create_ca(NOW)
KEY = "sha256:" + "ab" * 32
ENTRY = revocation.Revocation(name="node-2", by="jane", at="2026-11-21T10:00:00Z", reason="stolen")


def node(name: str, key: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": {names.KEY_ANNOTATION: key} if key else {}}}


def request(name: str, made: str) -> tuple[dict[str, Any], str]:
    pair = authority.issue(CA, names.node(name), NOW)
    found = {"metadata": {"name": f"csr-{made}", "creationTimestamp": made}, "spec": {"signerName": names.NODE_SIGNER},
             "status": {"certificate": base64.b64encode(pair.certificate).decode()}}
    return found, authority.spki_hash(pair.certificate)


def test_a_node_says_its_key() -> None:
    assert node_revocation.of_node("node-2", node("node-2", KEY), []) == Meant(KEY, "node-2")


def test_the_newest_certificate_says_the_key_of_a_node_that_is_gone() -> None:
    old, _ = request("node-2", "2026-11-20T10:00:00Z")
    new, key = request("node-2", "2026-11-21T10:00:00Z")
    other, _ = request("node-3", "2026-11-22T10:00:00Z")
    damaged = {"metadata": {"name": "x"}, "spec": {"signerName": names.NODE_SIGNER}, "status": {"certificate": "%"}}
    unsigned: dict[str, Any] = {"metadata": {"name": "y"}, "spec": {"signerName": names.NODE_SIGNER}, "status": {}}
    found = node_revocation.of_node("node-2", None, [old, new, other, damaged, unsigned])
    assert (found.key, found.name) == (key, "node-2")


@pytest.mark.parametrize("known", [None, node("node-2")])
def test_a_node_whose_key_nobody_knows_is_told(known: dict[str, Any] | None) -> None:
    with pytest.raises(CtlError, match="edgectl node certificates"):
        node_revocation.of_node("node-2", known, [])


def test_a_key_is_found_with_the_node_that_has_it() -> None:
    assert node_revocation.of_key(KEY, [node("node-1"), node("node-2", KEY)]) == Meant(KEY, "node-2")
    assert node_revocation.of_key(KEY, []) == Meant(KEY)


@pytest.mark.parametrize("key", ["", "node-2", KEY.upper(), KEY[:-1]])
def test_what_is_no_hash_is_told(key: str) -> None:
    with pytest.raises(CtlError, match="64 hexadecimal digits"):
        node_revocation.of_key(key, [])


def test_a_persons_kubeconfig_names_the_persons_key(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([
        x509.NameAttribute(x509.NameOID.COMMON_NAME, "jane")])).sign(key, hashes.SHA256())
    pem = users.sign(CA, csr, ["client auth"], None, NOW)
    config = {"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "r", "user": "jane"}}],
              "clusters": [{"name": "r", "cluster": {"server": "https://x"}}],
              "users": [{"name": "jane", "user": {"client-certificate-data": base64.b64encode(pem).decode(),
                                                  "client-key-data": "eA=="}}]}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    (tmp_path / "jane.crt").write_bytes(pem + pem)
    found = node_revocation.of_file(tmp_path / "config")
    assert (found.name, found) == ("jane", node_revocation.of_file(tmp_path / "jane.crt"))
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public)
    assert found.key == f"sha256:{digest.finalize().hex()}"


@pytest.mark.parametrize("content", ["", "key: value", "{", "-----BEGIN CERTIFICATE-----\nnothing"])
def test_other_files_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(CtlError, match="in PEM form"):
        node_revocation.of_file(tmp_path / "file")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CtlError, match="no such file"):
        node_revocation.of_file(tmp_path / "file")


def test_keys_that_the_rack_needs_are_refused() -> None:
    admin = authority.issue(CA, names.admin(), NOW)
    server = node_revocation.of_certificate(authority.issue(CA, names.edge_server(), NOW).certificate)
    for meant, words in ((Meant(authority.spki_hash(CA.certificate)), "a new rack"), (server, "server itself"),
                         (node_revocation.of_certificate(admin.certificate), "lock yourself out")):
        with pytest.raises(CtlError, match=words):
            node_revocation.guarded(meant, admin.certificate, CA.certificate)
    node_revocation.guarded(Meant(KEY, "node-2"), admin.certificate, CA.certificate)
    node_revocation.guarded(Meant(KEY, "node-2"), b"", b"")


def test_the_first_entry_makes_the_list_and_the_next_is_put_beside_it() -> None:
    first = node_revocation.with_entry(None, Meant(KEY, "node-2"), ENTRY)
    assert first is not None
    assert first["metadata"] == {"name": "revoked-keys", "namespace": "kube-system"}
    other = "sha256:" + "cd" * 32
    second = node_revocation.with_entry(first, Meant(other, "node-3"), ENTRY)
    assert second is not None
    assert revocation.read(second["data"]) == {KEY: ENTRY, other: ENTRY}


def test_a_key_that_is_revoked_stays_as_it_is() -> None:
    first = node_revocation.with_entry(None, Meant(KEY), ENTRY)
    assert node_revocation.with_entry(first, Meant(KEY), revocation.Revocation(name="other")) is None


def test_a_serial_number_that_does_not_follow_from_the_key_is_written_down() -> None:
    made = node_revocation.with_entry(None, Meant(KEY, "x", f"{revocation.serial(KEY):x}"), ENTRY)
    other = node_revocation.with_entry(None, Meant(KEY, "x", "1f"), ENTRY)
    assert made is not None
    assert other is not None
    assert revocation.read(made["data"])[KEY].serials == ()
    assert revocation.read(other["data"])[KEY].serials == ("1f",)
