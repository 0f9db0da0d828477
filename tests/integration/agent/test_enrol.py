"""Joining on the disk: the child process makes key and request, the CA's hash is the one the authority gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.agent import enrol, identity, identity_files, masters
from edge.pki import authority
from tests.fakes.clock import START


def test_the_hash_of_a_ca_is_the_authoritys() -> None:
    ca = authority.create_ca(START)
    assert identity.key_hash(ca.certificate.decode()) == authority.spki_hash(ca.key)
    with pytest.raises(identity.JoinError, match="another master"):
        identity.check_ca(ca.certificate.decode(), "sha256:" + "0" * 64)


async def test_a_request_is_made_once(tmp_path: Path) -> None:
    joining = identity_files.Joining(node_name="node-1", data_dir=tmp_path)
    first = await enrol.request(joining, "node-1")
    assert "CERTIFICATE REQUEST" in first
    assert await enrol.request(joining, "node-1") == first
    assert (joining.directory / "node.key").stat().st_mode & 0o777 == 0o600


def test_the_master_is_remembered(tmp_path: Path) -> None:
    assert masters.remembered(tmp_path) is None
    masters.remember(tmp_path, masters.Master("10.0.0.1"))
    assert masters.remembered(tmp_path) == masters.Master("10.0.0.1")
    (tmp_path / "master.json").write_text("{")
    assert masters.remembered(tmp_path) is None
