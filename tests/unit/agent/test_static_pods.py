"""From the file of a static pod to the pod that a node runs, and which of them it runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.agent import static_choice, static_pods
from edge.agent.static_choice import Manifest, Stamp
from edge.agent.static_pods import ManifestError
from edge.api import core, mirror_pods

SEEN = "2026-01-01T00:00:00Z"
YAML = b"""
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  containers:
  - name: main
    image: busybox:1
    ports: [{containerPort: 80, hostPort: 8080}]
"""


def manifest(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "main", "image": "busybox:1"}], **spec}}


def read(content: bytes | dict[str, Any], path: str = "/etc/m/web.yaml", node: str = "node-1") -> core.Pod:
    if isinstance(content, dict):
        content, path = json.dumps(content).encode(), path.replace(".yaml", ".json")
    pod, _ = static_pods.read(content, path, node, SEEN)
    return pod


def refusal(content: bytes | dict[str, Any]) -> str:
    with pytest.raises(ManifestError) as caught:
        read(content)
    return str(caught.value)


class TestPods:
    def test_a_pod_as_the_node_runs_it(self) -> None:
        pod = read(YAML)
        assert (pod.metadata.namespace, pod.metadata.name) == ("default", "web-node-1")
        assert pod.spec.node_name == "node-1"
        assert pod.metadata.labels == {"app": "web"}
        assert pod.metadata.annotations == {
            mirror_pods.SOURCE: "file", mirror_pods.HASH: pod.metadata.uid, mirror_pods.SEEN: SEEN}
        assert pod.spec.tolerations == (core.Toleration(operator="Exists", effect="NoExecute"),)
        assert pod.spec.restart_policy == "Always"
        assert pod.spec.containers[0].image_pull_policy == "IfNotPresent"
        assert len(pod.metadata.uid) == 32

    def test_the_uid_follows_what_the_file_says(self) -> None:
        first = read(YAML).metadata.uid
        assert read(b"# a comment\n" + YAML).metadata.uid == first
        assert read(YAML.replace(b"busybox:1", b"busybox:2")).metadata.uid != first
        assert read(YAML, node="node-2").metadata.uid != first
        assert read(YAML, path="/etc/m/other.yaml").metadata.uid != first

    def test_json_is_read_too(self) -> None:
        assert read(manifest()).metadata.name == "web-node-1"

    def test_what_only_the_api_may_say_is_left_out(self) -> None:
        sent = manifest(schedulingGates=[{"name": "x"}])
        sent["metadata"] |= {"uid": "mine", "resourceVersion": "7", "finalizers": ["a/b"], "namespace": "kube-system",
                             "deletionTimestamp": SEEN, "ownerReferences": [
                                 {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}],
                             "annotations": {mirror_pods.MIRROR: "x", mirror_pods.HASH: "x", "mine": "kept"}}
        sent["status"] = {"phase": "Running"}
        pod = read(sent)
        assert pod.metadata.namespace == "kube-system"
        assert (pod.metadata.finalizers, pod.metadata.owner_references, pod.metadata.resource_version) == ((), (), "")
        assert pod.metadata.deletion_timestamp is None
        assert pod.metadata.uid not in ("mine", "")
        assert mirror_pods.MIRROR not in pod.metadata.annotations
        assert pod.metadata.annotations["mine"] == "kept"
        assert pod.spec.scheduling_gates == ()
        assert pod.status.phase != "Running"

    def test_unknown_fields_are_told_and_do_no_harm(self) -> None:
        content = json.dumps(manifest(hostNetwrok=True)).encode()
        pod, warnings = static_pods.read(content, "/m/a.json", "n", SEEN)
        assert warnings == ("unknown field 'spec.hostNetwrok'",)
        assert pod.metadata.name == "web-n"

    @pytest.mark.parametrize(("spec", "kind"), [
        ({"serviceAccountName": "x"}, "serviceaccounts"),
        ({"imagePullSecrets": [{"name": "x"}]}, "secrets"),
        ({"volumes": [{"name": "v", "configMap": {"name": "x"}}]}, "configmaps"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "x"}}]}, "secrets"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]}, "persistentvolumeclaims"),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "x"}}]}}]}, "configmaps"),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "x"}}]}}]},
         "serviceaccounts"),
        ({"containers": [{"name": "a", "image": "b", "envFrom": [{"secretRef": {"name": "x"}}]}]}, "secrets"),
        ({"containers": [{"name": "a", "image": "b", "envFrom": [{"configMapRef": {"name": "x"}}]}]}, "configmaps"),
        ({"initContainers": [{"name": "a", "image": "b", "env": [
            {"name": "E", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}]}]}, "secrets"),
        ({"containers": [{"name": "a", "image": "b", "env": [
            {"name": "E", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "k"}}}]}]}, "configmaps"),
    ])
    def test_nothing_of_the_api_may_be_part_of_it(self, spec: dict[str, Any], kind: str) -> None:
        assert refusal(manifest(**spec)) == f"a static pod may not refer to {kind}: it runs without the API"

    def test_what_needs_nobody_may_be_part_of_it(self) -> None:
        pod = read(manifest(volumes=[{"name": "h", "hostPath": {"path": "/srv"}}, {"name": "e", "emptyDir": {}},
                                     {"name": "d", "downwardAPI": {"items": [
                                         {"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}}]))
        assert len(pod.spec.volumes) == 3

    @pytest.mark.parametrize(("content", "problem"), [
        (b"", "it is empty"), (b"- a\n- b\n", "it holds no object"), (b"just words", "it holds no object"),
        (b"\x00\xff\xfe", "error converting YAML"), (b"a: [", "error converting YAML"),
        (YAML[:len(YAML) // 2], ""), (b"a: &a [1]\nb: *b", "error converting YAML"),
        (b"kind: Pod\n---\nkind: Pod\n", "error converting YAML"),
        (b"[" * 5000, "error converting YAML"),
        (b"apiVersion: apps/v1\nkind: Deployment\n", "it holds a Deployment of apps/v1"),
        (YAML.replace(b"name: web", b"nam: web"), "metadata.name: Required value"),
        (YAML.replace(b"name: web", b"name: Web_"), "metadata.name"),
        (YAML.replace(b"image: busybox:1", b"image: ''"), "spec.containers[0].image"),
        (YAML.replace(b"containerPort: 80", b"containerPort: eighty"), ""),
        (b"x" * (static_pods.MOST_BYTES + 1), "bytes are more than"),
        (b"a: .nan\nkind: Pod", "it holds a Pod of None"),
    ])
    def test_what_is_no_pod_is_refused(self, content: bytes, problem: str) -> None:
        assert problem in refusal(content)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"a"', b"{" * 5000, b"\xff"])
    def test_what_is_no_json_is_refused(self, content: bytes) -> None:
        with pytest.raises(ManifestError):
            static_pods.read(content, "/m/a.json", "n", SEEN)

    def test_a_bomb_of_aliases_is_refused(self) -> None:
        lines = [b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
        lines += [b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 9)]
        assert "error converting YAML" in refusal(b"\n".join(lines))

    def test_another_nodes_pod_is_refused(self) -> None:
        assert refusal(manifest(nodeName="node-2")) == "spec.nodeName is node-2, this node is node-1"

    def test_a_name_that_gets_too_long_with_the_nodes_is_refused(self) -> None:
        sent = manifest()
        sent["metadata"]["name"] = "a" * 250
        assert "metadata.name" in refusal(sent)


class TestChoice:
    STAMP = Stamp(1, 2, 3)

    def of(self, path: str, image: str = "busybox:1", name: str = "web", problem: str = "") -> Manifest:
        sent = manifest(containers=[{"name": "main", "image": image}])
        sent["metadata"]["name"] = name
        return Manifest(path=path, stamp=self.STAMP, pod=read(sent, path), problem=problem)

    @pytest.mark.parametrize(("name", "is_one"), [
        ("web.yaml", True), ("web.yml", True), ("web.json", True), (".web.yaml", False), (".web.yaml.swp", False),
        ("web.yaml~", False), ("web.yaml.bak", False), ("README", False), ("", False)])
    def test_which_files_are_read(self, name: str, is_one: bool) -> None:
        assert static_choice.is_manifest(name) is is_one

    def test_only_what_changed_is_read(self) -> None:
        known = (self.of("/m/a.yaml"), self.of("/m/b.yaml"))
        stamps = {"/m/a.yaml": self.STAMP, "/m/b.yaml": Stamp(9, 2, 3), "/m/c.yaml": self.STAMP}
        assert static_choice.changed(known, stamps) == ("/m/b.yaml", "/m/c.yaml")

    def test_a_file_that_goes_wrong_keeps_its_pod(self) -> None:
        good = self.of("/m/a.yaml")
        wrong = Manifest(path="/m/a.yaml", stamp=Stamp(9, 9, 9), problem="it is empty")
        (kept,) = static_choice.merged((good,), (wrong,), ("/m/a.yaml",))
        assert (kept.pod, kept.problem, kept.stamp) == (good.pod, "it is empty", Stamp(9, 9, 9))
        choice = static_choice.chosen((kept,))
        assert len(choice.pods) == 1
        assert choice.problems == {"/m/a.yaml": "it is empty"}

    def test_a_file_that_goes_away_takes_its_pod_along(self) -> None:
        assert static_choice.merged((self.of("/m/a.yaml"),), (), ()) == ()

    def test_a_file_that_is_only_touched_is_no_other_pod(self) -> None:
        before = self.of("/m/a.yaml")
        assert before.pod is not None
        touched, _ = static_pods.read(json.dumps(manifest()).encode(), "/m/a.json", "node-1", "2027-01-01T00:00:00Z")
        known = Manifest(path="/m/a.json", stamp=self.STAMP, pod=read(manifest(), "/m/a.json"))
        (after,) = static_choice.merged(
            (known,), (Manifest(path="/m/a.json", stamp=Stamp(9, 9, 9), pod=touched),), ("/m/a.json",))
        assert after.pod == known.pod

    def test_of_two_files_with_one_name_the_first_holds(self) -> None:
        first, second = self.of("/m/a.yaml"), self.of("/m/b.yaml", "busybox:2")
        choice = static_choice.chosen((first, second))
        assert first.pod is not None
        assert list(choice.pods) == [first.pod.metadata.uid]
        assert choice.problems == {"/m/b.yaml": "pod default/web-node-1 is in /m/a.yaml already"}

    def test_too_many(self) -> None:
        many = tuple(self.of(f"/m/{n:03}.yaml", name=f"web{n}") for n in range(static_choice.MOST_FILES + 2))
        choice = static_choice.chosen(many)
        assert len(choice.pods) == static_choice.MOST_FILES
        assert list(choice.problems) == ["/m/110.yaml", "/m/111.yaml"]

    def test_a_changed_pod_waits_for_the_end_of_the_one_before(self) -> None:
        old, new = self.of("/m/a.yaml").pod, self.of("/m/a.yaml", "busybox:2").pod
        assert old is not None
        assert new is not None
        choice = static_choice.chosen((Manifest(path="/m/a.yaml", stamp=self.STAMP, pod=new),))
        assert static_choice.startable(choice, (old,)) == {}
        assert static_choice.startable(choice, ()).keys() == {new.metadata.uid}
        assert static_choice.startable(choice, (new,)).keys() == {new.metadata.uid}
