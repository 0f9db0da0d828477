"""Who may do what: pods with the token of their service account, users with a certificate the rack signed."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PORT, Rack, until
from tests.e2e.objects import LAB, on, request
from tests.e2e.within import Within, pod

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
SPACE = "who-may-what"
READER = f"system:serviceaccount:{SPACE}:reader"
ASK = """import http.client, ssl, sys
token, ca, path = sys.argv[1:]
context = ssl.create_default_context(cadata=ca)
connection = http.client.HTTPSConnection("10.96.0.1", 443, context=context, timeout=10)
connection.request("GET", path, headers={"Authorization": "Bearer " + token} if token else {})
print(connection.getresponse().status)
"""
"""The sample image has no program that speaks TLS: this one runs in the pod's network, with the pod's own files."""
SHOW = """import socket, ssl, sys
host, port, name, ca, certificate, key = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(certificate, key)
try:
    with context.wrap_socket(socket.create_connection((host, int(port)), 5), server_hostname=name) as connection:
        connection.settimeout(5)
        print("refused" if connection.recv(1) == b"" else "spoke")
except ssl.SSLError:
    print("refused")
except TimeoutError:
    print("waits for a request")
"""
"""Shows a certificate: whether it is taken turns out after the handshake, when the server goes on or hangs up."""


@pytest.fixture(scope="module")
def here(rack: Rack) -> Iterator[Within]:
    rack.kubectl("create", "namespace", SPACE)
    here = Within(rack, SPACE)
    try:
        here.kubectl("create", "serviceaccount", "reader")
        here.kubectl("create", "role", "pod-reader", "--verb=get,list,watch", "--resource=pods")
        here.kubectl("create", "rolebinding", "readers", "--role=pod-reader", f"--serviceaccount={SPACE}:reader")
        here.apply(pod("reader", serviceAccountName="reader"), pod("plain"),
                   pod("without", automountServiceAccountToken=False))
        here.until_ready("reader", "plain", "without")
        yield here
    finally:
        rack.kubectl("delete", "namespace", SPACE, "--wait=false")


def asked(here: Within, name: str, path: str, *, token: str | None = None) -> int:
    """Return the status code the API gives a pod, in its own network and with its own token and authority."""
    found = here.get("pod", name)
    token = here.sh(name, f"cat {MOUNT}/token") if token is None else token
    printed = on(found["spec"]["nodeName"], "ip", "netns", "exec", f"edge-{found['metadata']['uid']}",
                 sys.executable, "-I", "-c", ASK, token, here.sh(name, f"cat {MOUNT}/ca.crt"), path)
    return int(printed or 0)


def test_a_pod_may_what_the_role_of_its_account_says(here: Within) -> None:
    pods = f"/api/v1/namespaces/{SPACE}/pods"
    assert here.sh("reader", f"ls {MOUNT}").split() == ["ca.crt", "namespace", "token"]
    assert here.sh("reader", f"cat {MOUNT}/namespace") == SPACE
    assert here.sh("without", f"ls {MOUNT} 2>/dev/null || true") == ""
    assert asked(here, "reader", pods) == 200
    assert asked(here, "reader", f"{pods}/reader") == 200
    assert asked(here, "reader", f"/api/v1/namespaces/{SPACE}/secrets") == 403
    assert asked(here, "reader", "/api/v1/namespaces/default/pods") == 403
    assert asked(here, "plain", pods) == 403
    assert asked(here, "plain", "/version") == 200
    assert asked(here, "plain", pods, token="not-a-token") == 401
    assert asked(here, "plain", pods, token="") == 403


def test_a_role_is_felt_with_the_next_request(here: Within) -> None:
    pods = f"/api/v1/namespaces/{SPACE}/pods"
    token = here.sh("plain", f"cat {MOUNT}/token")
    assert request("GET", pods, token=token)[0] == 403
    here.kubectl("create", "rolebinding", "everyone", "--clusterrole=view", f"--group=system:serviceaccounts:{SPACE}")
    assert request("GET", pods, token=token)[0] == 200
    assert request("DELETE", f"{pods}/without", token=token)[0] == 403
    here.kubectl("delete", "rolebinding", "everyone")
    code, refusal = request("GET", pods, token=token)
    assert code == 403
    assert refusal["message"] == (f'pods is forbidden: User "system:serviceaccount:{SPACE}:default" cannot list '
                                  f'resource "pods" in API group "" in the namespace "{SPACE}"')


def test_can_i(here: Within) -> None:
    for verb, what, answer in (("list", "pods", "yes"), ("get", "pods/reader", "yes"), ("delete", "pods", "no"),
                               ("list", "secrets", "no")):
        result = here.try_kubectl("auth", "can-i", verb, what, f"--as={READER}")
        assert (result.stdout.strip(), result.returncode) == (answer, 0 if answer == "yes" else 1), (verb, what)
    log = ("auth", "can-i", "get", "pods", "--subresource=log")
    assert here.try_kubectl(*log, f"--as={READER}").stdout == "no\n"
    assert here.rack.try_kubectl("auth", "can-i", "list", "pods", "-n", "default", f"--as={READER}").stdout == "no\n"
    rules = here.kubectl("auth", "can-i", "--list", f"--as={READER}")
    assert any(line.split() == ["pods", "[]", "[]", "[get", "list", "watch]"] for line in rules.splitlines()), rules
    assert f'User "{READER}" cannot list resource "secrets"' in here.fails("get", "secrets", f"--as={READER}")
    whoami = here.kubectl("auth", "whoami", f"--as={READER}")
    assert f"Username    {READER}" in whoami


def test_a_token_on_demand_ends_with_its_account(here: Within) -> None:
    pods = f"/api/v1/namespaces/{SPACE}/pods"
    here.kubectl("create", "serviceaccount", "brief")
    here.kubectl("create", "rolebinding", "brief", "--role=pod-reader", f"--serviceaccount={SPACE}:brief")
    token = here.kubectl("create", "token", "brief", "--duration=20m").strip()
    assert request("GET", pods, token=token)[0] == 200
    claims = token.split(".")[1]
    assert f'"{SPACE}"' in base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)).decode()
    assert "not found" in here.fails("create", "token", "nobody")
    here.kubectl("delete", "serviceaccount", "brief")
    assert request("GET", pods, token=token)[0] == 401


def test_the_token_of_a_pod_ends_with_the_pod(here: Within) -> None:
    here.apply(pod("short", serviceAccountName="reader"))
    here.until_ready("short")
    token = here.sh("short", f"cat {MOUNT}/token")
    assert request("GET", f"/api/v1/namespaces/{SPACE}/pods", token=token)[0] == 200
    here.kubectl("delete", "pod", "short")
    assert request("GET", f"/api/v1/namespaces/{SPACE}/pods", token=token)[0] == 401


# --- a user with a certificate, as https://kubernetes.io/docs/tasks/tls/certificate-issuance-client-csr/ has it


def openssl(*argv: str) -> None:
    subprocess.run(["openssl", *argv], check=True, capture_output=True, timeout=60)


def certificate_request(folder: Path, name: str, subject: str, **spec: Any) -> dict[str, Any]:
    openssl("genrsa", "-out", str(folder / f"{name}.key"), "2048")
    openssl("req", "-new", "-key", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.csr"), "-subj", subject)
    pem = base64.b64encode((folder / f"{name}.csr").read_bytes()).decode()
    return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
            "spec": {"request": pem, "signerName": "kubernetes.io/kube-apiserver-client", "expirationSeconds": 86400,
                     "usages": ["client auth"], **spec}}


@pytest.fixture
def no_requests(rack: Rack) -> Iterator[None]:
    yield
    rack.kubectl("delete", "csr", "myuser", "eve", "wrong", "--ignore-not-found")


@pytest.mark.usefixtures("no_requests")
def test_a_normal_user(here: Within, tmp_path: Path) -> None:
    rack = here.rack
    made = certificate_request(tmp_path, "myuser", "/CN=myuser/O=team-blue")
    rack.kubectl("apply", "-f", "-", text=json.dumps(made))
    assert rack.kubectl("get", "csr", "myuser", "--no-headers").split()[-1] == "Pending"
    rack.kubectl("certificate", "approve", "myuser")
    until(lambda: rack.kubectl("get", "csr", "myuser", "--no-headers").split()[-1] == "Approved,Issued", 5, "unsigned")
    pem = base64.b64decode(rack.kubectl("get", "csr", "myuser", "-o", "jsonpath={.status.certificate}"))
    (tmp_path / "myuser.crt").write_bytes(pem)
    config = f"--kubeconfig={tmp_path / 'config'}"
    pki = LAB.directory("master") / "data/pki"
    rack.kubectl(config, "config", "set-cluster", "rack", f"--server=https://127.0.0.1:{PORT}", "--embed-certs=true",
                 f"--certificate-authority={pki / 'ca.crt'}")
    rack.kubectl(config, "config", "set-credentials", "myuser", f"--client-key={tmp_path / 'myuser.key'}",
                 f"--client-certificate={tmp_path / 'myuser.crt'}", "--embed-certs=true")
    rack.kubectl(config, "config", "set-context", "myuser", "--cluster=rack", "--user=myuser", f"--namespace={SPACE}")
    rack.kubectl(config, "config", "use-context", "myuser")
    who = rack.kubectl(config, "auth", "whoami")
    assert "myuser" in who
    assert "[team-blue system:authenticated]" in who
    assert 'User "myuser" cannot list resource "pods"' in rack.try_kubectl(config, "get", "pods").stderr
    here.kubectl("create", "rolebinding", "blue", "--role=pod-reader", "--group=team-blue")
    assert "reader" in rack.kubectl(config, "get", "pods")
    assert "cannot delete resource" in rack.try_kubectl(config, "delete", "pod", "plain").stderr
    # Neither the bus nor a node's own port takes it: its name would be somebody else's there.
    for where, port, name in (("10.0.0.1", 8883, "localhost"), ("10.0.0.3", 10250, "node-2")):
        shown = on("node-1", sys.executable, "-I", "-c", SHOW, where, str(port), name, str(pki / "ca.crt"),
                   str(tmp_path / "myuser.crt"), str(tmp_path / "myuser.key"))
        assert shown == "refused\n", where


@pytest.mark.usefixtures("no_requests")
def test_certificates_nobody_may_have(here: Within, tmp_path: Path) -> None:
    rack = here.rack
    eve = certificate_request(tmp_path, "eve", "/CN=eve/O=system:masters")
    refused = rack.try_kubectl("create", "-f", "-", text=json.dumps(eve)).stderr
    assert "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed" in refused
    wrong = certificate_request(tmp_path, "wrong", "/CN=wrong", usages=["client auth", "server auth"])
    rack.kubectl("create", "-f", "-", text=json.dumps(wrong))
    rack.kubectl("certificate", "approve", "wrong")
    until(lambda: "invalid usage for client certificate: server auth" in rack.kubectl(
        "get", "csr", "wrong", "-o", "jsonpath={.status.conditions[*].message}"), 5, "signed, or still waiting")
    assert "Failed" in rack.kubectl("get", "csr", "wrong", "--no-headers")


def test_the_administrator_is_a_master(rack: Rack) -> None:
    assert "[system:masters system:authenticated]" in rack.kubectl("auth", "whoami")
    assert rack.kubectl("auth", "can-i", "*", "*", "--all-namespaces") == "yes\n"
