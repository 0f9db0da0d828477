"""Everything kubectl writes: create, apply, diff, edit, replace, patch, delete, label, scale, run, expose and wait."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Rack, until
from tests.e2e.within import IMAGE, Within, container, pod

MANIFESTS = Path(__file__).with_name("manifests")


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def config(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config"}, "data": data}


def test_create(here: Within, tmp_path: Path) -> None:
    (tmp_path / "my.conf").write_text("key = value\n")
    here.kubectl("create", "configmap", "files", f"--from-file={tmp_path}/my.conf", "--from-literal=color=green")
    assert here.get("configmap", "files")["data"] == {"my.conf": "key = value\n", "color": "green"}
    here.kubectl("create", "secret", "generic", "keys", "--from-literal=password=s3cret")
    assert here.get("secret", "keys")["data"] == {"password": "czNjcmV0"}
    here.kubectl("create", "secret", "docker-registry", "pull", "--docker-username=u", "--docker-password=p",
                 "--docker-server=registry.example")
    assert here.path("secret/pull", ".type") == "kubernetes.io/dockerconfigjson"
    here.kubectl("create", "serviceaccount", "robot")
    assert here.kubectl("create", "deployment", "web", f"--image={IMAGE}", "--replicas=2", "--port=8080") \
        == "deployment.apps/web created\n"
    here.kubectl("create", "service", "clusterip", "web", "--tcp=80:8080")
    here.kubectl("create", "service", "nodeport", "web-port", "--tcp=80:8080")
    assert int(here.path("service/web-port", ".spec.ports[0].nodePort")) >= 30000
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    until(lambda: len(here.path("endpoints/web", ".subsets[*].addresses[*].ip").split()) == 2, 5, "no endpoints")
    assert 'deployments.apps "web" already exists' in here.fails("create", "deployment", "web", f"--image={IMAGE}")
    assert "created (server dry run)" in here.kubectl("create", "configmap", "dry", "--dry-run=server")
    assert "not found" in here.fails("get", "configmap", "dry")
    made = here.kubectl("create", "-f", "-", text=json.dumps({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "many-"}}))
    assert made.startswith("configmap/many-")
    assert len(made.split()[0]) == len("configmap/many-") + 5


def test_apply_takes_away_what_it_once_gave(here: Within) -> None:
    first = json.dumps(config(a="1", b="2"))
    assert here.kubectl("apply", "-f", "-", text=first) == "configmap/config created\n"
    assert here.kubectl("apply", "-f", "-", text=first) == "configmap/config unchanged\n"
    newest = str(Path(sys.executable).with_name("kubectl"))
    assert here.rack.run(newest, "-n", here.namespace, "apply", "-f", "-", text=first).stdout \
        == "configmap/config unchanged\n"
    here.kubectl("patch", "configmap", "config", "-p", '{"data": {"foreign": "3"}}')
    assert here.kubectl("apply", "-f", "-", text=json.dumps(config(a="9"))) == "configmap/config configured\n"
    assert here.get("configmap", "config")["data"] == {"a": "9", "foreign": "3"}
    assert "last-applied-configuration" in here.kubectl("get", "configmap", "config", "-o", "yaml")
    assert json.loads(here.kubectl("apply", "view-last-applied", "configmap/config", "-o", "json"))["data"] \
        == {"a": "9"}
    assert "configured (server dry run)" in here.kubectl("apply", "--dry-run=server", "-f", "-",
                                                         text=json.dumps(config(a="10")))
    assert here.path("configmap/config", ".data.a") == "9"


def test_apply_a_directory_and_diff(here: Within) -> None:
    folder = str(MANIFESTS / "shop")
    assert here.kubectl("apply", "-f", folder).splitlines() == [
        "configmap/shop created", "deployment.apps/shop created", "service/shop created"]
    assert here.try_kubectl("diff", "-f", folder).returncode == 0
    changed = (MANIFESTS / "shop" / "shop.yaml").read_text().replace("replicas: 1", "replicas: 2")
    result = here.try_kubectl("diff", "-f", "-", text=changed)
    assert result.returncode == 1, result.stderr
    assert "-  replicas: 1\n+  replicas: 2\n" in result.stdout
    here.kubectl("rollout", "status", "deployment/shop", "--timeout=30s")
    # Newer kubectls also say from which namespace.
    assert [line.split(" from ")[0] for line in here.kubectl("delete", "-f", folder).splitlines()] == [
        'configmap "shop" deleted', 'deployment.apps "shop" deleted', 'service "shop" deleted']
    until(lambda: here.kubectl("get", "all", "-o", "name") == "", 20, "something is left")


def deployment(main: dict[str, Any]) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [main]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}}


def server_side(here: Within, obj: dict[str, Any], *more: str) -> str:
    return here.kubectl("apply", "--server-side", *more, "-f", "-", text=json.dumps(obj))


def test_server_side_apply_knows_whose_a_field_is(here: Within) -> None:
    assert server_side(here, config(a="1", b="2"), "--field-manager=first") == "configmap/config serverside-applied\n"
    assert "last-applied-configuration" not in here.kubectl("get", "configmap", "config", "-o", "yaml")
    managers = json.loads(here.kubectl("get", "configmap", "config", "-o", "json", "--show-managed-fields"))
    assert [(each["manager"], each["operation"]) for each in managers["metadata"]["managedFields"]] \
        == [("first", "Apply")]
    # Another field is another's business; the same one is a conflict, until somebody takes it.
    server_side(here, config(c="3"), "--field-manager=second")
    assert here.get("configmap", "config")["data"] == {"a": "1", "b": "2", "c": "3"}
    words = here.fails("apply", "--server-side", "--field-manager=second", "-f", "-", text=json.dumps(config(a="9")))
    assert 'Apply failed with 1 conflict: conflict with "first": .data.a' in words
    assert here.get("configmap", "config")["data"] == {"a": "1", "b": "2", "c": "3"}
    server_side(here, config(a="9", c="3"), "--field-manager=second", "--force-conflicts")
    # What its manager no longer wants goes, what it lost to another stays.
    server_side(here, config(b="2"), "--field-manager=first")
    assert here.get("configmap", "config")["data"] == {"a": "9", "b": "2", "c": "3"}
    server_side(here, config(), "--field-manager=first")
    assert here.get("configmap", "config")["data"] == {"a": "9", "c": "3"}


def test_server_side_apply_of_a_deployment_leaves_the_scale_alone(here: Within) -> None:
    """Applied, scaled by somebody else, applied without replicas: the pods stay as many; and lists merge by key."""
    web = deployment(container())
    server_side(here, web)
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    here.kubectl("scale", "deployment", "web", "--replicas=2")
    server_side(here, deployment(container(name="beside")), "--field-manager=other")
    server_side(here, web)
    here.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert here.path("deployment/web", ".spec.replicas") == "2"
    assert here.path("deployment/web", ".spec.template.spec.containers[*].name") == "main beside"
    assert "serverside-applied (server dry run)" in server_side(here, web, "--dry-run=server")
    assert here.try_kubectl("diff", "--server-side", "-f", "-", text=json.dumps(web)).returncode == 0


def test_client_side_apply_can_be_taken_over(here: Within) -> None:
    here.kubectl("apply", "-f", "-", text=json.dumps(config(a="1", b="2")))
    server_side(here, config(a="5"))
    assert here.get("configmap", "config")["data"] == {"a": "5"}


def test_a_wrong_manifest_is_refused_with_the_place(here: Within) -> None:
    wrong = pod("web")
    wrong["apiVersion"] = "v1"
    wrong["spec"]["containers"][0]["imagee"] = "x"
    assert 'unknown field "spec.containers[0].imagee"' in here.fails("apply", "-f", "-", text=json.dumps(wrong))
    wrong["spec"]["containers"] = [{"name": "a"}]
    assert "spec.containers[0].image: Required value" in here.fails("apply", "-f", "-", text=json.dumps(wrong))
    wrong["spec"]["containers"] = [{"name": "A_b", "image": IMAGE}]
    assert "Invalid value: \"A_b\"" in here.fails("apply", "-f", "-", text=json.dumps(wrong))
    wrong["kind"] = "Pud"
    assert 'no matches for kind "Pud" in version "v1"' in here.fails("apply", "-f", "-", text=json.dumps(wrong))
    broken = "apiVersion: v1\nkind: ConfigMap\n metadata: {"
    assert "error" in here.fails("apply", "-f", "-", text=broken)


def test_edit_and_replace(here: Within, tmp_path: Path) -> None:
    here.kubectl("apply", "-f", "-", text=json.dumps(config(color="green")))
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/color: green/color: blue/' \"$1\"\n")
    editor.chmod(0o755)
    with_editor = Within(Rack(here.rack.kubectl_program, here.rack.kubeconfig,
                              {**here.rack.environment, "EDITOR": str(editor)}), here.namespace)
    assert with_editor.kubectl("edit", "configmap", "config") == "configmap/config edited\n"
    assert here.path("configmap/config", ".data.color") == "blue"
    assert "no changes made" in with_editor.try_kubectl("edit", "configmap", "config").stderr
    found = here.get("configmap", "config")
    found["data"] = {"other": "x"}
    stale = json.dumps({**found, "data": {"late": "y"}})
    assert here.kubectl("replace", "-f", "-", text=json.dumps(found)) == "configmap/config replaced\n"
    assert "the object has been modified; please apply your changes to the latest version" in here.fails(
        "replace", "-f", "-", text=stale)
    assert here.get("configmap", "config")["data"] == {"other": "x"}
    here.apply(pod("web"))
    uid = here.path("pod/web", ".metadata.uid")
    changed = {"apiVersion": "v1", **pod("web", container("exec sleep 2000"))}
    assert "Forbidden: pod updates may not change fields other than" in here.fails(
        "replace", "-f", "-", text=json.dumps(changed))
    assert "replaced" in here.kubectl("replace", "--force", "-f", "-", text=json.dumps(changed))
    assert here.path("pod/web", ".metadata.uid") != uid


def test_patches(here: Within) -> None:
    here.kubectl("create", "deployment", "web", f"--image={IMAGE}", "--replicas=0")
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": IMAGE}]}}}}
    here.kubectl("patch", "deployment", "web", "-p", json.dumps(side))
    assert here.path("deployment/web", ".spec.template.spec.containers[*].name") == "side hello"
    here.kubectl("patch", "deployment", "web", "--type=json", "-p",
                 '[{"op": "remove", "path": "/spec/template/spec/containers/0"},'
                 ' {"op": "add", "path": "/metadata/labels/added", "value": "yes"}]')
    assert here.path("deployment/web", ".spec.template.spec.containers[*].name") == "hello"
    here.kubectl("patch", "deployment", "web", "--type=merge", "-p",
                 '{"metadata": {"labels": {"added": null, "merged": "1"}}}')
    assert here.get("deployment", "web")["metadata"]["labels"] == {"app": "web", "merged": "1"}
    assert "(no change)" in here.kubectl("patch", "deployment", "web", "-p", '{"spec": {"replicas": 0}}')
    assert "field is immutable" in here.fails("patch", "deployment", "web", "-p",
                                              '{"spec": {"selector": {"matchLabels": {"x": "y"}}}}')


def test_label_and_annotate(here: Within) -> None:
    here.kubectl("create", "configmap", "config")
    here.kubectl("label", "configmap", "config", "a=1", "b=2")
    assert "--overwrite is false" in here.fails("label", "configmap", "config", "a=2")
    here.kubectl("label", "--overwrite", "configmap", "config", "a=2", "b-")
    here.kubectl("annotate", "configmap", "config", "note=some words")
    metadata = here.get("configmap", "config")["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"a": "2"}, {"note": "some words"})
    assert "a valid label must be" in here.fails("label", "configmap", "config", "c=not valid")
    here.kubectl("label", "configmaps", "--all", "seen=yes")
    assert here.path("configmap/config", ".metadata.labels.seen") == "yes"


def test_run_expose_and_scale(here: Within) -> None:
    assert here.kubectl("run", "web", f"--image={IMAGE}", "--port=8080", "--labels=app=web,who=me", "--env=A=b") \
        == "pod/web created\n"
    here.until_ready("web")
    found = here.get("pod", "web")
    assert found["metadata"]["labels"] == {"app": "web", "who": "me"}
    assert (found["spec"]["restartPolicy"], found["spec"]["dnsPolicy"]) == ("Always", "ClusterFirst")
    assert here.kubectl("expose", "pod", "web", "--port=80", "--target-port=8080") == "service/web exposed\n"
    until(lambda: here.path("endpoints/web", ".subsets[0].addresses[0].ip"), 5, "no endpoint")
    here.kubectl("patch", "service", "web", "-p", '{"spec": {"type": "NodePort"}}')
    assert int(here.path("service/web", ".spec.ports[0].nodePort")) >= 30000
    here.kubectl("patch", "service", "web", "-p", '{"spec": {"type": "ClusterIP"}}')
    assert here.path("service/web", ".spec.ports[0].nodePort") == ""
    here.kubectl("create", "deployment", "many", f"--image={IMAGE}", "--port=8080")
    here.kubectl("expose", "deployment", "many", "--type=NodePort", "--name=doors")
    assert here.get("service", "doors")["spec"]["selector"] == {"app": "many"}
    assert here.kubectl("scale", "deployment/many", "--replicas=3") == "deployment.apps/many scaled\n"
    here.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/many", "--timeout=30s")
    here.kubectl("wait", "--for=condition=Available", "deployment/many", "--timeout=5s")
    assert "the condition" in here.try_kubectl("scale", "deployment/many", "--current-replicas=1",
                                               "--replicas=2").stderr.lower() \
        or here.path("deployment/many", ".spec.replicas") == "3"
    here.kubectl("scale", "deployment/many", "--replicas=0")
    until(lambda: here.kubectl("get", "pods", "-l", "app=many", "-o", "name") == "", 40, "pods are left")


def test_run_prints_what_a_command_prints(here: Within) -> None:
    result = here.kubectl("run", "once", f"--image={IMAGE}", "--restart=Never", "--command", "--", "echo", "hello")
    assert result == "pod/once created\n"
    here.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/once", "--timeout=20s")
    assert here.kubectl("logs", "once") == "hello\n"


def test_delete(here: Within) -> None:
    polite = container("trap 'sleep 1; exit 0' TERM; while true; do sleep 0.1; done")
    here.apply(*(pod(name, polite, labels={"group": group}, terminationGracePeriodSeconds=5)
                 for name, group in (("a", "1"), ("b", "1"), ("c", "2"), ("d", "2"))))
    here.until_ready("a", "b", "c", "d")
    assert here.kubectl("delete", "pod", "a").startswith('pod "a" deleted')
    assert "not found" in here.fails("get", "pod", "a")
    here.kubectl("delete", "pods", "-l", "group=1", "--wait=false")
    assert here.shown("b") == "Terminating"
    here.kubectl("wait", "--for=delete", "pod/b", "--timeout=10s")
    here.kubectl("delete", "pods", "--all", "--now")
    assert here.kubectl("get", "pods", "-o", "name") == ""
    assert "not found" in here.fails("delete", "pod", "a")
    assert here.kubectl("delete", "pod", "a", "--ignore-not-found") == ""


def test_delete_a_deployment_in_all_three_ways(here: Within) -> None:
    def made(name: str) -> None:
        here.kubectl("create", "deployment", name, f"--image={IMAGE}")
        here.kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")

    made("orphaned")
    here.kubectl("delete", "deployment", "orphaned", "--cascade=orphan")
    assert "replicaset.apps/orphaned-" in here.kubectl("get", "rs", "-o", "name")
    here.kubectl("delete", "rs", "--all")
    made("front")
    here.kubectl("delete", "deployment", "front", "--cascade=foreground", "--timeout=60s")
    assert here.kubectl("get", "rs,pods", "-l", "app=front", "-o", "name") == ""
    made("back")
    here.kubectl("delete", "deployment", "back")
    until(lambda: here.kubectl("get", "rs,pods", "-o", "name") == "", 40, "something is left")


def test_a_namespace_goes_with_all_that_is_in_it(rack: Rack) -> None:
    rack.kubectl("create", "namespace", "brief")
    here = Within(rack, "brief")
    here.apply(pod("web"), config(a="1"))
    here.until_ready("web")
    assert rack.kubectl("delete", "namespace", "brief", timeout=40) == 'namespace "brief" deleted\n'
    assert 'namespaces "brief" not found' in rack.try_kubectl("get", "namespace", "brief").stderr
    assert "not found" in here.fails("create", "configmap", "late")


def test_wait_sees_what_comes_later(here: Within) -> None:
    here.apply(pod("late", container("until test -e /go; do sleep 0.1; done; touch /up; exec sleep 1000",
                                     readinessProbe={"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 1})))
    here.until_shown("late", "Running")
    assert "timed out waiting for the condition on pods/late" in here.fails(
        "wait", "--for=condition=Ready", "pod/late", "--timeout=1s")
    results: list[str] = []
    waiter = threading.Thread(target=lambda: results.append(here.kubectl(
        "wait", "--for=condition=Ready", "pod/late", "--timeout=20s")))
    waiter.start()
    here.sh("late", "touch /go")
    waiter.join(20)
    assert results == ["pod/late condition met\n"]
