"""Static pods: files in a folder of a node, the pods that run from them, and what the API shows of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NAME, Rack, is_ready, until
from tests.e2e.within import Within, container

NODE = "node-2"
FOLDER = Path(f"/var/lib/{NAME}-lab/machines/{NODE}/etc/manifests")


def manifest(namespace: str, name: str = "web", script: str = "echo begun; exec sleep 1000", **spec: Any) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "Pod",
                       "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
                       "spec": {"terminationGracePeriodSeconds": 0, "containers": [container(script)], **spec}})


def put(name: str, text: str) -> None:
    fresh = FOLDER / ".new"
    fresh.write_text(text)
    fresh.replace(FOLDER / name)


@pytest.fixture
def here(rack: Rack, namespace: str) -> Iterator[Within]:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    within = Within(rack, namespace)
    yield within
    shutil.rmtree(FOLDER)
    until(lambda: not within.get("pods")["items"], 60, "static pods are left")


def shown(here: Within, name: str = f"web-{NODE}") -> dict[str, Any] | None:
    found = here.try_kubectl("get", "pod", name, "-o", "json")
    return json.loads(found.stdout) if found.returncode == 0 else None


def ready(here: Within, name: str = f"web-{NODE}", other_than: str = "") -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        pod = shown(here, name)
        return pod if pod and is_ready(pod) and pod["metadata"]["uid"] != other_than else None

    found: dict[str, Any] = until(look, 60, f"{name} is not ready: {shown(here, name)}")
    return found


def containers(rack: Rack) -> list[str]:
    """Return the containers on the node, as Podman shows them."""
    return rack.shell(NODE, "podman", "ps", "--format", "{{.Names}}").split()


def test_a_file_is_a_pod(rack: Rack, here: Within) -> None:
    volumes = [{"name": "disk", "emptyDir": {}}, {"name": "host", "hostPath": {"path": "/tmp"}}]
    mounts = [{"name": "disk", "mountPath": "/disk"}, {"name": "host", "mountPath": "/host"}]
    script = "touch /disk/x; ls /disk; test -d /host; exec sleep 1000"
    put("web.json", manifest(here.namespace, volumes=volumes, containers=[
        container(script, volumeMounts=mounts, resources={"requests": {"cpu": "150m"}})]))
    pod = ready(here)
    annotations, (owner,) = pod["metadata"]["annotations"], pod["metadata"]["ownerReferences"]
    assert annotations["kubernetes.io/config.source"] == "file"
    assert annotations["kubernetes.io/config.hash"] == annotations["kubernetes.io/config.mirror"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Node", NODE, True)
    assert pod["spec"]["nodeName"] == NODE
    assert not pod["spec"].get("serviceAccountName")
    assert pod["status"]["podIP"]
    assert here.kubectl("logs", f"web-{NODE}") == "x\n"
    assert here.sh(f"web-{NODE}", "ls /disk; hostname") == f"x\nweb-{NODE}\n"
    assert "Started" in here.reasons(f"web-{NODE}")
    described = rack.kubectl("describe", "node", NODE)
    (line,) = [line for line in described.splitlines() if here.namespace in line and f"web-{NODE}" in line]
    assert "150m" in line


def test_yaml_and_wrong_files(rack: Rack, here: Within) -> None:
    put("good.yaml", f"""# as people write it
apiVersion: v1
kind: Pod
metadata:
  name: good
  namespace: {here.namespace}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: localhost/hello:1.0
    command: [sleep, "1000"]
""")
    put("broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata: [")
    put("secret.json", manifest(here.namespace, "secret", volumes=[{"name": "v", "secret": {"secretName": "x"}}]))
    ready(here, f"good-{NODE}")

    def told() -> bool:
        said = rack.kubectl("get", "events", "-A", "--field-selector", f"involvedObject.name={NODE}", "-o", "json")
        messages = [each["message"] for each in json.loads(said)["items"] if each["reason"] == "InvalidStaticPod"]
        return any("broken.yaml" in each for each in messages) and any(
            each.endswith("a static pod may not refer to secrets: it runs without the API") for each in messages)

    until(told, 30, "nobody said what is wrong")
    assert shown(here, f"secret-{NODE}") is None


def test_a_changed_file_is_another_pod_and_a_removed_one_ends_it(rack: Rack, here: Within) -> None:
    put("web.json", manifest(here.namespace))
    first = ready(here)
    put("web.json", manifest(here.namespace, script="echo second; exec sleep 1000"))
    second = ready(here, other_than=first["metadata"]["uid"])
    assert second["metadata"]["annotations"] != first["metadata"]["annotations"]
    assert here.kubectl("logs", f"web-{NODE}") == "second\n"
    (FOLDER / "web.json").unlink()
    until(lambda: shown(here) is None, 30, "the mirror pod is still there")
    assert not [name for name in containers(rack) if here.namespace in name]


def test_deleting_the_mirror_pod_ends_nothing(rack: Rack, here: Within) -> None:
    put("web.json", manifest(here.namespace))
    first = ready(here)
    began = first["status"]["containerStatuses"][0]["containerID"]
    here.kubectl("delete", "pod", f"web-{NODE}")
    second = ready(here, other_than=first["metadata"]["uid"])
    assert second["status"]["containerStatuses"][0]["containerID"] == began
    here.kubectl("delete", "pod", f"web-{NODE}", "--force")
    assert ready(here, other_than=second["metadata"]["uid"])["status"]["containerStatuses"][0]["containerID"] == began


def test_a_node_that_boots_without_its_master_runs_them(rack: Rack, here: Within) -> None:
    put("web.json", manifest(here.namespace))
    ready(here)
    rack.lab("power", "off", "master")
    try:
        rack.lab("power", "off", NODE)
        rack.lab("power", "on", NODE)
        until(lambda: [name for name in containers(rack) if here.namespace in name], 90, "it does not run")
    finally:
        rack.lab("power", "on", "master")
    rack.until_back(NODE, 120)
    ready(here)


def test_a_restart_of_the_agent_leaves_it_alone(rack: Rack, here: Within) -> None:
    put("web.json", manifest(here.namespace))
    began = ready(here)["status"]["containerStatuses"][0]["containerID"]
    log = len(rack.log(NODE, "edge-agent"))
    rack.kill(NODE, "edge-agent")
    until(lambda: len(rack.log(NODE, "edge-agent")) > log, 30, "the agent does not come back")
    put("second.json", manifest(here.namespace, "second"))
    ready(here, f"second-{NODE}")
    assert ready(here)["status"]["containerStatuses"][0]["containerID"] == began
