"""What the rack says to wrong, hostile and oversized input: Kubernetes' words and codes, and nothing lost."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest

from edge.bus import topics
from edge.clock import SystemClock
from edge.pki import authority, names
from tests.e2e import objects
from tests.e2e.conftest import Rack, is_ready, until
from tests.e2e.objects import ADMIN, LAB, failure, on, request

CA = LAB.directory("master") / "data/pki/ca.crt"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
NODE_1 = LAB.directory("node-1") / "data/agent/identity/node"


def status_of(answer: objects.Json) -> tuple[int, str, str]:
    """Return code, reason and message of a failure, which has to be a Status."""
    assert (answer["kind"], answer["apiVersion"], answer["status"]) == ("Status", "v1", "Failure")
    return answer["code"], answer["reason"], answer["message"]


def refused(rack: Rack, text: str, *argv: str) -> str:
    return failure(rack.try_kubectl("apply", "-f", "-", *argv, text=text))


def test_kubectl_tells_what_is_wrong_with_a_manifest(rack: Rack, namespace: str) -> None:
    here = ("-n", namespace)
    assert "error converting YAML to JSON" in refused(rack, "kind: Pod\n  name: [oops\n", *here)
    assert 'no matches for kind "Gadget" in version "v1"' in refused(
        rack, "apiVersion: v1\nkind: Gadget\nmetadata: {name: a}\n", *here)
    assert 'no matches for kind "Deployment" in version "apps/v9"' in refused(
        rack, "apiVersion: apps/v9\nkind: Deployment\nmetadata: {name: a}\n", *here)
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: i, %s}]}\n"
    assert 'unknown field "spec.containers[0].imagee"' in refused(rack, pod % "imagee: j", *here)
    assert "strict decoding error" in refused(rack, pod % "imagee: j", *here)
    wrong = refused(rack, pod % "ports: [{containerPort: eighty}]", *here)
    assert "cannot be handled as a Pod" in wrong
    assert "containerPort" in wrong
    assert "resource name may not be empty" in refused(
        rack, "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", *here)
    invalid = refused(rack, "apiVersion: v1\nkind: Pod\nmetadata: {name: No_Such}\nspec: {containers: []}\n", *here)
    assert 'The Pod "No_Such" is invalid' in invalid
    assert "metadata.name" in invalid
    assert "spec.containers: Required value" in invalid
    # Warn: the object is made, the person is told.
    warned = rack.try_kubectl("create", "--validate=warn", "-n", namespace, "-f", "-", text=json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "warned"}, "dada": {}}))
    assert warned.returncode == 0
    assert 'Warning: unknown field "dada"' in warned.stderr


def test_duplicates_and_stale_writes_are_conflicts(rack: Rack, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    status, made = request("POST", path, {"metadata": {"name": "one"}}, identity=ADMIN)
    assert status == 201
    status, answer = request("POST", path, {"metadata": {"name": "one"}}, identity=ADMIN)
    assert (status, *status_of(answer)) == (409, 409, "AlreadyExists", 'configmaps "one" already exists')
    assert answer["details"] == {"name": "one", "kind": "configmaps"}
    status, _ = request("PUT", f"{path}/one", {**made, "data": {"a": "1"}}, identity=ADMIN)
    assert status == 200
    status, answer = request("PUT", f"{path}/one", {**made, "data": {"a": "2"}}, identity=ADMIN)
    assert (status, *status_of(answer)) == (409, 409, "Conflict", (
        'Operation cannot be fulfilled on configmaps "one": the object has been modified; '
        "please apply your changes to the latest version and try again"))
    assert request("GET", f"{path}/one", identity=ADMIN)[1]["data"] == {"a": "1"}
    status, answer = request("GET", f"{path}/two", identity=ADMIN)
    assert (status, *status_of(answer)) == (404, 404, "NotFound", 'configmaps "two" not found')
    status, answer = request("POST", path, {"kind": "Pod", "apiVersion": "v1"}, identity=ADMIN)
    assert status_of(answer)[:2] == (400, "BadRequest")


@pytest.mark.parametrize(("body", "code"), [
    (b"{", 400), (b"", 400), (b"[]", 400), (b"null", 400), (b'"text"', 400), (b"\xff\xfe", 400),
    (b'{"metadata": 7}', 400),
    (b'{"a":' * 100 + b"1" + b"}" * 100, 201), (b"[" * 100_000, 400), (b'{"data": {"a": "\\ud800"}}', 400),
], ids=["cut", "empty", "list", "null", "text", "no-utf8", "type", "deep", "deeper", "surrogate"])
def test_bodies_that_are_no_object_are_bad_requests(rack: Rack, body: bytes, code: int) -> None:
    if code == 201:  # unknown fields a hundred deep: dropped, as Kubernetes does
        body = b'{"metadata":{"generateName":"deep-"},"dada":' + body + b"}"
    status, answer = request("POST", CONFIGMAPS, body, identity=ADMIN)
    assert status == code, answer
    if code == 201:
        assert "dada" not in answer
        assert request("DELETE", f"{CONFIGMAPS}/{answer['metadata']['name']}", identity=ADMIN)[0] == 200
    else:
        assert status_of(answer)[1] == "BadRequest"
    assert request("GET", "/api/v1/namespaces/default", identity=ADMIN)[0] == 200


def test_objects_that_are_too_large_are_refused_and_the_server_goes_on(rack: Rack) -> None:
    large = {"metadata": {"name": "large"}, "data": {"a": "x" * (1024 * 1024 + 1)}}
    status, answer = request("POST", CONFIGMAPS, large, identity=ADMIN)
    assert (status, status_of(answer)[1]) == (422, "Invalid")
    assert "Too long" in status_of(answer)[2]
    status, answer = request("POST", CONFIGMAPS, {"metadata": {"name": "large"}, "data": {"a": "x" * 4_000_000}},
                             identity=ADMIN)
    assert (status, status_of(answer)[1]) == (413, "RequestEntityTooLarge")
    status, answer = request("POST", CONFIGMAPS, {"metadata": {"name": "large", "annotations": {"a": "x" * 262_145}}},
                             identity=ADMIN)
    assert (status, status_of(answer)[1]) == (422, "Invalid")
    assert "metadata.annotations: Too long" in status_of(answer)[2]
    assert request("GET", f"{CONFIGMAPS}/large", identity=ADMIN)[0] == 404


def test_wrong_tokens_and_strangers(rack: Rack, tmp_path: Path) -> None:
    for token in ("nonsense", "abcdef.0123456789abcdef", "a.b.c"):
        status, answer = request("GET", "/api/v1/pods", token=token)
        assert (status, *status_of(answer)) == (401, 401, "Unauthorized", "Unauthorized")
    said = failure(rack.try_kubectl("--kubeconfig", str(_kubeconfig(rack, tmp_path)), "get", "pods"))
    assert "You must be logged in to the server (Unauthorized)" in said
    # Nobody in particular may look at the version and the health, and at nothing else.
    status, answer = request("GET", "/api/v1/namespaces/default/pods")
    assert (status, *status_of(answer)) == (403, 403, "Forbidden", (
        'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" '
        'in the namespace "default"'))
    assert request("GET", "/version")[0] == 200


def _kubeconfig(rack: Rack, directory: Path) -> Path:
    config = json.loads(rack.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"][0]["user"] = {"token": "abcdef.0123456789abcdef"}
    path = directory / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def make_identity(directory: Path, profile: names.Profile) -> Path:
    """Make a certificate that claims to be somebody, by an authority of the same name that nobody here knows."""
    now = SystemClock().now()
    pair = authority.issue(authority.create_ca(now), profile, now)
    identity = directory / profile.common_name.replace(":", "-")
    identity.with_suffix(".crt").write_bytes(pair.certificate)
    identity.with_suffix(".key").write_bytes(pair.key)
    return identity


def test_a_certificate_of_another_authority_opens_no_door(rack: Rack, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"unknown ca|EOF|reset|closed connection"):
        request("GET", "/api/v1/pods", identity=make_identity(tmp_path, names.admin()))
    stranger = make_identity(tmp_path, names.node("node-1"))
    assert "PUBACK" not in publish(stranger, topics.heartbeat("node-1"), b"{}")
    assert is_ready(rack.get("node", "node-1"))


def test_a_node_reads_only_what_is_meant_for_it(rack: Rack, namespace: str) -> None:
    rack.kubectl("create", "secret", "generic", "mine", "-n", namespace, "--from-literal=word=sesame")
    rack.kubectl("create", "secret", "generic", "foreign", "-n", namespace, "--from-literal=word=sesame")
    use = {"env": [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "word"}}}]}
    objects.apply(rack, namespace, objects.pod("user", objects.container(**use), nodeName="node-1"))
    until(lambda: is_ready(rack.get("pod", "-n", namespace, "user")), 30, "the pod is not ready")
    path = f"/api/v1/namespaces/{namespace}/secrets"
    status, answer = request("GET", f"{path}/foreign", identity=NODE_1)
    assert (status, status_of(answer)[1]) == (403, "Forbidden")
    assert 'User "system:node:node-1" cannot get resource "secrets"' in status_of(answer)[2]
    for method, forbidden in (("GET", path), ("GET", "/api/v1/secrets"), ("DELETE", "/api/v1/nodes/node-2"),
                              ("DELETE", f"/api/v1/namespaces/{namespace}/pods/user")):
        assert request(method, forbidden, identity=NODE_1)[0] == 403, forbidden
    # Neither may it give itself a role, nor sign itself another name.
    assert request("PATCH", "/api/v1/nodes/node-2", b'{"spec":{"unschedulable":true}}', identity=NODE_1,
                   content_type="application/merge-patch+json")[0] == 403


def mosquitto(program: str, identity: Path, topic: str, *more: str, payload: bytes = b"") -> str:
    """Speak to the broker from node-1 with an identity; return what was printed, errors included. The node's own agent
    has that identity too, and comes back: whoever was thrown out by it tries again."""
    coded = base64.b64encode(payload).decode()
    script = (f"echo {coded} | base64 -d | mosquitto_{program} -h 10.0.0.1 -p 8883 -V 5 -q 1 --cafile {CA} "
              f"--cert {identity}.crt --key {identity}.key -t '{topic}' {' '.join(more)} 2>&1")
    def said() -> str | None:
        words = on("node-1", "sh", "-c", script)
        return None if "connection was lost" in words else words or " "
    return str(until(said, 30, "the broker keeps nobody long enough"))


def publish(identity: Path, topic: str, payload: bytes) -> str:
    """Publish as somebody: `published`, or the broker's words."""
    return mosquitto("pub", identity, topic, "-s", "-d", payload=payload)


def test_messages_that_are_not_ours_are_refused_and_nothing_is_lost(rack: Rack, namespace: str) -> None:
    """With node-1's own certificate on its own topics, as a broken agent would."""
    objects.apply(rack, namespace, objects.pod("steady", nodeName="node-1"))
    until(lambda: is_ready(rack.get("pod", "-n", namespace, "steady")), 30, "the pod is not ready")
    before = rack.get("pod", "-n", namespace, "steady")
    marker = len(rack.log("master", "edge-server"))
    garbage = (b"\xff\x00garbage", b"{}", b"[" * 5000, b'{"version": 99, "boot_id": "x", "sequence": 1}',
               b'{"version":1,"boot_id":"x","sequence":"many"}', b"x" * 50_000)
    for payload in garbage:
        for topic in (topics.reported_pod("node-1", before["metadata"]["uid"]), topics.reported_node("node-1"),
                      topics.heartbeat("node-1"), topics.events("node-1")):
            assert "RC:0)" in publish(NODE_1, topic, payload)
    # A report about a pod of another node changes nothing.
    until(lambda: "refused" in rack.log("master", "edge-server")[marker:], 10, "the server does not mention it")
    said = [line for line in rack.log("master", "edge-server")[marker:].splitlines() if "refused" in line]
    assert len(said) <= len(garbage) * 4
    assert "Traceback" not in rack.log("master", "edge-server")
    objects.apply(rack, namespace, objects.pod("later", nodeName="node-1"))
    until(lambda: is_ready(rack.get("pod", "-n", namespace, "later")), 30, "the node does not work any more")
    assert rack.get("pod", "-n", namespace, "steady")["status"] == before["status"]
    assert is_ready(rack.get("node", "node-1"))


def test_a_node_neither_writes_nor_reads_another_nodes_branch(rack: Rack) -> None:
    assert "Not authorized" in publish(NODE_1, topics.heartbeat("node-2"), b"{}")
    assert "Not authorized" in publish(NODE_1, topics.desired_index("node-1"), b"{}")
    assert "Not authorized" in publish(NODE_1, topics.CLUSTER_NODES, b"{}")
    own = mosquitto("sub", NODE_1, topics.desired_index("node-1"), "-W 2", "-C 1", "-F %t")
    assert topics.desired_index("node-1") in own
    for topic in ("edge/v1/nodes/node-2/desired/#", "edge/v1/nodes/+/desired/#", "#"):
        seen = mosquitto("sub", NODE_1, topic, "-W 1", "-F %t")
        assert "node-2" not in seen, topic


ASK_AGENT = """import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.check_hostname = False
if len(sys.argv) > 2: context.load_cert_chain(sys.argv[2], sys.argv[3])
connection = http.client.HTTPSConnection("10.0.0.3", 10250, context=context, timeout=5)
try:
    connection.request("GET", "/images")
    print(connection.getresponse().status)
except OSError as error: print("refused")
"""


def test_an_agent_opens_no_logs_and_no_shells_but_to_masters(rack: Rack) -> None:
    assert is_ready(rack.get("node", "node-2"))
    ask = (sys.executable, "-I", "-c", ASK_AGENT, str(CA))
    server = LAB.directory("master") / "data/pki/edge-server"
    assert on("node-1", *ask).strip() in ("refused", "401", "403")
    assert on("node-1", *ask, f"{NODE_1}.crt", f"{NODE_1}.key").strip() in ("refused", "401", "403")
    assert on("node-1", *ask, f"{server}.crt", f"{server}.key").strip() == "200"
