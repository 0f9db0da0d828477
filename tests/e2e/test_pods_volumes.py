"""Tokens, live changes, modes, groups, paths inside volumes and paths of the node, as programs in pods see them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.objects import LAB, on, request
from tests.e2e.within import Within, container, pod

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
CONFIG = {"kind": "ConfigMap", "metadata": {"name": "config"}, "data": {"color": "green", "size": "10"},
          "binaryData": {"raw": "/wA="}}
SECRET = {"kind": "Secret", "metadata": {"name": "secret"}, "stringData": {"password": "correct-horse-battery"}}


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def claims(token: str) -> dict[str, Any]:
    """Return what a token says."""
    part = token.split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return said


def ask(path: str, token: str) -> tuple[int, dict[str, Any]]:
    """Ask the API with a token; return the status code and the answer."""
    return request("GET", path, token=token)


def told(here: Within, name: str, words: str) -> None:
    """Wait until a pod's description says so."""
    until(lambda: words in here.kubectl("describe", "pod", name), 30, f"nobody says of {name}: {words}")


def mortal(**more: Any) -> dict[str, Any]:
    """Return a container that ends when it is told to."""
    return container("trap 'exit 1' TERM; while true; do sleep 0.1; done", **more)


def test_a_pod_shows_and_has_the_token_of_its_account(here: Within) -> None:
    here.apply(pod("plain", container()))
    here.until_ready("plain")
    made = here.get("pod", "plain")
    volume = made["spec"]["volumes"][0]
    assert volume["name"].startswith("kube-api-access-")
    assert volume["projected"] == {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {
            "apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}
    assert made["spec"]["containers"][0]["volumeMounts"] == [
        {"name": volume["name"], "readOnly": True, "mountPath": ACCOUNT}]
    assert made["status"]["containerStatuses"][0]["volumeMounts"] == [
        {"name": volume["name"], "mountPath": ACCOUNT, "readOnly": True, "recursiveReadOnly": "Disabled"}]
    assert here.sh("plain", f"cat {ACCOUNT}/namespace; ls {ACCOUNT}") == here.namespace + "ca.crt\nnamespace\ntoken\n"
    assert here.sh("plain", f"cat {ACCOUNT}/ca.crt") == (LAB.directory("master") / "data/pki/ca.crt").read_text()
    token = here.sh("plain", f"cat {ACCOUNT}/token")
    bound = claims(token)["kubernetes.io"]
    assert bound["pod"] == {"name": "plain", "uid": made["metadata"]["uid"]}
    assert bound["node"]["name"] == made["spec"]["nodeName"]
    assert bound["node"]["uid"]
    code, answer = ask(f"/api/v1/namespaces/{here.namespace}/pods", token)
    assert code == 403
    assert f'User "system:serviceaccount:{here.namespace}:default" cannot list' in answer["message"]
    here.kubectl("delete", "pod", "plain", "--now")
    until(lambda: ask("/api/v1/namespaces", token)[0] == 401, 20, "the token outlives its pod")


def test_tokens_for_others_and_no_token_at_all(here: Within) -> None:
    sources = [{"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 600}},
               {"serviceAccountToken": {"path": "deep/own", "expirationSeconds": 7200}},
               {"configMap": {"name": "config", "items": [{"key": "color", "path": "color"}]}}]
    here.apply(CONFIG, pod("tokens", container(volumeMounts=[{"name": "all", "mountPath": "/all"}]),
                           volumes=[{"name": "all", "projected": {"sources": sources}}]))
    here.apply(pod("without", container(), automountServiceAccountToken=False))
    here.until_ready("tokens", "without")
    vault, own = here.sh("tokens", "cat /all/vault"), here.sh("tokens", "cat /all/deep/own")
    assert (claims(vault)["aud"], claims(vault)["exp"] - claims(vault)["iat"]) == (["vault"], 600)
    assert claims(own)["exp"] - claims(own)["iat"] == 7200
    assert ask("/api/v1/namespaces", vault)[0] == 401
    assert ask("/api/v1/namespaces", own)[0] == 403
    assert here.sh("tokens", "cat /all/color") == "green"
    assert "volumes" not in here.get("pod", "without")["spec"]
    assert here.sh("without", f"ls {ACCOUNT} 2>/dev/null || echo none") == "none\n"


def test_files_belong_to_user_and_group(here: Within) -> None:
    volumes = [{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}},
               {"name": "config", "configMap": {"name": "config", "defaultMode": 0o400}},
               {"name": "secret", "secret": {"secretName": "secret", "items": [
                   {"key": "password", "path": "p", "mode": 0o500}]}}]
    mounts = [{"name": each["name"], "mountPath": f"/v/{each['name']}"} for each in volumes]
    here.apply(CONFIG, SECRET, pod("groups", container(volumeMounts=mounts), volumes=volumes, securityContext={
        "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000}))
    here.until_ready("groups")
    assert here.sh("groups", "cd /v; stat -L -c '%a %u:%g' disk memory config/color secret/p "
                             f"{ACCOUNT}/token").splitlines() == [
        "2777 0:2000", "2777 0:2000", "440 0:2000", "540 0:2000", "640 1000:2000"]
    assert here.sh("groups", "cat /v/config/color /v/secret/p; touch /v/disk/f; stat -c %g /v/disk/f") \
        == "greencorrect-horse-battery2000\n"


def test_modes_and_items_change_live_and_a_missing_config_map_keeps_its_files(here: Within) -> None:
    mounts = [{"name": "config", "mountPath": "/config"},
              {"name": "config", "mountPath": "/one", "subPath": "color"}]
    here.apply(CONFIG, pod("live", mortal(volumeMounts=mounts), volumes=[{"name": "config", "configMap": {
        "name": "config"}}]))
    here.until_ready("live")
    assert here.sh("live", "od -An -tx1 /config/raw").split() == ["ff", "00"]
    here.kubectl("patch", "configmap", "config", "-p", '{"data": {"color": "blue"}}')
    until(lambda: here.sh("live", "cat /config/color") == "blue", 15, "the volume keeps its old content")
    assert here.sh("live", "cat /one") == "green"
    here.kubectl("delete", "configmap", "config")
    until(lambda: "FailedMount" in here.reasons("live"), 15, "no event FailedMount")
    assert here.sh("live", "cat /config/color") == "blue"
    here.try_kubectl("exec", "live", "--", "kill", "1")
    until(lambda: here.path("pod/live", ".status.containerStatuses[0].restartCount") == "1", 30, "no restart")
    here.until_ready("live")
    assert here.sh("live", "cat /config/color /one") == "blueblue"


def test_paths_inside_volumes(here: Within) -> None:
    volumes = [{"name": "disk", "emptyDir": {}}, {"name": "config", "configMap": {"name": "config"}},
               {"name": "about", "downwardAPI": {"items": [{"path": "name", "fieldRef": {
                   "fieldPath": "metadata.name"}}]}}]
    mounts = [{"name": "disk", "mountPath": "/whole"}, {"name": "disk", "mountPath": "/made", "subPath": "a/b"},
              {"name": "disk", "mountPath": "/mine", "subPathExpr": "logs/$(POD)"},
              {"name": "config", "mountPath": "/etc/color", "subPath": "color"},
              {"name": "about", "mountPath": "/etc/me", "subPath": "name"}]
    env = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    here.apply(CONFIG, pod("paths", mortal(volumeMounts=mounts, env=env), volumes=volumes))
    here.until_ready("paths")
    here.sh("paths", "echo 1 > /made/f; echo 2 > /mine/g")
    assert here.sh("paths", "cat /whole/a/b/f /whole/logs/paths/g /etc/color /etc/me") == "1\n2\ngreenpaths"
    assert here.sh("paths", "echo x > /etc/color 2>/dev/null || echo read-only") == "read-only\n"
    node = here.path("pod/paths", ".spec.nodeName")
    here.sh("paths", "ln -s / /whole/out; mv /whole/a/b /whole/a/c; ln -s /etc /whole/a/b")
    here.try_kubectl("exec", "paths", "--", "kill", "1")
    until(lambda: "CreateContainerConfigError" in here.shown("paths"), 30, "the link is followed")
    assert "failed to prepare subPath for volumeMount \"disk\"" in here.kubectl("describe", "pod", "paths")
    uid = here.path("pod/paths", ".metadata.uid")
    here.kubectl("delete", "pod", "paths", "--now")
    assert uid not in on(node, "cat", "/proc/self/mountinfo")
    assert not list(LAB.directory(node).glob(f"**/pods/{uid}"))


def test_paths_of_the_node(here: Within) -> None:
    base = f"/tmp/{here.namespace}"
    kinds = {"made": ("made/deep", "DirectoryOrCreate"), "file": ("made/file", "FileOrCreate"), "any": ("any", ""),
             "device": ("/dev/null", "CharDevice")}
    volumes = [{"name": name, "hostPath": {"path": path if path.startswith("/") else f"{base}/{path}", "type": kind}}
               for name, (path, kind) in kinds.items()]
    mounts = [{"name": name, "mountPath": f"/v/{name}"} for name in kinds]
    here.apply(pod("node-paths", container(volumeMounts=mounts), volumes=volumes, nodeName="node-1"))
    wrong = {"directory": ("/etc/hostname", "Directory", "is not a directory"),
             "file": ("/etc", "File", "is not a file"), "socket": ("/etc/hostname", "Socket", "is not a socket file"),
             "none": (f"{base}/none", "Directory", "is not a directory")}
    here.apply(*(pod(f"wrong-{name}", container(volumeMounts=[{"name": "v", "mountPath": "/v"}]), nodeName="node-1",
                     volumes=[{"name": "v", "hostPath": {"path": path, "type": kind}}])
                 for name, (path, kind, _) in wrong.items()))
    here.until_ready("node-paths")
    assert here.sh("node-paths", "stat -c '%a %F' /v/made /v/file /v/any /v/device").splitlines() == [
        "755 directory", "644 regular empty file", "755 directory", "666 character special file"]
    for name, (path, _, words) in wrong.items():
        told(here, f"wrong-{name}", f"hostPath type check failed: {path} {words}")
        assert here.shown(f"wrong-{name}") == "ContainerCreating"


def test_what_the_node_mounts_later_shows_where_the_pod_asks_for_it(here: Within) -> None:
    base = f"/tmp/{here.namespace}"
    on("node-1", "sh", "-c", f"mkdir -p {base} && mount -t tmpfs test {base} && mount --make-shared {base} && "
                             f"mkdir -p {base}/later {base}/sub/later")
    kinds = {"follows": {"mountPropagation": "HostToContainer"}, "private": {},
             "below": {"mountPropagation": "HostToContainer", "subPath": "sub"}}
    mounts = [{"name": "v", "mountPath": f"/{name}", **more} for name, more in kinds.items()]
    try:
        here.apply(pod("mounts", container(volumeMounts=mounts), nodeName="node-1",
                       volumes=[{"name": "v", "hostPath": {"path": base}}]))
        here.until_ready("mounts")
        for path in (f"{base}/later", f"{base}/sub/later"):
            on("node-1", "sh", "-c", f"mount -t tmpfs test {path} && touch {path}/there")
        assert here.sh("mounts", "ls /follows/later /below/later; ls /private/later | wc -l").splitlines() == [
            "/below/later:", "there", "", "/follows/later:", "there", "0"]
        here.kubectl("delete", "pod", "mounts", "--now")
        assert on("node-1", "ls", f"{base}/sub/later") == "there\n"
    finally:
        on("node-1", "umount", "--lazy", "--recursive", base)
        on("node-1", "rmdir", base)


def test_what_cannot_be_mounted_is_refused_by_its_kind(here: Within) -> None:
    sources = {"csi": {"driver": "d.example.org"}, "iscsi": {"targetPortal": "10.0.0.9", "iqn": "iqn.2001-04.org:x",
                                                             "lun": 0},
               "image": {"reference": "busybox"}, "gitRepo": {"repository": "https://example.org/x"}}
    here.apply(*(pod(f"no-{kind.lower()}", container(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
                     volumes=[{"name": "v", kind: source}]) for kind, source in sources.items()))
    for kind in sources:
        told(here, f"no-{kind.lower()}",
             f'MountVolume.SetUp failed for volume "v" : volumes of kind {kind} are not supported')


def test_a_file_server_that_is_not_there_hangs_only_its_pod(here: Within) -> None:
    mount = [{"name": "v", "mountPath": "/v"}]
    here.apply(pod("share", container(volumeMounts=mount), nodeName="node-1",
                   volumes=[{"name": "v", "nfs": {"server": "192.0.2.1", "path": "/x"}}]))
    here.apply(pod("other", container(), nodeName="node-1"))
    here.until_ready("other")
    until(lambda: "FailedMount" in here.reasons("share"), 60, "no event FailedMount")
    assert "Mounting arguments: -t nfs 192.0.2.1:/x" in here.kubectl("describe", "pod", "share")
    here.kubectl("delete", "pod", "share", "--now", timeout=90)


def test_secrets_are_not_on_the_card_of_a_node(here: Within) -> None:
    value = "correct-horse-battery"
    here.apply(SECRET, pod("secretive", container(volumeMounts=[{"name": "s", "mountPath": "/s"}]), nodeName="node-2",
                           volumes=[{"name": "s", "secret": {"secretName": "secret"}}]))
    here.until_ready("secretive")
    assert here.sh("secretive", "cat /s/password") == value
    data, uid = LAB.directory("node-2") / "data", here.path("pod/secretive", ".metadata.uid")
    until(lambda: any(uid.encode() in path.read_bytes() for path in data.rglob("desired*.json")), 15, "no checkpoint")
    words = (value.encode(), base64.b64encode(value.encode()), here.sh("secretive", f"cat {ACCOUNT}/token").encode())
    for path in data.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 10_000_000:
            content = read(path)
            assert not any(word in content for word in words), path


def read(path: Path) -> bytes:
    """Return a file's content; nothing where it has just gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_an_agent_that_starts_anew_keeps_what_it_mounted(here: Within, rack: Rack) -> None:
    volumes = [{"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
               {"name": "config", "configMap": {"name": "config"}}]
    mounts = [{"name": "memory", "mountPath": "/memory"}, {"name": "config", "mountPath": "/one", "subPath": "color"}]
    here.apply(CONFIG, pod("stays", container(volumeMounts=mounts), volumes=volumes, nodeName="node-3"))
    here.until_ready("stays")
    here.sh("stays", "echo kept > /memory/f")
    uid = here.path("pod/stays", ".metadata.uid")
    assert uid in on("node-3", "cat", "/proc/self/mountinfo")
    rack.kill("node-3", "edge-agent")
    until(lambda: here.sh("stays", "cat /memory/f /one") == "kept\ngreen", 30, "the agent does not return")
    assert here.path("pod/stays", ".status.containerStatuses[0].restartCount") == "0"
    here.kubectl("delete", "pod", "stays", "--now", timeout=90)
    assert uid not in on("node-3", "cat", "/proc/self/mountinfo")
