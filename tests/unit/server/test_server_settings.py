from __future__ import annotations

import base64

import msgspec
import pytest
from pydantic import ValidationError

from edge.api import core
from edge.pki import tokens
from edge.server import essentials
from edge.server.settings import ServerSettings


def test_the_defaults_are_those_of_a_rack() -> None:
    settings = ServerSettings()
    assert (settings.port, settings.advertise_address, settings.bus.port) == (6443, "10.0.0.1", 8883)


@pytest.mark.parametrize(("values", "word"), [
    ({"prot": 6443}, "prot"), ({"port": 0}, "port"), ({"port": "x"}, "port"), ({"bus": {"hots": "x"}}, "hots"),
    ({"advertise_address": "rack"}, "advertise_address"), ({"name": "Rack!"}, "name"),
    ({"network": {"pod_cidr": "10.96.0.0/16"}}, "overlap"), ({"network": {"dns_address": "10.0.0.1"}}, "dns_address"),
    ({"network": {"pod_cidr": "10.244.0.0/25"}}, "smaller"), ({"network": {"pod_cidr": "10.244.0.1/16"}}, "pod_cidr"),
    ({"network": {"load_balancer_addresses": ["10.0.0.9-10.0.0.2"]}}, "ends before"),
    ({"nodes": {"grace_seconds": 0}}, "grace_seconds"),
    ({"audit": {"max_bytes": 1}}, "max_bytes"), ({"discovery": {"interfaces": ["eth0"]}}, "interfaces"),
])
def test_what_is_wrong_is_named(values: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        ServerSettings.model_validate(values)


def test_load_balancer_addresses_in_every_notation() -> None:
    wanted = ["10.0.0.200", "10.0.0.210-10.0.0.219", "192.168.1.16/28"]
    assert ServerSettings.model_validate({"network": {"load_balancer_addresses": wanted}})


def test_the_kubernetes_service_has_the_first_address_and_is_put_right() -> None:
    wanted = essentials.kubernetes_service("10.96.0.0/12", 6443)
    assert wanted.spec.cluster_ip == "10.96.0.1"
    assert essentials.repaired(wanted, wanted) is None
    broken = msgspec.structs.replace(wanted, spec=msgspec.structs.replace(wanted.spec, ports=()))
    assert essentials.repaired(broken, wanted) == wanted


def test_a_changed_authentication_of_extensions_is_put_right() -> None:
    wanted = essentials.extension_authentication("PEM")
    assert wanted.data["requestheader-allowed-names"] == '["system:edge-server"]'
    found = msgspec.structs.replace(wanted, data={"client-ca-file": "other", "mine": "kept"})
    assert essentials.repaired(found, wanted) == msgspec.structs.replace(wanted, data=wanted.data | {"mine": "kept"})


def test_a_changed_endpoint_is_put_right() -> None:
    old, new = (essentials.kubernetes_endpoints(address, 6443) for address in ("10.0.0.1", "10.0.0.9"))
    assert essentials.repaired(old, new) == new


def test_the_bootstrap_token_keeps_what_others_added() -> None:
    token = tokens.parse_bootstrap("abcdef.0123456789abcdef")
    assert token is not None
    wanted = essentials.bootstrap_secret(token)
    assert base64.b64decode(wanted.data["token-secret"]) == b"0123456789abcdef"
    found = core.Secret(metadata=wanted.metadata, type=wanted.type, data=wanted.data | {"expiration": "eA=="})
    assert essentials.repaired(found, wanted) is None
