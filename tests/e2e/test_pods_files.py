"""Environment and volumes of pods, as a program in them sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import NAME, Rack, until
from tests.e2e.within import Within, container, pod

CONFIG = {"kind": "ConfigMap", "metadata": {"name": "config"}, "data": {"color": "green", "size": "10"}}
SECRET = {"kind": "Secret", "metadata": {"name": "secret"}, "stringData": {"password": "s3cret"}}


@pytest.fixture
def here(rack: Rack, namespace: str) -> Within:
    return Within(rack, namespace)


def test_environment(here: Within) -> None:
    env = [
        {"name": "PLAIN", "value": "hello"},
        {"name": "MADE", "value": "$(PLAIN)-$(COLOR)-$$(PLAIN)-$(NONE)"},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "password"}}},
        {"name": "MAYBE", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "none", "optional": True}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    made = container("env; exec sleep 1000", env=[{"name": "COLOR", "value": "red"}, *env],
                     envFrom=[{"configMapRef": {"name": "config"}}, {"secretRef": {"name": "secret"}, "prefix": "P_"}],
                     resources={"limits": {"memory": "32Mi"}})
    here.apply(CONFIG, SECRET, pod("env", made))
    here.until_ready("env")
    seen = dict(line.split("=", 1) for line in here.kubectl("logs", "env").splitlines())
    found = here.get("pod", "env")
    wanted = {"PLAIN": "hello", "MADE": "hello-red-$(PLAIN)-$(NONE)", "SECRET": "s3cret", "POD": "env",
              "POD_IP": found["status"]["podIP"], "NODE": found["spec"]["nodeName"], "LABEL": "env", "LIMIT": "32",
              "color": "green", "size": "10", "P_password": "s3cret", "HOSTNAME": "env",
              "KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert {name: seen.get(name) for name in wanted} == wanted
    assert "MAYBE" not in seen


def test_command_and_arguments(here: Within) -> None:
    here.apply(pod("args", {**container(), "command": ["echo", "$(WHO)"], "args": ["and", "$(WHO)", "$$(WHO)"],
                            "env": [{"name": "WHO", "value": "you"}], "workingDir": "/bin"}, restartPolicy="Never"))
    here.until_shown("args", "Completed")
    assert here.kubectl("logs", "args") == "you and you $(WHO)\n"


def test_volumes(here: Within) -> None:
    volumes = [
        {"name": "disk", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "config", "configMap": {"name": "config", "items": [{"key": "color", "path": "deep/paint"}]}},
        {"name": "secret", "secret": {"secretName": "secret", "defaultMode": 0o400}},
        {"name": "host", "hostPath": {"path": "/tmp", "type": "Directory"}},
        {"name": "about", "downwardAPI": {"items": [{"path": "labels",
                                                     "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"name": "all", "projected": {"sources": [{"configMap": {"name": "config"}}, {"secret": {"name": "secret"}}]}},
        {"name": "none", "configMap": {"name": "not-there", "optional": True}},
    ]
    mounts = [{"name": each["name"], "mountPath": f"/v/{each['name']}"} for each in volumes]
    one = {"name": "config", "mountPath": "/etc/paint", "subPath": "deep/paint"}
    here.apply(CONFIG, SECRET, pod(
        "files", container(volumeMounts=[*mounts, one], name="a"),
        container(name="b", volumeMounts=[{"name": "disk", "mountPath": "/d", "readOnly": True}]), volumes=volumes))
    here.until_ready("files")
    assert here.sh("files", "cat /v/config/deep/paint /v/secret/password /v/all/color /v/all/size /etc/paint", "a") \
        == "greens3cretgreen10green"
    assert here.sh("files", "stat -L -c %a /v/secret/password; ls /v/none; cat /v/about/labels", "a") \
        == '400\napp="files"'
    here.sh("files", "echo shared > /v/disk/f; test -d /v/host", "a")
    assert here.sh("files", "cat /d/f; touch /d/g 2>/dev/null || echo read-only", "b") == "shared\nread-only\n"
    assert "tmpfs" in here.sh("files", "mount | grep ' /v/memory '", "a")
    assert "No space left" in here.sh("files", "dd if=/dev/zero of=/v/memory/f bs=64k count=32 2>&1 || true", "a")


def test_a_config_map_volume_follows_its_config_map(here: Within) -> None:
    mounts = [{"name": "config", "mountPath": "/config"}]
    here.apply(CONFIG, pod("live", container(volumeMounts=mounts),
                           volumes=[{"name": "config", "configMap": {"name": "config"}}]))
    here.until_ready("live")
    assert here.sh("live", "cat /config/color") == "green"
    here.kubectl("patch", "configmap", "config", "-p", '{"data": {"color": "blue", "size": null, "new": "yes"}}')
    until(lambda: here.sh("live", "cat /config/color") == "blue", 15, "the volume keeps its old content")
    assert here.sh("live", "ls /config").split() == ["color", "new"]
    assert here.path("pod/live", ".status.containerStatuses[0].restartCount") == "0"


def test_a_missing_config_map_holds_the_container_until_it_is_there(here: Within) -> None:
    here.apply(pod("env", container(env=[{"name": "COLOR", "valueFrom": {
        "configMapKeyRef": {"name": "config", "key": "color"}}}])))
    here.apply(pod("volume", container(volumeMounts=[{"name": "config", "mountPath": "/config"}]),
                   volumes=[{"name": "config", "configMap": {"name": "config"}}]))
    here.until_shown("env", "CreateContainerConfigError")
    assert 'Error: configmap "config" not found' in here.kubectl("describe", "pod", "env")
    until(lambda: "FailedMount" in here.reasons("volume"), 10, "no event FailedMount")
    assert here.shown("volume") == "ContainerCreating"
    assert "waiting to start: CreateContainerConfigError" in here.fails("logs", "env")
    here.apply(CONFIG)
    here.until_ready("env", "volume", seconds=30)
    assert here.sh("env", "echo $COLOR") == "green\n"
    assert here.sh("volume", "cat /config/color") == "green"


def test_limits_are_set_and_kill(here: Within) -> None:
    here.apply(pod("limited", container(resources={"limits": {"memory": "32Mi", "cpu": "250m"}})))
    here.apply(pod("greedy", container("tail /dev/zero", resources={"limits": {"memory": "20Mi"}}),
                   restartPolicy="Never"))
    here.until_ready("limited")
    container_id = here.path("pod/limited", ".status.containerStatuses[0].containerID").removeprefix("podman://")
    # As the kernel has them, on both versions of cgroups; within the pod they show where it has a cgroup namespace.
    groups = [path for tree in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/cpu"))
              for path in tree.glob(f"{NAME}-lab/**/libpod-{container_id}")]
    limits = {name: (group / name).read_text().split()[0] for group in groups
              for name in ("memory.limit_in_bytes", "memory.max", "cpu.cfs_quota_us", "cpu.max")
              if (group / name).exists()}
    assert set(limits.values()) == {str(32 * 1024**2), "25000"}, limits
    assert here.path("pod/limited", ".status.qosClass") == "Guaranteed"
    until(lambda: here.path("pod/greedy", ".status.phase") == "Failed", 20, "the greedy pod is not killed")
    ended = here.get("pod", "greedy")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 137
    assert ended["reason"] in ("OOMKilled", "Error")  # Podman cannot tell on version 1 of cgroups
