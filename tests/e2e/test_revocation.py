"""A stolen card and a person who has left: their keys open nothing any more within seconds; others notice nothing."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.pki import authority, revocation
from tests.e2e import objects
from tests.e2e.conftest import PORT, Rack, is_ready, until
from tests.e2e.objects import LAB

NODE = "node-2"
IDENTITY = LAB.directory(NODE) / "data/agent/identity"
SECONDS = 10.0
OTHERS = ("master", "node-1", "node-3")


@pytest.fixture
def pod(rack: Rack, namespace: str) -> str:
    """A pod on the node that will be revoked."""
    rack.kubectl("apply", "-n", namespace, "-f", "-", text=json.dumps(
        objects.pod("there", objects.container("echo started; exec sleep 1000"), nodeName=NODE)))
    until(lambda: is_ready(rack.get("pod", "there", "-n", namespace)), 60, "the pod does not run")
    return namespace


@pytest.fixture
def restored(rack: Rack) -> Iterator[None]:
    """Its card has a token that is good; and whatever fails, the node is a member afterwards, with a key that is
    adopted."""
    token = json.loads(rack.edgectl("token", "create", "-o", "json").stdout)["token"]
    (LAB.directory(NODE) / "etc/bootstrap-token").write_text(token)
    yield
    if not is_member(rack):
        new_key(rack)
        until(lambda: rack.edgectl("node", "adopt", NODE, "--yes", check=False).returncode == 0, 60, "not adopted")
        rack.until_back(NODE)


def is_member(rack: Rack) -> bool:
    """Return whether the node is in; one that was just shut out counts as Ready for some seconds more."""
    key = IDENTITY / "node.key"
    return (key.exists() and authority.spki_hash(key.read_bytes()) not in revoked(rack)
            and is_ready(rack.get("node", NODE)))


def revoked(rack: Rack) -> dict[str, revocation.Revocation]:
    """Return the revoked keys by their hash."""
    return revocation.read(rack.get("configmap", revocation.NAME, "-n", revocation.NAMESPACE)["data"])


def new_key(rack: Rack) -> None:
    """Take the machine's identity away, as a card that is flashed anew has none."""
    for file in IDENTITY.glob("node.*"):
        file.unlink()
    rack.kill(NODE, "edge-agent")


def ask(rack: Rack, certificate: Path, key: Path, path: str) -> tuple[int, str]:
    """Ask the API with a certificate and return status and body."""
    context = ssl.create_default_context(cafile=str(IDENTITY / "ca.crt"))
    context.load_cert_chain(certificate, key)
    connection = http.client.HTTPSConnection("127.0.0.1", int(PORT), context=context, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def within(began: float, what: str) -> None:
    """Check that it took no longer than people are told."""
    assert time.monotonic() - began < SECONDS, f"{what} took more than {SECONDS:.0f} s"


def test_a_revoked_worker_is_out_within_seconds_and_in_again_with_a_new_key(
        rack: Rack, pod: str, restored: None) -> None:
    certificate, key = IDENTITY / "node.crt", IDENTITY / "node.key"
    old = authority.spki_hash(certificate.read_bytes())
    assert ask(rack, certificate, key, f"/api/v1/nodes/{NODE}")[0] == 200
    assert rack.kubectl("logs", "there", "-n", pod) == "started\n"
    follower = subprocess.Popen([rack.kubectl_program, "logs", "-f", "there", "-n", pod], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=rack.environment)
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"started\n"
    heard = len(rack.log(NODE, "edge-agent"))
    began = time.monotonic()
    said = rack.edgectl("node", "revoke", NODE, "--yes", "--reason", "card stolen")
    assert f"the key {old} of {NODE} was revoked by kubernetes-admin" in said.stdout
    status, body = ask(rack, certificate, key, f"/api/v1/nodes/{NODE}")
    assert (status, "card stolen" in body) == (401, True)
    follower.communicate(timeout=SECONDS)
    until(lambda: "key was revoked" in rack.log(NODE, "edge-agent")[heard:], SECONDS, "the node has its session still")
    within(began, "the end of the bus session")
    refused = rack.try_kubectl("logs", "there", "-n", pod)
    assert refused.returncode != 0
    assert f"node {NODE} is not spoken to" in refused.stderr
    assert "card stolen" in refused.stderr
    until(lambda: not is_ready(rack.get("node", NODE)), 40, f"{NODE} counts as Ready still")
    assert all(is_ready(rack.get("node", name)) for name in OTHERS)
    # It hears nothing else, so it goes on with what it has; and it does not fill its log.
    assert rack.shell(NODE, "podman", "ps", "--quiet").split()
    lines = [line for line in rack.log(NODE, "edge-agent")[heard:].splitlines() if "key was revoked" in line]
    assert len(lines) == len({line.split(" ", 1)[1] for line in lines}), "the agent says the same again and again"
    assert "nothing to do" in rack.edgectl("node", "revoke", NODE, "--yes").stdout
    new_key(rack)
    until(lambda: NODE in rack.edgectl("node", "requests").stdout, 60, "the machine does not ask to be let in")
    rack.edgectl("node", "adopt", NODE, "--yes")
    until(lambda: is_ready(rack.get("node", NODE)), 60, f"{NODE} is not Ready with its new key")
    assert authority.spki_hash((IDENTITY / "node.crt").read_bytes()) != old
    assert revoked(rack)[old].reason == "card stolen"
    until(lambda: rack.try_kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/healthz").stdout == "ok", 30,
          "the API server does not speak to the node again")


def test_a_revoked_key_is_never_let_in_again(rack: Rack, restored: None) -> None:
    """The old card comes back: same key, and a bootstrap token that is good."""
    kept = {file.name: file.read_bytes() for file in IDENTITY.glob("node.*")}
    rack.edgectl("node", "revoke", NODE, "--yes", "--reason", "a try")
    (IDENTITY / "node.crt").unlink()
    heard = len(rack.log(NODE, "edge-agent"))
    rack.kill(NODE, "edge-agent")
    until(lambda: "was revoked" in rack.log(NODE, "edge-agent")[heard:], 60, "the agent does not say why it waits")
    assert not (IDENTITY / "node.crt").exists()
    assert (IDENTITY / "node.key").read_bytes() == kept["node.key"]


@pytest.fixture
def jane(rack: Rack, tmp_path: Path) -> Path:
    """The kubeconfig of a person with all rights, made as people make one."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([
        x509.NameAttribute(x509.NameOID.COMMON_NAME, "jane")])).sign(key, hashes.SHA256())
    rack.kubectl("delete", "csr", "jane", "--ignore-not-found")
    rack.kubectl("create", "-f", "-", text=json.dumps({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "jane"},
        "spec": {"request": base64.b64encode(csr.public_bytes(serialization.Encoding.PEM)).decode(),
                 "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}}))
    rack.kubectl("certificate", "approve", "jane")
    signed = until(lambda: rack.get("csr", "jane")["status"].get("certificate"), 30, "the certificate is not signed")
    rack.kubectl("create", "clusterrolebinding", "jane", "--clusterrole=cluster-admin", "--user=jane")
    config = json.loads(rack.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"][0]["user"] = {"client-certificate-data": signed, "client-key-data": base64.b64encode(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                          serialization.NoEncryption())).decode()}
    path = tmp_path / "jane.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_a_person_who_has_left_is_refused_at_once_and_what_they_watch_ends(rack: Rack, jane: Path) -> None:
    chosen = f"--kubeconfig={jane}"
    watching = subprocess.Popen([rack.kubectl_program, chosen, "get", "nodes", "-w", "-o", "name"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=rack.environment)
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("node/")
        own = rack.edgectl(chosen, "node", "revoke", "--certificate", str(jane), "--yes", check=False)
        assert "lock yourself out" in own.stderr
        rack.edgectl("node", "revoke", "--certificate", str(jane), "--yes", "--reason", "has left")
        watching.communicate(timeout=SECONDS)
    finally:
        watching.kill()
        watching.wait()
    refused = rack.try_kubectl(chosen, "get", "nodes")
    assert refused.returncode == 1
    assert "Unauthorized" in refused.stderr
    assert "of jane was revoked by kubernetes-admin" in refused.stderr
    rack.kubectl("get", "nodes")
    rack.kubectl("delete", "clusterrolebinding", "jane")

